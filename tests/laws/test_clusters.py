"""Stationary points of small clusters: quench, saddles, modes, descent, string; each on its own."""

from pathlib import Path

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from actionrun.compiler.numerics.molecular.minimization import quench
from actionrun.compiler.numerics.molecular.saddle_search import (
    eigenvector_following,
    quench_both_sides,
)
from actionrun.compiler.numerics.molecular.stationary_points import stationary_point
from actionrun.compiler.numerics.molecular.steepest_descent import descend_both_sides
from actionrun.compiler.numerics.molecular.string_method import (
    remove_overlaps,
    reparametrize,
    string,
)
from actionrun.compiler.numerics.molecular.zero_modes import (
    project_out_zero_modes,
    rigid_body_modes,
)
from actionrun.runtime.data.xyz import structures
from fluids import fluid, places

SHIPPED = Path(__file__).parents[2] / "studies" / "structures"
MORSE = "(1 - exp(-6*(r - 1)))^2 - 1"


def cluster(name):
    return next(structures(SHIPPED / f"{name}.xyz")).positions.T


@pytest.fixture(scope="module")
def lj13():
    return fluid(13).potential


def shaken(q, amplitude, count, seed=0):
    noise = np.random.default_rng(seed).normal(size=(*q.shape, count))
    return jnp.asarray(q[..., None] + amplitude * noise), jnp.asarray(noise)


def test_quench_finds_the_minimum(lj13):
    """From a shaken icosahedron back to -44.326801420; forces below the tolerance."""
    q, _ = shaken(cluster("lj13_ico"), 0.05, 10)
    result = quench(lj13, q, 1e-8)
    assert jnp.all(result.converged)
    np.testing.assert_allclose(result.energy, -44.326801420, atol=1e-8)
    assert jnp.max(jnp.abs(lj13.forces(result.q))) <= 1e-8
    assert jnp.max(result.gradient) <= 1e-8


@pytest.mark.slow
def test_a_task_does_not_see_the_others(lj13):
    """Alone, among others, on another lane: the same bits. So batches may be cut anyhow."""
    q, mode = shaken(cluster("lj13_ico"), 0.2, 20)
    whole, few = quench(lj13, q, lanes=8), quench(lj13, q[..., 7:12], lanes=8)
    np.testing.assert_array_equal(whole.q[..., 7:12], few.q)
    np.testing.assert_array_equal(whole.iterations[7:12], few.iterations)
    whole, few = (
        eigenvector_following(lj13, q, mode, lanes=8),
        eigenvector_following(lj13, q[..., 7:], mode[..., 7:], lanes=8),
    )
    np.testing.assert_array_equal(whole.q[..., 7:], few.q)
    np.testing.assert_array_equal(whole.rounds[7:], few.rounds)


@pytest.mark.slow
def test_one_that_runs_away_leaves_the_others_alone(lj13):
    q, mode = shaken(cluster("lj13_ico"), 0.05, 6)
    alone = quench(lj13, q[..., :5], lanes=8)
    with_lost = quench(lj13, q.at[..., 5].set(jnp.nan), most=200, lanes=8)
    np.testing.assert_array_equal(alone.q, with_lost.q[..., :5])
    assert not with_lost.converged[5]
    result = eigenvector_following(lj13, q.at[..., 5].set(0.0), mode, most=60, lanes=8)
    assert jnp.all(jnp.isfinite(result.energy[:5]))
    assert not result.converged[5]


