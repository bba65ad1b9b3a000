"""Hamiltonian Monte Carlo in whitened variables, and how well its chains have mixed.

Neal (Handbook of Markov Chain Monte Carlo, 2011, chapter 5); split R-hat and effective sample sizes
as Gelman et al. have them (Bayesian Data Analysis, 2013, section 11.4-5).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

LEAPS = 6  # of a trajectory, of about a quarter of a swing of the whitened density
STEP = 0.3
JITTER = 0.4  # share by which the step varies from draw to draw

Density = Callable[[jax.Array], jax.Array]  # of positions (d, chains), (chains,)


class Chains(NamedTuple):
    """Positions (draws, d, chains) and the share of proposals that were taken (chains,)."""

    draws: Float[Array, "draws d chains"]
    accepted: Float[Array, " chains"]


def hamiltonian_chains(
    log_density: Density, start: Float[Array, "d chains"], key: jax.Array, draws: int, warm: int
) -> Chains:
    """Draws of a density that is about a standard normal one, after `warm` of them that are not
    kept; where the density is no number it counts as nothing."""

    def density_and_slope(z):
        value, pull = jax.vjp(log_density, z)
        (slope,) = pull(jnp.ones_like(value))
        value = jnp.where(jnp.isfinite(value), value, -jnp.inf)
        return value, jnp.where(jnp.isfinite(slope), slope, 0.0)

    d, chains = start.shape

    def draw(carry, key):
        z, log, slope, count = carry
        keys = jax.random.split(key, 3)
        p = jax.random.normal(keys[0], z.shape)
        h = STEP / d**0.25 * (1 + JITTER * (2 * jax.random.uniform(keys[1], (chains,)) - 1))

        def leap(_, state):
            z, p, _, force = state
            p = p + h / 2 * force
            z = z + h * p
            value, force = density_and_slope(z)
            return z, p + h / 2 * force, value, force

        new, q, new_log, new_slope = jax.lax.fori_loop(0, LEAPS, leap, (z, p, log, slope))
        gain = new_log - log + (jnp.sum(p**2, axis=0) - jnp.sum(q**2, axis=0)) / 2
        taken = jnp.log(jax.random.uniform(keys[2], (chains,))) < gain
        z, log, slope = (
            jnp.where(taken, a, b) for a, b in ((new, z), (new_log, log), (new_slope, slope))
        )
        return (z, log, slope, count + taken), z

    begin = (start, *density_and_slope(start), jnp.zeros(chains))
    warmed, _ = jax.lax.scan(draw, begin, jax.random.split(jax.random.fold_in(key, 0), warm))
    (*_, count), kept = jax.lax.scan(
        draw, (*warmed[:-1], jnp.zeros(chains)), jax.random.split(jax.random.fold_in(key, 1), draws)
    )
    return Chains(kept, count / draws)


def split_r_hat(x: Float[np.ndarray, "draws chains"]) -> float:
    """How much wider all chains are than the halves of each: 1 where they have mixed."""
    half = len(x) // 2
    parts = np.concatenate([x[:half], x[half : 2 * half]], axis=1)
    within = parts.var(axis=0, ddof=1).mean()
    between = half * parts.mean(axis=0).var(ddof=1)
    return float(np.sqrt((half - 1) / half + between / half / within)) if within > 0 else 1.0


def effective_size(x: Float[np.ndarray, "draws chains"]) -> float:
    """So many independent draws say as much of the mean (Geyer's initial positive sequence)."""
    draws, chains = x.shape
    centred = x - x.mean(axis=0)
    size = 2 ** int(np.ceil(np.log2(2 * draws)))
    spectrum = np.abs(np.fft.rfft(centred, size, axis=0)) ** 2
    gamma = np.fft.irfft(spectrum, size, axis=0)[:draws].mean(axis=1) / draws
    between = x.mean(axis=0).var(ddof=1) if chains > 1 else 0.0
    total = gamma[0] * (draws - 1) / draws + between
    if not total > 0:
        return float(draws * chains)
    rho = 1 - (gamma[0] - gamma) / total
    pairs = rho[1 : draws - draws % 2 - 1 : 2] + rho[2 : draws - draws % 2 : 2]
    stop = int(np.argmax(pairs < 0)) if (pairs < 0).any() else len(pairs)
    return float(draws * chains / max(1 + 2 * pairs[:stop].sum(), 1 / (draws * chains)))
