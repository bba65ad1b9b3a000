"""Profile likelihood: intervals of coefficients whose errors are lopsided, or that end at a bound.

One coefficient is held and all else fitted again; where the cost has risen by the square of a
normal quantile, its interval ends (Venzon and Moolgavkar, Appl. Statist. 37, 87, 1988). Held fits
are Gauss-Newton steps on the linearization that the fit has compiled.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from actionrun.compiler.family.fit import FittedMotion
from actionrun.compiler.numerics.inference.block_covariance import inverse_information, project
from actionrun.compiler.numerics.optimizers.block_least_squares import Unknowns, joined

from .errors import FitErrors
from .segments import linearized

QUANTILES = {"68": 1.0, "95": 1.959963984540054}  # normal, of two sides
ONE_SIDED = {"68": 0.47523284924708353, "95": 1.6448536269514722}  # of what ends at a bound
LOPSIDED = 0.1  # relative difference of a root of the cost from that of a parabola
PASSES = 6  # of Gauss-Newton
TRIED = 20  # values at which an end is looked for
MOST = 250  # linearizations in all: where motions are chaotic no interval may be told
SETTLED = 3e-3  # of a deviation


@dataclass(frozen=True)
class Profile:
    """Intervals of a coefficient by their probability in percent; an end is None where the range
    ends first. `at_bound`: the best value is an end of the range, and intervals have one side."""

    name: str
    at_bound: bool
    intervals: dict[str, tuple[float | None, float | None]]

    def data(self) -> dict[str, object]:
        return {
            "one_sided": self.at_bound,
            **{f"interval_{key}": list(ends) for key, ends in self.intervals.items()},
        }


class _HeldFits:
    """Fits of one problem with a coefficient held; costs in units of the noise."""

    def __init__(self, m: FittedMotion):
        problem, self.noise = m.problem, m.noise
        self.shooting = problem.shooting(problem.trajectory(m.noise))
        self.free, self.x = ~m.at_bound, m.x
        self.low, self.high = m.within.low, m.within.high
        self.local = m.local
        self.mean, std = m.settings.prior
        self.precision = 1 / std**2
        self.left = MOST
        self.best = self._linear(self.x, self.local)
        self.least = np.nan if self.best is None else self.best[0]

    def _linear(self, c: np.ndarray, local: np.ndarray):
        """The cost at unknowns, its rows (rows, trials) and their Jacobian projected; None where
        these are not finite."""
        at = joined(Unknowns(jnp.asarray(c[:, None]), jnp.asarray(local[:, None, :, None])))
        self.left -= 1
        rows, J, _ = (np.asarray(a)[..., 0] for a in linearized(self.shooting, at))
        if not (np.isfinite(rows).all() and np.isfinite(J).all()):
            return None  # no motion goes there
        rows, projected = rows / self.noise.unit, project(J / self.noise.unit, len(c))
        prior = float(np.sum(self.precision * (c - self.mean) ** 2))
        return float(np.sum(rows**2)) + prior, rows, projected

    def _step(self, c: np.ndarray, held: int, rows: np.ndarray, projected):
        """A Gauss-Newton step of all but the one held, and by how much it lowers the cost."""
        gradient = np.einsum("rkt,rt->k", projected.rows, rows) + self.precision * (c - self.mean)
        normal = projected.normal + np.diag(self.precision)
        free = self.free.copy()
        free[held] = False
        inverse = inverse_information(normal, free)
        shared = np.clip(c - inverse @ gradient, self.low, self.high) - c
        inner = np.einsum("rmt,rt->mt", projected.local, rows)
        local = -np.einsum("nmt,mt->nt", projected.of_local, inner) - np.einsum(
            "nkt,k->nt", projected.of_shared, shared
        )
        return shared, local, float(gradient @ inverse @ gradient) + float(np.sum(inner**2))

    def rise(self, held: int, value: float, passes: int) -> float:
        """By how much the cost of the best fit with a coefficient held exceeds the least one; after
        the last pass as its parabola has it."""
        if self.best is None:
            return np.inf
        projected, c, local = self.best[2], self.x.copy(), self.local
        normal = projected.normal + np.diag(self.precision)
        free = self.free.copy()
        free[held] = False
        along = -inverse_information(normal, free) @ normal[:, held]
        along[held] = 1.0
        moved = np.clip(c + along * (value - c[held]), self.low, self.high)
        moved[held] = value
        local = local - np.einsum("nkt,k->nt", projected.of_shared, moved - c)
        c, best = moved, np.inf
        for _ in range(min(passes, self.left)):
            if (at := self._linear(c, local)) is None:
                return np.inf
            cost, rows, projected = at
            shared, change, gain = self._step(c, held, rows, projected)
            best = min(best, cost - gain if gain < 0.5 * max(cost - self.least, 1.0) else cost)
            if gain < SETTLED**2:
                break
            c, local = c + shared, local + change
        return max(best - self.least, 0.0)


def profiles(m: FittedMotion, errors: FitErrors, lost: frozenset[str] | set[str]) -> list[Profile]:
    """Intervals of the coefficients whose errors are lopsided, and of those at a bound; those not
    determined are left out."""
    if m.active_constraints:
        return []
    fits, result = _HeldFits(m), []
    inverse, normal = m.solution.inverse, m.solution.projected.normal
    for k, c in enumerate(m.symbolic.coefficients):
        if c.name in lost or not m.within.low[k] < m.within.high[k]:
            continue
        if m.at_bound[k]:
            free = fits.free.copy()
            free[k] = True
            std = float(np.sqrt(inverse_information(normal + np.diag(fits.precision), free)[k, k]))
            ratio = errors.inflation
            sides = [1.0 if m.x[k] - m.within.low[k] < m.within.high[k] - m.x[k] else -1.0]
        else:
            std, sides = float(np.sqrt(errors.covariance[k, k])), [-1.0, 1.0]
            ratio = errors.covariance[k, k] / inverse[k, k] if inverse[k, k] > 0 else 1.0
        if not std > 0 or not np.isfinite(std):
            continue
        if not m.at_bound[k] and not _is_lopsided(fits, k, std, ratio):
            continue
        quantiles = ONE_SIDED if m.at_bound[k] else QUANTILES
        intervals = {}
        for key, target in quantiles.items():
            ends = {s: _end(fits, k, s, target, std, ratio) for s in sides}
            if fits.left <= 0:
                return result
            own = float(m.x[k])
            intervals[key] = (ends.get(-1.0, own), ends.get(1.0, own))
        result.append(Profile(c.name, bool(m.at_bound[k]), intervals))
    return result


def _is_lopsided(fits: _HeldFits, k: int, std: float, ratio: float) -> bool:
    """Whether the cost two deviations away is not that of a parabola, or the range ends there."""
    for side in (-2.0, 2.0):
        value = float(fits.x[k] + side * std)
        if not fits.low[k] <= value <= fits.high[k]:
            return True
        root = np.sqrt(fits.rise(k, value, 1) / ratio)
        if np.isfinite(root) and abs(root - 2) >= 2 * LOPSIDED:
            return True
    return False


def _end(
    fits: _HeldFits, k: int, side: float, target: float, std: float, ratio: float
) -> float | None:
    """Where the root of the cost's rise is `target`, on a side; None where the range ends first."""
    wall = float(fits.low[k] if side < 0 else fits.high[k])
    most = abs(wall - fits.x[k])
    near, far = (0.0, 0.0), (np.inf, np.inf)  # distances and roots around the end
    at = min(target * std, most)
    for _ in range(TRIED):
        root = float(np.sqrt(fits.rise(k, float(fits.x[k] + side * at), PASSES) / ratio))
        if abs(root - target) < SETTLED * max(target, 1.0):
            return float(fits.x[k] + side * at)
        if root < target:
            if at >= most:
                return None
            near = (at, root)
        else:
            far = (at, root)
        if np.isinf(far[0]) or not np.isfinite(far[1]):
            grown = at * min(max(target / max(root, 1e-3), 1.1), 3.0)
            at = min(grown, most) if np.isinf(far[0]) else 0.5 * (near[0] + far[0])
            continue
        share = (target - near[1]) / (far[1] - near[1])
        at = near[0] + min(max(share, 0.05), 0.95) * (far[0] - near[0])
    return float(fits.x[k] + side * at)
