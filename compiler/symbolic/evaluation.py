"""Numerical evaluation of expressions at many points at once, without compiling anything; and the
test whether an expression vanishes identically.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import reduce
from math import comb, prod

import numpy as np
import sympy as sp

from .histories import History, evaluated_history

MOST_TERMS = 400  # that multiplying out may leave
HUGE = 10**9

TABLE = {
    sp.sin: np.sin, sp.cos: np.cos, sp.tan: np.tan, sp.asin: np.arcsin, sp.acos: np.arccos,
    sp.atan: np.arctan, sp.atan2: np.arctan2, sp.sinh: np.sinh, sp.cosh: np.cosh,
    sp.tanh: np.tanh, sp.exp: np.exp, sp.log: np.log, sp.Abs: np.abs, sp.sign: np.sign,
    sp.Pow: lambda a, b: np.power(np.asarray(a, float), b),
    sp.Add: lambda *x: reduce(np.add, x), sp.Mul: lambda *x: reduce(np.multiply, x),
    sp.Min: lambda *x: reduce(np.minimum, x), sp.Max: lambda *x: reduce(np.maximum, x),
    sp.Heaviside: lambda x, *_: np.heaviside(x, 0.5),
    sp.DiracDelta: lambda x, *_: np.where(np.equal(x, 0), np.nan, 0.0),  # of a force with a jump
}  # fmt: skip


def numbers(
    expressions: Sequence[sp.Expr], at: Mapping[sp.Symbol, np.ndarray | float]
) -> np.ndarray:
    """Values (m, N) of m expressions at N points, given by an array (N,) or a number a symbol.

    NaN where an expression has no finite real value. Raises KeyError for a symbol without value.
    """
    size = max((np.size(x) for x in at.values()), default=1)
    known: dict[sp.Basic, np.ndarray | float] = dict(at)
    with np.errstate(all="ignore"):
        rows = [np.broadcast_to(array_value(e, known), (size,)) for e in expressions]
    values = np.array(rows, dtype=float).reshape(len(rows), size)
    return np.where(np.isfinite(values), values, np.nan)


def array_value(expression: sp.Basic, known: dict[sp.Basic, np.ndarray | float]):
    """An expression where its symbols are arrays that broadcast; `known` keeps the parts. Raises
    KeyError for a symbol without value."""
    if expression not in known:
        if expression.is_Number or expression.is_NumberSymbol:
            known[expression] = float(expression)
        elif expression.is_Symbol:
            raise KeyError(f"{expression} has no value")
        else:
            arguments = [array_value(a, known) for a in expression.args]
            if isinstance(expression, History):
                known[expression] = evaluated_history(expression.func, arguments[0], np)
            else:
                known[expression] = TABLE[expression.func](*arguments)
    return known[expression]


def term_count(expression: sp.Basic) -> int:
    """About how many terms multiplying out would leave, the arguments of functions included."""
    counts = [term_count(a) for a in expression.args]
    if isinstance(expression, sp.Add):
        return sum(counts)
    if isinstance(expression, sp.Mul):
        return min(prod(counts), HUGE)
    if isinstance(expression, sp.Pow):
        power = expression.exp
        if isinstance(power, sp.Integer) and counts[0] > 1:
            many = min(abs(int(power)), 1000)
            return min(comb(counts[0] + many - 1, many), HUGE)
    return max(counts, default=1)


def expanded(expression: sp.Expr) -> sp.Expr:
    """Multiplied out, if that leaves no more than MOST_TERMS: else as it is."""
    return sp.expand(expression) if term_count(expression) <= MOST_TERMS else expression


def is_zero(expression: sp.Expr) -> bool:
    """Whether an expression is zero when multiplied out, or, where that is too long, at points."""
    if term_count(expression) <= MOST_TERMS:
        return sp.expand(expression) == 0
    return _zero_at_points(expression)


def vanishes(expression: sp.Expr) -> bool:
    """Whether an expression is zero when multiplied out, or at points (where that cannot see it, or
    is too long)."""
    return expanded(expression) == 0 or _zero_at_points(expression)


def _zero_at_points(expression: sp.Expr) -> bool:
    """At three irrational ones, to twenty digits."""
    return all(abs(sp.N(expression.subs(at), 30)) < 1e-20 for at in points([expression]))


def depends(expression: sp.Expr, on: Collection[sp.Symbol]) -> bool:
    """Whether an expression depends on some symbols when multiplied out, or, where that is too
    long, at points."""
    mine = expression.free_symbols & set(on)
    if not mine:
        return False
    if term_count(expression) <= MOST_TERMS:
        return bool(sp.expand(expression).free_symbols & mine)
    symbols = sorted(expression.free_symbols, key=str)
    dice = np.random.default_rng(len(symbols))
    at = {s: dice.uniform(0.2, 1.1, 4) if s in mine else dice.uniform(0.2, 1.1) for s in symbols}
    values = numbers([expression], at)[0]
    spread = np.max(values) - np.min(values)
    return not spread <= 1e-9 * np.max(np.abs(values))


def null_space(matrix: np.ndarray, tolerance: float) -> np.ndarray:
    """Directions (k - rank, k) that a matrix (rows, k) maps to nothing: of singular values up to
    `tolerance` of the largest."""
    _, values, directions = np.linalg.svd(matrix, full_matrices=True)
    rank = int(np.sum(values > tolerance * values[0])) if values.any() else 0
    return directions[rank:]


def points(expressions: Sequence[sp.Expr]) -> list[dict[sp.Symbol, sp.Expr]]:
    """Three points at irrational numbers for the symbols of some expressions."""
    symbols = sorted(set[sp.Symbol]().union(*(e.free_symbols for e in expressions)), key=str)
    return [{s: sp.sqrt(k * shift + 2) / 3 for k, s in enumerate(symbols)} for shift in (1, 2, 3)]
