"""Laws fitted to a table and judged by cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.genomes.batched_least_squares import (
    BatchedFit,
    FitData,
    FitOptions,
    FitProblem,
    NetworkBatch,
    fit_batch,
)
from actionrun.compiler.numerics.genomes.network import GenomeNetwork
from actionrun.compiler.pnn.genome import Layout

from .table import TableRows

AWAY = 0.2  # how far from the fit to all rows the fits of folds begin, relative
NEARER = 0.1  # of that: a second start, where units have constants
TOLERANCE = 1e-11  # of the sum of squares: what a further step promises to take off
BATCH = 256


@dataclass(frozen=True)
class LawFits:
    """Laws of one batch: weights (n, weights), with the mean square over the rows to learn from,
    `cost` (n,), the error (n, repeats) that each repeat of the folds gives, the root of the mean
    square over rows that the fold's fit had not seen, and these `squares` (n, rows to learn from),
    averaged over the repeats and weighed as in the fit; inf where a law cannot be fitted."""

    weights: np.ndarray
    cost: np.ndarray
    errors: np.ndarray
    squares: np.ndarray

    @property
    def error(self) -> np.ndarray:
        """The mean over repeats, (n,)."""
        return self.errors.mean(axis=1)


@dataclass(frozen=True)
class LawFitter:
    """Fits genomes of a layout to a table, from `starts` starting points each, in at most `steps`
    iterations."""

    layout: Layout
    rows: TableRows
    starts: int
    steps: int
    seed: int

    @cached_property
    def left_out(self) -> np.ndarray:
        """(folds, rows to learn from): what each fold predicts."""
        return self.rows.folds[:, self.rows.learn]

    @cached_property
    def data(self) -> FitData:
        """The rows to learn from; set 0 of their weights is all of them, then the folds'."""
        x, y = self.rows.inputs[self.rows.learn], self.rows.output[self.rows.learn]
        precision = self.rows.precision[self.rows.learn]
        roots = np.concatenate([np.ones((1, len(y))), 1.0 - self.left_out]) * precision
        scale = np.array([1 / self.rows.size])
        return FitData(*map(jnp.asarray, (x.T[:, :, None], y[None, :, None], scale, roots)))

    @cached_property
    def first(self) -> np.ndarray:
        """Starting values of every weight, (starts, weights): of either sign, about 1 over the size
        of the input that they multiply; the first start is all positive."""
        layout = self.layout
        sizes = np.ones(layout.weights)
        typical = np.median(np.abs(self.rows.inputs), axis=0)
        typical[typical == 0] = 1
        for unit in layout.net.neurons:
            for source, weight in zip(unit.sources, unit.weights, strict=True):
                if source < layout.inputs:
                    sizes[weight] = 1 / typical[source]
        drawn = np.random.default_rng([self.seed, 10**6])
        shape = (self.starts - 1, layout.weights)
        spread = np.exp(drawn.uniform(-1.5, 1.5, shape)) * drawn.choice([-1.0, 1.0], shape)
        return sizes * np.concatenate([np.ones((1, layout.weights)), spread])

    def fits(self, genomes: np.ndarray) -> LawFits:
        """Fits of genomes (n, genes): all rows from every start, then each fold from the best."""
        n, repeats = len(genomes), self.rows.repeats
        free = np.isnan(self.layout.fixed(genomes)).sum(axis=1)
        fewest = len(self.rows.learn) - int(self.left_out.sum(axis=1).max(initial=0))
        errors = np.full((n, repeats), np.inf)
        squares = np.full((n, len(self.rows.learn)), np.inf)
        weights, cost = self.whole(genomes)
        fitted = np.flatnonzero(np.isfinite(cost) & (free < fewest))
        if len(fitted):
            predicted = self.folded(genomes[fitted], weights[fitted])
            missed = np.where(self.left_out, predicted - self.rows.output[self.rows.learn], 0.0)
            missed = np.where(np.isfinite(missed), missed, np.inf)
            errors[fitted], squares[fitted] = self.rows.cross_validated(missed)
        return LawFits(weights, cost, errors, squares)

    def folded(self, genomes: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """The output on the rows to learn from, (n, folds, rows), by each fold's fit to the rows
        that it does not leave out, from near `weights` (n, weights); nan where there is no fit.

        Not from `weights` themselves: these have seen the rows left out, and a fit that is stuck
        would pass on what they know.
        """
        folds = len(self.left_out)
        draw = np.random.default_rng([self.seed, 10**6 + 1])
        moved = np.exp(AWAY * draw.normal(size=(folds, weights.shape[1])))
        sets = np.arange(1, folds + 1)
        parts = self._fit(genomes, weights[:, None] * moved, sets)
        fitted, cost = parts.weights, parts.cost
        if self.layout.hidden_bias:  # a pole that is moved so far may stand among the rows
            near = self._fit(genomes, weights[:, None] * moved**NEARER, sets)
            better = ~(cost <= near.cost)
            fitted = np.where(better[:, None], near.weights, fitted)
            cost = np.where(better, near.cost, cost)
        several = np.repeat(genomes, folds, axis=0)
        predicted = self.predicted(several, fitted, self.rows.learn)
        predicted[~np.isfinite(cost)] = np.nan
        return predicted.reshape(len(genomes), folds, -1)

    def whole(self, genomes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weights (n, weights) and mean square (n,) of fits to all rows to learn from."""
        n = len(genomes)
        starts = self.first[None] * self._exponents(genomes)[:, None]
        result = self._fit(genomes, starts, np.zeros(self.starts, int))
        costs = np.where(np.isfinite(result.cost), result.cost, np.inf).reshape(n, self.starts)
        best = np.argmin(costs, axis=1)
        weights = result.weights.reshape(n, self.starts, -1)[np.arange(n), best]
        scale = float(self.data.scales[0])
        return weights, costs[np.arange(n), best] / (len(self.rows.learn) * scale**2)

    def _exponents(self, genomes: np.ndarray) -> np.ndarray:
        """Factors of the first weights (n, weights): exponents are about 1, whatever they raise."""
        layout = self.layout
        factors = np.ones((len(genomes), layout.weights))
        if "power" not in layout.activations:
            return factors
        code = layout.activations.index("power")
        typical = np.median(np.abs(self.rows.inputs), axis=0)
        typical[typical == 0] = 1
        for unit in layout.net.neurons:
            raised = genomes[:, unit.activation] == code
            for source, weight in zip(unit.sources, unit.weights, strict=True):
                if source < layout.inputs:
                    factors[raised, weight] = typical[source]
        return factors

    def _fit(self, genomes: np.ndarray, starts: np.ndarray, sets: np.ndarray) -> BatchedFit:
        """Each genome from each of its starts (n, starts, weights), the k-th on set k of `sets`
        (starts,) of row weights."""
        n, each, _ = starts.shape
        several = np.repeat(genomes, each, axis=0)
        batch = NetworkBatch(
            several[:, : self.layout.units], self.layout.fixed(several),
            starts.reshape(n * each, -1), np.zeros(n * each, bool), np.tile(sets, n),
        )  # fmt: skip
        problem = FitProblem(self.layout.net, None, self.data)
        return fit_batch(problem, batch, FitOptions(self.steps, TOLERANCE))

    def predicted(
        self, genomes: np.ndarray, weights: np.ndarray, rows: Sequence[int] | np.ndarray
    ) -> np.ndarray:
        """The output (n, rows) of genomes (n, genes) with weights (n, weights)."""
        inputs = self.rows.inputs[np.asarray(rows)].T
        return network_values(self.layout, genomes, weights, inputs)

    def slopes(self, genome: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """How the output moves with the trained weights on the rows to learn from, (rows, free)."""
        codes, fixed = genome[: self.layout.units].astype(np.int32), self.layout.fixed(genome)
        given = codes, fixed != 0, weights, self.rows.inputs[self.rows.learn].T
        return np.asarray(_slopes(self.layout.net, *map(jnp.asarray, given)))[:, np.isnan(fixed)]


@eqx.filter_jit
def _batch(
    net: GenomeNetwork, codes: jax.Array, present: jax.Array, weights: jax.Array, inputs: jax.Array
):
    def one(codes, present, weights):
        return net.values(codes, present, weights, list(inputs), None)[0]

    return jax.vmap(one)(codes, present, weights)


@eqx.filter_jit
def _slopes(
    net: GenomeNetwork, codes: jax.Array, present: jax.Array, weights: jax.Array, inputs: jax.Array
):
    def output(w):
        return net.values(codes, present, w, list(inputs), None)[0]

    return jax.jacfwd(output)(weights)


def network_values(
    layout: Layout, genomes: np.ndarray, weights: np.ndarray, inputs: np.ndarray
) -> np.ndarray:
    """Outputs (n, rows) of genomes (n, genes) with weights (n, weights) for inputs (groups, rows).

    The batch has one size, so that a number does not depend on the others in it.
    """
    codes, present = genomes[:, : layout.units].astype(np.int32), layout.fixed(genomes) != 0
    values = np.empty((len(genomes), inputs.shape[1]))
    for start in range(0, len(genomes), BATCH):
        part = np.arange(start, start + BATCH) % len(genomes)
        given = _batch(
            layout.net, *map(jnp.asarray, (codes[part], present[part], weights[part], inputs))
        )
        kept = min(BATCH, len(genomes) - start)
        values[start : start + kept] = np.asarray(given)[:kept]
    return values
