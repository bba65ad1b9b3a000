"""The lowest barrier between two structures, by a graph of minima and saddles that grows from both.

Each step is a batch of saddle searches. The first ones start from strings between the aligned
ends; later ones from minima that are reached below the lid, the top of the best verified way, from
either side in turn, and from lines between a minimum on one side and a near one on the other. What
the quick downhill quench says of a saddle is not believed where it matters: each saddle on a way
that would lower the lid is left by true steepest descent first (Wales, Mol. Phys. 100, 3285, 2002:
discrete path sampling).
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import jax.numpy as jnp
import numpy as np

from .modules.alignment import candidates
from .modules.identity import invariants
from .modules.stationary import Stationary, polished
from .modules.steepest import descents
from .modules.string_method import string
from .om_clusters_ends import Ends
from .om_clusters_graph import REFUSED, TOLERANCE, VERIFIED, Graph, State, empty
from .om_setting import Setting

LANES = 256  # searches of a batch
ROOM = 16384  # saddles below the lid that are kept, and twice as many minima
PAIRS = 16  # near pairs of minima of the two sides, from whose strings a batch starts first
SAMPLED = 500  # minima of a side among which they are looked for
LONG, SHORT = 400, 150  # steps of a string between the ends, between minima of the two sides
TURNS = 40  # rotations tried to lay one on the other
KICK = 0.45  # size of the push away from a minimum, in distances of neighbours a body
SPREAD = 1.2  # of the push around one body, in distances of neighbours
STATIONARY = 1e-8  # largest component of the gradient of a stationary point on the best way


class Hunt:
    """The search for the lowest barrier, as steps of the march."""

    def __init__(self, setting: Setting, ends: Ends):
        self.setting, self.ends = setting, ends
        refine = setting.study.refine
        self.batches = -(-refine.searches // LANES)
        self.total = self.batches
        dim, n = setting.bodies.shape
        room = min(ROOM, refine.searches + 4)
        self.shape, self.room = (dim, n), (2 * room + 4, room + 4)

    @property
    def landscape(self):
        return self.setting.bodies.landscape

    @property
    def free(self) -> bool:
        return self.landscape.external is None

    @cached_property
    def scale(self) -> float:
        """The unit of energies: that of the end a body."""
        n = self.shape[1]
        return max(abs(self.ends.end.point.energy), abs(self.ends.start.point.energy)) / n

    @property
    def force(self) -> float:
        """The unit of gradients."""
        return self.scale / self.ends.length

    @property
    def stiffness(self) -> float:
        """The largest curvature at the ends."""
        return float(max(end.point.values[-1] for end in (self.ends.start, self.ends.end)))

    @property
    def floor(self) -> float:
        """No way between the ends is lower than the higher one."""
        return max(self.ends.start.point.energy, self.ends.end.point.energy)

    def start(self) -> State:
        names = ("searches", "converged", "new", "verified", "corrected", "refused")
        zeros = {name: np.zeros((), dtype=np.int64) for name in names}
        return {**empty(self.shape, *self.room), **zeros, "lid": np.asarray(np.inf)}

    def copied(self, state: State) -> State:
        return {name: np.array(x) for name, x in state.items()}

    def graph(self, state: State) -> Graph:
        return Graph(state, self.scale)

    def marks(self, q: np.ndarray) -> np.ndarray:
        """Invariants (B, 2) of q (dim, N, B)."""
        return invariants(q, self._kinds, self.free)

    @cached_property
    def _kinds(self):
        names = list(dict.fromkeys(self.ends.species))
        return np.array([names.index(name) for name in self.ends.species])

    # One step.

    def advance(self, state: State, step: int) -> tuple[dict[str, float], Any]:
        """One batch, in place; what to tell, and a row of history."""
        graph = self.graph(state)
        if step == 0:
            self._begin(graph)
        if self._open(state):
            draw = np.random.default_rng((self.setting.study.seed, 11, step))
            q, push = self._starts(graph, draw, step)
            self._search(graph, q, push)
            self._lower(graph)
        lid = float(state["lid"])
        told = {"searches": float(state["searches"]), "minima": float(graph.minima),
                "saddles": float(graph.saddles)}  # fmt: skip
        if np.isfinite(lid):
            told["barrier"] = lid - self.ends.start.point.energy
        return told, {"searches": np.asarray(int(state["searches"])), "lid": np.asarray(lid)}

    def _open(self, state: State) -> bool:
        """Whether the lid can still fall."""
        return float(state["lid"]) > self.floor + TOLERANCE * self.scale

    def _begin(self, graph: Graph) -> None:
        """The ends; an end that is a saddle joins itself with the two minima below it."""
        for end in (self.ends.start, self.ends.end):
            k = graph.minima
            marks = self.marks(end.q[..., None])[0]
            s = graph.state
            s["minimum_q"][k], s["minimum_energy"][k] = end.q, end.point.energy
            s["minimum_marks"][k] = marks
            s["minima"] = s["minima"] + 1
        for k, end in enumerate((self.ends.start, self.ends.end)):
            if end.is_minimum:
                continue
            for below in self._descended(graph, end.q, end.point.mode):
                marks = self.marks(end.q[..., None])[0]
                graph.saddle(end.q, end.point.energy, marks, (k, below), VERIFIED)
        self._lower(graph)

    def _starts(self, graph: Graph, draw, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Places and directions (dim, N, LANES) of a batch."""
        sides = self._sides(graph)
        if step == 0:
            start = self.ends.start.q
            copies = [self._tops(start, one.q, LONG) for one in self.ends.aligned]
            found = [top for tops in copies for top in tops]
        else:
            found = self._between(graph, sides, draw)
        found = found[:LANES]
        found += self._kicked(graph, sides, draw, LANES - len(found))
        q, push = (np.stack(x, axis=2) for x in zip(*found, strict=True))
        return q, push

    def _sides(self, graph: Graph) -> tuple[np.ndarray, np.ndarray]:
        """Minima reached strictly below the lid from the start, and from the end."""
        lid = float(graph.state["lid"])
        bar = lid - TOLERANCE * self.scale if np.isfinite(lid) else np.inf
        levels = [graph.flood(k).level for k in (0, 1)]
        reached = [np.flatnonzero(level < bar) for level in levels]
        return reached[0], reached[1]

    def _kicked(self, graph: Graph, sides, draw, count: int) -> list:
        """Searches from minima of both sides in turn, the least tried first, each pushed about
        one of its bodies."""
        s, found = graph.state, []
        for k in range(count):
            side = sides[k % 2]
            tries = s["minimum_tries"][side] + draw.random(len(side))
            m = int(side[np.argmin(tries)])
            s["minimum_tries"][m] += 1
            q = s["minimum_q"][m]
            push = draw.normal(size=q.shape)
            if q.shape[1] > 1:
                centre = q[:, draw.integers(q.shape[1]), None]
                away = np.linalg.norm(q - centre, axis=0) / (SPREAD * self.ends.length)
                push = push * np.exp(-(away**2) / 2)
            push = push / np.linalg.norm(push)
            size = KICK * self.ends.length * draw.uniform(0.5, 2.0)
            found.append((q + size * push, push))
        return found

    def _between(self, graph: Graph, sides, draw) -> list:
        """Starts on strings between minima of the two sides that look alike, each in one pair."""
        s = graph.state
        # Half of each side, so that not the same pairs are nearest every time.
        one, other = (
            draw.permutation(side)[: min(SAMPLED, (len(side) + 1) // 2)] for side in sides
        )
        if not len(one) or not len(other):
            return []
        forms = [_form(s["minimum_q"][side]) for side in (one, other)]
        apart = _apart(*forms)
        found: list[tuple[np.ndarray, np.ndarray]] = []
        for _ in range(min(PAIRS, len(one), len(other))):
            a, b = divmod(int(np.argmin(apart)), len(other))
            apart[a], apart[:, b] = np.inf, np.inf
            q, p = s["minimum_q"][one[a]], s["minimum_q"][other[b]]
            near = candidates(q, p, self.ends.species, starts=TURNS, seed=int(draw.integers(2**31)),
                              turned=self.free)[0].q  # fmt: skip
            found += self._tops(q, near, SHORT)
        return found

    def _tops(self, q: np.ndarray, p: np.ndarray, steps: int) -> list:
        """The tops of a string from q to p, the highest first, and its direction there."""
        found = string(
            self.landscape, jnp.asarray(q), jnp.asarray(p), self.setting.study.refine.images,
            jnp.asarray(steps), jnp.asarray(1 / self.stiffness),
        )  # fmt: skip
        images, tangent, energy = (np.asarray(x) for x in (found.q, found.tangent, found.energy))
        tops = np.flatnonzero(np.asarray(found.top) & np.isfinite(energy))
        tops = tops[np.argsort(-energy[tops], kind="stable")]
        return [(images[..., k], tangent[..., k]) for k in tops.tolist()]

    def _search(self, graph: Graph, q: np.ndarray, push: np.ndarray) -> None:
        """A batch of searches; what is new below the lid enters the graph."""
        s = graph.state
        from .modules.saddles import saddles, sides

        s["searches"] = s["searches"] + q.shape[2]
        found = saddles(self.landscape, jnp.asarray(q), jnp.asarray(push))
        place, energy, ok, mode = (
            np.asarray(x) for x in (found.q, found.energy, found.ok, found.mode)
        )
        s["converged"] = s["converged"] + int(np.sum(ok))
        marks = self.marks(place)
        bar = float(s["lid"]) - TOLERANCE * self.scale
        fresh: list[int] = []
        for k in np.flatnonzero(ok & (energy < bar)).tolist():
            if graph.known("saddle", float(energy[k]), marks[k]) >= 0:
                continue
            twin = [j for j in fresh if abs(energy[j] - energy[k]) < TOLERANCE * self.scale
                    and np.allclose(marks[j], marks[k], rtol=1e-5)]  # fmt: skip
            if not twin:
                fresh.append(k)
        if not fresh:
            return
        # A batch has one size; what is stationary already costs nothing.
        tops = np.repeat(self.ends.start.q[..., None], LANES, axis=2)
        pushes = np.zeros_like(tops)
        tops[..., : len(fresh)], pushes[..., : len(fresh)] = place[..., fresh], mode[..., fresh]
        left, right = sides(self.landscape, jnp.asarray(tops), jnp.asarray(pushes))
        joined: list[np.ndarray] = []
        for settled in (left, right):
            there, level, fine = (np.asarray(x) for x in (settled.q, settled.energy, settled.ok))
            there_marks, numbers = self.marks(there), np.full(len(fresh), -1)
            for k in range(len(fresh)):
                if fine[k]:
                    numbers[k] = graph.minimum(there[..., k], float(level[k]), there_marks[k])
            joined.append(numbers)
        for k, lane in enumerate(fresh):
            joins = (int(joined[0][k]), int(joined[1][k]))
            if min(joins) >= 0:
                graph.saddle(place[..., lane], float(energy[lane]), marks[lane], joins, 0)
                s["new"] = s["new"] + 1

    # The lid.

    def _lower(self, graph: Graph) -> None:
        """Verify the saddles of the best way until one holds; then the lid falls to its top."""
        s = graph.state
        while (way := graph.way()) is not None:
            top = float(np.max(graph.energies[way.saddles]))
            if not top < float(s["lid"]) - TOLERANCE * self.scale:
                return
            doubted = [k for k in way.saddles if s["saddle_word"][k] != VERIFIED]
            if not doubted:
                s["lid"] = np.asarray(top)
                graph.prune(top, way)
                return
            for k in sorted(doubted, key=lambda k: -graph.energies[k]):
                if not self._verify(graph, k):
                    break  # the way is another now

    def _verify(self, graph: Graph, k: int) -> bool:
        """Whether steepest descent from saddle k finds the minima that it was said to join."""
        s = graph.state
        point = self.point(s["saddle_q"][k])
        moved = abs(point.energy - s["saddle_energy"][k])
        sound = point.negative == 1 and moved < 1e-5 * self.scale
        said = sorted(s["saddle_joins"][k].tolist())
        joins = self._descended(graph, point.q, point.mode) if sound else [-1, -1]
        if min(joins) < 0:
            s["saddle_word"][k], s["refused"] = REFUSED, s["refused"] + 1
            return False
        s["saddle_q"][k], s["saddle_energy"][k] = point.q, point.energy
        s["saddle_joins"][k], s["saddle_word"][k] = joins, VERIFIED
        s["verified"] = s["verified"] + 1
        if sorted(joins) != said:
            s["corrected"] = s["corrected"] + 1
        return sorted(joins) == said

    def _descended(self, graph: Graph, q: np.ndarray, mode: np.ndarray) -> list[int]:
        """The numbers of the minima below a saddle, -1 where descent did not end."""
        downs = descents(self.landscape, q, mode)
        marks = self.marks(np.stack([down.q for down in downs], axis=2))
        return [
            graph.minimum(down.q, down.energy, mark) if down.ok else -1
            for down, mark in zip(downs, marks, strict=True)
        ]

    def point(self, q: np.ndarray) -> Stationary:
        return polished(self.landscape, q, self.free)


def _apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squares of the distances of rows (A, F) and (B, F), (A, B)."""
    return np.sum(a**2, axis=1)[:, None] + np.sum(b**2, axis=1)[None] - 2 * a @ b.T


def _form(q: np.ndarray) -> np.ndarray:
    """Sorted distances of all pairs (K, N(N-1)/2) of configurations (K, dim, N)."""
    i, j = np.triu_indices(q.shape[2], 1)
    return np.sort(np.linalg.norm(q[:, :, i] - q[:, :, j], axis=1), axis=1)
