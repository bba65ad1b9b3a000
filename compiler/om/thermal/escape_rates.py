"""Rates of escape over the saddles of a minimum-action path, of overdamped motion in a potential:
Eyring and Kramers (Kramers, Physica 7, 284, 1940; Langer, Ann. Phys. 54, 258, 1969; Bovier,
Eckhoff, Gayrard and Klein, J. Eur. Math. Soc. 6, 399, 2004).

    k = |l| / (2 pi gamma) sqrt(det H_well / |det H_saddle|) exp(-(V_saddle - V_well)/k_B T)

with Hessians H and the negative eigenvalue l of that of the saddle: one over the mean time from the
well to beyond the saddle, as k_B T goes to 0; what is left out is of the order k_B T/(V_saddle -
V_well). It is the rate over one saddle: others around the same well add theirs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .channels import Channel, CriticalPoint
from .problem import LangevinProblem


class Escape(NamedTuple):
    """From a well over a saddle beside it on the path: the height in base units, and the rate
    without its exponential, in one over the unit of time."""

    well: CriticalPoint
    saddle: CriticalPoint
    height: float
    prefactor: float

    def rate(self, heat: float) -> float:
        """At k_B T = `heat`."""
        return float(self.prefactor * np.exp(-self.height / heat))


def escapes(problem: LangevinProblem, path: Channel) -> tuple[Escape, ...]:
    """From each attractor over each saddle of index 1 that stands beside it on the path, in the
    order of the path; none where a part of the force has no potential."""
    if not problem.motion.gradient or not problem.free:
        return ()
    result = []
    for one, other in zip(path.stops, path.stops[1:], strict=False):
        well, saddle = (one, other) if one.growing == 0 else (other, one)
        if (well.growing, saddle.growing) != (0, 1):
            continue
        low, top = (_curvatures(problem, stop.q) for stop in (well, saddle))
        share = np.sqrt(np.prod(low) / np.abs(np.prod(top)))
        friction = problem.motion.thermal.friction
        height = (saddle.potential - well.potential) / problem.settings.energy_unit.scale
        prefactor = float(-top[0] / (2 * np.pi * friction) * share)
        result.append(Escape(well, saddle, height, prefactor))
    return tuple(result)


def _curvatures(problem: LangevinProblem, q: np.ndarray) -> np.ndarray:
    """Eigenvalues of the Hessian of V, ascending."""
    matrix = -problem.motion.drift_slopes(q) * problem.motion.thermal.friction
    return np.linalg.eigvalsh((matrix + matrix.T) / 2)
