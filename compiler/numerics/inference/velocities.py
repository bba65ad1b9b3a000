"""Velocities of motions whose positions alone were measured.

Positions at equal steps are graduated, as far as cross-validation asks for it, and differentiated
by central differences of eighth order (Fornberg, Math. Comp. 51, 699, 1988); position and velocity
of a state are those of one smooth curve. The ends of a run of rows serve for that alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from actionrun.compiler.numerics.inference.smoothing import smooth_sequences
from jaxtyping import Float, Int

WEIGHTS = (4 / 5, -1 / 5, 4 / 105, -1 / 280)  # of the neighbours 1, 2, 3, 4 steps away
REACH = len(WEIGHTS)


@dataclass(frozen=True)
class EstimatedVelocities:
    """Positions (rows,) as graduated, velocities (rows,), NaN at the ends of runs, and the
    deviation of the noise that was taken off."""

    q: np.ndarray
    v: np.ndarray
    noise: float


def estimated_velocities(
    q: Float[np.ndarray, " rows"], runs: Sequence[Int[np.ndarray, " run"]], step: float
) -> EstimatedVelocities:
    """Of one component (rows,), whose rows of each run are a step apart. Runs of fewer than ten
    rows are left out. Raises ValueError where there is no longer one."""
    long = [run for run in runs if len(run) > 2 * REACH + 1]
    graduated, noise = smooth_sequences([q[run] for run in long])
    position, v = np.full(len(q), np.nan), np.full(len(q), np.nan)
    for run, x in zip(long, graduated, strict=True):
        n = len(x)
        slope = np.zeros(n - 2 * REACH)
        for k, weight in enumerate(WEIGHTS, 1):
            slope += weight * (x[REACH + k : n - REACH + k] - x[REACH - k : n - REACH - k])
        position[run], v[run[REACH : n - REACH]] = x, slope / step
    return EstimatedVelocities(position, v, noise)


def runs_of_rows(follows: Sequence[bool]) -> list[Int[np.ndarray, " run"]]:
    """Rows in runs, each of which is followed by the next: `follows` (rows - 1,)."""
    breaks = np.flatnonzero(~np.asarray(follows, dtype=bool)) + 1
    return np.split(np.arange(len(follows) + 1), breaks)
