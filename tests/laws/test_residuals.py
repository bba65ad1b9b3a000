"""Tests of residuals hold their level on noise and see what is no noise; errors are SciPy's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from actionrun.compiler.numerics.inference.block_covariance import (
    inverse_information,
    project,
    sandwich,
)
from actionrun.compiler.numerics.inference.correlation import unbiased_correlation_time
from actionrun.compiler.numerics.inference.hamiltonian import (
    effective_size,
    hamiltonian_chains,
    split_r_hat,
)
from actionrun.compiler.numerics.inference.residual_tests import (
    chi_square_tail,
    correlation_time,
    durbin_watson,
    equal_variances,
    f_tail,
    jarque_bera,
    ljung_box,
    model_free_noise,
)
from actionrun.compiler.numerics.inference.smoothing import smoothing_spline
from actionrun.compiler.numerics.inference.weak_solution import (
    bounded_solution,
    bounded_solutions,
    spectral_peaks,
)
from actionrun.compiler.numerics.optimizers.block_least_squares import (
    BlockResiduals,
    Unknowns,
    block_least_squares,
)
from scipy import stats
from scipy.interpolate import make_smoothing_spline
from scipy.optimize import least_squares, lsq_linear

DICE = np.random.default_rng(20)
SETS, COUNT = 400, 120


def rejected(test, series) -> float:
    there = np.ones((COUNT, 1), bool)
    return float(np.mean([test(x[:, None], there) < 0.05 for x in series]))


def memory(rho: float) -> np.ndarray:
    x = DICE.normal(size=(SETS, COUNT))
    for i in range(1, COUNT):
        x[:, i] = rho * x[:, i - 1] + np.sqrt(1 - rho**2) * x[:, i]
    return x


def test_the_level_of_white_noise_is_held_and_memory_is_seen():
    white = DICE.normal(size=(SETS, COUNT))
    three = 3 * np.sqrt(0.05 * 0.95 / SETS)
    assert rejected(ljung_box, white) == pytest.approx(0.05, abs=three)
    assert rejected(jarque_bera, white) < 0.05 + three
    assert rejected(ljung_box, memory(0.5)) > 0.95
    heavy = DICE.standard_t(3, size=(SETS, COUNT))
    assert rejected(jarque_bera, heavy) > 0.6
    there = np.ones((COUNT, 1), bool)
    assert np.mean([durbin_watson(x[:, None], there) for x in white]) == pytest.approx(2, abs=0.03)


def test_correlation_time_at_uneven_times():
    there, result = np.ones((COUNT, 1), bool), []
    for _ in range(60):
        t = np.cumsum(DICE.uniform(0.05, 0.15, COUNT))
        x = np.zeros(COUNT)
        x[0] = DICE.normal()
        for i in range(1, COUNT):
            rho = np.exp(-(t[i] - t[i - 1]) / 0.5)
            x[i] = rho * x[i - 1] + np.sqrt(1 - rho**2) * DICE.normal()
        result.append(correlation_time(t[:, None], x[:, None], there))
    assert np.median(result) == pytest.approx(0.5, rel=0.2)


def test_noise_without_a_model_is_unbiased_wherever_the_origin():
    t = np.sort(DICE.uniform(0, 20, 800))[:, None]
    noise = 0.01 * DICE.normal(size=t.shape)
    there = np.ones(t.shape, bool)
    # so dense that no cubic through four neighbours misses the curve by more than the noise
    for offset in (0.0, 1e3):
        found = model_free_noise(t, offset + 0.001 * np.sin(t) + noise, there)
        assert np.sqrt(found.pooled[0]) == pytest.approx(0.01, rel=4 / np.sqrt(2 * 800 / 2.6))


def test_tails_and_equal_variances_are_those_of_scipy():
    assert chi_square_tail(31.0, 17.0) == pytest.approx(stats.chi2.sf(31.0, 17.0), rel=1e-12)
    assert f_tail(1.7, 40.0, 22.0) == pytest.approx(stats.f.sf(1.7, 40.0, 22.0), rel=1e-12)
    groups = [DICE.normal(size=n) * s for n, s in ((12, 1.0), (30, 1.2), (50, 0.9))]
    own = equal_variances(np.array([x.var(ddof=1) for x in groups]),
                          np.array([len(x) - 1 for x in groups]))  # fmt: skip
    assert own == pytest.approx(stats.bartlett(*groups).pvalue, rel=1e-10)


def test_shared_and_local_unknowns_by_blocks_are_those_of_dense_least_squares():
    """Decays with one rate and an amplitude each, beside SciPy on all unknowns at once."""
    t = np.linspace(0, 2, 15)
    amplitudes = DICE.uniform(1, 3, 4)
    data = amplitudes * np.exp(-0.8 * t[:, None]) + 0.01 * DICE.normal(size=(15, 4))

    def rows(x):
        return x[1] * jnp.exp(-x[0] * jnp.asarray(t)[:, None, None]) - jnp.asarray(data)[..., None]

    start = Unknowns(jnp.ones((1, 1)), jnp.ones((1, 1, 4, 1)))
    low, high = jnp.zeros((1, 1)), jnp.full((1, 1), 5.0)
    fit = jax.jit(lambda x: block_least_squares(BlockResiduals(rows), x, low, high, 60, 1e-14))(
        start
    )
    dense = least_squares(
        lambda x: (x[1:] * np.exp(-x[0] * t[:, None]) - data).ravel(), np.ones(5), xtol=1e-15
    )
    assert bool(fit.converged[0])
    np.testing.assert_allclose(fit.unknowns.shared[0, 0], dense.x[0], rtol=1e-7)
    np.testing.assert_allclose(fit.unknowns.local[0, 0, :, 0], dense.x[1:], rtol=1e-7)
    J = dense.jac.reshape(15, 4, 5)
    by_trial = np.stack([J[:, i, [0, 1 + i]] for i in range(4)], axis=-1)
    projected = project(by_trial, 1)
    inverse = inverse_information(projected.normal, np.array([True]))
    whole = np.linalg.inv(dense.jac.T @ dense.jac)
    np.testing.assert_allclose(inverse[0, 0], whole[0, 0], rtol=1e-8)
    local, _ = projected.local_covariance(inverse)
    np.testing.assert_allclose(local[0, 0], np.diag(whole)[1:], rtol=1e-8)
    hat = np.einsum("ri,ij,rj->r", dense.jac, whole, dense.jac).reshape(15, 4)
    np.testing.assert_allclose(projected.leverages(inverse), hat, rtol=1e-8)


def test_segments_that_have_to_meet_are_one_motion():
    """Two decays in five segments each, their joints stiff, beside SciPy on whole decays."""
    segments, trials, per, c = 5, 2, 6, 0.7
    span = 0.4 * np.arange(per + 1)  # the last time is where the next segment begins
    t = span[-1] * np.arange(segments)[:, None] + span[:per]
    data = np.exp(-c * t)[..., None] * np.array([2.0, 3.0]) + 0.01 * DICE.normal(
        size=(segments, per, trials)
    )
    seen = jnp.asarray(data.swapaxes(0, 1).reshape(per, segments * trials))[..., None]

    def rows(x):
        moved = x[1] * jnp.exp(-x[0] * jnp.asarray(span)[:, None, None])
        return jnp.concatenate([moved[:per] - seen, moved[per:], moved[:1]])

    start = Unknowns(jnp.full((1, 1), 2.0), jnp.asarray(data[None, :, 0, :, None]))
    low, high = jnp.zeros((1, 1)), jnp.full((1, 1), 5.0)
    linked = jnp.ones((segments - 1, trials))
    fitted = jax.jit(
        lambda x, stiffness: block_least_squares(
            BlockResiduals(rows, 1, linked, stiffness), x, low, high, 40, 1e-12
        )
    )
    for stiffness in (1.0, 100.0, 1e4):
        fit = fitted(start, stiffness)
        start = fit.unknowns
    dense = least_squares(
        lambda x: (x[1:] * np.exp(-x[0] * t[..., None]) - data).ravel(), [1.0, 1.0, 1.0]
    )
    np.testing.assert_allclose(fit.unknowns.shared[0, 0], dense.x[0], rtol=1e-5)
    np.testing.assert_allclose(fit.unknowns.local[0, 0, :, 0], dense.x[1:], rtol=1e-5)
    assert 2 * dense.cost == pytest.approx(float(fit.cost[0]), rel=1e-4)


def test_a_sandwich_of_white_noise_is_the_plain_error():
    X = DICE.normal(size=(4000, 2, 1))
    scores = X * DICE.normal(size=(4000, 1, 1))
    plain = np.linalg.inv(np.einsum("sit,sjt->ij", X, X))
    np.testing.assert_allclose(np.diag(sandwich(scores, plain, 3)), np.diag(plain), rtol=0.15)


def test_bounded_solutions_are_those_of_scipy_and_scale_free_ones_a_direction():
    for _ in range(20):
        A, b = DICE.normal(size=(30, 3)), DICE.normal(size=30)
        M = np.concatenate([A, b[:, None]], axis=1)
        low, high = np.full(3, -0.2), np.full(3, 0.2)
        own = bounded_solution(M.T @ M, low, high)
        assert own is not None
        np.testing.assert_allclose(own, lsq_linear(A, -b, (low, high)).x, atol=1e-6)
    truth = np.array([2.0, 4.0, 1.0])
    A = np.linalg.svd(truth[None])[2][1:]  # A truth = 0
    M = np.concatenate([A, np.zeros((2, 1))], axis=1)
    own = bounded_solution(M.T @ M, np.full(3, 0.1), np.full(3, 20.0))
    np.testing.assert_allclose(own / own[0], truth / truth[0], rtol=1e-6)


def test_spectral_peaks_lie_at_the_frequencies_of_the_motion():
    t = np.linspace(0, 60, 900)
    x = 3 + np.cos(1.7 * t) + 0.4 * np.cos(4.1 * t + 1) + 0.05 * DICE.normal(size=900)
    found = spectral_peaks(t, x, 2)
    np.testing.assert_allclose(np.sort(found), [1.7, 4.1], atol=0.01)


def test_chains_have_the_moments_of_their_density_and_know_when_they_have_not_mixed():
    """A skewed density in one variable beside a normal one."""

    def log_density(z):
        return -jnp.exp(0.5 * z[0]) * 4 + 2 * z[0] - z[1] ** 2 / 2

    start = jnp.asarray(DICE.normal(size=(2, 8)))
    chains = jax.jit(lambda x: hamiltonian_chains(log_density, x, jax.random.key(1), 1500, 200))(
        start
    )
    x = np.asarray(chains.draws[:, 0])
    grid = np.linspace(-12, 8, 20001)
    weight = np.exp(-4 * np.exp(0.5 * grid) + 2 * grid)
    mean = (grid * weight).sum() / weight.sum()
    std = np.sqrt(((grid - mean) ** 2 * weight).sum() / weight.sum())
    size = effective_size(x)
    assert 0.6 < float(chains.accepted.mean()) <= 1 and size > 500
    assert x.mean() == pytest.approx(mean, abs=5 * std / np.sqrt(size))
    assert x.std() == pytest.approx(std, rel=0.1)
    assert split_r_hat(x) < 1.02 < split_r_hat(x + np.arange(8))


def test_bounded_solutions_at_once_are_those_one_by_one():
    dice, low, high = np.random.default_rng(3), np.full(3, -1.0), np.full(3, 1.5)
    M = dice.normal(size=(60, 20, 4)) * 10.0 ** dice.uniform(-6, 6, (60, 1, 4))
    M[:5, :, 3] = 0  # nothing but a direction
    normals = np.einsum("dri,drj->dij", M, M)
    for normal, own in zip(normals, bounded_solutions(normals, low, high), strict=True):
        one = bounded_solution(normal, low, high)
        assert one is not None and own == pytest.approx(one, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("count", "sets"), [(40, 15), (200, 5), (900, 1)])
def test_smoothing_is_near_the_best_there_is(count, sets):
    """Errors of cross-validated splines beside those of the best of SciPy's, which knows the
    truth; of random sums of waves at random times. Never are they those of the samples or worse:
    of few samples cross-validation may smooth too little."""
    dice, ratios, noise = np.random.default_rng(count), [], 0.1
    for _ in range(sets):
        t = np.sort(dice.uniform(0, 1, count)) + 1e-6 * np.arange(count)
        waves = [(dice.normal(), dice.uniform(1, count / 8), dice.uniform(0, 6)) for _ in range(3)]
        truth = sum(size * np.cos(rate * t + phase) for size, rate, phase in waves)
        samples = truth + noise * dice.normal(size=count)
        best = min(np.sum((make_smoothing_spline(t, samples, lam=10.0**e)(t) - truth) ** 2)
                   for e in range(-14, 0))  # fmt: skip
        left = np.sum((smoothing_spline(t, samples)(t) - truth) ** 2)
        assert left < 1.001 * np.sum((samples - truth) ** 2)
        ratios.append(np.sqrt(left / best))
    assert np.median(ratios) < 1.3


@pytest.mark.parametrize("rho", [0.5, 0.9])
def test_the_memory_of_noise_is_told_in_spite_of_the_fit(rho):
    """A fit of five columns follows slow noise: its residuals alone look shorter of memory."""
    dice, n = np.random.default_rng(7), 200
    t, there = np.arange(n) * 1.0, np.ones((n, 1), bool)
    columns = [np.cos(0.15 * t), np.sin(0.15 * t), t * np.cos(0.15 * t), np.ones(n), t]
    B = np.linalg.qr(np.stack(columns, axis=1))[0]
    plain, told = [], []
    for _ in range(100):
        noise = dice.normal(size=n)
        for i in range(1, n):
            noise[i] = rho * noise[i - 1] + np.sqrt(1 - rho**2) * noise[i]
        left = (noise - B @ (B.T @ noise))[:, None]
        tau = unbiased_correlation_time(t[:, None], left, there, B[..., None])
        told.append(np.exp(-1 / tau) if tau else 0.0)
        z = left / np.sqrt(np.sum(left**2) / (n - 5))
        plain.append(np.exp(-1 / max(correlation_time(t[:, None], z, there), 1e-9)))
    assert abs(np.mean(told) - rho) < 4 * np.std(told) / 10
    assert abs(np.mean(told) - rho) < abs(np.mean(plain) - rho)
