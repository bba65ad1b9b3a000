"""Structural and practical identifiability: which coefficients a motion determines, and in which
combinations (Bellman & Astrom, Math. Biosci. 7, 329, 1970).

The singular values of d(series) / d(log c) tell the rank; a direction without effect on the series
is a product of powers of the coefficients that can be anything. What the series do determine are
the products of powers that no such direction changes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import sympy as sp

from .evaluation import expanded, null_space

NOTHING = 1e-8  # singular values below this share of the largest do not count
NO_INFORMATION = 1e-9  # an eigenvalue of the scaled information below this share is none
POWERS = (0, 1, -1, 2, -2)  # tried where no term of the Lagrangian is a combination itself
MOST_TRIED = 20_000

Exponents = Mapping[str, float]


@dataclass(frozen=True)
class Identifiability:
    """`unidentified`: directions {name: exponent} in the logarithms of the coefficients;
    `combinations`: products of powers that are determined, as many as the rank, where some
    coefficient is not; `lost`: the coefficients that have no value of their own."""

    rank: int
    of: int
    unidentified: tuple[Exponents, ...]
    combinations: tuple[Exponents, ...]
    lost: frozenset[str]

    @property
    def text(self) -> str:
        """The short answer."""
        if self.rank == self.of:
            return f"rank {self.rank} of {self.of}: all coefficients are identified"
        known = ", ".join(monomial(c) for c in self.combinations) or "no combination"
        return f"rank {self.rank} of {self.of}: only {known}"

    @property
    def advice(self) -> str:
        """The short answer, what it means, and the way out."""
        if self.rank == self.of:
            return self.text
        free = "; ".join(monomial(way) for way in self.unidentified)
        return (
            f"{self.text} can be told from these observations, which do not change along {free}. "
            "Give one of its coefficients a fixed value, observe the momentum too, or choose "
            "another start"
        )

    def data(self) -> dict[str, object]:
        """For result.json; values of combinations are added where there are data."""
        return {
            "rank": self.rank,
            "of": self.of,
            "unidentified": [dict(way) for way in self.unidentified],
            "combinations": [
                {"text": monomial(c), "exponents": dict(c), "value": None, "std": None}
                for c in self.combinations
            ],
        }


def monomial(exponents: Exponents) -> str:
    """`c2/c1`, `m*l^2`: a product of powers in the study language."""

    def power(name: str, x: float) -> str:
        if x == 1:
            return name
        close = Fraction(x).limit_denominator(12)
        return f"{name}^({close})" if close.denominator > 1 else f"{name}^{close}"

    top = [power(n, x) for n, x in exponents.items() if x > 0]
    bottom = [power(n, -x) for n, x in exponents.items() if x < 0]
    below = bottom[0] if len(bottom) == 1 else f"({'*'.join(bottom)})"
    return ("*".join(top) or "1") + (f"/{below}" if bottom else "")


def term_exponents(expressions: Iterable[sp.Expr], names: Sequence[str]) -> list[np.ndarray]:
    """Exponents (k,) of the coefficients in every term of L and K that is a product of powers."""
    rows = []
    for expression in expressions:
        for term in sp.Add.make_args(expanded(expression)):
            powers = term.as_powers_dict()
            row = [powers.get(sp.Symbol(name, real=True), sp.Integer(0)) for name in names]
            if any(x != 0 for x in row) and all(x.is_Rational for x in row):
                rows.append(np.array([float(x) for x in row]))
    return rows


def identifiability(
    jacobian: np.ndarray, names: Sequence[str], terms: Sequence[np.ndarray] = ()
) -> Identifiability:
    """From d(series)/d(log c) (rows, k), rows in units in which all matter alike.

    `terms` are exponents that the Lagrangian suggests for combinations (`term_exponents`).
    """
    k = len(names)
    size = np.linalg.norm(jacobian, axis=0)
    quiet = size <= NOTHING * size.max() if size.max() > 0 else np.ones(k, bool)
    free = _reduced(null_space(jacobian, NOTHING))
    rank = k - len(free)
    lost = {n for n, x in zip(names, quiet, strict=True) if x}
    lost |= {n for way in free for n, x in zip(names, way, strict=True) if abs(x) > 1e-6}
    combinations = _combinations(free, rank, k, terms) if rank < k else []
    return Identifiability(
        rank,
        k,
        tuple(_named(_whole(way), names) for way in free),
        tuple(_named(c, names) for c in combinations),
        frozenset(lost),
    )


def identified_coefficients(information: jax.Array, k: int) -> jax.Array:
    """Which of the first k unknowns (k, batch) Fisher informations J^T J (n, n, batch) determine:
    those that hardly take part in the null directions, as `identifiability` tells them for one J.
    """
    normal = jnp.moveaxis(information, -1, 0)
    scale = jnp.sqrt(jnp.maximum(jnp.einsum("bii->bi", normal), jnp.finfo(normal.dtype).tiny))
    values, vectors = jnp.linalg.eigh(normal / (scale[:, :, None] * scale[:, None]))
    null = values < NO_INFORMATION * values[:, -1:]
    share = jnp.sum(jnp.where(null[:, None], vectors**2, 0), axis=-1)
    return (share < 1e-4).T[:k]


def _named(way: np.ndarray, names: Sequence[str]) -> Exponents:
    return {n: _plain(x) for n, x in zip(names, way, strict=True) if abs(x) > 1e-6}


def _whole(way: np.ndarray) -> np.ndarray:
    """The direction in the smallest whole numbers, where it has any."""
    parts = [Fraction(_plain(x)).limit_denominator(12) for x in way]
    if any(abs(float(p) - x) > 1e-5 for p, x in zip(parts, way, strict=True)):
        return way
    factor = math.lcm(*(p.denominator for p in parts))
    return way * factor


def _combinations(
    free: np.ndarray, rank: int, k: int, terms: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """`rank` independent products of powers that no free direction changes, the simplest first:
    terms of the Lagrangian, ratios of two of them, then any small powers."""
    ratios = [b - a for i, a in enumerate(terms) for b in terms[i + 1 :]]
    tried = sorted(
        (np.array(p, float) for p in _small(k)), key=lambda p: (np.abs(p).sum(), -p.sum())
    )
    single = [p for p in tried if np.abs(p).sum() == 1]
    chosen: list[np.ndarray] = []
    for candidate in (*single, *terms, *ratios, *tried):
        still = np.abs(free @ candidate).max(initial=0) < 1e-5 * np.abs(candidate).sum()
        grown = [*chosen, candidate]
        if candidate.any() and still and np.linalg.matrix_rank(np.array(grown)) == len(grown):
            chosen = grown
        if len(chosen) == rank:
            break
    return chosen


def _small(k: int) -> list[tuple[int, ...]]:
    powers = POWERS if len(POWERS) ** k <= MOST_TRIED else POWERS[:3]
    return list(product(powers, repeat=k)) if len(powers) ** k <= MOST_TRIED else []


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
    """A small fraction where the number is one, to five digits."""
    close = Fraction(x).limit_denominator(12)
    return float(close) if abs(x - float(close)) < 1e-5 else float(f"{x:.6g}")
