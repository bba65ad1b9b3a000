"""Inequalities between coefficients: least squares against closed forms, and members drawn."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from actionrun.compiler.numerics.optimizers.inequality_constraints import InequalityConstraints
from actionrun.compiler.numerics.optimizers.levenberg_marquardt import (
    covariance,
    levenberg_marquardt,
)

MATRIX = np.random.default_rng(2).normal(size=(12, 3))
EVERYWHERE = jnp.full((3, 1), -50.0), jnp.full((3, 1), 50.0)


def line(x):
    """x1 >= 2 x2 + 0.3 x3."""
    return (x[0] - 2 * x[1] - 0.3 * x[2])[None]


NORMAL = np.array([1.0, -2.0, -0.3])


@eqx.filter_jit
def fitted(aims):
    """Least squares of MATRIX (x - aim) from the origin, below the line; aims (3, lanes)."""

    def residual(x):
        return jnp.einsum("mi,ib->mb", MATRIX, x - aims)

    return levenberg_marquardt(residual, 0.1 * aims + 1, *EVERYWHERE, 60, 1e-14, line)


def test_least_squares_end_on_a_wall_where_the_closed_form_does():
    """min |A (x - a)| with n x >= 0 is a + S n max(-n a, 0) / (n S n), S = (A^T A)^-1; there the
    covariance is S - S n n S / (n S n)."""
    aims = np.random.default_rng(4).normal(size=(3, 40))
    S = np.linalg.inv(MATRIX.T @ MATRIX)
    short = np.maximum(-NORMAL @ aims, 0)
    true = aims + np.outer(S @ NORMAL, short) / (NORMAL @ S @ NORMAL)
    fit = fitted(jnp.asarray(aims))
    assert 10 < np.sum(short > 0) < 30
    np.testing.assert_allclose(fit.x, true, atol=1e-9)
    assert bool(jnp.all(fit.converged)) and not bool(jnp.any(fit.at_bound))
    assert fit.active_normals is not None
    on = np.any(np.asarray(fit.active_normals) != 0, axis=(0, 1))
    assert np.array_equal(on, short > 0)
    along = S - np.outer(S @ NORMAL, S @ NORMAL) / (NORMAL @ S @ NORMAL)
    spread = np.asarray(covariance(fit, jnp.asarray(1.0)))
    for lane in range(aims.shape[1]):
        np.testing.assert_allclose(spread[..., lane], along if on[lane] else S, atol=1e-6)


@pytest.mark.slow
def test_a_curved_wall_and_a_corner():
    """The nearest points of the half disc x^2 + y^2 <= 1, y >= x."""
    aims = jnp.asarray([[-3.0, 1.0, 3.0, -0.1, 4.0], [4.0, 0.0, 3.1, 0.2, 3.0]])

    def half(x):
        return jnp.stack([1 - x[0] ** 2 - x[1] ** 2, x[1] - x[0]])

    def search(aims):
        ends = jnp.full((2, 1), -9.0), jnp.full((2, 1), 9.0)
        return levenberg_marquardt(lambda x: x - aims, 0 * aims, *ends, 80, 1e-14, half)

    fit = eqx.filter_jit(search)(aims)
    corner = np.sqrt(0.5)
    norm = np.hypot(3.0, 3.1)
    true = [[-0.6, 0.5, 3 / norm, -0.1, corner], [0.8, 0.5, 3.1 / norm, 0.2, corner]]
    np.testing.assert_allclose(fit.x, true, atol=1e-8)


@pytest.mark.slow
def test_where_the_bounds_leave_nothing_the_fit_has_not_converged():
    def far(x):
        return (x[0] - 60)[None]

    fit = levenberg_marquardt(lambda x: x, jnp.ones((3, 2)), *EVERYWHERE, 10, 1e-12, far)
    assert not bool(jnp.any(fit.converged)) and not bool(jnp.any(jnp.isfinite(fit.cost)))


def test_allowed_members():
    inequalities = InequalityConstraints(
        lambda a, c1, c2: [c1 - a * c2], 2, jnp.array([2.0]), jnp.ones(1), ("c1 > a*c2",)
    )
    c = jnp.asarray([[1.0, 1.0, jnp.nan], [0.4, 0.6, 0.0]])
    assert inequalities.allowed(c).tolist() == [True, False, False]
    assert jax.eval_shape(inequalities, jnp.ones((5, 7))).shape == (
        1,
        7,
    )  # more rows than coefficients
