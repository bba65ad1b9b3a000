"""Discrete path sampling (Wales, Mol. Phys. 100, 3285, 2002): the lowest barrier between two
structures, by a graph of minima and saddles that grows from both. The lid is the energy of the
highest saddle of the best way so far, above which nothing need be kept (the lid method,
Sibani, van der Pas & Schön, Comput. Phys. Commun. 116, 17, 1999).

Each step is a batch of saddle searches. The first ones start from strings between the aligned
ends; later ones from minima that are reached below the lid, the top of the best verified way, from
either side in turn, and from lines between a minimum on one side and a near one on the other. What
the quick downhill quench says of a saddle is not believed where it matters: each saddle on a way
that would lower the lid is left by true steepest descent first.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.molecular.invariants import fingerprints
from actionrun.compiler.numerics.molecular.saddle_search import quench_both_sides
from actionrun.compiler.numerics.molecular.stationary_points import (
    StationaryPoint,
    stationary_point,
)
from actionrun.compiler.numerics.molecular.steepest_descent import DescentPath, descend_both_sides
from actionrun.compiler.numerics.molecular.superposition import Relabelling, identity
from actionrun.compiler.om.path_problem import PathProblem

from .endpoints import Endpoints
from .labelled_ways import LabelledWays, NoCopyError, copy_operations
from .parallel_tasks import LANES, SaddleDescent, SearchTasks, Sharing, Task
from .search_starts import bridging_pairs, search_origins
from .stationary_point_graph import (
    ALIKE,
    REFUSED,
    TOLERANCE,
    UNVERIFIED,
    VERIFIED,
    State,
    StationaryPointGraph,
    empty,
)

MANY = 5000  # searches from which batches have SHARES parts, that several processes can do
SHARES = 2
ROOM = 16384  # saddles below the lid that are kept, and twice as many minima
PAIRS = 10  # gaps across which strings are laid, for each part of a batch
LONG, SHORT = 400, 150  # steps of a string between the ends, across a gap
CREDIT = 3  # tries that a minimum is forgiven for a new saddle
STATIONARY = 1e-8  # largest component of the gradient of a stationary point on the best way


class SearchStarts(NamedTuple):
    """Places and directions (dim, N, B) of searches, sizes (B,) of the push away from a minimum,
    and that minimum (B,): 0 and -1 for the top of a string."""

    q: np.ndarray
    push: np.ndarray
    size: np.ndarray
    origin: np.ndarray


class SearchEnds(NamedTuple):
    """Where searches ended: places and modes (dim, N, B), energies (B,), fingerprints (B, 2), and
    the minima (B,) that they left, as in SearchStarts."""

    q: np.ndarray
    energy: np.ndarray
    mode: np.ndarray
    fingerprint: np.ndarray
    origin: np.ndarray


class PathwaySearch:
    """Discrete path sampling, as steps of the march."""

    def __init__(self, problem: PathProblem, ends: Endpoints):
        self.problem, self.ends = problem, ends
        refine = problem.settings.refine
        self.shares = SHARES if refine.searches >= MANY else 1
        self.batch = min(LANES, max(1, refine.searches))  # a small budget is no batch of many
        self.lanes = self.batch * self.shares
        self.total = -(-refine.searches // self.lanes)
        room = min(ROOM, refine.searches + 4)
        self.shape = ends.start.q.shape
        self.symmetry = ends.symmetry
        self.share: Sharing = lambda tasks: [self.parts.do(*task) for task in tasks]
        self.room = (2 * room + 4, room + 4, PAIRS * self.shares * self.total)

    @cached_property
    def parts(self) -> SearchTasks:
        ends = self.ends
        images = self.problem.settings.refine.images
        return SearchTasks(self.potential, self.symmetry, images, ends.length, self.stiffness)

    def part(self, name: str, arguments: tuple[Any, ...]) -> Any:
        """What a process does of a step: it depends on its arguments alone, to the last bit."""
        return self.parts.do(name, arguments)

    def shared(self, share: Sharing) -> None:
        """Let `share` do the parts, (name, arguments) each, in the order of the tasks."""
        self.share = share

    @property
    def potential(self):
        return self.ends.surface

    @property
    def scale(self) -> float:
        """The unit of energies."""
        return self.ends.scale

    @property
    def force(self) -> float:
        """The unit of gradients."""
        return self.scale / self.ends.length

    @property
    def stiffness(self) -> float:
        """The largest curvature at the ends."""
        return float(max(end.point.values[-1] for end in (self.ends.start, self.ends.end)))

    def start(self) -> State:
        names = ("searches", "converged", "new", "verified", "corrected", "refused")
        zeros = {name: np.zeros((), dtype=np.int64) for name in names}
        there = empty(self.shape, *self.room, labelled=self.ends.labelled)
        return {**there, **zeros, "lid": np.asarray(np.inf)}

    def copied(self, state: State) -> State:
        return {name: np.array(x) for name, x in state.items()}

    def graph(self, state: State) -> StationaryPointGraph:
        free = self.symmetry.motions is None  # then invariants tell all apart
        alike = None if free else self.alike
        if not self.ends.labelled:
            return StationaryPointGraph(state, self.scale, alike)
        listed = self.ends.listed
        ways = LabelledWays(
            self.symmetry, listed.inversion, listed.permutation,
            lambda m: state["minimum_q"][m], self._groups,
        )  # fmt: skip
        return StationaryPointGraph(state, self.scale, alike, ways, self._labels)

    def alike(self, a: np.ndarray, b: np.ndarray) -> bool:
        """Whether the energy does not tell two configurations apart."""
        return bool(self.symmetry.superpositions(a, b))

    @cached_property
    def _groups(self) -> dict[bytes, tuple[np.ndarray, np.ndarray]]:
        return {}

    @cached_property
    def _labels(self) -> tuple[tuple[int, Relabelling], tuple[int, Relabelling]]:
        """Start and end as copies of minima of the graph: the end may be one of the start's."""
        start, end, none = self.ends.start, self.ends.end, identity(self.shape[1])
        if abs(start.point.energy - end.point.energy) < TOLERANCE * self.scale:
            each = self.symmetry.superpositions(start.q, end.q)
            if each:
                return (0, none), (0, each[0])
        return (0, none), (1, none)

    def operations(self, graph: StationaryPointGraph, joins, q: np.ndarray) -> np.ndarray | None:
        """The operations (2, 1 + M) by which the known copies of two minima become q
        (dim, M, 2); None where copies are not told apart. Raises NoCopyError."""
        if not self.ends.labelled:
            return None
        return copy_operations(self.symmetry, graph.state["minimum_q"][[*joins]], q)

    def fingerprint(self, q: np.ndarray) -> np.ndarray:
        """Invariants (B, 2) of q (dim, N, B)."""
        return fingerprints(q, self.symmetry.kinds, self.symmetry.cell)

    # One step.

    def advance(self, state: State, step: int) -> tuple[dict[str, float], Any]:
        """One batch, in place; what to tell, and a row of history."""
        graph = self.graph(state)
        if step == 0:
            self._begin(graph)
        if self._open(state):
            draw = np.random.default_rng((self.problem.settings.seed, 11, step))
            self._search(graph, self._starts(graph, draw, step))
            self._lower(graph)
        lid = float(state["lid"])
        metrics = {"searches": float(state["searches"]), "minima": float(graph.minima),
                "saddles": float(graph.saddles)}  # fmt: skip
        if np.isfinite(lid):
            metrics["barrier"] = self.study_energy(lid - self.ends.start.point.energy)
        return metrics, {
            "searches": np.asarray(int(state["searches"])),
            "lid": np.asarray(self.study_energy(lid)),
        }

    def study_energy(self, energy: float) -> float:
        """An energy of the surface in the study's unit."""
        return energy * float(self.potential.energy_unit) * self.problem.settings.energy_unit.scale

    def _open(self, state: State) -> bool:
        """Whether the lid can still fall."""
        return float(state["lid"]) > self.ends.floor + TOLERANCE * self.scale

    def _begin(self, graph: StationaryPointGraph) -> None:
        """The ends; an end that is a saddle joins itself with the two minima below it."""
        for end in (self.ends.start, self.ends.end):
            k = graph.minima
            fingerprint = self.fingerprint(end.q[..., None])[0]
            s = graph.state
            s["minimum_q"][k], s["minimum_energy"][k] = end.q, end.point.energy
            s["minimum_fingerprint"][k] = fingerprint
            s["minima"] = s["minima"] + 1
        for k, end in enumerate((self.ends.start, self.ends.end)):
            if end.is_minimum:
                continue
            downs = descend_both_sides(self.potential, end.q, end.point.mode)
            for below, down in zip(self._below(graph, downs), downs, strict=True):
                fingerprint = self.fingerprint(end.q[..., None])[0]
                m = self._labels[k][0]
                if below < 0:
                    continue
                try:
                    q = np.stack([end.q, down.point.q], axis=2)
                    both = self.operations(graph, (m, below), q)
                except NoCopyError:
                    continue
                graph.saddle(end.q, end.point.energy, fingerprint, (m, below), VERIFIED, both)
        self._lower(graph)

    def _starts(
        self, graph: StationaryPointGraph, draw: np.random.Generator, step: int
    ) -> SearchStarts:
        dim, n = self.shape
        pairs = np.empty((0, 2), dtype=np.int64)
        if step:
            pairs = bridging_pairs(
                graph, self._bar(graph), PAIRS * self.shares, draw, self.symmetry.cell,
                places=self.symmetry.motions is not None,
            )  # fmt: skip
        place, way = self._tops(graph, pairs, draw, step)
        count, top = self.lanes, min(place.shape[2], self.lanes)
        origin = search_origins(graph, self._bar(graph), count, draw, pairs)
        origin[:top] = -1
        q = np.moveaxis(graph.state["minimum_q"][origin], 0, 2)
        push = draw.normal(size=(dim, n, count))
        size = np.where(origin >= 0, draw.uniform(0.5, 1.5, count), 0.0)
        q[..., :top], push[..., :top] = place[..., :top], way[..., :top]
        tries = graph.state["minimum_tries"]
        tries += np.bincount(origin[origin >= 0], minlength=len(tries))
        return SearchStarts(q, push, size, origin)

    def _tops(
        self, graph: StationaryPointGraph, pairs: np.ndarray, draw, step: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The tops of strings between the ends, or across gaps (dim, N, T)."""
        if step == 0:
            start = self.ends.start.q
            ends = np.stack([np.stack([start, one.q]) for one in self.ends.near])
            parts = np.array_split(ends, self.shares)
            tasks: list[Task] = [("tops", (part, LONG)) for part in parts if len(part)]
        else:
            seed = int(draw.integers(2**31))
            ends, again = graph.state["minimum_q"][pairs], graph.times(pairs) - 1
            cut = (np.array_split(x, self.shares) for x in (ends, again))
            parts = [part for part in zip(*cut, strict=True) if len(part[0])]
            tasks = [("between", (*part, SHORT, seed)) for part in parts]
        result = self.share(tasks)
        none = np.zeros((*self.shape, 0))
        places, ways = ([none, *(part[k] for part in result)] for k in (0, 1))
        return np.concatenate(places, axis=2), np.concatenate(ways, axis=2)

    @property
    def _margin(self) -> float:
        return TOLERANCE * self.scale

    def _bar(self, graph: StationaryPointGraph) -> float:
        return float(graph.state["lid"]) - self._margin

    def _search(self, graph: StationaryPointGraph, starts: SearchStarts) -> None:
        """A batch of searches; what is new below the lid enters the graph."""
        s, bar, cut = graph.state, self._bar(graph), self.shares
        s["searches"] = s["searches"] + self.lanes
        parts = zip(*(np.array_split(x, cut, axis=-1) for x in starts[:3]), strict=True)
        result = self.share([("searched", (*part, bar)) for part in parts])
        q, energy, settled, mode = (np.concatenate(x, axis=-1) for x in zip(*result, strict=True))
        s["converged"] = s["converged"] + int(np.sum(settled))
        ends = SearchEnds(q, energy, mode, self.fingerprint(q), starts.origin)
        fresh = self._unknown(graph, ends, settled & (energy < bar))
        for at in range(0, len(fresh), self.batch):
            self._add_saddles(graph, ends, fresh[at : at + self.batch])

    def _unknown(
        self, graph: StationaryPointGraph, ends: SearchEnds, wanted: np.ndarray
    ) -> list[int]:
        """Which saddles are not known yet, the first of each kind."""
        fresh: list[int] = []
        energy, fingerprint = ends.energy, ends.fingerprint
        for k in np.flatnonzero(wanted).tolist():
            if graph.known("saddle", ends.q[..., k], float(energy[k]), fingerprint[k]) >= 0:
                continue
            if not any(abs(energy[j] - energy[k]) < self._margin
                       and np.allclose(fingerprint[j], fingerprint[k], rtol=ALIKE)
                       and (graph.alike is None or graph.alike(ends.q[..., j], ends.q[..., k]))
                       for j in fresh):  # fmt: skip
                fresh.append(k)
        return fresh

    def _add_saddles(self, graph: StationaryPointGraph, ends: SearchEnds, fresh: list[int]) -> None:
        """Fresh saddles enter the graph with the minima on both their sides."""
        s, count = graph.state, len(fresh)
        # A batch has one size; what is stationary already costs nothing.
        tops = np.repeat(self.ends.start.q[..., None], self.batch, axis=2)
        pushes = np.zeros_like(tops)
        tops[..., :count], pushes[..., :count] = ends.q[..., fresh], ends.mode[..., fresh]
        joined, sides = [], []
        for settled in quench_both_sides(self.potential, jnp.asarray(tops), jnp.asarray(pushes)):
            q, level, fine = (np.asarray(x) for x in (settled.q, settled.energy, settled.converged))
            there = self.fingerprint(q)
            sides.append(q)
            joined.append([
                graph.minimum(q[..., k], float(level[k]), there[k]) if fine[k] else -1
                for k in range(count)
            ])  # fmt: skip
        for k, lane in enumerate(fresh):
            endpoints = (joined[0][k], joined[1][k])
            if min(endpoints) < 0:
                continue
            try:
                both = self.operations(graph, endpoints,
                                       np.stack([q[..., k] for q in sides], axis=2))  # fmt: skip
            except NoCopyError:
                continue
            graph.saddle(
                ends.q[..., lane], float(ends.energy[lane]), ends.fingerprint[lane], endpoints,
                UNVERIFIED, both,
            )  # fmt: skip
            s["new"] = s["new"] + 1
            if (m := int(ends.origin[lane])) >= 0:  # where something was found, there is more
                s["minimum_tries"][m] = max(0, s["minimum_tries"][m] - CREDIT)

    # The lid.

    def _lower(self, graph: StationaryPointGraph) -> None:
        """Verify the saddles of the best way until all hold; then the lid falls to its top."""
        s = graph.state
        while (way := graph.way()) is not None:
            top = float(np.max(graph.energies[way.saddles]))
            if not top < self._bar(graph):
                return
            doubted = [k for k in way.saddles if s["saddle_status"][k] != VERIFIED]
            if not doubted:
                s["lid"] = np.asarray(top)
                graph.prune(top, way)
                return
            left = self.share([("left", (s["saddle_q"][k],)) for k in doubted])
            for k, one in zip(doubted, left, strict=True):
                self._judge(graph, k, one)

    def _judge(self, graph: StationaryPointGraph, k: int, left: SaddleDescent | None) -> None:
        """Saddle k is what steepest descent from it says, or none."""
        s = graph.state
        if left is None:
            s["saddle_status"][k], s["refused"] = REFUSED, s["refused"] + 1
            return
        point = left.point
        moved = abs(point.energy - s["saddle_energy"][k])
        said = sorted(s["saddle_endpoints"][k].tolist())
        sound = point.negative == 1 and moved < 1e-5 * self.scale
        endpoints = self._below(graph, left.downs) if sound else [-1, -1]
        if min(endpoints) < 0:
            s["saddle_status"][k], s["refused"] = REFUSED, s["refused"] + 1
            return
        sides = np.stack([down.point.q for down in left.downs], axis=2)
        try:
            both = self.operations(graph, endpoints, sides)
        except NoCopyError:
            s["saddle_status"][k], s["refused"] = REFUSED, s["refused"] + 1
            return
        if both is not None:
            s["saddle_operations"][k] = both
        s["saddle_q"][k], s["saddle_energy"][k] = point.q, point.energy
        s["saddle_endpoints"][k], s["saddle_status"][k] = endpoints, VERIFIED
        s["verified"] = s["verified"] + 1
        s["corrected"] = s["corrected"] + int(sorted(endpoints) != said)

    def _below(
        self, graph: StationaryPointGraph, downs: tuple[DescentPath, DescentPath]
    ) -> list[int]:
        """The numbers of the minima below a saddle, -1 where descent did not end."""
        fingerprint = self.fingerprint(np.stack([down.point.q for down in downs], axis=2))
        return [
            graph.minimum(down.point.q, down.point.energy, mark) if down.converged else -1
            for down, mark in zip(downs, fingerprint, strict=True)
        ]

    def point(self, q: np.ndarray) -> StationaryPoint:
        return stationary_point(self.potential, q)
