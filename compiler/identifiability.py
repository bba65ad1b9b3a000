"""Which coefficients a motion determines, and in which combinations.

The singular values of d(series) / d(log c) tell the rank; a direction without effect on the series
is a product of powers of the coefficients that can be anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

NOTHING = 1e-8  # singular values below this share of the largest do not count


@dataclass(frozen=True)
class Identifiability:
    """`unidentified`: directions {name: exponent} in the logarithms of the coefficients."""

    rank: int
    of: int
    unidentified: tuple[dict[str, float], ...]
    lost: frozenset[str]  # coefficients that no direction leaves alone

    @property
    def text(self) -> str:
        if self.rank == self.of:
            return f"rank {self.rank} of {self.of}: all coefficients are identified"
        ways = "; ".join(
            " ".join(f"{name}^{power:g}" for name, power in way.items())
            for way in self.unidentified
        )
        return (
            f"rank {self.rank} of {self.of}: changing the coefficients along {ways} "
            "leaves what is observed as it is"
        )

    def data(self) -> dict[str, object]:
        """For result.json."""
        return {
            "rank": self.rank,
            "of": self.of,
            "unidentified": [dict(way) for way in self.unidentified],
        }


def identifiability(jacobian: np.ndarray, names: Sequence[str]) -> Identifiability:
    """From d(series)/d(log c) (rows, k), rows in units in which all matter alike."""
    k = len(names)
    size = np.linalg.norm(jacobian, axis=0)
    quiet = size <= NOTHING * size.max() if size.max() > 0 else np.ones(k, bool)
    _, values, ways = np.linalg.svd(jacobian, full_matrices=True)
    values = np.concatenate([values, np.zeros(k - len(values))])
    rank = int(np.sum(values > NOTHING * values[0])) if values[0] > 0 else 0
    found = []
    for way in _reduced(ways[rank:]):
        named = {n: _plain(x) for n, x in zip(names, way, strict=True) if abs(x) > 1e-6}
        found.append(named)
    lost = frozenset(n for way in found for n in way) | {
        n for n, q in zip(names, quiet, strict=True) if q
    }
    return Identifiability(rank, k, tuple(found), lost)


def _reduced(rows: np.ndarray) -> np.ndarray:
    """Row-reduced basis of the row space, so that exponents come out as small numbers."""
    rows = rows.copy()
    for i in range(len(rows)):
        j = int(np.argmax(np.abs(rows[i])))
        rows[i] = rows[i] / rows[i, j]
        for other in range(len(rows)):
            if other != i:
                rows[other] = rows[other] - rows[other, j] * rows[i]
    return rows


def _plain(x: float) -> float:
    """A small fraction where the number is one, to six digits."""
    close = Fraction(x).limit_denominator(12)
    return float(close) if abs(x - float(close)) < 1e-5 else float(f"{x:.6g}")