def test_the_lowest_mode_of_known_structures(lj13):
    """The cuboctahedron of LJ13 is a saddle of first order, the icosahedron a minimum; the lowest
    mode is an eigenvector, free of translation and rotation."""
    for name, negative, energy in (("cubo", 1, -40.884493676), ("ico", 0, -44.326801420)):
        start = cluster(f"lj13_{name}")
        there = stationary_point(
            lj13, start + 1e-3 * np.random.default_rng(0).normal(size=start.shape)
        )
        assert there.negative == negative
        assert there.energy == pytest.approx(energy, abs=1e-8)
        assert there.gradient < 1e-10
        assert len(there.values) == 3 * 13 - 6
        assert np.all(np.diff(there.values) >= 0)
        q, v = jnp.asarray(there.q)[..., None], jnp.asarray(there.mode)[..., None]
        np.testing.assert_allclose(lj13.hessian_product(q, v), there.values[0] * v, atol=1e-8)
        np.testing.assert_allclose(project_out_zero_modes(rigid_body_modes(q), v), v, atol=1e-9)


@pytest.mark.parametrize(
    ("dim", "n", "zero"),
    [
        (3, 5, 6),
        (3, 2, 5),
        *(pytest.param(*one, marks=pytest.mark.slow) for one in ((2, 5, 3), (1, 4, 1))),
    ],
)
def test_zero_modes(dim, n, zero):
    """Orthonormal; as many as a cluster has (a dimer in space: five); no curvature along them at a
    minimum."""
    result = fluid(n, dimension=dim).potential
    q = quench(result, places(n, 3, dim), 1e-10).q
    z = rigid_body_modes(q)
    product = jnp.einsum("adnb,cdnb->bac", z, z)
    assert int(jnp.sum(jnp.diagonal(product[0]) > 0.5)) == zero
    kept = np.diag((np.diagonal(product[0]) > 0.5).astype(float))
    np.testing.assert_allclose(product[0], kept, atol=1e-9)
    for one in z:
        assert jnp.max(jnp.abs(result.hessian_product(q, one))) < 1e-7
    assert len(stationary_point(result, np.asarray(q[..., 0])).values) == dim * n - zero


@pytest.mark.parametrize("pair", [None, pytest.param(MORSE, marks=pytest.mark.slow)])
def test_saddles_are_saddles(pair):
    """Every one that says so has no force, one negative mode and two minima below it; of 24 random
    searches from the icosahedron most succeed, for Lennard-Jones and for Morse."""
    field = fluid(13).potential if pair is None else fluid(13, pair).potential
    minimum = quench(field, jnp.asarray(cluster("lj13_ico"))[..., None]).q[..., 0]
    q, mode = shaken(np.asarray(minimum), 0.1, 24)
    result = eigenvector_following(field, q, mode, lanes=24)
    good = np.nonzero(np.asarray(result.converged))[0]
    assert len(good) >= 16
    for k in good[:8]:
        there = stationary_point(field, np.asarray(result.q[..., k]))
        assert there.gradient < 1e-9
        assert there.negative == 1
        assert there.values[0] <= float(result.curvature[k]) + 1e-6  # a Ritz value
    first, second = quench_both_sides(field, result.q[..., good], result.mode[..., good])
    assert np.all(np.asarray(first.energy) < np.asarray(result.energy)[good])
    assert np.all(np.asarray(second.energy) < np.asarray(result.energy)[good])


def test_descent_from_the_cuboctahedron(lj13):
    """Down both sides lies the icosahedron, 0.89 away, as the paper says; nothing is in between."""
    saddle = stationary_point(lj13, cluster("lj13_cubo"))
    for side in descend_both_sides(lj13, saddle.q, saddle.mode):
        assert side.converged
        assert side.left == 0
        assert side.point.energy == pytest.approx(-44.326801420, abs=1e-8)
        assert side.length == pytest.approx(0.89, abs=0.01)
        assert side.point.negative == 0
        far, energy = side.course
        assert np.all(np.diff(far) > 0) and np.all(np.diff(energy) < 0)
        assert energy[0] == pytest.approx(saddle.energy) and far[-1] == side.length


