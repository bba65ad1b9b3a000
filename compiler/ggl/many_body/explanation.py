"""The equations of many bodies as they are shown: those of one body i, whatever their number."""

from __future__ import annotations

import sympy as sp
from actionrun.compiler.findings import Equation, Section
from actionrun.compiler.ggl.supported import cost
from actionrun.compiler.symbolic.many_body_sums import Seat, Slot, moved, swapped
from actionrun.compiler.symbolic.many_body_system import BodyProblem
from actionrun.compiler.symbolic.printing_sums import joined, latex, sums_latex, sums_text, text
from actionrun.spec.kinds.ggl import Ggl

from .charges import charges, named

Sides = tuple[list[str], list[str]]  # terms as text and as LaTeX


def equations(study: Ggl, problem: BodyProblem) -> tuple[Equation, ...]:
    """Lagrangian, nonconservative part, momentum and motion of body i, energy, in symbols."""
    words, law = problem.words, study.system.lagrangian
    assert law is not None
    found = [Equation("Lagrangian", f"L = {sums_latex(problem.lagrangian, words)}", law.text)]
    if problem.nonconservative:
        assert study.system.nonconservative is not None
        found.append(
            Equation(
                "Nonconservative part",
                f"K = {sums_latex(problem.nonconservative, words, doubled=True)}",
                study.system.nonconservative.text,
            )
        )
    for k, held in enumerate(problem.constraints, 1):
        each = r",\quad \text{each } i" if held.each else ""
        shown = (
            latex(held.parts[0].expression, words) if held.each else sums_latex(held.parts, words)
        )
        name = "Constraint" if len(problem.constraints) == 1 else f"Constraint {k}"
        found.append(Equation(name, f"{shown} = 0{each}", held.where.text))
    for component in range(len(words.names)):
        found += _of(problem, component)
    energy = sums_latex(problem.energy, words)
    found.append(Equation("Energy", f"E = {energy}", sums_text(problem.energy, words)))
    return tuple(found)


def _of(problem: BodyProblem, component: int) -> list[Equation]:
    """Momentum and equation of motion of a component of body i, and of bodies with more to them."""
    words = problem.words
    coordinate, bracket, rest = words.names[component].partition("[")
    own = Seat("v", component, Slot("i", 0))
    name = f"{coordinate}[i]{bracket}{rest}"
    momenta, by_latex = _terms(problem, problem.momentum, own)
    pushes, pushes_latex = _terms(problem, problem.force, own._replace(what="q"))
    left = rf"\frac{{d}}{{dt}} \pi_{{{name_index(component, words.names)}}}"
    if problem.constraints:
        pushes.append("force of constraint")
        pushes_latex.append(r"\text{force of constraint}")
    found = [
        Equation(
            f"Momentum of {name}",
            rf"\pi_{{{name_index(component, words.names)}}} = {joined(by_latex)}",
            joined(momenta),
        ),
        Equation(f"Motion of {name}", f"{left} = {joined(pushes_latex)}",
                 f"pi_{coordinate}[i]{bracket}{rest}' = {joined(pushes)}"),
    ]  # fmt: skip
    alone: dict[int, tuple[list[str], list[str]]] = {}
    for _, seat, e in problem.force:
        if seat.of == component and not seat.slot.letter:
            words_, formulas = alone.setdefault(seat.slot.number, ([], []))
            words_.append(text(e, words))
            formulas.append(latex(e, words))
    for body in sorted(alone):
        short, formula = alone[body]
        found.append(Equation(f"More force on body {body}", joined(formula), joined(short)))
    return found


def name_index(component: int, names: tuple[str, ...]) -> str:
    """The index of a momentum: i, or i and the component."""
    inside = names[component].partition("[")[2].rstrip("]")
    several = len({name.partition("[")[0] for name in names}) > 1
    first = names[component].partition("[")[0] + "," if several else ""
    return f"{first}i,{inside}" if inside else f"{first}i"


def _terms(problem: BodyProblem, entries, own: Seat) -> Sides:
    """What a body i with all its neighbours gets from each summand."""
    words = problem.words
    near = sp.Integer(0)
    sides: Sides = ([], [])
    for place, seat, e in entries:
        one = problem.parts[place]
        if seat.of != own.of or not seat.slot.letter:
            continue
        if one.kind == "bodies":
            near += moved(words, e, -seat.slot.number)
            continue
        if one.symmetric:
            over, formula = "j!=i", r"j \neq i"
        elif seat.slot.letter == "i":
            over, formula = "j>i", "j > i"
        else:
            over, formula = "j<i", "j < i"
            e = swapped(words, type(one)("pairs", e, words.seats))
        sides[0].append(f"sum({over}, {text(e, words)})")
        body = latex(e, words)
        body = rf"\left( {body} \right)" if isinstance(e, sp.Add) else body
        sides[1].append(rf"\sum_{{{formula}}} {body}")
    if near != 0:
        polynomial = near.is_polynomial(*(words.moving & near.free_symbols))
        near = sp.expand(near) if polynomial else near
        sides[0].insert(0, text(near, words))
        sides[1].insert(0, latex(near, words))
    return sides


def sections(study: Ggl, problem: BodyProblem) -> tuple[Section, ...]:
    """What `explain` says of a study of bodies."""
    explicit = study.integrator.r == 0 and problem.positional
    explicit = explicit and study.integrator.time_transform is None and not problem.constraints
    how = "explicit" if explicit else "iterated to round-off"
    if problem.constraints:
        how += "; every node lies on the surface, and every velocity along it"
    how += cost(study)
    order, unit = 2 * study.integrator.r + 2, f" {study.unit('t')}".rstrip()
    transform = study.integrator.time_transform
    if transform is not None:
        unit = f" of a transformed time s, dt = ({transform.text}) ds"
    energy = "conserved" if problem.conservative else "not conserved"
    kept = [(charge, *named(problem, charge)) for charge in charges(problem)]
    return (
        Section(
            "System",
            f"{problem.count} bodies with the coordinates {', '.join(problem.words.names)} each. A "
            "sum runs over all i for which every body in it exists; the motion is that of a body "
            "with all its neighbours.",
            equations(study, problem),
        ),
        Section(
            "Integration",
            f"Galerkin-Gauss-Lobatto variational integrator, r = {study.integrator.r} interior "
            f"points, order {order}; {study.integrator.steps} steps of "
            f"{study.number(study.integrator.dt):.6g}{unit}; {how}. The energy is {energy}.",
        ),
        Section(
            "Symmetries",
            "What leaves the Lagrangian as it is, and the charge that belongs to it."
            if kept else "None was found: no charge is conserved.",
            tuple(
                Equation(f"{name[:1].upper()}{name[1:]}: {charge_name}", f"Q = {formula}", short)
                for _, name, charge_name, short, formula in kept
            ),
        ),
    )  # fmt: skip
