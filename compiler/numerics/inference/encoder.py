"""Encoder: a network from a motion to the coefficients of its Lagrangian.

Equivariant by construction: it sees the motion divided by its own scales and answers in units of
them, c_k = prod_j S_j^e_kj * g_k(u_k), with exponents e derived from the Lagrangian (`scaling`).
Arrays are (samples, channels, batch); channels are the observed variables component by component.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from actionrun.compiler.numerics.array_types import Coefficients, Series
from actionrun.compiler.numerics.networks.architectures import Network
from jaxtyping import Array, Float


class ScalingTransform(eqx.Module):
    """Scaling transform: the scales of a motion, and how channels and coefficients go with them.

    `sums` (quantities, channels) adds the mean squares of the channels of one quantity, `reader`
    (scales, quantities) makes scales of them (an action is a position times a momentum);
    `channels` (channels, scales) and `coefficients` (k, scales) are exponents.
    """

    sums: jax.Array
    reader: jax.Array
    channels: jax.Array
    coefficients: jax.Array
    raw: bool = eqx.field(static=True, default=False)  # no scales: the numbers as they are
    absolute: bool = eqx.field(static=True, default=False)  # the network sees the scales too

    def logarithms(self, size: Float[Array, "channels batch"]) -> Float[Array, "scales batch"]:
        """Logs of the scales (scales, batch) from the channels' RMS (channels, batch)."""
        squares = self.sums.astype(size.dtype) @ (size * size)
        return self.reader.astype(size.dtype) @ (0.5 * jnp.log(squares))

    def units(self, logs: Float[Array, "scales batch"]) -> Coefficients:
        """The units of the coefficients (k, batch) that belong to the scales."""
        return jnp.exp(self.coefficients.astype(logs.dtype) @ logs)


def sizes(series: Series) -> Float[Array, "channels batch"]:
    """RMS over time of each channel, (channels, batch), never zero."""
    tiny = jnp.finfo(series.dtype).tiny ** 0.5
    return jnp.sqrt(jnp.mean(series * series, axis=0) + tiny)


class CoefficientTransform(eqx.Module):
    """Coefficient transform: in units of the motion <-> numbers of order one for a network.

    Logarithmic for a coefficient that is positive, asinh(c / soft) for one that may vanish or
    change sign: linear at zero, logarithmic far from it. Standardised over the population.
    """

    soft: jax.Array  # (k,); 0: logarithmic
    mean: jax.Array
    spread: jax.Array

    def encoded(self, c: Coefficients) -> Coefficients:
        """(k, batch) in units of the motion -> (k, batch) of order one."""
        soft, logarithmic = self._split()
        raw = jnp.where(logarithmic, jnp.log(jnp.where(logarithmic, c, 1.0)), jnp.arcsinh(c / soft))
        return (raw - self.mean[:, None]) / self.spread[:, None]

    def decoded(self, u: Coefficients) -> Coefficients:
        """The inverse of `encoded`."""
        soft, logarithmic = self._split()
        raw = u * self.spread[:, None] + self.mean[:, None]
        raw = jnp.clip(raw, -60.0, 60.0)
        return jnp.where(logarithmic, jnp.exp(raw), soft * jnp.sinh(raw))

    def steepness(self, c: Coefficients) -> Coefficients:
        """d code / d c (k, batch) at c (k, batch)."""
        soft, logarithmic = self._split()
        by_c = jnp.where(logarithmic, 1 / jnp.where(logarithmic, c, 1.0), 1 / jnp.hypot(c, soft))
        return by_c / self.spread[:, None]

    def _split(self):
        logarithmic = (self.soft == 0)[:, None]
        return jnp.where(logarithmic, 1.0, self.soft[:, None]), logarithmic


class Encoder(eqx.Module):
    """Motion -> coefficients. `network` maps features (width,) to codes (k,).

    `shared` are groups of coefficients, by index, that have a factor in common. The network names
    it as well, after the codes, and each coefficient of the group is multiplied by it: the
    embeddings of the paper on families of Lagrangians (eq. 30). `axes` (width, kept), where there
    is noise, are the directions in which motions differ by more than it: the network reads those.
    """

    network: Network
    gauge: ScalingTransform
    code: CoefficientTransform
    feature_mean: jax.Array
    feature_spread: jax.Array
    shared: tuple[tuple[int, ...], ...] = eqx.field(static=True, default=())
    axes: jax.Array | None = None

    def estimates(self, series: Series) -> Coefficients:
        """Coefficients (k, batch) of motions (samples, channels, batch)."""
        features, logs = motion_features(self.gauge, series)
        return self.code.decoded(self.codes(features)) * self.gauge.units(logs)

    def codes(
        self, features: Float[Array, "width batch"], key: jax.Array | None = None
    ) -> Coefficients:
        """Codes (k, batch) of features (width, batch); `key` for dropout, in training."""
        x = (features - self.feature_mean[:, None]) / self.feature_spread[:, None]
        if self.axes is not None:
            x = self.axes.T @ x
        if key is None:
            return self._joined(jax.vmap(self.network, in_axes=1, out_axes=1)(x))
        keys = jax.random.split(key, x.shape[1])
        return self._joined(jax.vmap(self.network, in_axes=(1, 0), out_axes=1)(x, keys))

    def _joined(self, answer: jax.Array) -> jax.Array:
        """Codes (k, batch) from what the network names: codes, then factors less one (or, where
        the network works in scales, their logarithms)."""
        if not self.shared:
            return answer
        k = len(answer) - len(self.shared)
        factors = 1 + answer[k:] if self.gauge.raw else jnp.exp(jnp.clip(answer[k:], -8.0, 8.0))
        c = self.code.decoded(answer[:k])
        for factor, group in zip(factors, self.shared, strict=True):
            inside = jnp.isin(jnp.arange(k), jnp.array(group))[:, None]
            c = jnp.where(inside, c * factor, c)
        return self.code.encoded(c)


def motion_features(
    gauge: ScalingTransform, series: Series
) -> tuple[Float[Array, "width batch"], Float[Array, "scales batch"]]:
    """What the network sees (width, batch) and the logs of the scales (scales, batch).

    Each channel in units of its own RMS, and the logs of those RMS in units of the scales, which
    are constant where the scalings take them all. `absolute` adds the logs of the scales: what a
    known start says of them is worth having where there is noise.
    """
    size = sizes(series)
    logs = gauge.logarithms(size)
    if gauge.raw:
        return series.reshape((-1, series.shape[-1])), logs
    shape = (series / size).reshape((-1, series.shape[-1]))
    rest = jnp.log(size) - gauge.channels.astype(size.dtype) @ logs
    rest = jnp.clip(rest, -30.0, 30.0)  # a channel that is zero throughout
    return jnp.concatenate([shape, rest, *([logs] if gauge.absolute else [])]), logs
