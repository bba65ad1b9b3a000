"""Rivals: named formulas of [compare], their free constants fitted as a law's are."""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import sympy as sp
from actionrun.compiler.errors import study_error
from actionrun.compiler.numerics.optimizers.levenberg_marquardt import levenberg_marquardt
from actionrun.compiler.symbolic.lowering import lowered
from actionrun.compiler.symbolic.vocabulary import symbol
from actionrun.spec.expressions.syntax_tree import Name, walk
from actionrun.spec.kinds.pnn import Pnn

from .formula import LawFormula, shortest_number
from .table import Groups, TableRows

STARTS = (1.0, -1.0, 1e-3, 1e3, 1e-6, 1e6)
STEPS, FOLD_STEPS = 200, 100


@dataclass(frozen=True)
class Baseline:
    """A rival with its fitted constants; `given` (n,) is the output that it says for every row."""

    name: str
    formula: LawFormula
    errors: np.ndarray
    squares: np.ndarray
    given: np.ndarray

    @property
    def error(self) -> float:
        return float(self.errors.mean())


def fitted_baselines(study: Pnn, groups: Groups, rows: TableRows) -> tuple[Baseline, ...]:
    """The rivals of a study, fitted to the rows to learn from and judged on the same folds as the
    laws. A rival is a formula for the column that the output is made of. Raises Faults."""
    return tuple(_fitted_baseline(study, name, groups, rows) for name in study.compare)


def _fitted_baseline(study: Pnn, name: str, groups: Groups, rows: TableRows) -> Baseline:
    given = study.compare[name]
    known = groups.words.constants
    unknown = [node.name for node in walk(given.tree) if isinstance(node, Name)]
    free = tuple(symbol(one) for one in dict.fromkeys(unknown) if _is_free(study, one, known))
    words = replace(groups.words, constants={**known, **{s.name: s for s in free}}, cache={})
    said = words.scalar(given)
    left = groups.output if groups.target is None else groups.target
    output = said if groups.target is None else groups.output.xreplace({groups.target: said})
    model = _Model(groups.in_columns(output), free, rows)
    learn = rows.learn
    everything = np.ones(len(learn), bool)
    values = model.fitted(everything, None)
    if values is None:
        raise study_error(
            study, given, "compare.fit", f"the constants of {name} cannot be fitted: its values "
            "are not finite for any start", "write it so that constants of about 1 make sense",
        )  # fmt: skip
    missed = np.full((len(rows.folds), len(learn)), np.nan)
    for fold, left_out in enumerate(rows.folds[:, learn]):
        own = model.fitted(~left_out, values)
        if own is not None:
            missed[fold] = np.where(left_out, model.output(own)[learn] - rows.output[learn], 0)
        else:
            missed[fold] = np.where(left_out, np.inf, 0)
    squares = np.square(missed).reshape(rows.repeats, -1, len(learn)).sum(axis=1)
    stds = model.stds(values)
    formula = LawFormula(
        left, said, free, tuple(map(float, values)), stds,
        tuple(shortest_number(v, s) for v, s in zip(values, stds, strict=True)),
        replace(groups, words=words),
    )  # fmt: skip
    return Baseline(
        name, formula, np.sqrt(squares.mean(axis=1)), squares.mean(axis=0), model.output(values)
    )


def _is_free(study: Pnn, name: str, known) -> bool:
    if name in known or name in ("pi", "t"):
        return False
    try:
        study.constant(name)
    except KeyError:
        return True
    return False


class _Model:
    """A formula for the output, with free constants, on a table."""

    def __init__(self, output: sp.Expr, free: tuple[sp.Symbol, ...], rows: TableRows):
        self.free, self.rows = free, rows
        self.function = lowered([output], [*map(symbol, rows.values), *free])
        self.linear = all(sp.diff(output, a, b) == 0 for a in free for b in free)

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
        y = self.rows.output[learn]
        if not count:
            return np.zeros(0) if np.all(np.isfinite(self.output(np.zeros(0)))) else None
        if self.linear:
            zero = self.output(np.zeros(count))[learn]
            matrix = self.slopes(np.zeros(count))[learn]
            if not np.all(np.isfinite(matrix)):
                return None
            size = np.sqrt(np.square(matrix[seen]).sum(axis=0))
            size[size == 0] = 1
            return np.linalg.lstsq(matrix[seen] / size, (y - zero)[seen], rcond=None)[0] / size
        weight = jnp.asarray(seen)
        target = jnp.asarray(y / y.std())

        def residual(x):  # (k, 1) to (rows, 1)
            given = self._output(x[:, 0])[learn] / y.std()
            return jnp.where(weight, given - target, 0)[:, None]

        limit = jnp.full((count, 1), jnp.inf)
        best, least = None, np.inf
        starts = [start] if start is not None else [np.full(count, one) for one in STARTS]
        for one in starts:
            steps = STEPS if start is None else FOLD_STEPS
            fit = levenberg_marquardt(
                residual, jnp.asarray(one)[:, None], -limit, limit, steps, 1e-10
            )
            cost = float(fit.cost[0])
            if cost < least:
                best, least = np.asarray(fit.x[:, 0]), cost
        return best

    def stds(self, values: np.ndarray) -> tuple[float | None, ...]:
        learn = self.rows.learn
        missed = self.output(values)[learn] - self.rows.output[learn]
        matrix = covariance(self.slopes(values)[learn], missed)
        return (None,) * len(values) if matrix is None else tuple(np.sqrt(np.diag(matrix)).tolist())


def covariance(slopes: np.ndarray, missed: np.ndarray) -> np.ndarray | None:
    """Of constants (k, k), from the Jacobian (rows, k) and the residuals (rows,) at the fit; None
    where the rows do not determine them."""
    rows, count = slopes.shape
    if not np.all(np.isfinite(slopes)) or rows <= count:
        return None
    size = np.sqrt(np.square(slopes).sum(axis=0))
    if np.any(size == 0):
        return None
    normal = (slopes / size).T @ (slopes / size)
    if count and np.linalg.cond(normal) > 1e12:
        return None
    variance = np.square(missed).sum() / (rows - count)
    return np.linalg.inv(normal) * variance / np.outer(size, size)
