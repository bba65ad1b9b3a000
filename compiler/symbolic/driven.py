"""Driven quantities: inputs, known functions of time, and numbers that are known for each trial.

A law holds an input u and its derivative as symbols of their own. Between two of its samples u is a
polynomial: with its derivatives u, u', u'', u''' at the begin s of the piece as constants, a step
inside the piece sees an explicit function of time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sympy as sp

from .histories import History

DEGREE = 3  # of a piece


@dataclass(frozen=True)
class DrivenQuantity:
    """`symbols`: of a number by trial itself; of an input u, u', u'', u''' and the begin of the
    piece."""

    name: str
    symbols: tuple[sp.Symbol, ...]

    @property
    def is_input(self) -> bool:
        return len(self.symbols) > 1

    def in_time(self, t: sp.Symbol) -> dict[sp.Expr, sp.Expr]:
        """The input and its derivatives inside a piece as polynomials in t."""
        if not self.is_input:
            return {}
        *derivatives, begin = self.symbols
        since = t - begin
        return {
            of: sp.Add(*(c * since**k / sp.factorial(k) for k, c in enumerate(derivatives[order:])))
            for order, of in enumerate(derivatives[:-1])
        }

    @property
    def rates(self) -> dict[sp.Symbol, sp.Symbol]:
        """The time derivatives of the input and of its derivative."""
        return dict(zip(self.symbols[:DEGREE], self.symbols[1:DEGREE], strict=False))


@dataclass(frozen=True)
class DrivenQuantities:
    """All of a study, with its time t. Of an integration inputs are `functions` of t themselves."""

    t: sp.Symbol
    each: tuple[DrivenQuantity, ...] = ()
    functions: Mapping[str, type[History]] = field(default_factory=dict)

    @property
    def symbols(self) -> tuple[sp.Symbol, ...]:
        return tuple(s for one in self.each for s in one.symbols)

    @property
    def by_name(self) -> dict[str, Any]:
        """What a name stands for."""
        functions = {name: of(self.t) for name, of in self.functions.items()}
        return {one.name: one.symbols[0] for one in self.each} | functions

    @property
    def rate_of(self) -> dict[str, Any]:
        """What the derivative of an input's name stands for."""
        functions = {n: of.rate(self.t) for n, of in self.functions.items() if of.rate is not None}
        return {one.name: one.symbols[1] for one in self.each if one.is_input} | functions

    def of_its_trial(self, each: Sequence[sp.Symbol]) -> sp.Expr:
        """The one of some numbers, one a trial, that is the trial's own."""
        marks = trial_marks(len(each))
        return sp.Add(*(self.by_name[mark] * c for mark, c in zip(marks, each, strict=True)))

    @property
    def clock(self) -> set[sp.Symbol]:
        """What changes with time whatever the motion: t, and inputs."""
        return {self.t, *(s for one in self.each if one.is_input for s in one.symbols)}

    def explicit_rate(self, expression: sp.Expr) -> sp.Expr:
        """The time derivative of an expression at rest: by t, and by inputs."""
        moved = [sp.diff(expression, self.t)]
        for one in self.each:
            moved += [sp.diff(expression, u) * rate for u, rate in one.rates.items()]
        return sp.Add(*moved)

    def in_time(self, expression: sp.Expr) -> sp.Expr:
        """An expression inside a piece, with t for what changes there."""
        pieces: dict[sp.Expr, sp.Expr] = {}
        for one in self.each:
            pieces |= one.in_time(self.t)
        return expression.subs(pieces, simultaneous=True) if pieces else expression


def trial_marks(trials: int) -> tuple[str, ...]:
    """Names of the numbers that are 1 in one trial and 0 in the others."""
    return tuple(f"trial {k}" for k in range(1, trials + 1))


def coefficients_by_trial(names: Iterable[str], trials: int) -> dict[str, tuple[sp.Symbol, ...]]:
    """Symbols of coefficients that each trial has of its own."""
    return {
        name: tuple(sp.Symbol(f"{name}[{k}]", real=True) for k in range(1, trials + 1))
        for name in names
    }


def driven_quantities(
    t: sp.Symbol, inputs: Iterable[str], by_trial: Iterable[str],
    functions: Mapping[str, type[History]] | None = None,
) -> DrivenQuantities:  # fmt: skip
    """Numbers by trial and inputs, by their names; inputs as `functions` of t where given."""
    if functions:
        return DrivenQuantities(t, functions=functions)
    each = [DrivenQuantity(name, (sp.Symbol(name, real=True),)) for name in by_trial]
    for name in inputs:
        spelled = [name + "'" * order for order in range(DEGREE + 1)] + [f"begin of {name}"]
        each.append(DrivenQuantity(name, tuple(sp.Symbol(s, real=True) for s in spelled)))
    return DrivenQuantities(t, tuple(each))
