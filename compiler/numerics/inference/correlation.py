"""The memory of noise, from what a fit leaves of it: the fit takes some of the memory with it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

SHORTEST = 0.2  # of the typical spacing of samples
HALVINGS = 18


def unbiased_correlation_time(
    t: Float[np.ndarray, "samples trials"],
    left: Float[np.ndarray, "samples trials"],
    there: Bool[np.ndarray, "samples trials"],
    reach: Float[np.ndarray, "samples p trials"],
) -> float:
    """The correlation time tau of exp(-|t|/tau) with which residuals as those `left` by a plain
    least-squares fit have the correlation of neighbours that they have; 0 where it is none.

    The fit's hat matrix is H = reach reach^T in each trial: residuals are (1 - H) times the noise,
    and lose what of a slow noise the fit can follow, so that its memory looks shorter than it is
    (the bias that restricted maximum likelihood takes off: Cooper and Thompson, Biometrika 64, 625,
    1977); the ratio itself is low by 2 in the number of samples (Marriott and Pope, Biometrika 41,
    390, 1954). Of trials with fewer than two samples nothing is seen.
    """
    parts, neighbours, square = [], 0.0, 0.0
    for k in range(t.shape[1]):
        rows = np.flatnonzero(there[:, k])
        if len(rows) < 2:
            continue
        x = left[rows, k]
        neighbours, square = neighbours + float(x[1:] @ x[:-1]), square + float(x @ x)
        parts.append((t[rows, k], reach[rows, :, k]))
    if not parts or square <= 0:
        return 0.0
    count = sum(len(times) for times, _ in parts)
    seen = min(neighbours / square * count / max(count - 2, 1), 1.0)
    spacing = float(np.median(np.concatenate([np.diff(times) for times, _ in parts])))
    longest = max(len(times) for times, _ in parts)
    low, high = np.log(SHORTEST * spacing), np.log(max(longest / 4, 2.0) * spacing)
    if not seen > _expected(parts, np.exp(low)):
        return 0.0
    if seen >= _expected(parts, np.exp(high)):
        return float(np.exp(high))
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if _expected(parts, np.exp(middle)) < seen:
            low = middle
        else:
            high = middle
    return float(np.exp((low + high) / 2))


def _expected(parts: list[tuple[np.ndarray, np.ndarray]], tau: float) -> float:
    """The mean product of neighbouring residuals over their mean square, for a noise that is
    correlated over tau; the other channels' noise, which the fit mixes in, is white."""
    sums = [0.0, 0.0]  # of squares, and of products of neighbours
    for t, B in parts:
        noise = np.exp(-np.abs(t[:, None] - t[None]) / tau)
        moved = noise @ B
        inner = B.T @ moved + np.eye(B.shape[1]) - B.T @ B
        mixed = B @ inner
        for lag in (0, 1):
            ahead, behind = slice(lag, None), slice(None, len(t) - lag)
            total = float(np.sum(np.diagonal(noise, lag)))
            total -= float(np.sum(B[ahead] * moved[behind]) + np.sum(moved[ahead] * B[behind]))
            total += float(np.sum(mixed[ahead] * B[behind]))
            sums[lag] += total
    square, neighbours = sums
    return neighbours / square if square > 0 else 0.0
