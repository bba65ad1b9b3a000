"""Ways between labelled structures: the graph of minima and saddles, unfolded by the relabellings
and the inversion that the study does not take for identity.

The graph knows one copy of each minimum and saddle. Every saddle leads from each copy of a minimum
to a copy of another (Longuet-Higgins' feasible operations, Mol. Phys. 6, 445, 1963), so that the
copies need no searches of their own. The way of least highest saddle is looked for from both ends
at once; where there are too many copies below that height, the way of fewest saddles.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

import numpy as np
from actionrun.compiler.numerics.molecular.minimax_path import MinimaxPath
from actionrun.compiler.numerics.molecular.superposition import (
    EnergySymmetry,
    Relabelling,
    identity,
)

MOST = 3000  # copies of minima that are visited from each end
EVEN = np.uint64(0x9E3779B97F4A7C15)

Height = tuple[float, int]


class NoCopyError(Exception):
    """Two structures of one energy and one fingerprint are no copies of each other."""


class Step(NamedTuple):
    """A step of a way: through `saddle`, its known copy brought here by `operation`."""

    saddle: int
    operation: Relabelling


class LabelledWay(NamedTuple):
    """A way through copies: as minima and saddles of the graph, with the operation that brings
    each to its place."""

    path: MinimaxPath
    minima: list[Relabelling]
    saddles: list[Relabelling]
    complete: bool


class _Links(NamedTuple):
    """From a minimum's known copy to copies of `other`: the levels (L,) of the saddles, the
    operations that bring the other minimum's known copy there, and those of the saddles."""

    other: int
    levels: np.ndarray
    signs: np.ndarray
    orders: np.ndarray
    saddles: np.ndarray
    moved_signs: np.ndarray
    moved_orders: np.ndarray


