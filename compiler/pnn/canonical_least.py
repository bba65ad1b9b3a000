"""The least complex of equal genomes: a walk over those that cost no more.

`pnn_equal` takes the steps that pay at once. Some pay only after one that does not: to let a unit
carry x + v dt/2 through two layers costs nothing in one of them and saves a weight in the other.
So a walk over equals of the same cost goes on until none is left, or enough have been seen.
"""

from __future__ import annotations

from heapq import heappop, heappush

import numpy as np

from .canonical_form import CanonicalForm

MOST = 400  # equals of one genome that are looked at
Genes = tuple[int, ...]


def least_complex(equals: CanonicalForm, rows: np.ndarray) -> np.ndarray:
    """The least complex equals found of genomes (n, genes), and of these the first."""
    genomes = [_least(equals, tuple(row)) for row in equals.simplest(rows).tolist()]
    return np.array(genomes, dtype=np.int32).reshape(len(rows), equals.layout.genes)


def _least(equals: CanonicalForm, start: Genes) -> Genes:
    def cost(genome: Genes) -> int:
        return int(equals.layout.complexity(np.array(genome)))

    ahead = [(cost(start), start)]
    seen = {start}
    best = ahead[0]
    while ahead and len(seen) < MOST:
        here = heappop(ahead)
        best = min(best, here)
        if here[0] > best[0]:
            break
        for other in sorted({equals.reduced(near) for near in equals.sheared(here[1])} - seen):
            seen.add(other)
            heappush(ahead, (cost(other), other))
    return min([best, *ahead])[1]
