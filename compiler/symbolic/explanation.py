"""Explanation of a Lagrangian system beyond its equations: doubled system and symmetries."""

from __future__ import annotations

import sympy as sp
from actionrun.compiler.findings import Equation, Section

from .evaluation import expanded
from .lagrangian_system import LagrangianSystem
from .noether import Symmetry, charge_latex, charge_text, symmetries
from .printing import latex, text

LONG = 160  # operations of a doubled Lagrangian that are still worth reading


def mechanics_sections(system: LagrangianSystem) -> tuple[Section, ...]:
    """The sections that every study of motion has."""
    doubled = () if system.body_count else (_doubled(system),)
    return (*doubled, _symmetries(system))


def _doubled(system: LagrangianSystem) -> Section:
    """Galley's doubled Lagrangian, and where it is short its form in q+ and q-."""
    part = " + K" if system.nonconservative is not None else ""
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
    whole = _difference(system)
    if whole is not None:
        words = system.words
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


def _difference(system: LagrangianSystem) -> sp.Expr | None:
    """L(q+ + q-/2) - L(q+ - q-/2) + K, multiplied out; None where it is too long to read."""
    words, law = system.words, system.lagrangian
    moving = {*words.q, *words.v}
    if sp.count_ops(law) > LONG or not law.is_polynomial(*moving):
        return None
    pairs = list(zip((*words.q, *words.v), (*words.minus, *words.minus_v), strict=True))
    first = law.xreplace({x: x + m / 2 for x, m in pairs})
    second = law.xreplace({x: x - m / 2 for x, m in pairs})
    whole = expanded(first - second) + (system.nonconservative or 0)
    return whole if sp.count_ops(whole) <= LONG else None


def _symmetries(system: LagrangianSystem) -> Section:
    result = symmetries(system)
    if not result:
        return Section("Symmetries", "None was found: no charge is conserved.")
    what = "What leaves the Lagrangian as it is, and the charge that belongs to it."
    if not system.body_count:  # of bodies the rates through K are not known as formulas
        what += (
            " All charges are conserved."
            if all(s.rate == 0 for s in result)
            else " K changes a charge at the rate that is given."
        )
    return Section("Symmetries", what, tuple(e for one in result for e in _charge(one, system)))


def _charge(symmetry: Symmetry, system: LagrangianSystem) -> list[Equation]:
    words, name, rate = system.words, symmetry.charge_name, symmetry.rate
    kept = " (conserved)" if rate == 0 and not system.body_count else ""
    title = f"{symmetry.name[:1].upper()}{symmetry.name[1:]}: {name}{kept}"
    formula, short = charge_latex(system, symmetry), charge_text(system, symmetry)
    equations = [Equation(title, f"Q = {formula}", short)]
    if rate != 0:
        equations.append(
            Equation(f"Rate of the {name}", rf"\dot{{Q}} = {latex(rate, words)}", text(rate, words))
        )
    return equations
