"""Starts of saddle searches: minima to be left, and gaps to be bridged.

Minima fall into groups that saddles below the lid join: the start's, the end's, and islands. The
missing saddles are looked for between groups, where the gap is narrow (Carr, Trygubenko & Wales,
J. Chem. Phys. 122, 234903, 2005: missing connections by Dijkstra's algorithm).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from actionrun.compiler.numerics.molecular.periodic_cell import Cell, minimum_image
from scipy.sparse.csgraph import dijkstra

from .stationary_point_graph import StationaryPointGraph

MOST = 2000  # minima among which gaps are looked for
NEARLY = 1e-9  # square of a distance, of minima that have one form
AGAIN = 3.0  # by so many times itself a gap seems wider each time that it was tried


def search_origins(
    graph: StationaryPointGraph,
    bar: float,
    count: int,
    draw: np.random.Generator,
    pairs: np.ndarray,
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
    result = np.empty(count, dtype=np.int64)
    for k in range(count):
        pool = pools[k % len(pools)]
        result[k] = pool[np.argmin(tries[pool])]
        tries[result[k]] += 1
    return result


def bridging_pairs(
    graph: StationaryPointGraph,
    bar: float,
    count: int,
    draw: np.random.Generator,
    cell: Cell = None,
    places: bool = False,
) -> np.ndarray:
    """`count` pairs (K, 2) of minima to join by strings, which are then known as tried: the gaps
    of the shortest ways from start to end, on which minima of one group are together. Fewer where
    there are not so many. Gaps are between sorted distances, or, where places count, between
    these."""
    s = graph.state
    low = np.flatnonzero(s["minimum_energy"][: graph.minima] < bar)
    low = low[low > 1]
    kept = np.concatenate([[0, 1], np.sort(draw.permutation(low)[: MOST - 2])])
    group = np.unique(graph.groups(bar)[kept], return_inverse=True)[1]
    order = np.argsort(group, kind="stable")
    kept, group = kept[order], group[order]
    wide = _apart(_places(s["minimum_q"][kept], cell) if places else _forms(s["minimum_q"][kept]))
    number = np.full(graph.minima, -1)
    number[kept] = np.arange(len(kept))
    known = number[s["pair_minima"][: int(s["pairs"])]]
    known = known[np.all(known >= 0, axis=1)]
    more = np.zeros_like(wide)
    np.add.at(more, tuple(known.T), AGAIN)
    wide *= 1 + more + more.T
    first = np.searchsorted(group, np.arange(group[-1] + 2))
    between = np.minimum.reduceat(np.minimum.reduceat(wide, first[:-1], 0), first[:-1], 1)
    np.fill_diagonal(between, 0)
    result: list[tuple[int, int]] = []
    while len(result) < count:
        way = _shortest(between, int(group[number[0]]), int(group[number[1]]))
        for one, other in way:
            rows, columns = (slice(first[g], first[g + 1]) for g in (one, other))
            block = wide[rows, columns]
            a, b = np.unravel_index(np.argmin(block), block.shape)
            block[a, b] *= 1 + AGAIN
            wide[columns, rows][b, a] = block[a, b]
            between[one, other] = between[other, one] = block.min()
            result.append((int(kept[first[one] + a]), int(kept[first[other] + b])))
        if not way:
            break
    pairs = np.array(result[:count], dtype=np.int64).reshape(-1, 2)
    graph.tried(pairs)
    return pairs


def _shortest(wide: np.ndarray, start: int, end: int) -> list[tuple[int, int]]:
    """The steps of the shortest way between two groups by widths (G, G), none zero but within."""
    before = dijkstra(wide, indices=start, return_predecessors=True)[1]
    way = [end]
    while way[-1] != start and before[way[-1]] >= 0:
        way.append(int(before[way[-1]]))
    return list(pairwise(way))


def _apart(forms: np.ndarray) -> np.ndarray:
    """Squares of the distances (K, K) of rows (K, F), none zero."""
    size = np.sum(forms**2, axis=1)
    return np.maximum(size[:, None] + size[None] - 2 * forms @ forms.T, NEARLY)


def _places(q: np.ndarray, cell: Cell) -> np.ndarray:
    """Displacements (K, dim N) of configurations (K, dim, N) from the first, by nearest images."""
    away = minimum_image(np.moveaxis(q - q[0], 1, 0), cell)
    return np.moveaxis(away, 0, 1).reshape(len(q), -1)


def _forms(q: np.ndarray) -> np.ndarray:
    """Sorted distances of all pairs (K, N(N-1)/2) of configurations (K, dim, N)."""
    i, j = np.triu_indices(q.shape[2], 1)
    return np.sort(np.linalg.norm(q[:, :, i] - q[:, :, j], axis=1), axis=1)
