"""Equations of motion for a reader: in symbols, and with numbers put in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import sympy as sp
from actionrun.compiler.findings import Equation

from .evaluation import expanded, is_zero
from .lagrangian_system import LagrangianSystem
from .many_body_sums import Derivative, Summand, moved, swapped
from .printing import (
    Rounded,
    exact_text,
    joined,
    latex,
    numeric,
    sums_latex,
    sums_text,
    text,
)
from .structure import equations_of_motion
from .vocabulary import ArgumentPlace, BodyIndex, Vocabulary

Sides = tuple[list[str], list[str]]  # terms as text and as LaTeX
Values = Mapping[str, tuple[float | None, float | None]]


def written_expression(
    name: str, sign: str, expression: sp.Expr, words: Vocabulary, doubled: bool = False
) -> Equation:
    """An expression in symbols, LaTeX with its `sign` on the left."""
    plain, exact = text(expression, words, doubled=doubled), exact_text(expression, words, doubled)
    formula = f"{sign} = {latex(expression, words, doubled=doubled)}"
    return Equation(name, formula, plain, exact="" if exact == plain else exact)


def written_relation(name: str, left: sp.Expr, right: sp.Expr, words: Vocabulary) -> Equation:
    """An equation of two sides in symbols."""
    plain = f"{text(left, words)} = {text(right, words)}"
    exact = f"{exact_text(left, words)} = {exact_text(right, words)}"
    formula = f"{latex(left, words)} = {latex(right, words)}"
    return Equation(name, formula, plain, exact="" if exact == plain else exact)


def symbolic_equations(system: LagrangianSystem, mark: str = "") -> tuple[Equation, ...]:
    """Lagrangian, nonconservative part, momenta, equations of motion and energy, in symbols; of
    many bodies those of one body i, whatever their number.

    `mark` is put behind each name, where equations with numbers stand beside them.
    """
    words, written = system.words, system.written
    equations = [_equation("Lagrangian", "L", system.lagrangian_terms, words, written)]
    if system.nonconservative_terms:
        terms = system.nonconservative_terms
        equations.append(_equation("Nonconservative part", "K", terms, words, written))
    for one, name in zip(system.holonomic, _constraint_names(system), strict=True):
        each = r",\quad \text{each } i" if one.each else ""
        shown = latex(one.expression, words) if one.each else sums_latex(one.parts, words)
        if system.body_count:
            equations.append(Equation(name, f"{shown} = 0{each}", one.where.text))
        else:
            equations.append(written_relation(name, one.expression, sp.Integer(0), words))
    for k in range(len(words.names)):
        equations += _motion_of_bodies(system, k) if system.body_count else []
    equations += [] if system.body_count else _motion(system)
    equations.append(_equation("Energy", "E", system.energy_terms, words, {}))
    return tuple(replace(equation, name=equation.name + mark) for equation in equations)


def _equation(
    name: str, sign: str, terms: Sequence[Summand], words: Vocabulary, written: Mapping[str, str]
) -> Equation:
    doubled = sign == "K"
    if words.body_count:
        plain = written.get(sign) or sums_text(terms, words, doubled)
        return Equation(name, f"{sign} = {sums_latex(terms, words, doubled)}", plain)
    expression = sp.Add(*(one.expression for one in terms))
    return written_expression(name, sign, expression, words, doubled)


def _motion(system: LagrangianSystem) -> list[Equation]:
    """Momenta and equations of motion of few coordinates."""
    words, equations = system.words, []
    for name, symbol, momentum in zip(words.names, words.q, system.momentum, strict=True):
        alone = system.n == 1
        title = "Momentum" if alone else f"Momentum of {name}"
        left = r"\pi" if alone else rf"\pi_{{{latex(symbol, words)}}}"
        equations.append(written_expression(title, left, momentum, words))
    for k, (left, right) in enumerate(equations_of_motion(system)):
        equations.append(written_relation(_motion_name(system, k), left, right, words))
    return equations


def _motion_name(system: LagrangianSystem, k: int) -> str:
    return "Equation of motion" if system.n == 1 else f"Motion of {system.words.names[k]}"


def _constraint_names(system: LagrangianSystem) -> list[str]:
    count = len(system.holonomic)
    return ["Constraint"] if count == 1 else [f"Constraint {k + 1}" for k in range(count)]


def _motion_of_bodies(system: LagrangianSystem, component: int) -> list[Equation]:
    """Momentum and equation of motion of a component of body i, and of bodies with more to them."""
    words = system.words
    coordinate, bracket, rest = words.names[component].partition("[")
    own = ArgumentPlace("v", component, BodyIndex("i", 0))
    name = f"{coordinate}[i]{bracket}{rest}"
    momenta, by_latex = _sides(system, system.momentum_terms, own)
    forces, forces_latex = _sides(system, system.force_terms, own._replace(what="q"))
    left = rf"\frac{{d}}{{dt}} \pi_{{{_name_index(component, words.names)}}}"
    if system.constraints:
        forces.append("force of constraint")
        forces_latex.append(r"\text{force of constraint}")
    equations = [
        Equation(
            f"Momentum of {name}",
            rf"\pi_{{{_name_index(component, words.names)}}} = {joined(by_latex)}",
            joined(momenta),
        ),
        Equation(f"Motion of {name}", f"{left} = {joined(forces_latex)}",
                 f"pi_{coordinate}[i]{bracket}{rest}' = {joined(forces)}"),
    ]  # fmt: skip
    alone: dict[int, tuple[list[str], list[str]]] = {}
    for _, at, e in system.force_terms:
        if at.of == component and not at.body.letter:
            plain, formulas = alone.setdefault(at.body.number, ([], []))
            plain.append(text(e, words))
            formulas.append(latex(e, words))
    for body in sorted(alone):
        short, formula = alone[body]
        equations.append(Equation(f"More force on body {body}", joined(formula), joined(short)))
    return equations


def _name_index(component: int, names: tuple[str, ...]) -> str:
    """The index of a momentum: i, or i and the component."""
    inside = names[component].partition("[")[2].rstrip("]")
    several = len({name.partition("[")[0] for name in names}) > 1
    first = names[component].partition("[")[0] + "," if several else ""
    return f"{first}i,{inside}" if inside else f"{first}i"


def _sides(system: LagrangianSystem, entries: Sequence[Derivative], own: ArgumentPlace) -> Sides:
    """What a body i with all its neighbours gets from each summand."""
    words = system.words
    near = sp.Integer(0)
    sides: Sides = ([], [])
    for part, at, e in entries:
        one = system.parts[part]
        if at.of != own.of or not at.body.letter:
            continue
        if one.domain == "bodies":
            near += moved(words, e, -at.body.number)
            continue
        if one.symmetric:
            over, formula = "j!=i", r"j \neq i"
        elif at.body.letter == "i":
            over, formula = "j>i", "j > i"
        else:
            over, formula = "j<i", "j < i"
            e = swapped(words, replace(one, expression=e))
        sides[0].append(f"sum({over}, {text(e, words)})")
        body = latex(e, words)
        body = rf"\left( {body} \right)" if isinstance(e, sp.Add) else body
        sides[1].append(rf"\sum_{{{formula}}} {body}")
    if near != 0:
        polynomial = near.is_polynomial(*(words.moving & near.free_symbols))
        near = expanded(near) if polynomial else near
        sides[0].insert(0, text(near, words))
        sides[1].insert(0, latex(near, words))
    return sides


def numeric_equations(
    system: LagrangianSystem,
    values: Values,
    covariance: np.ndarray | None = None,
    uncertain: Sequence[str] = (),
) -> tuple[Equation, ...]:
    """Lagrangian, nonconservative part and equations of motion with their numbers put in.

    `values` are the learned symbols (value, standard deviation), listed with each equation that
    holds them;
    `covariance` belongs to the symbols `uncertain`. Parameters take the study's own numbers.
    """
    words = system.words
    numbers = dict(system.values)
    numbers |= {words.constants[n]: v for n, (v, _) in values.items() if v is not None}
    symbols = [words.constants[name] for name in uncertain]

    def with_numbers(*sides: sp.Expr) -> list[tuple[sp.Expr, Rounded]]:
        return [numeric(side, words, numbers, covariance, symbols) for side in sides]

    def exact(*sides: sp.Expr, doubled: bool = False) -> str:
        shown = (numeric(side, words, numbers, exact=True)[0] for side in sides)
        return " = ".join(exact_text(side, words, doubled) for side in shown)

    def listed(*expressions: sp.Expr) -> Values:
        there = set[sp.Basic]().union(*(e.free_symbols for e in expressions))
        return {name: value for name, value in values.items() if words.constants[name] in there}

    equations = []
    for name, sign, expression in (
        ("Lagrangian", "L", system.lagrangian),
        ("Nonconservative part", "K", system.nonconservative),
    ):
        if expression is None:
            continue
        ((shown, rounded),) = with_numbers(expression)
        doubled = sign == "K"
        formula = f"{sign} = {latex(shown, words, rounded, doubled)}"
        plain = text(shown, words, rounded, doubled)
        said = exact(expression, doubled=doubled)
        equations.append(Equation(name, formula, plain, listed(expression), said))
    zero = sp.Integer(0)
    relations = [
        (name, phi, zero)
        for phi, name in zip(system.constraints, _constraint_names(system), strict=True)
    ]
    relations += [(_motion_name(system, k), *sides) for k, sides in enumerate(_monic(system))]
    for name, left, right in relations:
        (shown_left, by_left), (shown, by) = with_numbers(left, right)
        formula = f"{latex(shown_left, words, by_left)} = {latex(shown, words, by)}"
        plain = f"{text(shown_left, words, by_left)} = {text(shown, words, by)}"
        equations.append(Equation(name, formula, plain, listed(left, right), exact(left, right)))
    return tuple(equations)


def _monic(system: LagrangianSystem) -> list[tuple[sp.Expr, sp.Expr]]:
    """Equations of motion, divided by the factor of the acceleration where there is just one."""
    sides = []
    for k, (left, right) in enumerate(equations_of_motion(system)):
        factor = sp.diff(left, system.words.a[k])
        alone = is_zero(left - factor * system.words.a[k])
        if alone and not factor.free_symbols & {*system.words.q, *system.words.v}:
            monic = sp.Add(*(term / factor for term in sp.Add.make_args(right)))
            sides.append((system.words.a[k], monic))
        else:
            sides.append((left, right))
    return sides
