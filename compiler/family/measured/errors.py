"""The errors of a fit: covariance of the coefficients and of the starts, and how they were made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from actionrun.compiler.numerics.inference.block_covariance import inverse_information, sandwich

from .goodness_of_fit import memory, motion_chance, student_factors

if TYPE_CHECKING:
    from actionrun.compiler.family.fit import FittedMotion

TEXTS = {
    "white": "those of white noise",
    "ar1": "those of noise with a memory (first-order autoregressive)",
    "student": "those of Student's loss",
    "sandwich": "a sandwich (Newey-West), since the residuals follow one another",
}


@dataclass(frozen=True)
class FitErrors:
    """Covariance and correlation of the coefficients (k, k); deviations of the starts (2 n,
    trials), zero where these are given; `kind`, a key of TEXTS; `inflation`: the mean ratio of the
    variances to those of white noise; the chance that what moves is noise."""

    covariance: np.ndarray
    start_std: np.ndarray
    kind: str
    inflation: float
    motion_chance: float

    @property
    def text(self) -> str:
        return TEXTS[self.kind]

    @property
    def correlation(self) -> np.ndarray:
        std = np.sqrt(np.diag(self.covariance))
        std = np.where(std > 0, std, 1)
        return self.covariance / np.outer(std, std)


def fit_errors(m: FittedMotion) -> FitErrors:
    """The errors that the residuals ask for."""
    o, at, inverse, channels = m.observed, m.solution, m.solution.inverse, m.channels
    samples, count, trials = o.values.shape
    freedom = sum(c.freedom for c in channels)
    share = min(freedom / max(int(o.there.sum()), 1), 1.0)
    covariance, kind = inverse, "ar1" if m.noise.tau.any() else "white"
    rows = at.projected.rows[: samples * count].reshape(samples, count, -1, trials)
    curved, known = _beside_the_samples(m, at.projected.rows[samples * count :])
    if m.settings.loss == "student":
        kind = "student"
        curvature, score = student_factors(m.noise, o, at.white, share)
        # the rows are weighted by the samples' own weights: what is left is their mean effect
        weight = np.sqrt(np.where(o.there, m.noise.robust, 1))[:, :, None]
        plain = rows / weight
        flat = plain * np.sqrt(curvature)[:, None, None]
        normal = np.einsum("scit,scjt->ij", flat, flat) + curved
        inverse = inverse_information(normal, ~m.at_bound)
        spread = plain * np.sqrt(score)[:, None, None]
        covariance = inverse @ (np.einsum("scit,scjt->ij", spread, spread) + known) @ inverse
    elif not all(c.is_white for c in channels):
        kind = "sandwich"
        scores = np.sum(rows * at.white[:, :, None], axis=1) / np.sqrt(max(share, 1e-3))
        covariance = sandwich(scores, inverse, memory(o, at.white)) + inverse @ known @ inverse
    unit = np.diag(at.inverse) > 0
    ratio = np.diag(covariance)[unit] / np.diag(at.inverse)[unit]
    inflation = float(np.mean(ratio)) if len(ratio) else 1.0
    chance = motion_chance(o, m.noise, at.miss, len(m.x) + len(m.problem.local) * trials, freedom)
    start_std = np.zeros((len(m.problem.scales), trials))
    if len(m.problem.local):
        local, _ = at.projected.local_covariance(covariance)
        deviations = np.sqrt(np.maximum(np.einsum("iit->it", local), 0))
        start_std[m.problem.free] = deviations * m.problem.local[:, None]
    return FitErrors(covariance, start_std, kind, inflation, chance)


def _beside_the_samples(m: FittedMotion, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Information (k, k) that does not come from samples: all of it, and that of what was known
    before, whose errors count. `rows` of constraints at the starts, which hold exactly, and then
    (2 n) of what is known of the starts."""
    precision = np.diag(1 / m.settings.prior[1] ** 2)
    count = 0 if m.settings.start_prior is None else len(m.problem.scales)
    starts = rows[len(rows) - count :]
    every, known = (np.einsum("rit,rjt->ij", part, part) for part in (rows, starts))
    return every + precision, known + precision
