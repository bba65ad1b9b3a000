"""Laplace approximation of the posterior of coefficients, given a noisy motion.

Tierney and Kadane (J. Am. Stat. Assoc. 81, 82, 1986). It is the target of training where there is
noise, and Fisher scoring towards it ends a network.

The true coefficients are a noisy target, since the noise of the motion hides a part of them that no
network can know. The mean of the posterior is what a network trained on the truth tends to in the
end; near the truth it is known in closed form, from the Fisher information of the motion. With it
as the target the gradient has no noise of its own, and training is several times faster.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from actionrun.compiler.numerics.array_types import Coefficients, Series, States
from actionrun.compiler.numerics.linalg import inverse
from actionrun.compiler.numerics.optimizers.inequality_constraints import value_and_jacobian
from jax.scipy.stats import norm

from .encoder import sizes
from .population import Population

WEAK = 1e-2  # of a range's own information: keeps directions that no motion tells finite
NARROW = 0.25  # of its range: a coefficient known less well than this keeps its true value
LOST = 1.0  # by which the squared misfit over that of the noise may rise and no step be lost
FAR = 4.0, 8.0  # standard deviations within which an end of a range is taken, outside and inside


def posterior_mean(
    population: Population,
    c: Coefficients,
    q: States,
    rate: States,
    clean: Series,
    noisy: Series,
) -> tuple[Coefficients, Coefficients]:
    """Posterior mean and standard deviation (k, batch) of coefficients c (k, batch), given the
    series `noisy` of the motion `clean` (samples, channels, batch), from starting q and rate
    (n, batch).

    Linear in the noise around the truth, where the posterior is normal with the inverse of the
    Fisher information as covariance (an unknown start is integrated out), then multiplied by the
    prior of the study.
    """
    unit = population.noise * sizes(clean)
    starts = () if population.known_start else (q, rate)
    at = jnp.concatenate([c, *starts])
    _, J = value_and_jacobian(lambda x: _seen(population, x, q, rate) / unit, at)
    moved, spread = _normal(population, J, (noisy - clean) / unit)
    return _posterior(population, c, c + moved[: len(c)], spread)


def fisher_scoring(
    population: Population, named: Coefficients, q: States, rate: States, noisy: Series, steps: int
) -> Coefficients:  # fmt: skip
    """Coefficients `named` (k, batch) of the motions `noisy` (samples, channels, batch) after steps
    of Fisher scoring, from starting q and rate (n, batch).

    Each step goes to the mean of the posterior, the likelihood being normal around the last; a
    start that is not known moves with the coefficients. From an estimate as near as a network's
    one step has, to first order, the least variance that there is (Le Cam, 1956). Where the motion
    of the answer fits clearly worse than that of `named`, this stays.
    """
    k = len(named)
    low, high = (x[:, None] for x in (population.low, population.high))
    first = jnp.concatenate([named, *(() if population.known_start else (q, rate))])

    def step(_, x):
        series, J = value_and_jacobian(lambda x: _seen(population, x, q, rate), x)
        unit = population.noise * sizes(series)  # of the answer: those seen go with the noise
        moved, spread = _normal(population, J / unit, (noisy - series) / unit)
        moved = x + jnp.where(jnp.all(jnp.isfinite(moved), axis=0), moved, 0)
        mean, _ = _posterior(population, jnp.clip(moved[:k], low, high), moved[:k], spread)
        return jnp.concatenate([mean, moved[k:]])

    def misfit(x):
        lack = (noisy - _seen(population, x, q, rate)) / (population.noise * sizes(noisy))
        worth = jnp.sum(lack**2, axis=(0, 1))
        return jnp.where(jnp.isfinite(worth), worth, jnp.inf)

    last = jax.lax.fori_loop(0, steps, step, first)
    return jnp.where(misfit(last) <= misfit(first) + LOST, last[:k], named)


def _seen(population: Population, x: jax.Array, q: jax.Array, rate: jax.Array) -> jax.Array:
    """The series of coefficients, or of these and starts of their own (k + 2n, batch)."""
    k, n = len(population.low), len(q)
    if len(x) > k:
        q, rate = x[k : k + n], x[k + n :]
    result, _ = population.series(x[:k], q, population.momenta(x[:k], q, rate))
    return result


def _normal(population: Population, J: jax.Array, miss: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Step (m, batch) and covariance (m, m, batch) of the normal likelihood around a point, from
    the slopes J (samples, m, channels, batch) and what the samples exceed it by, in units of the
    noise."""
    width = [population.high - population.low]
    if J.shape[1] > len(population.low):
        width += [population.q_high - population.q_low, population.rate_high - population.rate_low]
    wide = jnp.maximum(jnp.concatenate(width).astype(miss.dtype), 1e-6)[:, None]
    J = J * wide[..., None]  # in units of the ranges
    eye = jnp.eye(len(wide), dtype=miss.dtype)[..., None]
    information = jnp.einsum("tivb,tjvb->ijb", J, J) + WEAK * eye
    scale = jnp.sqrt(jnp.einsum("iib->ib", information))
    both = scale[:, None] * scale[None]
    spread = inverse(information / both) / both
    moved = jnp.einsum("ijb,jb->ib", spread, jnp.einsum("tivb,tvb->ib", J, miss))
    return wide * moved, spread * wide[:, None] * wide[None]


def _posterior(population: Population, c, mean, spread) -> tuple[jax.Array, jax.Array]:
    """Mean and standard deviation (k, batch) of a normal likelihood times the prior; c (k, batch)
    where a number is not finite."""
    k = len(c)
    wide = (population.high - population.low).astype(c.dtype)[:, None]
    mean, spread = _with_prior(population, mean, spread[:k, :k])
    variance = jnp.einsum("iib->ib", spread)
    fine = jnp.all(jnp.isfinite(mean) & (variance > 0), axis=0)
    low, high = (x.astype(c.dtype)[:, None] for x in (population.low, population.high))
    mean = jnp.where(fine, jnp.clip(mean, low, high), c)
    return mean, jnp.where(fine, jnp.sqrt(jnp.maximum(variance, 0)), wide)


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
