"""What is known of a noisy motion, and where its refinement starts."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from actionrun.compiler import compile
from actionrun.compiler.numerics.inference.initial_guess import (
    lower_residual_start,
    observed_start,
    weak_form_estimate,
)
from actionrun.compiler.numerics.inference.posterior import fisher_scoring, posterior_mean
from actionrun.compiler.numerics.optimizers.levenberg_marquardt import levenberg_marquardt
from actionrun.spec import loads

STUDY = """
study = "family"
[system]
coordinates = ["q"]
lagrangian = "c1*q'^2 - c2*q^2"
constraints = ["c1 > 0", "c2 >= 0"]
[coefficients]
c1 = [0.5, 5.0]
c2 = { range = [0.0, 5.0], zero = 0.05 }
[start]
position = { q = 0.0 }
momentum = { q = 1.0 }
[integrator]
r = 1
dt = 0.1
steps = 20
[observe]
noise = %g
[network]
hidden = [8]
"""
SYSTEMS = 300


def motions(noise: float):
    """The population, its coefficients, starts, clean and noisy series."""
    population = compile(loads(STUDY % noise)).solver.population
    c, q, p = population.draw(jax.random.key(4), SYSTEMS)
    clean, _ = eqx.filter_jit(population.series)(c, q, p)
    return population, c, q, p, clean, population.add_noise(clean, jax.random.key(5))


def fitted(population, q, p, seen, start):
    def residual(c):
        miss = (population.series(c, q, p)[0] - seen) / jnp.sqrt(jnp.mean(seen**2, axis=0))
        return miss.reshape((-1, SYSTEMS))

    low, high = population.low[:, None], population.high[:, None]
    search = eqx.filter_jit(lambda x: levenberg_marquardt(residual, x, low, high, 30, 1e-12).x)
    return residual, search(start)


@pytest.mark.slow
def test_the_ideal_reader_is_the_efficient_one():
    """Where noise is small and zero is far the posterior mean is the least squares solution."""
    population, c, q, p, clean, noisy = motions(1e-3)
    mean, spread = eqx.filter_jit(posterior_mean)(population, c, q, p, clean, noisy)
    _, best = fitted(population, q, p, noisy, c)
    inner = np.asarray((c - population.low[:, None] > 6 * spread)
                       & (population.high[:, None] - c > 6 * spread)).all(axis=0)  # fmt: skip
    assert inner.sum() > 200
    off = np.asarray(jnp.abs(mean - best) / spread)[:, inner]
    assert np.percentile(off, 95) < 0.05
    z = np.asarray((mean - c) / spread)[:, inner]
    assert 0.85 < z.std() < 1.15


@pytest.mark.slow
def test_the_prior_makes_the_ideal_reader_no_worse():
    population, c, q, p, clean, noisy = motions(0.05)
    mean, spread = eqx.filter_jit(posterior_mean)(population, c, q, p, clean, noisy)
    _, best = fitted(population, q, p, noisy, c)
    for k in range(2):
        ours, theirs = (np.mean(np.asarray((x - c) / spread)[k] ** 2) for x in (mean, best))
        assert ours < 1.02 * theirs
    gone = np.asarray(c[1] == 0)
    assert np.abs(np.asarray(mean)[1, gone]).mean() < 0.8 * np.asarray(best)[1, gone].mean()


@pytest.mark.slow
def test_scoring_goes_to_the_mean_of_the_posterior():
    """From half a standard deviation off, with a known start and with one that is seen in noise."""
    known, c, q, p, clean, noisy = motions(0.02)
    ends = {"q_low": -1.0, "q_high": 1.0, "rate_low": 0.5, "rate_high": 1.5}
    wide = {name: jnp.full(1, end) for name, end in ends.items()}
    draw = np.random.default_rng(1).normal(size=(4, SYSTEMS))
    for population in (known, replace(known, known_start=False, **wide)):
        mean, spread = eqx.filter_jit(posterior_mean)(population, c, q, p, clean, noisy)
        starts = (q, p) if population is known else (q + 0.005 * draw[2], p + 0.01 * draw[3])
        near = jnp.maximum(c + 0.5 * spread * draw[:2], 0)
        found = eqx.filter_jit(fisher_scoring)(population, near, *starts, noisy, 3)
        off = np.abs(np.asarray((found - mean) / spread))
        assert np.percentile(off, 90) < 0.1
        assert np.percentile(np.abs(np.asarray((near - mean) / spread)), 90) > 0.7
    lost = jnp.broadcast_to(known.high[:, None], c.shape)  # too far to come back at once
    stays = eqx.filter_jit(fisher_scoring)(known, lost, q, p, noisy, 1)

    def misfit(c):
        return np.asarray(jnp.sum((known.series(c, q, p)[0] - noisy) ** 2, axis=(0, 1)))

    kept = np.asarray(stays == lost).all(axis=0)
    assert (kept | (misfit(stays) < 2 * misfit(lost))).all()


@pytest.mark.slow
def test_the_weak_form_names_a_linear_law_from_anywhere():
    population, c, q, p, clean, _ = motions(0.0)
    times = 0.1 * np.arange(21)
    far = jnp.full_like(c, 2.0)
    found = weak_form_estimate(population, times, clean, far)
    assert np.median(np.abs(np.asarray(found / c - 1))[:, np.asarray(c[1] > 0)]) < 1e-4
    residual, _ = fitted(population, q, p, clean, c)
    start, by_weak_form = lower_residual_start(residual, lambda x: x, far, found)
    assert np.asarray(by_weak_form).mean() > 0.99
    assert np.allclose(start, found, rtol=0, atol=0) or not np.asarray(by_weak_form).all()
    start, by_weak_form = lower_residual_start(residual, lambda x: x, c, found)
    assert not np.asarray(by_weak_form).any() and (start == c).all()
    seen = observed_start(population, times, clean, c)
    assert seen[0] == pytest.approx(np.asarray(q)) and seen[1] == pytest.approx(np.asarray(p))
