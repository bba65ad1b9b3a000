"""The equations of a problem as they are shown: in symbols, and with numbers put in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import sympy as sp
from actionrun.compiler.findings import Equation

from .lagrangian_system import LagrangianSystem
from .printing import Rounded, latex, numeric, text
from .structure import equations_of_motion

Values = Mapping[str, tuple[float | None, float | None]]


def symbolic_equations(problem: LagrangianSystem, mark: str = "") -> tuple[Equation, ...]:
    """Lagrangian, nonconservative part, momenta, equations of motion and energy, in symbols.

    `mark` is put behind each name, where equations with numbers stand beside them.
    """
    words = problem.words
    found = [_equation("Lagrangian", "L", problem.lagrangian, problem)]
    if problem.nonconservative is not None:
        found.append(_equation("Nonconservative part", "K", problem.nonconservative, problem))
    for k, phi in enumerate(problem.constraints, 1):
        name = "Constraint" if len(problem.constraints) == 1 else f"Constraint {k}"
        found.append(Equation(name, f"{latex(phi, words)} = 0", f"{text(phi, words)} = 0"))
    for k, name in enumerate(words.names):
        title = "Momentum" if problem.n == 1 else f"Momentum of {name}"
        left = _momentum_name(problem, k)
        momentum = problem.momentum[k]
        found.append(Equation(title, f"{left} = {latex(momentum, words)}", text(momentum, words)))
    for k, (left, right) in enumerate(equations_of_motion(problem)):
        title = "Equation of motion" if problem.n == 1 else f"Motion of {words.names[k]}"
        found.append(
            Equation(
                title,
                f"{latex(left, words)} = {latex(right, words)}",
                f"{text(left, words)} = {text(right, words)}",
            )
        )
    found.append(_equation("Energy", "E", problem.energy, problem))
    return tuple(replace(equation, name=equation.name + mark) for equation in found)


def numeric_equations(
    problem: LagrangianSystem,
    values: Values,
    covariance: np.ndarray | None = None,
    uncertain: Sequence[str] = (),
) -> tuple[Equation, ...]:
    """Lagrangian, nonconservative part and equations of motion with their numbers put in.

    `values` are the learned symbols (value, standard deviation), listed with each equation that
    holds them;
    `covariance` belongs to the symbols `uncertain`. Parameters take the study's own numbers.
    """
    words = problem.words
    numbers = dict(problem.values)
    numbers |= {words.constants[n]: v for n, (v, _) in values.items() if v is not None}
    symbols = [words.constants[name] for name in uncertain]

    def with_numbers(expression: sp.Expr) -> tuple[sp.Expr, Rounded]:
        return numeric(expression, words, numbers, covariance, symbols)

    def held(*expressions: sp.Expr) -> Values:
        there = set[sp.Basic]().union(*(e.free_symbols for e in expressions))
        return {name: value for name, value in values.items() if words.constants[name] in there}

    found = []
    for name, sign, expression in (
        ("Lagrangian", "L", problem.lagrangian),
        ("Nonconservative part", "K", problem.nonconservative),
    ):
        if expression is None:
            continue
        shown, rounded = with_numbers(expression)
        doubled = sign == "K"
        found.append(
            Equation(
                name,
                f"{sign} = {latex(shown, words, rounded, doubled)}",
                text(shown, words, rounded, doubled),
                held(expression),
            )
        )
    for k, phi in enumerate(problem.constraints, 1):
        shown, rounded = with_numbers(phi)
        found.append(
            Equation(
                "Constraint" if len(problem.constraints) == 1 else f"Constraint {k}",
                f"{latex(shown, words, rounded)} = 0",
                f"{text(shown, words, rounded)} = 0",
                held(phi),
            )
        )
    for k, (left, right) in enumerate(_monic(problem)):
        title = "Equation of motion" if problem.n == 1 else f"Motion of {words.names[k]}"
        (shown_left, by_left), (shown, by) = with_numbers(left), with_numbers(right)
        found.append(
            Equation(
                title,
                f"{latex(shown_left, words, by_left)} = {latex(shown, words, by)}",
                f"{text(shown_left, words, by_left)} = {text(shown, words, by)}",
                held(left, right),
            )
        )
    return tuple(found)


def _monic(problem: LagrangianSystem) -> list[tuple[sp.Expr, sp.Expr]]:
    """Equations of motion, divided by the factor of the acceleration where there is just one."""
    sides = []
    for k, (left, right) in enumerate(equations_of_motion(problem)):
        factor = sp.diff(left, problem.words.a[k])
        alone = sp.expand(left - factor * problem.words.a[k]) == 0
        if alone and not factor.free_symbols & {*problem.words.q, *problem.words.v}:
            monic = sp.Add(*(term / factor for term in sp.Add.make_args(right)))
            sides.append((problem.words.a[k], monic))
        else:
            sides.append((left, right))
    return sides


def _equation(name: str, sign: str, expression: sp.Expr, problem: LagrangianSystem) -> Equation:
    doubled = sign == "K"
    return Equation(
        name,
        f"{sign} = {latex(expression, problem.words, doubled=doubled)}",
        text(expression, problem.words, doubled=doubled),
    )


def _momentum_name(problem: LagrangianSystem, k: int) -> str:
    if problem.n == 1:
        return r"\pi"
    below = latex(problem.words.q[k], problem.words)
    return rf"\pi_{{{below}}}"
