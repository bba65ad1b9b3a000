"""Cubic smoothing splines, their smoothness by generalized cross-validation.

Reinsch (Numer. Math. 10, 177, 1967); Craven and Wahba (Numer. Math. 31, 377, 1979). In the basis of
Demmler and Reinsch (Numer. Math. 24, 375, 1975) the smoother of a set of times is diagonal: it is
made once, and every motion sampled at these times is smoothed by two products.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float
from scipy.interpolate import BSpline, CubicSpline, make_smoothing_spline

LEAST, MOST_DENSE = 5, 400  # samples; above, a banded method takes less
GRID, FINER = 100, 40  # values of the penalty that are tried, and between the best one's neighbours
DECADES = 2.0  # of the penalty beyond those at which the roughest and the smoothest part change


@lru_cache(maxsize=16)
def _roughness(times: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues (n,) and vectors (n, n) of the integral of the squared second derivative, of
    natural cubic splines by their values at times."""
    t = np.frombuffer(times)
    h, n = np.diff(t), len(t)
    Q, R = np.zeros((n, n - 2)), np.zeros((n - 2, n - 2))
    inner = np.arange(n - 2)
    Q[inner, inner] = 1 / h[:-1]
    Q[inner + 1, inner] = -1 / h[:-1] - 1 / h[1:]
    Q[inner + 2, inner] = 1 / h[1:]
    R[inner, inner] = (h[:-1] + h[1:]) / 3
    R[inner[:-1], inner[1:]] = R[inner[1:], inner[:-1]] = h[1:-1] / 6
    values, vectors = np.linalg.eigh(Q @ np.linalg.solve(R, Q.T))
    return np.maximum(values, 0.0), vectors


def smoothing_spline(
    t: Float[np.ndarray, " samples"], x: Float[np.ndarray, " samples"]
) -> CubicSpline | BSpline:
    """The natural cubic spline that least cross-validated error asks for; t strictly increasing. Of
    a long motion the penalty is that of its beginning, middle and end together.

    Raises ValueError or LinAlgError where there is none.
    """
    n = len(t)
    if n < LEAST:
        raise ValueError(f"{n} samples, and {LEAST} are needed")
    count = min(n, MOST_DENSE)
    starts = sorted({0, (n - count) // 2, n - count})
    parts = []
    for first in starts:
        part = slice(first, first + count)
        rough, vectors = _roughness(np.ascontiguousarray(t[part] - t[first], float).tobytes())
        parts.append((rough, vectors, vectors.T @ x[part]))
    penalty = _penalty([(rough[2:], z[2:]) for rough, _, z in parts])
    if n > count:
        return make_smoothing_spline(t, x, lam=penalty)
    rough, vectors, z = parts[0]
    return CubicSpline(t, vectors @ (z / (1 + penalty * rough)), bc_type="natural")


def _penalty(parts: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """The penalty of least generalized cross-validation, from the roughness of the parts of motions
    (the two straight lines of each, which cost nothing, left out) and what of them is there."""

    def error(penalty: np.ndarray) -> np.ndarray:
        left, freedom = np.zeros(len(penalty)), np.zeros(len(penalty))
        for bends, z in parts:
            gone = penalty[:, None] * bends / (1 + penalty[:, None] * bends)
            left += np.sum((gone * z) ** 2, axis=1)
            freedom += np.sum(gone, axis=1)
        return left / freedom**2

    most, least = max(b[-1] for b, _ in parts), min(b[0] for b, _ in parts)
    exponents = np.linspace(-np.log10(most) - DECADES, -np.log10(least) + DECADES, GRID)
    best, step = exponents[np.argmin(error(10**exponents))], exponents[1] - exponents[0]
    finer = np.linspace(best - step, best + step, FINER)
    return float(10 ** finer[np.argmin(error(10**finer))])
