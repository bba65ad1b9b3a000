"""A formula on the rows of a table: its constants by least squares, and the digits they need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
import sympy as sp
from actionrun.compiler.numerics.optimizers.levenberg_marquardt import Fit, levenberg_marquardt
from actionrun.compiler.symbolic.lowering import lowered
from actionrun.compiler.symbolic.vocabulary import symbol

from .formula import LawFormula
from .noise import NoiseModel
from .table import Groups, TableRows

STARTS = (1.0, -1.0, 1e-3, 1e3, 1e-6, 1e6)
STEPS, FOLD_STEPS = 200, 100
EXACT = 1e-6  # of the output's spread: an error below it is none
ROUNDED = 1.1  # times the error of a law, which its written numbers may have
MOST_DIGITS = 10  # beyond those that the deviations ask for


def on_table(
    groups: Groups, expression: sp.Expr, constants: Sequence[sp.Symbol], rows: TableRows
) -> TableFormula:
    """An expression of the target as a formula for the output."""
    output = expression
    if groups.target is not None:
        output = groups.output.xreplace({groups.target: expression})
    return TableFormula(groups.in_columns(output), tuple(constants), rows)


def with_enough_digits(formula: LawFormula, model: TableFormula) -> LawFormula:
    """The formula with so many digits that what is written errs at most 10 % more than what was
    fitted: where terms nearly cancel, two digits of each deviation are too few."""
    error = model.error(np.array(formula.values))
    most = ROUNDED * error + EXACT * model.rows.size
    for more in range(MOST_DIGITS):
        rounded = replace(formula, more_digits=more)
        if not np.isfinite(error) or model.error(rounded.rounded_values) <= most:
            return rounded
    return replace(formula, more_digits=MOST_DIGITS)


class TableFormula:
    """A formula for the output, with free constants, on a table."""

    def __init__(self, output: sp.Expr, free: tuple[sp.Symbol, ...], rows: TableRows):
        self.expression, self.free, self.rows = output, free, rows
        self.function = lowered([output], [*map(symbol, rows.values), *free])

    @cached_property
    def linear(self) -> bool:
        """Whether the output is linear in the constants."""
        return all(sp.diff(self.expression, a, b) == 0 for a in self.free for b in self.free)

    def output(self, values: np.ndarray) -> np.ndarray:
        """The output (n,) for constants (k,)."""
        return np.asarray(self._output(jnp.asarray(values)))

    def _output(self, values):
        columns = [jnp.asarray(column) for column in self.rows.values.values()]
        (value,) = self.function(*columns, *values)
        return jnp.broadcast_to(jnp.asarray(value, dtype=float), (len(self.rows.labels),))

    def slopes(self, values: np.ndarray) -> np.ndarray:
        """(n, k)"""
        return np.asarray(jax.jacfwd(self._output)(jnp.asarray(values)))

    def fitted(self, seen: np.ndarray, start: np.ndarray | None) -> np.ndarray | None:
        """Constants (k,) by least squares over the rows to learn from that are `seen`."""
        learn, count = self.rows.learn, len(self.free)
        y, exact = self.rows.output[learn], self.rows.precision[learn]
        if not count:
            return np.zeros(0) if np.all(np.isfinite(self.output(np.zeros(0)))) else None
        if self.linear:
            zero = self.output(np.zeros(count))[learn]
            matrix = self.slopes(np.zeros(count))[learn] * exact[:, None]
            if not np.all(np.isfinite(matrix)):
                return None
            size = np.sqrt(np.square(matrix[seen]).sum(axis=0))
            size[size == 0] = 1
            return (
                np.linalg.lstsq(matrix[seen] / size, ((y - zero) * exact)[seen], rcond=None)[0]
                / size
            )
        best, least = None, np.inf
        starts = [start] if start is not None else [np.full(count, one) for one in STARTS]
        steps = jnp.asarray(STEPS if start is None else FOLD_STEPS)
        for one in starts:
            fit = self._descent(jnp.asarray(one)[:, None], jnp.asarray(seen), steps)
            cost = float(fit.cost[0])
            if cost < least:
                best, least = np.asarray(fit.x[:, 0]), cost
        return best

    @cached_property
    def _descent(self) -> Callable[[jax.Array, jax.Array, jax.Array], Fit]:
        """Least squares from a start (k, 1) over the rows that are seen, in at most so many steps:
        one program for all starts and folds."""
        learn = self.rows.learn
        y, scale = self.rows.output[learn], self.rows.precision[learn] / self.rows.size

        def descent(start, seen, steps):
            def residual(x):  # (k, 1) to (rows, 1)
                return jnp.where(seen, (self._output(x[:, 0])[learn] - y) * scale, 0)[:, None]

            limit = jnp.full(start.shape, jnp.inf)
            return levenberg_marquardt(residual, start, -limit, limit, steps, 1e-10)

        return jax.jit(descent)

    def error(self, values: np.ndarray) -> float:
        """Root of the mean square over the rows to learn from."""
        learn = self.rows.learn
        missed = self.output(values)[learn] - self.rows.output[learn]
        return float(np.sqrt(np.square(missed).mean()))

    def stds(self, values: np.ndarray) -> tuple[float | None, ...]:
        learn = self.rows.learn
        missed = self.output(values)[learn] - self.rows.output[learn]
        matrix = covariance(self.slopes(values)[learn], missed, self.rows.noise, learn)
        return (None,) * len(values) if matrix is None else tuple(np.sqrt(np.diag(matrix)).tolist())


def covariance(
    slopes: np.ndarray, missed: np.ndarray, noise: NoiseModel, places: np.ndarray
) -> np.ndarray | None:
    """Of constants (k, k), from the Jacobian (rows, k) and the residuals (rows,) at the fit of the
    rows at `places`; None where they do not determine them."""
    slopes, missed = slopes / noise.spread[places, None], missed / noise.spread[places]
    rows, count = slopes.shape
    if not np.all(np.isfinite(slopes)) or rows <= count:
        return None
    size = np.sqrt(np.square(slopes).sum(axis=0))
    if np.any(size == 0):
        return None
    normal = (slopes / size).T @ (slopes / size)
    if count and np.linalg.cond(normal) > 1e12:
        return None
    variance = 1.0 if noise.absolute else np.square(missed).sum() / (rows - count)
    return np.linalg.inv(normal) * variance / np.outer(size, size)
