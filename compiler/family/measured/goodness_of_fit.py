"""Goodness of fit: whether what a fit leaves is the noise that the measurement has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from actionrun.compiler.family.observations import (
    ObservedMotions,
    noise_without_model,
    outliers,
)
from actionrun.compiler.numerics.inference.residual_tests import (
    autocorrelations,
    chi_square_tail,
    durbin_watson,
    f_tail,
    jarque_bera,
    ljung_box,
)

from .noise import EXACT, SURE, TAILS, Noise

CREDIBLE = 0.2  # of a channel's size: samples without a model tell no noise above it
LEAST_FREEDOM = 5.0


@dataclass(frozen=True)
class ChannelFit:
    """What a channel's residuals say. `chi_square` per degree of freedom, beside the noise that was
    declared or that samples show without a model, and the chance of as much; `explained` share of
    the variance; the chances of the autocorrelations (Ljung-Box) and of the tails (Jarque-Bera) for
    white normal noise, Durbin-Watson's ratio; `tau`: correlation time of the noise, 0 for white."""

    noise: float  # standard deviation, in the channel's unit
    declared: bool
    chi_square: float | None
    chance: float
    beside: str
    explained: float
    durbin_watson: float
    ljung_box: float
    jarque_bera: float
    tau: float
    freedom: float

    @property
    def is_noise(self) -> bool:
        return self.chance > SURE

    @property
    def is_white(self) -> bool:
        return self.ljung_box > SURE

    def data(self) -> dict[str, Any]:
        """For result.json."""
        return {
            "noise": self.noise,
            "noise_is": "declared" if self.declared else "estimated",
            "chi_square_per_degree_of_freedom": self.chi_square,
            "beside": self.beside,
            "probability_of_chi_square": self.chance,
            "explained_variance": self.explained,
            "durbin_watson": self.durbin_watson,
            "probability_of_autocorrelation": self.ljung_box,
            "probability_of_tails": self.jarque_bera,
            "correlation_time": self.tau,
        }


def channel_fits(
    o: ObservedMotions, noise: Noise, miss: np.ndarray, white: np.ndarray, leverage: np.ndarray,
    expected: np.ndarray | None = None,
) -> tuple[ChannelFit, ...]:  # fmt: skip
    """The goodness of fit of each channel: misfits over the channel's size, white residuals in
    deviations, leverages (samples, channels, trials); autocorrelations (channels, lags) that the
    fit itself gives. What Student's loss weighs down as an outlier is no part of chi square."""
    free_variance, free_freedom = noise_without_model(o)
    result = []
    for k in range(len(o.names)):
        there = o.there[:, k] & ~_outlying(miss[:, k], o.there[:, k], noise.robust[:, k])
        freedom = float(np.sum(np.where(there, 1 - np.minimum(leverage[:, k], 1), 0)))
        z = white[:, k] / np.sqrt(noise.robust[:, k])
        chance, chi, beside = 1.0, None, "nothing: too few samples"
        deviation = float(np.sqrt(np.mean(noise.sigma[:, k][there] ** 2))) if there.any() else 0.0
        if (noise.robust[:, k] != 1).any() and not noise.declared[k]:
            deviation = float(np.sqrt(np.mean(miss[:, k][there] ** 2)))
        if freedom < 1:
            pass
        elif noise.declared[k]:
            square = float(np.sum(z[there] ** 2))
            chi, beside = square / freedom, "the declared noise"
            above = chi_square_tail(square, freedom)
            chance = min(2 * min(above, 1 - above), 1.0)
        else:
            total = float(free_freedom[k].sum())
            if total >= LEAST_FREEDOM:
                free = float(np.nansum(free_variance[k] * free_freedom[k]) / total)
                credible = 0 < free < CREDIBLE**2
                square = float(np.sum(miss[:, k][there] ** 2))
                chi = square / freedom / free if free > 0 else None
                beside = "the noise that samples show without a model"
                if credible and chi is not None and not noise.tau[k]:
                    chance = f_tail(chi, freedom, total)
                elif not credible:
                    beside += " (which are too far apart to tell it)"
                else:
                    beside += " (white noise alone: that of this channel is correlated)"
        values = o.values[:, k][there] / o.size[k]
        about = float(np.sum((values - values.mean()) ** 2)) if len(values) else 0.0
        left = float(np.sum(miss[:, k][there] ** 2))
        exact = not there.any() or left <= EXACT**2 * int(there.sum())
        memory = 1.0 if exact else ljung_box(z, there, None if expected is None else expected[k])
        tails = 1.0 if exact else jarque_bera(z, there)
        result.append(ChannelFit(
            deviation * float(o.size[k]), bool(noise.declared[k]), chi, chance, beside,
            1 - left / about if about > 0 else 0.0, durbin_watson(z, there),
            memory, tails,
            float(noise.tau[k]), freedom,
        ))  # fmt: skip
    return tuple(result)


def _outlying(miss: np.ndarray, there: np.ndarray, robust: np.ndarray) -> np.ndarray:
    """Samples that a robust loss takes for outliers; none without one."""
    return outliers(miss, there, 1.0) if (robust != 1).any() else np.zeros_like(there)


def student_factors(noise: Noise, o: ObservedMotions, white: np.ndarray, freedom: float):
    """Curvature and score variance of Student's loss, (channels,) each, in deviations."""
    curvature, score = np.ones(len(o.names)), np.ones(len(o.names))
    for k in range(len(o.names)):
        there = o.there[:, k]
        weight = noise.robust[:, k][there]
        u = white[:, k][there] / np.sqrt(weight)
        psi = (TAILS + 1) * u / (TAILS + u**2)
        slope = (TAILS + 1) * (TAILS - u**2) / (TAILS + u**2) ** 2
        curvature[k] = np.mean(slope)
        score[k] = np.mean(psi**2) * len(u) / max(len(u) * freedom, 1.0)
    return curvature, score


def memory(o: ObservedMotions, white: np.ndarray) -> int:
    """Over how many samples residuals are correlated: twice the lag at which none is seen any
    more, at most a quarter of a trial."""
    most = 0
    for k in range(len(o.names)):
        there = o.there[:, k]
        longest = int(there.sum(axis=0).max())
        rho, pairs = autocorrelations(white[:, k], there, longest // 4)
        quiet = np.abs(rho) < 2 / np.sqrt(np.maximum(pairs, 1))
        most = max(most, int(np.argmax(quiet)) if quiet.any() else len(rho))
    return 2 * most + 1 if most else 0


def motion_chance(
    o: ObservedMotions, noise: Noise, miss: np.ndarray, unknowns: int, freedom: float
) -> float:
    """The chance that samples at rest (their means, trial by trial) leave as much more than the
    fit, by the noise alone, at any of as many frequencies as there are samples."""
    rest = fit = 0.0
    means = 0
    for k in range(len(o.names)):
        for trial in range(o.t.shape[1]):
            there = o.there[:, k, trial]
            if not there.any():
                continue
            sigma = noise.sigma[there, k, trial]
            x = o.values[there, k, trial] / o.size[k]
            rest += float(np.sum(((x - x.mean()) / sigma) ** 2))
            fit += float(np.sum((miss[there, k, trial] / sigma) ** 2))
            means += 1
    more = max(unknowns - means, 1)
    if fit <= 0 or freedom < 1:
        return 0.0
    ratio = (rest - fit) / more / (fit / freedom)
    return min(f_tail(ratio, more, freedom) * max(int(o.there.sum()), 1), 1.0)
