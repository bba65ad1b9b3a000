"""Numerical evaluation of expressions at many points at once, without compiling anything; and the
test whether an expression vanishes identically.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce

import numpy as np
import sympy as sp

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
        rows = [np.broadcast_to(_folded(e, known), (size,)) for e in expressions]
    values = np.array(rows, dtype=float).reshape(len(rows), size)
    return np.where(np.isfinite(values), values, np.nan)


def _folded(expression: sp.Basic, known: dict[sp.Basic, np.ndarray | float]):
    if expression not in known:
        if expression.is_Number or expression.is_NumberSymbol:
            known[expression] = float(expression)
        elif expression.is_Symbol:
            raise KeyError(f"{expression} has no value")
        else:
            arguments = [_folded(a, known) for a in expression.args]
            known[expression] = TABLE[expression.func](*arguments)
    return known[expression]


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


def vanishes(expression: sp.Expr) -> bool:
    """Whether an expression is zero at three irrational points (where expand cannot see it)."""
    return all(abs(sp.N(expression.subs(at), 30)) < 1e-20 for at in points([expression]))
