"""The noise of many motions, each fitted alone: by channel and motion."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from actionrun.compiler.family.observations import ObservedMotions, spread_of

from .goodness_of_fit import ChannelFit, channel_fits
from .noise import ROUND_OFF, Noise

DEEPEST = 1e-3  # of two channels' relative noises: the smaller counts as this of the larger


@dataclass(frozen=True)
class MotionNoise:
    """`sizes` (channels, trials): RMS of each channel about its mean; `sigma` like it: standard
    deviations of the noise over these; whether they were declared."""

    sizes: np.ndarray
    sigma: np.ndarray
    declared: bool

    def weights(self, o: ObservedMotions) -> np.ndarray:
        """Of residuals (samples, channels, trials): 1 over the size for the best channel of each
        motion, and less by the ratio of the noises for another."""
        return np.where(o.there, self.sigma.min(axis=0) / self.sigma / self.sizes, 0.0)

    def variance_in(self, weight: np.ndarray) -> np.ndarray:
        """The variance (trials,) of residuals with these weights."""
        most = np.max(weight, axis=0)
        square = np.sum(most * (most * self.sigma * self.sizes) ** 2, axis=0)
        return square / np.maximum(np.sum(most, axis=0), np.finfo(float).tiny)

    def updated(self, o: ObservedMotions, model: np.ndarray, unknowns: np.ndarray) -> MotionNoise:
        """The noise of the residuals of fits with so many unknowns (trials,)."""
        if self.declared:
            return self
        there = o.there
        counts = there.sum(axis=0)
        share = np.clip(1 - unknowns / np.maximum(counts.sum(axis=0), 1), 1e-3, 1)
        miss = np.where(there, (model - o.values) / self.sizes, 0.0)
        sigma = np.sqrt(np.sum(miss**2, axis=0) / np.maximum(counts * share, 1e-3))
        return replace(self, sigma=_bounded(sigma))

    def goodness(
        self, o: ObservedMotions, model: np.ndarray, unknowns: np.ndarray
    ) -> list[tuple[ChannelFit, ...]]:
        """What the residuals of each motion say, channel by channel."""
        result = []
        for trial in range(o.t.shape[1]):
            only = slice(trial, trial + 1)
            size = self.sizes[:, trial]
            one = ObservedMotions(
                o.t[:, only], o.values[..., only], np.where(o.there[..., only], 1.0, 0.0), size,
                o.names,
            )  # fmt: skip
            shape = one.values.shape
            sigma = np.broadcast_to(self.sigma[None, :, only], shape)
            none = np.zeros(shape[1])
            noise = Noise(sigma, np.full(shape[1], self.declared), none, np.ones(shape),
                          none.astype(bool))  # fmt: skip
            miss = np.where(one.there, (model[..., only] - one.values) / size[:, None], 0.0)
            count = max(int(one.there.sum()), 1)
            leverage = np.full(shape, min(float(unknowns[trial]) / count, 1.0))
            result.append(channel_fits(one, noise, miss, miss / sigma, leverage))
        return result


def _bounded(sigma: np.ndarray) -> np.ndarray:
    return np.maximum(sigma, np.maximum(sigma.max(axis=0) * DEEPEST, ROUND_OFF))


def motion_noise(o: ObservedMotions, declared: float | None) -> MotionNoise:
    """Declared noise, relative to each motion; else the same for all channels, to begin with: a
    slip in one of them then stands out from the others."""
    sizes = np.array([
        [spread_of(o.values[o.there[:, k, i], k, i]) for i in range(o.t.shape[1])]
        for k in range(len(o.names))
    ])  # fmt: skip
    return MotionNoise(sizes, np.full(sizes.shape, declared or 1.0), bool(declared))
