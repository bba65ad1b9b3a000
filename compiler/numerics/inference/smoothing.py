"""Cubic smoothing splines, their smoothness by generalized cross-validation.

Reinsch (Numer. Math. 10, 177, 1967); Craven and Wahba (Numer. Math. 31, 377, 1979). In the basis of
Demmler and Reinsch (Numer. Math. 24, 375, 1975) the smoother of a set of times is diagonal: it is
made once, and every motion sampled at these times is smoothed by two products.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Float
from scipy.interpolate import BSpline, CubicSpline, make_smoothing_spline
from scipy.linalg import solveh_banded

LEAST, MOST_DENSE = 5, 400  # samples; above, a banded method takes less
GRID, FINER = 100, 40  # values of the penalty that are tried, and between the best one's neighbours
LITTLE = 0.1  # of the roughest part of a sequence: what takes off less finds no noise
ORDER = 4  # of the differences that a smooth sequence has little of
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


def smooth_sequences(
    several: Sequence[Float[np.ndarray, " samples"]],
) -> tuple[list[Float[np.ndarray, " samples"]], float]:
    """Equally spaced samples of one noise, graduated with one penalty on their fourth differences
    (Whittaker, Proc. Edinburgh Math. Soc. 41, 63, 1923), of least generalized cross-validation; and
    the deviation of the noise. Samples without noise stay as they are.

    Each sequence has more than four samples. Raises ValueError where none has.
    """
    parts, sizes = [], []
    for x in several:
        count = min(len(x), MOST_DENSE)
        if count <= ORDER:
            continue
        for first in sorted({0, (len(x) - count) // 2, len(x) - count}):
            rough, vectors = _fourth_differences(count)
            z = vectors.T @ x[first : first + count]
            parts.append((rough[ORDER:], z[ORDER:]))
            sizes.append(count)
    if not parts:
        raise ValueError(f"no sequence has more than {ORDER} samples")
    penalty = _penalty(parts)
    if penalty * max(b[-1] for b, _ in parts) < LITTLE:
        return [*several], 0.0
    left = sum(np.sum((penalty * b / (1 + penalty * b) * z) ** 2) for b, z in parts)
    freedom = sum(np.sum(penalty * b / (1 + penalty * b)) for b, _ in parts)
    return [_graduated(x, penalty) for x in several], float(np.sqrt(left / freedom))


@lru_cache(maxsize=64)
def _fourth_differences(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues (count,) and vectors of the sum of squared fourth differences."""
    D = np.diff(np.eye(count), ORDER, axis=0)
    values, vectors = np.linalg.eigh(D.T @ D)
    return np.maximum(values, 0.0), vectors


def _graduated(x: np.ndarray, penalty: float) -> np.ndarray:
    """x minus what a penalty takes off: (1 + penalty D^T D) z = x, solved by its band."""
    n = len(x)
    if n <= ORDER:
        return x
    D = np.array([1.0, -4.0, 6.0, -4.0, 1.0])
    band = np.zeros((ORDER + 1, n))
    for a in range(ORDER + 1):
        for b in range(a, ORDER + 1):
            band[ORDER - (b - a), b : n - ORDER + b] += penalty * D[a] * D[b]
    # the correction alone is solved for, so that samples without noise keep their digits
    pull = np.zeros(n)
    for a in range(ORDER + 1):
        pull[a : n - ORDER + a] += penalty * D[a] * np.diff(x, ORDER)
    band[ORDER] += 1
    return x - solveh_banded(band, pull)
