"""Networks of a map study, fitted and scored: what the search asks for, a genome at a time or a
generation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.genomes.batched_adam import fit_batch_by_adam
from actionrun.compiler.numerics.genomes.batched_least_squares import (
    BatchedFit,
    FitData,
    FitOptions,
    FitProblem,
    NetworkBatch,
    fit_batch,
)
from actionrun.compiler.numerics.genomes.map_network import (
    FittedGenome,
    MapMetrics,
    MapNetwork,
    Rows,
)
from actionrun.compiler.numerics.genomes.network import ForceEvaluation
from actionrun.compiler.pnn.canonical_form import CanonicalForm
from actionrun.compiler.pnn.genome import Layout
from actionrun.compiler.pnn.row_choice import evenly_apart
from actionrun.compiler.pnn.settings import SearchSettings
from actionrun.spec.units.quantities import unit

from .data import MotionPairs, MovingSystem, StatePairs, joined
from .networks import MapNetworks

FITNESS_ROWS = 400
FINAL_ROWS = 4000  # that the front is fitted on when the search is over
FEW_ROWS = 100  # that the search fits on, at least
ROWS_A_WEIGHT = 5  # at least
SAMPLE = 16
PARTS = 10  # of the validation rows, which tell the standard error of a difference
BATCH = 32
BATCH_SIZE = 16  # of fits: networks of a generation differ much in how long they take
ABANDON_COST = 1e3  # a cost: leaving every state as it is costs about 2
FLOOR = 1e-12  # structure that holds to round-off


@dataclass(frozen=True)
class ScoredMaps:
    """Networks, row by row: simplest genomes, weights, complexity, error of the fit's own rows and
    of the validation rows (10 log10 of mean squares, summed over positions and velocities),
    structure (log10 of the worse defect)."""

    genomes: np.ndarray
    weights: np.ndarray
    complexity: np.ndarray
    error: np.ndarray
    structure: np.ndarray
    converged: np.ndarray


@dataclass(frozen=True)
class MapModel:
    """A map study, ready to fit and score genomes; `at_smaller_dt` computes its motions at dt
    divided by a number, None where they were measured."""

    settings: SearchSettings
    system: MovingSystem
    networks: MapNetworks
    motions: MotionPairs
    map: MapNetwork
    notes: tuple[str, ...]
    learned_force: bool
    at_smaller_dt: Callable[[int], MotionPairs] | None

    @property
    def layout(self) -> Layout:
        return self.networks.layout

    @property
    def plain(self) -> bool:
        """Whether the inputs are the state itself."""
        return self.networks.order is not None

    @cached_property
    def canonical_form(self) -> CanonicalForm:
        return CanonicalForm(self.layout)

    @cached_property
    def train(self) -> StatePairs:
        return joined(self.motions.train)

    @cached_property
    def validation(self) -> StatePairs:
        return joined(self.motions.validation)

    @cached_property
    def test(self) -> StatePairs:
        return joined(self.motions.test) if self.motions.test else self.validation

    @property
    def length_unit(self) -> str:
        """The unit in which errors of positions are given."""
        return "pm" if self.units[2] else self.system.length_unit

    @cached_property
    def spread(self) -> tuple[float, float]:
        """Standard deviations of the increments of positions and of velocities: without this scale
        the fit does not see the change of a position beside the position. 1 where nothing ever
        changes."""
        rows, real = self.train, self.system.real
        q = float((rows.next_q - rows.q)[:, real].std())
        v = float((rows.next_v - rows.v)[:, real].std())
        return q if q > 0 else 1.0, v if v > 0 else 1.0

    @cached_property
    def units(self) -> tuple[float, float, str]:
        """How many pm and pm/fs the study's units of position and velocity are, and their names;
        1 where the coordinates are no lengths."""
        labels = self.system.length_unit, self.system.time_unit
        if not all(labels) or unit(labels[0]).dimension != unit("pm").dimension:
            return 1.0, 1.0, ""
        length = float(unit(labels[0]).factor / unit("pm").factor)
        return length, length / float(unit(labels[1]).factor / unit("fs").factor), "pm, fs"

    def data(self, rows: StatePairs, sets: np.ndarray | None = None) -> FitData:
        """Rows for the fit."""
        inputs = self.map.reader(jnp.asarray(rows.q), jnp.asarray(rows.v))
        after = np.concatenate([rows.next_q, rows.next_v], axis=1)
        width, half = self.system.width, self.system.count
        parts = [after[:, k * width : (k + 1) * width] for k in self.map.places]
        scales = np.array([1 / self.spread[k >= half] for k in self.map.places])
        roots = np.ones((1, len(rows))) if sets is None else sets
        return FitData(
            jnp.stack(inputs), jnp.asarray(np.stack(parts)),
            jnp.asarray(scales / np.sqrt(len(rows) * width)), jnp.asarray(roots),
        )  # fmt: skip

    @cached_property
    def fitness(self) -> tuple[FitData, StatePairs]:
        """The few rows that the search fits, and those that it scores."""
        few = max(FEW_ROWS, ROWS_A_WEIGHT * self.layout.weights)
        return self.data(thinned(self.train, few)), thinned(self.validation)

    @cached_property
    def sample(self) -> tuple[np.ndarray, np.ndarray]:
        rows = self.validation[np.linspace(0, len(self.validation) - 1, SAMPLE).astype(int)]
        return rows.q, rows.v

    @cached_property
    def spreads(self) -> np.ndarray:
        """Random factors of the first weights of each start, (starts, weights)."""
        settings = self.settings
        random = np.random.default_rng([settings.seed, 8])
        return 1 + 0.5 * random.standard_normal((settings.starts, self.layout.weights))

    def starts(self, genomes: np.ndarray) -> np.ndarray:
        """First weights (starts, n, weights): a unit's weights share about 1, velocities count by
        what they move in dt and forces by what they move in dt^2, so that signals keep their
        size."""
        present = self.layout.fixed(genomes) != 0
        share = np.ones(present.shape)
        for neuron in self.layout.net.neurons:
            own = [w for w in neuron.weights if w >= 0]
            share[:, own] = 1 / np.maximum(present[:, own].sum(1, keepdims=True), 1)
        return share * self.sizes * self.spreads[:, None]

    @cached_property
    def sizes(self) -> np.ndarray:
        """What a weight is about, (weights,), where hidden units are positions."""
        dt = self.system.dt
        sizes, net = np.ones(self.layout.weights), self.layout.net
        source = np.ones(net.inputs + 1 + len(net.steps) + net.force_components)
        for place, part in enumerate(self.networks.order or ()):
            source[place] = dt if part >= self.system.count else 1.0
        place = net.inputs + net.bias
        for step in net.steps:
            count = len(step.arguments) if isinstance(step, ForceEvaluation) else 1
            if isinstance(step, ForceEvaluation):
                source[place : place + count] = dt**2 / self.system.mass[0, 0]
            for one in step.arguments if isinstance(step, ForceEvaluation) else (step,):
                for s, w in zip(one.sources, one.weights, strict=True):
                    sizes[w] = source[s] if w >= 0 else sizes[w]
            place += count
        for part, one in zip(self.map.places, net.outputs, strict=True):
            for s, w in zip(one.sources, one.weights, strict=True):
                sizes[w] = source[s] / (dt if part >= self.system.count else 1.0)
        return sizes

    def fit(
        self, genomes: np.ndarray, data: FitData, starts: np.ndarray, tolerance: float = 1e-7
    ) -> BatchedFit:
        """The best of several starts (starts, n, weights) for each genome."""
        layout, several = self.layout, len(starts)
        spec = genomes[:, : layout.units], layout.fixed(genomes), layout.linear(genomes)
        codes, fixed, linear = (np.concatenate([part] * several) for part in spec)
        batch = NetworkBatch(codes, fixed, starts.reshape(len(codes), -1), linear)
        problem, settings = FitProblem(layout.net, self.map.force, data), self.settings
        if settings.optimizer == "adam":
            result = fit_batch_by_adam(problem, batch, settings.iterations, settings.learning_rate)
        else:
            options = FitOptions(settings.iterations, tolerance, ABANDON_COST, BATCH_SIZE)
            result = fit_batch(problem, batch, options)
        cost = np.where(np.isfinite(result.cost), result.cost, np.inf).reshape(several, -1)
        best, lane = np.argmin(cost, axis=0), np.arange(len(genomes))
        shape = (several, len(genomes))
        return BatchedFit(
            result.weights.reshape(*shape, -1)[best, lane],
            cost[best, lane],
            result.converged.reshape(shape)[best, lane],
        )

    def metrics(self, genomes: np.ndarray, weights: np.ndarray, rows: StatePairs) -> MapMetrics:
        """Marks of fitted networks on rows, in batches of one size, and rows in parts of one: a
        program for all."""
        codes = genomes[:, : self.layout.units].astype(np.int32)
        present = self.layout.fixed(genomes) != 0
        q, v = self.sample
        sample = jnp.asarray(q), jnp.asarray(v)
        parts = [self._part(rows, first) for first in range(0, len(rows), FITNESS_ROWS)]
        batches = []
        for first in range(0, len(genomes), BATCH):
            block = np.arange(first, first + BATCH)
            block = np.where(block < len(genomes), block, first)
            genes = FittedGenome(codes[block], present[block], weights[block])
            several = [
                self.map.batch_metrics(genes, part, sample, jnp.asarray(self.spread))
                for part in parts
            ]
            shares = [np.sum([np.asarray(one[k]) for one in several], axis=0) for k in (0, 1)]
            both = (*shares, *map(np.asarray, several[0][2:]))
            batches.append([values[: len(genomes) - first] for values in both])
        return MapMetrics(*(np.concatenate(parts) for parts in zip(*batches, strict=True)))

    def _part(self, rows: StatePairs, first: int) -> Rows:
        """Rows from `first` on, always as many, and what each counts: by components without
        times, which are exact in the data."""
        place = np.arange(first, first + FITNESS_ROWS)
        share = self.system.width / self.system.components
        counts = np.where(place < len(rows), share / len(rows), 0.0)[:, None]
        part = rows[np.minimum(place, len(rows) - 1)]
        before = jnp.asarray(part.q), jnp.asarray(part.v)
        return *before, jnp.asarray(part.next_q), jnp.asarray(part.next_v), jnp.asarray(counts)

    @cached_property
    def parts(self) -> list[StatePairs]:
        """The validation rows in about ten parts, none of two motions: what tells how sure a
        difference of errors is."""
        motions = self.motions.validation
        each = max(1, round(PARTS / len(motions)))
        cuts = [np.array_split(np.arange(len(rows)), each) for rows in motions]
        return [
            thinned(rows[cut]) for rows, several in zip(motions, cuts, strict=True)
            for cut in several if len(cut)
        ]  # fmt: skip

    def part_errors(self, genomes: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Errors on each of the parts, (n, parts)."""
        return np.stack(
            [self.error(self.metrics(genomes, weights, part)) for part in self.parts], axis=1
        )

    def error(self, metrics: MapMetrics) -> np.ndarray:
        """10 log10(mse_x/pm^2) + 10 log10(mse_v/(pm/fs)^2), or in the study's own units."""
        length, speed, _ = self.units
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            x = 10 * np.log10(np.asarray(metrics.position) * length**2)
            v = 10 * np.log10(np.asarray(metrics.velocity) * speed**2)
        return np.where(np.isfinite(x + v), x + v, np.inf)

    def structure(self, metrics: MapMetrics) -> np.ndarray:
        """log10 of the worse defect; damped motion need not go back."""
        worse = np.asarray(metrics.volume)
        if not self.system.damped:
            worse = np.maximum(worse, np.asarray(metrics.reversal))
        with np.errstate(invalid="ignore"):
            defect = np.log10(np.maximum(worse, FLOOR))
        return np.where(np.isfinite(defect), defect, np.inf)

    def scored(self, genomes: np.ndarray, warm: np.ndarray | None = None) -> ScoredMaps:
        """Fit genomes (n, genes) on the fitness rows and score them; `warm` (n, weights): a start
        in place of all but the first."""
        data, rows = self.fitness
        starts = self.starts(genomes)
        if warm is not None:
            starts = np.concatenate([warm[None], starts[:1]])
        result = self.fit(genomes, data, starts)
        metrics = self.metrics(genomes, result.weights, rows)
        sound = np.isfinite(result.cost)
        return ScoredMaps(
            genomes,
            result.weights,
            self.layout.complexity(genomes),
            np.where(sound, self.error(metrics), np.inf),
            np.where(sound, self.structure(metrics), np.inf),
            result.converged,
        )


def thinned(rows: StatePairs, most: int = FITNESS_ROWS) -> StatePairs:
    """At most that many of them, evenly apart."""
    return rows[evenly_apart(len(rows), most)]
