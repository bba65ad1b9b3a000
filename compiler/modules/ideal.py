"""What an ideal reader would say of a noisy motion: the target of training where there is noise.

The true coefficients are a noisy target, since the noise of the motion hides a part of them that no
network can know. The mean of the posterior is what a network trained on the truth tends to in the
end; near the truth it is known in closed form, from the Fisher information of the motion. With it
as the target the gradient has no noise of its own, and training is several times faster.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.scipy.stats import norm

from .encoder import sizes
from .least_squares import slopes
from .linear import inverse
from .population import Population

WEAK = 1e-2  # of a range's own information: keeps directions that no motion tells finite
NARROW = 0.25  # of its range: a coefficient known less well than this keeps its true value
FAR = 4.0, 8.0  # standard deviations within which an end of a range is taken, outside and inside


def ideal(population: Population, c, q, rate, clean, noisy) -> tuple[jax.Array, jax.Array]:
    """Posterior mean and standard deviation (k, batch) of coefficients c (k, batch), given the
    series `noisy` of the motion `clean` (samples, channels, batch), from starting q and rate
    (n, batch).

    Linear in the noise around the truth, where the posterior is normal with the inverse of the
    Fisher information as covariance (an unknown start is integrated out), then multiplied by the
    prior of the study.
    """
    k, n, batch = len(c), len(q), c.shape[-1]
    unit = population.noise * sizes(clean)

    def series(x):
        at = (x[k : k + n], x[k + n :]) if len(x) > k else (q, rate)
        found, _ = population.series(x[:k], at[0], population.momenta(x[:k], *at))
        return (found / unit).reshape((-1, batch))

    starts = [] if population.known_start else [q, rate]
    at = jnp.concatenate([c, *starts])
    width = [population.high - population.low]
    if starts:
        width += [population.q_high - population.q_low, population.rate_high - population.rate_low]
    wide = jnp.maximum(jnp.concatenate(width).astype(c.dtype), 1e-6)[:, None]
    _, J = slopes(series, at)
    J = J * wide[None]  # in units of the ranges
    noise = ((noisy - clean) / unit).reshape((-1, batch))
    eye = jnp.eye(len(at), dtype=c.dtype)[..., None]
    information = jnp.einsum("mib,mjb->ijb", J, J) + WEAK * eye
    scale = jnp.sqrt(jnp.einsum("iib->ib", information))
    both = scale[:, None] * scale[None]
    spread = (inverse(information / both) / both)[:k, :, :]
    moved = jnp.einsum("ijb,jb->ib", spread, jnp.einsum("mib,mb->ib", J, noise))
    mean = c + wide[:k] * moved
    spread = spread[:, :k] * wide[:k, None] * wide[None, :k]
    mean, spread = _with_prior(population, mean, spread)
    variance = jnp.einsum("iib->ib", spread)
    fine = jnp.all(jnp.isfinite(mean) & (variance > 0), axis=0)
    low, high = (x.astype(c.dtype)[:, None] for x in (population.low, population.high))
    mean = jnp.where(fine, jnp.clip(mean, low, high), c)
    return mean, jnp.where(fine, jnp.sqrt(jnp.maximum(variance, 0)), wide[:k])


def _with_prior(population: Population, mean, spread) -> tuple[jax.Array, jax.Array]:
    """A normal posterior (k, batch), (k, k, batch) times the prior of the study, one coefficient
    after the other: even in its range, and zero with a probability of its own. After each, the
    normal distribution with the same mean and covariance goes on (assumed density filtering: Minka,
    UAI 2001)."""
    tiny = jnp.finfo(mean.dtype).tiny
    for k in range(len(mean)):
        low, high, zero = (
            x[k].astype(mean.dtype) for x in (population.low, population.high, population.zero)
        )
        m, s = mean[k], jnp.sqrt(jnp.maximum(spread[k, k], tiny))
        a = jnp.clip((low - m) / s, -FAR[1], FAR[0])
        b = jnp.clip((high - m) / s, -FAR[0], FAR[1])
        inside = jnp.maximum(norm.cdf(b) - norm.cdf(a), 1e-6)
        shift = (norm.pdf(a) - norm.pdf(b)) / inside
        left = 1 + (a * norm.pdf(a) - b * norm.pdf(b)) / inside - shift**2
        even = (1 - zero) * inside / (high - low)
        off = zero * norm.pdf(m / s) / s
        share = off / (even + off)
        within = m + s * shift
        moved = (1 - share) * within - m
        variance = (1 - share) * (s**2 * jnp.clip(left, 0, 1) + share * within**2)
        known = s < NARROW * (high - low)
        along = jnp.where(known, spread[:, k] / s**2, 0.0)
        mean = mean + along * moved
        spread = spread - along[:, None] * along[None] * (s**2 - variance)
    return mean, spread
