"""The noise of measured channels: declared, or by maximum likelihood from what a fit leaves.

Each channel has a variance of its own, and each trial where trials differ; no weight depends on
where the origin is. Estimates are unbiased by the leverages of the fit (restricted maximum
likelihood: Patterson and Thompson, Biometrika 58, 545, 1971).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from actionrun.compiler.family.observations import ObservedMotions, noise_without_model
from actionrun.compiler.numerics.inference.block_covariance import ProjectedJacobian
from actionrun.compiler.numerics.inference.correlation import unbiased_correlation_time
from actionrun.compiler.numerics.inference.residual_tests import (
    correlation_time,
    equal_variances,
    ljung_box,
)

from .settings import FitSettings

TAILS = 4.0  # degrees of freedom of Student's distribution
SURE = 1e-3  # a chance below which a test says no
OF_MEMORY = 0.02  # one below which noise with a memory is no way out: the law may be wrong instead
LEAST_FREEDOM = 8  # degrees of freedom of a trial with a variance of its own
DEEPEST = 1e-5  # of two channels' relative noises: the smaller counts as this of the larger
ROUND_OFF = 1e-14  # of a channel's size
MOST_CORRECTED = 1500  # samples; of more the fit takes no memory that counts
EXACT = 1e-8  # of it: misfits below are those of arithmetic, and follow one another


@dataclass(frozen=True)
class Noise:
    """`sigma` (samples, channels, trials): standard deviations over the channel's size; `declared`
    (channels,): given by the study or the data; `tau` (channels,): correlation times, 0 for white
    noise; `robust` (samples, channels, trials): weights of Student's distribution, 1 without."""

    sigma: np.ndarray
    declared: np.ndarray
    tau: np.ndarray
    robust: np.ndarray
    by_trial: np.ndarray  # (channels,) whether trials have their own variances

    @property
    def unit(self) -> float:
        """The least relative deviation: weights are in it, so that a residual of order one is a
        complete miss in the best of the channels."""
        return float(np.min(self.sigma))

    def weights(self, o: ObservedMotions) -> np.ndarray:
        """Of the residuals (samples, channels, trials)."""
        return o.weight * self.unit / self.sigma * np.sqrt(self.robust)


def first_noise(o: ObservedMotions, settings: FitSettings) -> Noise:
    """Declared noise, and what samples show without a model elsewhere."""
    shape = o.values.shape
    sigma, declared = np.zeros(shape), np.zeros(shape[1], bool)
    variance, freedom = noise_without_model(o)
    for k, name in enumerate(o.names):
        total = freedom[k].sum()
        free = np.nansum(variance[k] * freedom[k]) / total if total else 1e-4
        sigma[:, k] = np.sqrt(free)
        if settings.relative_noise:
            sigma[:, k], declared[k] = settings.relative_noise, True
        if name in settings.noise:
            sigma[:, k], declared[k] = settings.noise[name] / o.size[k], True
        if o.sigma is not None and np.isfinite(o.sigma[:, k]).any():
            given = o.sigma[:, k] / o.size[k]
            sigma[:, k] = np.where(np.isfinite(given), given, np.nanmedian(given))
            declared[k] = True
    ones = np.ones(shape)
    none = np.zeros(shape[1])
    return _bounded(Noise(sigma, declared, none, ones, none.astype(bool)))


def _bounded(noise: Noise) -> Noise:
    """Deviations that are not below round-off, nor too far below those of another channel."""
    free = ~noise.declared
    floor = max(float(noise.sigma.max()) * DEEPEST, ROUND_OFF)
    sigma = np.where(free[None, :, None], np.maximum(noise.sigma, floor), noise.sigma)
    return replace(noise, sigma=sigma)


