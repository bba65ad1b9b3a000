"""Where the searches for saddles start: minima to be left, and gaps to be bridged.

Minima fall into groups that saddles below the lid join: the start's, the end's, and islands. The
missing saddles are looked for between groups, where the gap is narrow (Carr, Trygubenko & Wales,
J. Chem. Phys. 122, 234903, 2005: missing connections by Dijkstra's algorithm).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.sparse.csgraph import dijkstra

from .om_clusters_graph import Graph

SAMPLED = 600  # minima among which gaps are looked for
NEARLY, FAR = 1e-9, 1e9  # of distances of forms: of those together, and of those tried


def origins(
    graph: Graph, bar: float, count: int, draw: np.random.Generator, pairs: np.ndarray
) -> np.ndarray:
    """The minima (count,) that searches start from, the least tried first: half of them on the
    edges of gaps `pairs` (K, 2), the others in the start's group, in the end's, and on islands
    below `bar`, in turn."""
    group = graph.groups(bar)
    low = graph.state["minimum_energy"][: graph.minima] < bar
    islands = np.flatnonzero(low & (group != group[0]) & (group != group[1]))
    edges = np.unique(pairs)
    pools = [edges, np.flatnonzero(group == group[0]), edges, np.flatnonzero(group == group[1]),
             edges, islands]  # fmt: skip
    pools = [pool for pool in pools if len(pool)]
    tries = graph.state["minimum_tries"][: graph.minima] + draw.random(graph.minima)
    found = np.empty(count, dtype=np.int64)
    for k in range(count):
        pool = pools[k % len(pools)]
        found[k] = pool[np.argmin(tries[pool])]
        tries[found[k]] += 1
    return found


def gaps(graph: Graph, bar: float, count: int, draw: np.random.Generator) -> np.ndarray:
    """Up to `count` pairs (K, 2) of minima to join by strings, which are then known as tried: the
    gaps of the shortest ways from start to end."""
    s = graph.state
    low = np.flatnonzero(s["minimum_energy"][: graph.minima] < bar)
    low = low[low > 1]
    kept = np.concatenate([[0, 1], np.sort(draw.permutation(low)[: SAMPLED - 2])])
    group = graph.groups(bar)[kept]
    apart = _apart(_forms(s["minimum_q"][kept]))
    apart[group[:, None] == group[None]] = NEARLY
    number = np.full(graph.minima, -1)
    number[kept] = np.arange(len(kept))
    known = number[s["pair_minima"][: int(s["pairs"])]]
    known = known[np.all(known >= 0, axis=1)]
    apart[known[:, 0], known[:, 1]] = apart[known[:, 1], known[:, 0]] = FAR
    found: list[tuple[int, int]] = []
    while len(found) < count:
        fresh = [(a, b) for a, b in _shortest(apart) if group[a] != group[b]]
        if not fresh or max(apart[a, b] for a, b in fresh) >= FAR:
            break
        for a, b in fresh:
            apart[a, b] = apart[b, a] = FAR
        found += fresh
    pairs = kept[np.array(found[:count], dtype=np.int64).reshape(-1, 2)]
    graph.tried(pairs)
    return pairs


def _shortest(apart: np.ndarray) -> list[tuple[int, int]]:
    """The steps of the shortest way from 1 to 0 by distances (M, M)."""
    before = dijkstra(apart, indices=0, return_predecessors=True)[1]
    way = [1]
    while way[-1] != 0:
        way.append(int(before[way[-1]]))
    return list(pairwise(way))


def _apart(forms: np.ndarray) -> np.ndarray:
    """Squares of the distances (K, K) of rows (K, F)."""
    size = np.sum(forms**2, axis=1)
    return np.maximum(size[:, None] + size[None] - 2 * forms @ forms.T, 0) + NEARLY


def _forms(q: np.ndarray) -> np.ndarray:
    """Sorted distances of all pairs (K, N(N-1)/2) of configurations (K, dim, N)."""
    i, j = np.triu_indices(q.shape[2], 1)
    return np.sort(np.linalg.norm(q[:, :, i] - q[:, :, j], axis=1), axis=1)
