"""What is known of a noisy motion, and where its refinement starts."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from actionrun.compiler import compile
from actionrun.compiler.modules.ideal import ideal
from actionrun.compiler.modules.least_squares import levenberg_marquardt
from actionrun.compiler.modules.weak_start import better, seen_start, weak_answer
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
    population = compile(loads(STUDY % noise)).population
    c, q, p = population.drawn(jax.random.key(4), SYSTEMS)
    clean, _ = eqx.filter_jit(population.series)(c, q, p)
    return population, c, q, p, clean, population.noisy(clean, jax.random.key(5))


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
    mean, spread = eqx.filter_jit(ideal)(population, c, q, p, clean, noisy)
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
    mean, spread = eqx.filter_jit(ideal)(population, c, q, p, clean, noisy)
    _, best = fitted(population, q, p, noisy, c)
    for k in range(2):
        ours, theirs = (np.mean(np.asarray((x - c) / spread)[k] ** 2) for x in (mean, best))
        assert ours < 1.02 * theirs
    gone = np.asarray(c[1] == 0)
    assert np.abs(np.asarray(mean)[1, gone]).mean() < 0.8 * np.asarray(best)[1, gone].mean()


@pytest.mark.slow
def test_the_weak_form_names_a_linear_law_from_anywhere():
    population, c, q, p, clean, _ = motions(0.0)
    times = 0.1 * np.arange(21)
    far = jnp.full_like(c, 2.0)
    found = weak_answer(population, times, clean, far)
    assert np.median(np.abs(np.asarray(found / c - 1))[:, np.asarray(c[1] > 0)]) < 1e-4
    residual, _ = fitted(population, q, p, clean, c)
    start, by_weak_form = better(residual, lambda x: x, far, found)
    assert np.asarray(by_weak_form).mean() > 0.99
    assert np.allclose(start, found, rtol=0, atol=0) or not np.asarray(by_weak_form).all()
    start, by_weak_form = better(residual, lambda x: x, c, found)
    assert not np.asarray(by_weak_form).any() and (start == c).all()
    seen = seen_start(population, times, clean, c)
    assert seen[0] == pytest.approx(np.asarray(q)) and seen[1] == pytest.approx(np.asarray(p))
