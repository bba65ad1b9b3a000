"""Laws of the Lobatto rule and of the coefficients of a step, for few and for many nodes."""

import numpy as np
import pytest
from actionrun.compiler.numerics.integrators.quadrature import (
    EXTRAPOLATION_DEGREE,
    legendre,
    lobatto,
    rule,
)
from numpy.polynomial import Legendre, Polynomial

R = (*range(11), 16, 20, 33, 50, 75, 100)
EPS = np.finfo(np.float64).eps


def polynomials(degree):
    """Legendre polynomials on [0, 1], which stay of size 1 at any degree."""
    return [Legendre.basis(k, domain=[0, 1]) for k in range(degree + 1)]


@pytest.mark.parametrize(
    ("r", "inner", "weights"),
    [
        (0, [], [1, 1]),
        (1, [0], [1 / 3, 4 / 3, 1 / 3]),
        (2, [-(5**-0.5), 5**-0.5], [1 / 6, 5 / 6, 5 / 6, 1 / 6]),
        (3, [-((3 / 7) ** 0.5), 0, (3 / 7) ** 0.5], [1 / 10, 49 / 90, 32 / 45, 49 / 90, 1 / 10]),
    ],
)
def test_known_rules(r, inner, weights):
    x, w = lobatto(r + 2)
    np.testing.assert_allclose(x.astype(float), [-1, *inner, 1], rtol=0, atol=EPS)
    np.testing.assert_allclose(w.astype(float), weights, rtol=2 * EPS)


@pytest.mark.parametrize("r", R)
def test_exact_to_degree_2r_plus_1_and_no_further(r):
    x, w = lobatto(r + 2)
    moments = legendre(x, 2 * r + 2) @ w
    np.testing.assert_allclose(moments[0], 2, rtol=EPS)
    np.testing.assert_allclose(moments[1 : 2 * r + 2].astype(float), 0, atol=4 * EPS)
    assert abs(moments[2 * r + 2]) > 0.01 / (r + 2)


@pytest.mark.parametrize("r", R)
def test_nodes_and_weights_are_symmetric_ordered_positive(r):
    x, w = lobatto(r + 2)
    assert np.all(np.diff(x) > 0) and x[0] == -1 and x[-1] == 1
    assert np.array_equal(x, -x[::-1])
    assert np.all(w > 0)
    np.testing.assert_allclose(w, w[::-1], rtol=EPS)
    assert abs(rule(r).weights.sum() - 1) <= 4 * EPS


@pytest.mark.parametrize("r", R)
def test_symplectic(r):
    """b_i ahat_ij + b_j a_ji = b_i b_j: the step conserves every quadratic first integral."""
    c = rule(r)
    b = c.weights
    left = b[:, None] * c.impulse + (b[:, None] * c.integrate).T
    np.testing.assert_allclose(left, np.outer(b, b), rtol=0, atol=4 * EPS * b.max() ** 2 + EPS**2)


@pytest.mark.parametrize("r", R)
def test_integrate_is_exact_on_the_velocities_of_a_step(r):
    c = rule(r)
    for p in polynomials(r):
        integral = p.integ(lbnd=0)
        np.testing.assert_allclose(c.integrate @ p(c.nodes), integral(c.nodes), atol=30 * EPS)
    assert np.array_equal(c.integrate[0], np.zeros(r + 2))
    np.testing.assert_allclose(c.integrate[-1], c.weights, rtol=EPS)


@pytest.mark.parametrize("r", R)
def test_impulse_is_exact_below_degree_r(r):
    """Lobatto IIIB: exact on degrees below r at every node, and of the rule's order at the end."""
    c = rule(r)
    for p in polynomials(r)[:r]:
        integral = p.integ(lbnd=0)
        np.testing.assert_allclose(c.impulse @ p(c.nodes), integral(c.nodes), atol=30 * EPS)
    np.testing.assert_allclose(c.twice, c.integrate @ c.impulse, atol=4 * EPS)


@pytest.mark.parametrize("r", R)
def test_modes_and_coefficients_are_inverse(r):
    c = rule(r)
    np.testing.assert_allclose(c.coefficients @ c.modes, np.eye(r + 1), atol=100 * EPS)
    np.testing.assert_allclose(c.project, c.modes @ c.coefficients, atol=20 * EPS)
    np.testing.assert_allclose(c.project @ c.project, c.project, atol=100 * EPS)
    beyond = Legendre.basis(r + 1, domain=[0, 1])(c.nodes)
    assert np.max(np.abs(c.project @ beyond - beyond)) > 0.5  # degree r + 1 does not pass


@pytest.mark.parametrize("r", R)
def test_a_step_is_continued_over_the_next(r):
    c = rule(r)
    rounding = 10 * EPS * np.abs(c.extrapolate).sum(axis=1).max()
    for p in polynomials(min(r, EXTRAPOLATION_DEGREE)):
        assert np.all(np.abs(c.extrapolate @ p(c.nodes) - p(c.nodes + 1)) <= rounding)
    rounding = 10 * EPS * np.abs(c.extrapolate_forces).sum(axis=1).max()
    for p in polynomials(min(r + 1, EXTRAPOLATION_DEGREE)):
        assert np.all(np.abs(c.extrapolate_forces @ p(c.nodes) - p(c.nodes + 1)) <= rounding)


@pytest.mark.parametrize("r", R)
def test_reach_is_what_forces_do_to_the_position_at_the_end(r):
    c = rule(r)
    np.testing.assert_allclose(c.position_weights, c.weights @ c.impulse, rtol=0, atol=4 * EPS)
    parts = c.position_weights.astype(np.longdouble) + c.position_weights_low.astype(np.longdouble)
    x, w = lobatto(r + 2)
    assert np.max(np.abs(parts - w / 2 * (1 - x) / 2)) <= 2 * np.finfo(np.longdouble).eps


@pytest.mark.parametrize("r", R)
def test_low_parts_hold_what_float64_lost(r):
    c = rule(r)
    _, w = lobatto(r + 2)
    sum_of_parts = c.weights.astype(np.longdouble) + c.weights_low.astype(np.longdouble)
    assert np.max(np.abs(sum_of_parts - w / 2)) <= 2 * np.finfo(np.longdouble).eps
    assert np.max(np.abs(c.weights_low)) <= EPS


def test_dense_output_is_the_polynomial():
    r, at = 3, np.array([0.0, 0.1, 0.77, 1.0])
    p = Polynomial([0.3, -1.2, 0.5, 2.0])
    coefficients = rule(r).coefficients @ p(rule(r).nodes)
    values = legendre(2 * at - 1, r)[: r + 1].T @ coefficients
    np.testing.assert_allclose(values, p(at), atol=10 * EPS)


def test_order_and_bad_r():
    assert [rule(r).order for r in range(4)] == [2, 4, 6, 8]
    with pytest.raises(ValueError, match="0 or more"):
        rule(-1)
