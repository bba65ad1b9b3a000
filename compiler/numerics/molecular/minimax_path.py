"""Minimax paths in a graph of minima joined by saddles: those whose highest saddle is lowest.

The minimax way is Dijkstra's algorithm with the largest energy on the way in place of its length
(Wales, J. Chem. Phys. 142, 130901, 2015, calls the result a disconnectivity graph); of ways with
the same top the one with fewer saddles is taken.
"""

from __future__ import annotations

import heapq
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


class MinimaxTree(NamedTuple):
    """From one minimum: the `level` (M,) that each other one is reached at, inf where it is not,
    and the `saddle` (M,) by which, -1 at the source and where there is none."""

    level: np.ndarray
    saddle: np.ndarray


class MinimaxPath(NamedTuple):
    """Minima (K + 1,) and the saddles (K,) between them, from source to target."""

    minima: list[int]
    saddles: list[int]


def connected_groups(count: int, joins: Int[np.ndarray, "s 2"]) -> Int[np.ndarray, " m"]:
    """For each of `count` minima the number of the group that saddles, by the pairs of minima that
    they join, make of it and others."""
    one, other = joins.T
    edges = coo_array((np.ones(len(one)), (one, other)), (count, count))
    return connected_components(edges, directed=False)[1]


def minimax_energies(
    count: int, joins: Int[np.ndarray, "s 2"], energies: Float[np.ndarray, " s"], source: int
) -> MinimaxTree:
    """Minimax energies from the minimum `source` of `count`; joins (S, 2) minima by saddle,
    energies (S,).

    A saddle of energy inf joins nothing.
    """
    near: list[list[tuple[int, int]]] = [[] for _ in range(count)]
    for s in np.flatnonzero(np.isfinite(energies)).tolist():
        a, b = int(joins[s, 0]), int(joins[s, 1])
        if a != b and a >= 0 and b >= 0:
            near[a].append((s, b))
            near[b].append((s, a))
    level, saddle = np.full(count, np.inf), np.full(count, -1)
    hops = np.full(count, np.iinfo(np.int64).max)
    level[source], hops[source] = -np.inf, 0
    queue = [(-np.inf, 0, source)]
    while queue:
        top, steps, here = heapq.heappop(queue)
        if (top, steps) != (level[here], hops[here]):
            continue
        for s, there in near[here]:
            result = (max(top, float(energies[s])), steps + 1)
            if result < (level[there], hops[there]):
                level[there], hops[there] = result
                saddle[there] = s
                heapq.heappush(queue, (*result, there))
    return MinimaxTree(level, saddle)


def minimax_path(
    result: MinimaxTree, joins: Int[np.ndarray, "s 2"], target: int
) -> MinimaxPath | None:
    """The way from the tree's source to `target`; None where there is none."""
    if not result.level[target] < np.inf:
        return None
    minima, saddles = [target], []
    while (s := int(result.saddle[minima[-1]])) >= 0:
        a, b = map(int, joins[s])
        saddles.append(s)
        minima.append(b if minima[-1] == a else a)
    return MinimaxPath(minima[::-1], saddles[::-1])