@dataclass
class LabelledWays:
    """`copies` gives the known copy of a minimum by number. `inversion` and `permutation`: whether
    these make two structures one."""

    symmetry: EnergySymmetry
    inversion: bool
    permutation: bool
    copies: Callable[[int], np.ndarray]
    _own: dict[bytes, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    def way(
        self, joins: np.ndarray, operations: np.ndarray, energies: np.ndarray,
        start: tuple[int, Relabelling], end: tuple[int, Relabelling],
    ) -> LabelledWay | None:  # fmt: skip
        """The best way from a copy of a minimum to another; joins (S, 2), `operations`
        (S, 2, 1 + M): of the copies that each saddle's known copy joins; energies (S,), inf where
        a saddle joins nothing."""
        links = self._links(joins, operations, energies)
        for flat in (False, True):
            found = self._meeting(links, start, end, flat)
            if found is not None:
                return found
        return None

    def _links(
        self, joins: np.ndarray, operations: np.ndarray, energies: np.ndarray
    ) -> dict[int, list[_Links]]:
        """What leads away from each minimum's known copy: each copy of another minimum once, by
        the lowest saddle."""
        known: set[tuple[int, int, int]] = set()
        rows: dict[tuple[int, int], list[tuple[float, Relabelling, int, Relabelling]]] = {}
        for k in np.argsort(energies, kind="stable").tolist():
            if not np.isfinite(energies[k]) or min(joins[k]) < 0:
                continue
            both = [Relabelling(int(row[0]), row[1:]) for row in operations[k]]
            for here, there in ((0, 1), (1, 0)):
                m, other = int(joins[k, here]), int(joins[k, there])
                if (m, m) not in rows:
                    rows[m, m] = []
                    known.add((m, *self._name(m, identity(operations.shape[2] - 1))))
                signs, orders = self._group(m)
                back = both[here].inverse()
                moved = [back.then(Relabelling(int(s), o)) for s, o in zip(signs, orders,
                                                                         strict=True)]  # fmt: skip
                ends = [both[there].then(one) for one in moved]
                keys = self.keys(other, np.array([x.sign for x in ends]),
                                 np.stack([x.order for x in ends]))  # fmt: skip
                for end, one, key in zip(ends, moved, keys.tolist(), strict=True):
                    if (m, other, key) not in known:
                        known.add((m, other, key))
                        rows.setdefault((m, other), []).append((float(energies[k]), end, k, one))
        result: dict[int, list[_Links]] = {}
        for (m, other), each in rows.items():
            if each:
                result.setdefault(m, []).append(_Links(
                    other, np.array([x[0] for x in each]), np.array([x[1].sign for x in each]),
                    np.stack([x[1].order for x in each]), np.array([x[2] for x in each]),
                    np.array([x[3].sign for x in each]), np.stack([x[3].order for x in each]),
                ))  # fmt: skip
        return result

    def _group(self, m: int) -> tuple[np.ndarray, np.ndarray]:
        """Signs (A,) and orders (A, M) that lay a minimum's known copy on itself."""
        q = self.copies(m)
        name = q.tobytes()
        if name not in self._own:
            each = self.symmetry.superpositions(q, q) or [identity(q.shape[1])]
            self._own[name] = (
                np.array([one.sign for one in each]), np.stack([one.order for one in each])
            )  # fmt: skip
        return self._own[name]

    def keys(self, m: int, signs: np.ndarray, orders: np.ndarray) -> np.ndarray:
        """Numbers (L,) that two operations, signs (L,) and orders (L, M), share where they make one
        structure of minimum m: sums of hashes over all that its own symmetry makes of them."""
        own_signs, own_orders = self._group(m)
        size = orders.shape[1]
        total = np.zeros((len(own_signs), len(signs)), dtype=np.uint64)
        if not self.permutation:
            rows = own_orders[:, orders]
            total = np.sum(_weights(size)[np.arange(size), rows], axis=2, dtype=np.uint64)
        if not self.inversion:
            both = own_signs[:, None] * signs[None]
            total = total + np.where(both > 0, np.uint64(1), np.uint64(2)) * EVEN
        total = (total ^ (total >> np.uint64(31))) * EVEN
        total = np.sort(total ^ (total >> np.uint64(29)), axis=0)
        fresh = np.ones(total.shape, dtype=bool)
        fresh[1:] = total[1:] != total[:-1]
        return np.asarray(np.sum(np.where(fresh, total, np.uint64(0)), axis=0, dtype=np.uint64))

    def _name(self, m: int, operation: Relabelling) -> tuple[int, int]:
        return m, int(self.keys(m, np.array([operation.sign]), operation.order[None])[0])

    def _meeting(
        self, links: dict[int, list[_Links]], start: tuple[int, Relabelling],
        end: tuple[int, Relabelling], flat: bool,
    ) -> LabelledWay | None:  # fmt: skip
        """The best way by height, then steps; or, `flat`, by steps, then height."""
        sides = [_Side(*one, self._name(*one)) for one in (start, end)]
        best: tuple[Height, tuple[int, int]] | None = None
        cut = False
        while any(side.queue for side in sides):
            side = min((s for s in sides if s.queue), key=lambda s: s.queue[0][0])
            tops = [s.queue[0][0] for s in sides] if all(s.queue for s in sides) else []
            rank, name = heapq.heappop(side.queue)
            if rank != side.rank[name] or name in side.done:
                continue
            if best is not None and not flat and rank[0] >= best[0][0]:
                break
            if best is not None and flat and (not tops or sum(t[0] for t in tops) >= best[0][1]):
                break
            side.done.add(name)
            if len(side.done) > MOST:
                cut = True
                break
            other = sides[1] if side is sides[0] else sides[0]
            m, operation, height = side.node[name]
            for each in links.get(m, ()):
                signs, orders = each.signs * operation.sign, each.orders[:, operation.order]
                for k, key in enumerate(self.keys(each.other, signs, orders).tolist()):
                    there = (each.other, key)
                    top = (max(height[0], float(each.levels[k])), height[1] + 1)
                    new = (top[1], top[0]) if flat else top
                    if there in side.rank and side.rank[there] <= new:
                        continue
                    moved = Relabelling(int(each.moved_signs[k]), each.moved_orders[k])
                    side.rank[there] = new
                    side.node[there] = (each.other, Relabelling(int(signs[k]), orders[k]), top)
                    side.before[there] = name, Step(int(each.saddles[k]), moved.then(operation))
                    heapq.heappush(side.queue, (new, there))
                    if there in other.node:
                        best = self._joined(sides, there, best)
        if best is None:
            return None
        return self._unfolded(sides, best[1], not (flat or cut))

    def _joined(self, sides, there, best):
        """The best of two ways through `there`."""
        one, other = (side.node[there][2] for side in sides)
        height = (max(one[0], other[0]), one[1] + other[1])
        return (height, there) if best is None or height < best[0] else best

    def _unfolded(self, sides, meeting: tuple[int, int], complete: bool) -> LabelledWay:
        """The way through a copy that both sides have reached, as seen from the start."""
        halves = []
        for side in sides:
            name, half = meeting, []
            while name in side.before:
                before, step = side.before[name]
                half.append((before, step))
                name = before
            halves.append(half)
        (first, last), here = sides, meeting
        minima = [first.node[name] for name, _ in reversed(halves[0])] + [first.node[here]]
        saddles = [step for _, step in reversed(halves[0])]
        # The two sides may know the meeting copy by operations that differ by its own symmetry,
        # and by what the study takes for identity: the end's half is brought over.
        over = self._between(here[0], last.node[here][1], first.node[here][1])
        for name, step in halves[1]:
            m, operation, height = last.node[name]
            minima.append((m, operation.then(over), height))
            saddles.append(Step(step.saddle, step.operation.then(over)))
        path = MinimaxPath([m for m, *_ in minima], [step.saddle for step in saddles])
        return LabelledWay(
            path, [one for _, one, _ in minima], [step.operation for step in saddles], complete
        )

    def _between(self, m: int, one: Relabelling, other: Relabelling) -> Relabelling:
        """The operation that the study takes for identity and that brings the copy `one` of a
        minimum to `other`."""
        for sign, order in zip(*self._group(m), strict=True):
            over = one.inverse().then(Relabelling(int(sign), order)).then(other)
            same = np.array_equal(over.order, np.arange(len(order)))
            if (over.sign == 1 or self.inversion) and (same or self.permutation):
                return over
        raise AssertionError("two copies of one key")


class _Side:
    """What one end has reached."""

    def __init__(self, m: int, operation: Relabelling, name: tuple[int, int]):
        height: Height = (-np.inf, 0)
        self.rank: dict[tuple[int, int], tuple[float, float]] = {name: (-np.inf, 0)}
        self.node: dict[tuple[int, int], tuple[int, Relabelling, Height]] = {
            name: (m, operation, height)
        }
        self.before: dict[tuple[int, int], tuple[tuple[int, int], Step]] = {}
        self.done: set[tuple[int, int]] = set()
        self.queue: list[tuple[tuple[float, float], tuple[int, int]]] = [((-np.inf, 0), name)]


@cache
def _weights(size: int) -> np.ndarray:
    return np.random.default_rng(size).integers(0, 2**63, (size, size), dtype=np.uint64)


def copy_operations(symmetry: EnergySymmetry, known: np.ndarray, q: np.ndarray) -> np.ndarray:
    """The operations (K, 1 + M) by which structures `known` (K, dim, M) become q (dim, M, K).
    Raises NoCopyError."""
    rows = []
    for k, one in enumerate(known):
        each = symmetry.superpositions(one, q[..., k])
        if not each:
            raise NoCopyError
        rows.append(np.append(each[0].sign, each[0].order))
    return np.stack(rows)
