"""Tests of residuals: whether what a fit leaves is noise, and the noise of samples without a model.

Arrays are (samples, trials) in the order of time, `there` says which samples there are; residuals
come in units of their deviation. Only `scipy.special` is needed of SciPy.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import chdtrc, fdtrc

# Fourth differences, which cubics have none of: their autocorrelations are -0.8, 0.4, -0.11, 0.01
# for white noise, so that so many of them say as much as one independent square.
OVERLAP = 2.627
LAGS = 10

Samples = Float[np.ndarray, "samples trials"]
There = Bool[np.ndarray, "samples trials"]


class ModelFreeNoise(NamedTuple):
    """Noise variance of each trial (trials,), NaN where a trial has too few samples, and for how
    many independent squares it stands."""

    variance: np.ndarray
    freedom: np.ndarray

    @property
    def pooled(self) -> tuple[float, float]:
        """Variance over all trials, and its degrees of freedom; NaN, 0 where there is none."""
        total = float(np.nansum(self.freedom))
        if not total:
            return np.nan, 0.0
        return float(np.nansum(self.variance * self.freedom) / total), total


def model_free_noise(t: Samples, x: Samples, there: There) -> ModelFreeNoise:
    """Noise variance as samples tell it that lie off the cubic through the two before and the two
    after them (Gasser, Sroka and Jennen-Steinmetz, Biometrika 73, 625, 1986, have lines)."""
    trials = t.shape[1]
    variance, freedom = np.full(trials, np.nan), np.zeros(trials)
    for k in range(trials):
        seen = there[:, k]
        times, values = t[seen, k], x[seen, k]
        if len(times) < 5:
            continue
        near = np.stack([times[:-4], times[1:-3], times[3:-1], times[4:]])
        middle, share = times[2:-2], np.ones((4, len(times) - 4))
        for i in range(4):
            for j in range(4):
                if j != i:
                    share[i] *= (middle - near[j]) / (near[i] - near[j])
        around = np.stack([values[:-4], values[1:-3], values[3:-1], values[4:]])
        miss = values[2:-2] - np.sum(share * around, axis=0)
        variance[k] = np.mean(miss**2 / (1 + np.sum(share**2, axis=0)))
        freedom[k] = max(len(miss) / OVERLAP, 1.0)
    return ModelFreeNoise(variance, freedom)


def chi_square_tail(chi_square: float, freedom: float) -> float:
    """The chance of a larger sum of squares of so many standard normal deviates."""
    return float(chdtrc(freedom, max(chi_square, 0.0)))


def f_tail(ratio: float, above: float, below: float) -> float:
    """The chance of a larger ratio of two estimates of one variance with these degrees of
    freedom."""
    return float(fdtrc(above, below, max(ratio, 0.0)))


def equal_variances(
    variances: Float[np.ndarray, " groups"], freedom: Float[np.ndarray, " groups"]
) -> float:
    """Bartlett's test (Proc. R. Soc. A 160, 268, 1937): the chance that estimates of one variance
    with these degrees of freedom (groups,) differ as much."""
    use = freedom > 0
    variances, freedom = variances[use], freedom[use]
    if len(variances) < 2 or not (variances > 0).all():
        return 1.0
    total = freedom.sum()
    pooled = (freedom * variances).sum() / total
    statistic = total * np.log(pooled) - (freedom * np.log(variances)).sum()
    correction = 1 + ((1 / freedom).sum() - 1 / total) / (3 * (len(variances) - 1))
    return chi_square_tail(statistic / correction, len(variances) - 1)


def _compact(z: np.ndarray, there: np.ndarray) -> list[np.ndarray]:
    """The samples of each trial, one after the other."""
    return [z[there[:, k], k] for k in range(z.shape[1])]


def autocorrelations(z: Samples, there: There, most: int = LAGS) -> tuple[np.ndarray, np.ndarray]:
    """Autocorrelations of residuals with mean zero at lags of 1, 2, ... samples within trials, and
    how many pairs each is made of."""
    series = _compact(z, there)
    lags = min(most, max((len(x) for x in series), default=1) // 4)
    square = sum(float(x @ x) for x in series) / max(sum(len(x) for x in series), 1)
    result, pairs = np.zeros(lags), np.zeros(lags)
    for h in range(1, lags + 1):
        products = [x[h:] @ x[:-h] for x in series if len(x) > h]
        pairs[h - 1] = sum(len(x) - h for x in series if len(x) > h)
        result[h - 1] = sum(products) / max(pairs[h - 1], 1) / square if square > 0 else 0.0
    return result, pairs


def ljung_box(z: Samples, there: There, expected: np.ndarray | None = None) -> float:
    """The chance that white noise has autocorrelations as large as these residuals (Ljung and Box,
    Biometrika 65, 297, 1978); 1 where there are too few samples. `expected` (lags,): those that the
    fit itself gives its residuals, since every unknown takes something out of all of them."""
    rho, pairs = autocorrelations(z, there)
    if expected is not None:
        rho = rho - expected[: len(rho)]
    return chi_square_tail(float(np.sum(pairs * rho**2)), len(rho)) if len(rho) else 1.0


def durbin_watson(z: Samples, there: There) -> float:
    """The mean square of differences of successive residuals over that of the residuals: 2 for
    white noise (Biometrika 37, 409, 1950)."""
    series = [x for x in _compact(z, there) if len(x) > 1]
    above, below = (
        sum(float(np.sum(np.diff(x) ** 2)) for x in series),
        sum(float(x @ x) for x in series),
    )
    return above / below if below > 0 else 2.0


def jarque_bera(z: Samples, there: There) -> float:
    """The chance that normal noise is as skew or as heavy in its tails (Int. Stat. Rev. 55, 163,
    1987); it is an asymptotic one, and 1 for fewer than 20 samples."""
    x = z[there]
    if len(x) < 20 or not np.any(x != x[:1]):
        return 1.0
    u = (x - x.mean()) / x.std()
    skew, kurtosis = np.mean(u**3), np.mean(u**4) - 3
    return chi_square_tail(len(x) * (skew**2 / 6 + kurtosis**2 / 24), 2)


def correlation_time(t: Samples, z: Samples, there: There) -> float:
    """The time in which the autocorrelation of residuals falls to 1/e, by the likelihood of a
    first-order autoregressive noise in continuous time (Jones, Technometrics 22, 389, 1980); 0
    where white noise is at least as likely."""
    gaps, before, now = [], [], []
    for k in range(t.shape[1]):
        times, x = t[there[:, k], k], z[there[:, k], k]
        gaps.append(np.diff(times))
        before.append(x[:-1])
        now.append(x[1:])
    gap, a, b = (np.concatenate(part) for part in (gaps, before, now))
    if len(gap) < 5:
        return 0.0
    unit = float(np.median(gap))

    def misfit(tau: float) -> float:
        rho = np.exp(-gap / tau)
        left = 1 - rho**2
        return float(np.sum(np.log(left) + (b - rho * a) ** 2 / left))

    white = float(np.sum(b**2))
    taus = unit * np.geomspace(0.2, max(len(gap) / 4, 2.0), 60)
    costs = np.array([misfit(tau) for tau in taus])
    at = int(np.argmin(costs))
    if costs[at] >= white:
        return 0.0
    low, high = np.log(taus[max(at - 1, 0)]), np.log(taus[min(at + 1, len(taus) - 1)])
    for _ in range(40):  # golden section
        third = 0.381966 * (high - low)
        left, right = low + third, high - third
        if misfit(np.exp(left)) < misfit(np.exp(right)):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))
