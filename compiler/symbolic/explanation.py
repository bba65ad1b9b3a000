"""What a study of motion means beyond its equations: the doubled system and its symmetries."""

from __future__ import annotations

import sympy as sp
from actionrun.compiler.findings import Equation, Section
from actionrun.spec.kinds.family import Family
from actionrun.spec.kinds.ggl import Ggl

from .lagrangian_system import LagrangianSystem, lagrangian_system
from .noether import Symmetry, symmetries
from .printing import latex, text

LONG = 160  # operations of a doubled Lagrangian that are still worth reading


def meaning(study: Ggl | Family) -> tuple[Section, ...]:
    """The sections that every study of motion has."""
    symbolic = lagrangian_system(study)
    return _doubled(symbolic), _symmetries(symbolic)


def _doubled(problem: LagrangianSystem) -> Section:
    """Galley's doubled Lagrangian, and where it is short its form in q+ and q-."""
    part = " + K" if problem.nonconservative is not None else ""
    equations = [
        Equation(
            "Doubled Lagrangian",
            r"\Lambda = L(q_1, \dot{q}_1, t) - L(q_2, \dot{q}_2, t)"
            + (r" + K(q_{+}, \dot{q}_{+}, q_{-}, \dot{q}_{-}, t)" if part else ""),
            f"L(q1, q1', t) - L(q2, q2', t){part}",
        ),
        Equation(
            "Doubled coordinates",
            r"q_{+} = \tfrac{1}{2}(q_1 + q_2), \quad q_{-} = q_1 - q_2",
            "q_plus = (q1 + q2)/2, q_minus = q1 - q2",
        ),
    ]
    whole = _difference(problem)
    if whole is not None:
        words = problem.words
        equations.append(
            Equation(
                "Doubled Lagrangian in these",
                rf"\Lambda = {latex(whole, words, doubled=True)}",
                text(whole, words, doubled=True),
            )
        )
    return Section(
        "Doubled system",
        "The motion makes the action of the doubled Lagrangian stationary, in the limit in which "
        "both copies are one (Galley, Phys. Rev. Lett. 110, 174301, 2013).",
        tuple(equations),
    )


def _difference(problem: LagrangianSystem) -> sp.Expr | None:
    """L(q+ + q-/2) - L(q+ - q-/2) + K, multiplied out; None where it is too long to read."""
    words, law = problem.words, problem.lagrangian
    moving = {*words.q, *words.v}
    if sp.count_ops(law) > LONG or not law.is_polynomial(*moving):
        return None
    pairs = list(zip((*words.q, *words.v), (*words.minus, *words.minus_v), strict=True))
    first = law.xreplace({x: x + m / 2 for x, m in pairs})
    second = law.xreplace({x: x - m / 2 for x, m in pairs})
    whole = sp.expand(first - second) + (problem.nonconservative or 0)
    return whole if sp.count_ops(whole) <= LONG else None


def _symmetries(problem: LagrangianSystem) -> Section:
    found = symmetries(problem)
    if not found:
        return Section("Symmetries", "None was found: no charge is conserved.")
    return Section(
        "Symmetries",
        "What leaves the Lagrangian as it is, and the charge that belongs to it. "
        + (
            "All charges are conserved."
            if all(s.rate == 0 for s in found)
            else "K changes a charge at the rate that is given."
        ),
        tuple(equation for symmetry in found for equation in _charge(symmetry, problem)),
    )


def _charge(symmetry: Symmetry, problem: LagrangianSystem) -> list[Equation]:
    words, name = problem.words, symmetry.charge_name
    kept = " (conserved)" if symmetry.rate == 0 else ""
    charge, rate = symmetry.charge, symmetry.rate
    title = f"{symmetry.name[:1].upper()}{symmetry.name[1:]}: {name}{kept}"
    found = [Equation(title, f"Q = {latex(charge, words)}", text(charge, words))]
    if symmetry.rate != 0:
        found.append(
            Equation(f"Rate of the {name}", rf"\dot{{Q}} = {latex(rate, words)}", text(rate, words))
        )
    return found