@pytest.mark.slow
def test_descent_is_steepest():
    """Against SciPy's LSODA on dx/ds = -grad V at tight tolerance, to the same minimum."""
    from scipy.integrate import solve_ivp

    field = fluid(7).potential
    q, mode = shaken(np.asarray(quench(field, places(7, 1)).q[..., 0]), 0.2, 12)
    result = eigenvector_following(field, q, mode, lanes=12)
    (k, *_) = np.nonzero(np.asarray(result.converged))[0]
    saddle = stationary_point(field, np.asarray(result.q[..., k]))

    forces = eqx.filter_jit(lambda field, q: field.forces(q))

    def rate(_, x):
        return np.asarray(forces(field, jnp.asarray(x.reshape(3, 7, 1)))).ravel()

    for sign, side in zip((1, -1), descend_both_sides(field, saddle.q, saddle.mode), strict=True):
        start = (saddle.q + sign * 0.01 * saddle.mode).ravel()
        path = solve_ivp(rate, (0, 20.0), start, method="LSODA", rtol=1e-9, atol=1e-10)
        end = path.y[:, -1].reshape(3, 7)
        length = np.sum(np.linalg.norm(np.diff(path.y, axis=1), axis=0)) + 0.01
        assert side.converged
        np.testing.assert_allclose(side.point.q, end, atol=1e-3)
        assert side.length == pytest.approx(length, abs=0.02)


def test_strings(lj13):
    """Images stay equally spaced between fixed ends; from the cuboctahedron, with its atoms in the
    order of the icosahedron at the end of its descent, there is no top on the way."""
    saddle = stationary_point(lj13, cluster("lj13_cubo"))
    down, _ = descend_both_sides(lj13, saddle.q, saddle.mode)
    rate = 1 / down.point.values[-1]
    result = string(lj13, jnp.asarray(saddle.q), jnp.asarray(down.point.q), 21, 100, rate)
    np.testing.assert_array_equal(result.q[..., 0], saddle.q)
    np.testing.assert_array_equal(result.q[..., -1], down.point.q)
    np.testing.assert_allclose(jnp.diff(result.place), result.place[-1] / 20, rtol=1e-3)
    assert result.place[-1] == pytest.approx(0.89, abs=0.01)
    assert not jnp.any(result.top)
    assert jnp.all(jnp.diff(result.energy) < 0)


def test_a_string_knows_the_pass_of_a_plane():
    """A double well with a bent valley: the top of the string is the saddle to second order of the
    spacing."""
    from fluids import few

    field = few('potential = "(x^2 - 1)^2 + 2*(y - 0.5*(1 - x^2))^2"').potential
    ends = jnp.asarray([[-1.0], [0.0]]), jnp.asarray([[1.0], [0.0]])
    result = string(field, *ends, 41, 3000, 0.02)
    (top,) = np.nonzero(np.asarray(result.top))[0]
    np.testing.assert_allclose(result.q[:, 0, top], [0.0, 0.5], atol=0.02)
    assert result.energy[top] == pytest.approx(1.0, abs=1e-3)
    np.testing.assert_allclose(np.abs(result.tangent[:, 0, top]), [1.0, 0.0], atol=0.02)


def test_atoms_are_pushed_apart():
    """Two atoms that swap their places would meet half way."""
    start = np.array([[0.0, 1.1, 0.5], [0, 0, 1], [0, 0, 0]])
    share = np.linspace(0, 1, 11)
    q = jnp.asarray(start[..., None] + share * (start[:, [1, 0, 2]] - start)[..., None])
    moved = remove_overlaps(q)
    np.testing.assert_array_equal(moved[..., [0, -1]], q[..., [0, -1]])
    r = jnp.sqrt(jnp.sum((moved[:, 0] - moved[:, 1]) ** 2, axis=0))
    assert jnp.min(r) > 0.8
    even = reparametrize(moved)

    def lengths(q):
        return jnp.sqrt(jnp.sum(jnp.diff(q, axis=-1) ** 2, axis=(0, 1)))

    # chords of equal arcs of a broken line: none longer than the arc
    assert jnp.max(lengths(even)) <= jnp.sum(lengths(moved)) / 10 * (1 + 1e-9)
