"""Training losses of a network: errors of the coefficients, or of the motion that they make.

The losses on motions are those of the paper on families of Lagrangians (eqs. 28 and 29 and its
Section 5.3), system by system: alpha |q - q_true| + beta |pi - pi_true| in some norm over the
samples, and a penalty below the bounds. A system's loss is capped, since a motion that the answer
blows up says nothing but that it is wrong.
"""

from __future__ import annotations

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from actionrun.compiler.numerics.array_types import Coefficients, Series, States
from jaxtyping import Array, Float

from .encoder import sizes
from .population import Population

ELBOW = 0.05  # of a code's spread over the population: where the loss turns from square to linear
FINEST = 0.01  # of a code: error bars below it do not count for more
HUBER = 0.1  # of a channel's size, or as a number where motions are not scaled
CAP = 10.0  # of a system's loss
SLACK, SLOPE = 0.1, 20.0  # the penalty below a bound (eq. 29)


def pseudo_huber(error: Float[Array, "..."], elbow: float) -> Float[Array, "..."]:
    """error^2 where small, linear where large, so that no wild system steers the network."""
    return 2 * elbow**2 * (jnp.sqrt(1 + (error / elbow) ** 2) - 1)


class TrainingLoss(eqx.Module):
    """`channels` (channels,) are the weights alpha and beta; `exponent`: n of the norm L^n;
    `raw`: errors as they are, not relative to the size of each channel."""

    kind: Literal["gauge", "rms", "mae", "huber", "ln"] = eqx.field(static=True)
    channels: jax.Array
    exponent: float = eqx.field(static=True)
    raw: bool = eqx.field(static=True)

    @property
    def of_codes(self) -> bool:
        return self.kind == "gauge"

    def coefficient_loss(self, given: Coefficients, wanted: Coefficients) -> Float[Array, " batch"]:
        """(batch,) from codes (k, batch)."""
        return jnp.mean(pseudo_huber(given - wanted, ELBOW), axis=0)

    def noise_scaled_loss(
        self, given: Coefficients, wanted: Coefficients, spread: Coefficients
    ) -> Float[Array, " batch"]:
        """(batch,) from codes (k, batch) that noise lets be known within `spread`: an error counts
        by the share that it adds to the unavoidable one."""
        unit = jnp.sqrt(spread**2 + FINEST**2)
        return jnp.mean(pseudo_huber((given - wanted) / unit, 1.0), axis=0)

    def trajectory_loss(
        self,
        population: Population,
        named: Coefficients,
        c: Coefficients,
        q: States,
        p: States,
        seen: Series,
    ) -> Float[Array, " batch"]:
        """(batch,) of coefficients named (k, batch) for motions seen (samples, channels, batch).

        A motion that leaves the finite numbers costs the cap, and has no gradient: its lane is
        integrated with the true coefficients instead, so that no NaN enters the others.
        """
        trial, finite = population.observed(jax.lax.stop_gradient(named), q, p)
        worth = self._norm(trial, seen)
        fine = finite & (worth < CAP)
        again, _ = population.series(jnp.where(fine, named, c), q, p)
        loss = jnp.where(fine, self._norm(again, seen), CAP)
        return loss + self._below(population, named)

    def _norm(self, series: jax.Array, seen: jax.Array) -> jax.Array:
        error = series - seen
        if not self.raw:
            error = error / sizes(seen)
        match self.kind:
            case "mae":
                each = jnp.mean(jnp.abs(error), axis=0)
            case "huber":
                each = jnp.mean(pseudo_huber(error, HUBER), axis=0)
            case "ln":
                n = self.exponent
                tiny = jnp.finfo(error.dtype).tiny
                each = (jnp.mean(jnp.abs(error) ** n, axis=0) + tiny) ** (1 / n)
            case _:
                tiny = jnp.finfo(error.dtype).tiny
                each = jnp.sqrt(jnp.mean(error**2, axis=0) + tiny)
        return jnp.sum(self.channels.astype(error.dtype)[:, None] * each, axis=0)

    def _below(self, population: Population, named: jax.Array) -> jax.Array:
        low = population.low.astype(named.dtype)[:, None] - SLACK
        short = jnp.minimum(jnp.maximum(low - named, 0.0), 1.0)
        return SLOPE * jnp.sum(short**2, axis=0)