def updated_noise(
    noise: Noise,
    o: ObservedMotions,
    miss: np.ndarray,
    white: np.ndarray,
    leverage: np.ndarray,
    settings: FitSettings,
) -> Noise:
    """The noise that a fit's residuals have: `miss` (samples, channels, trials) over the channel's
    size, `white` the same made white, in units of `noise`, and the leverages of the samples."""
    there, sigma = o.there, noise.sigma.copy()
    by_trial, tau = noise.by_trial.copy(), noise.tau.copy()
    robust = noise.robust
    if settings.loss == "student":
        robust = np.where(there, (TAILS + 1) / (TAILS + (miss / noise.sigma) ** 2), 1.0)
    for k in range(len(o.names)):
        if noise.declared[k]:
            continue
        use = there[:, k]
        squares = np.where(use, robust[:, k] * (white[:, k] * noise.sigma[:, k]) ** 2, 0).sum(
            axis=0
        )
        freedom = np.where(use, 1 - np.minimum(leverage[:, k], 1), 0).sum(axis=0)
        pooled = squares.sum() / max(freedom.sum(), 1.0)
        each = squares / np.maximum(freedom, 1e-9)
        if len(each) > 1 and (freedom >= LEAST_FREEDOM).all():
            by_trial[k] |= equal_variances(each, freedom) < SURE
        else:
            by_trial[k] = False
        sigma[:, k] = np.sqrt(each[None] if by_trial[k] else pooled)
    return _bounded(replace(noise, sigma=sigma, robust=robust, by_trial=by_trial, tau=tau))


@dataclass(frozen=True)
class WhiteFit:
    """A fit linearized under white noise of deviations `sigma`: its Jacobian projected, the inverse
    of its information (k, k), the autocorrelations (channels, lags) that it gives to residuals."""

    sigma: np.ndarray
    projected: ProjectedJacobian
    inverse: np.ndarray
    expected: np.ndarray

    def left(self, miss: np.ndarray) -> np.ndarray:
        """What of misfits (samples, channels, trials), in deviations, no unknown could take."""
        samples, channels, trials = miss.shape
        count = samples * channels
        z = (miss / self.sigma).reshape(count, trials)
        local, rows = self.projected.local[:count], self.projected.rows[:count]
        shared = self.inverse @ np.einsum("rkt,rt->k", rows, z)
        z = z - np.einsum("rmt,mt->rt", local, np.einsum("rmt,rt->mt", local, z))
        return (z - np.einsum("rkt,k->rt", rows, shared)).reshape(miss.shape)

    def reach(self, channel: int) -> np.ndarray:
        """Columns (samples, p, trials) whose products are the fit's hat matrix in a channel."""
        samples, channels, _ = self.sigma.shape
        values, vectors = np.linalg.eigh(self.inverse)
        root = vectors * np.sqrt(np.maximum(values, 0))
        rows = np.einsum("rkt,kj->rjt", self.projected.rows, root)
        whole = np.concatenate([self.projected.local, rows], axis=1)
        return whole[: samples * channels].reshape(samples, channels, -1, rows.shape[2])[:, channel]


def correlated(
    noise: Noise, o: ObservedMotions, miss: np.ndarray, white: WhiteFit, settings: FitSettings
) -> Noise | None:
    """The noise with correlation times where white noise is denied by the residuals `miss` over
    the channel's size (beside the autocorrelations that the fit gives), or asked for; None where
    nothing is to be correlated."""
    if settings.correlation == "none" or settings.loss == "student":
        return None
    tau, left = np.zeros(len(o.names)), white.left(miss)
    for k in range(len(o.names)):
        z, there = miss[:, k] / noise.sigma[:, k], o.there[:, k]
        rough = np.sqrt(np.mean(miss[:, k][there] ** 2)) > EXACT if there.any() else False
        if settings.correlation == "ar1" or (
            rough and ljung_box(z, there, white.expected[k]) < SURE
        ):
            if there.sum() > MOST_CORRECTED:
                tau[k] = correlation_time(o.t, z, there)
            else:
                tau[k] = unbiased_correlation_time(o.t, left[:, k], there, white.reach(k))
    return replace(noise, tau=tau) if tau.any() else None


def serial_correlation(noise: Noise, o: ObservedMotions) -> tuple[np.ndarray, np.ndarray] | None:
    """Of each sample the one of its channel before it, and the correlation with it."""
    if not noise.tau.any():
        return None
    previous = np.zeros(o.values.shape, int)
    rho = np.zeros(o.values.shape)
    for trial in range(o.t.shape[1]):
        for k in range(len(o.names)):
            rows = np.flatnonzero(o.there[:, k, trial])
            if noise.tau[k] > 0 and len(rows) > 1:
                previous[rows[1:], k, trial] = rows[:-1]
                gap = np.diff(o.t[rows, trial])
                rho[rows[1:], k, trial] = np.exp(-gap / noise.tau[k])
    return previous, rho
