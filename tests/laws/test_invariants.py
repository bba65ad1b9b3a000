"""What a variational integrator keeps: energy bounded, momentum maps exact, time reversible."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from actionrun.compiler.numerics.integrators.time_marching import TimeMarcher
from orders import orders
from systems import KEPLER, PARABOLA, PENDULUM, SPHERICAL, integrator, marched

ECCENTRICITY = 0.6
PERIHELION = ([1 - ECCENTRICITY, 0.0], [0.0, np.sqrt((1 + ECCENTRICITY) / (1 - ECCENTRICITY))])


def angular_momentum(motion):
    (x, y), (px, py) = motion.q.T, motion.p.T
    return x * py - y * px


@pytest.mark.parametrize(("r", "steps", "bound"), [(0, 400, 0.05), (2, 60, 3e-4), (6, 60, 1e-9)])
def test_energy_of_a_kepler_orbit_is_bounded(r, steps, bound):
    """The error over 60 orbits is that of the first ones: it swings and does not drift."""
    h = 2 * np.pi / steps
    short = marched(KEPLER, r, h, 6 * steps, *PERIHELION, every=50)
    long = marched(KEPLER, r, h, 60 * steps, *PERIHELION, every=50)
    assert long.energy_error < bound
    walk = 2 * np.finfo(float).eps * np.sqrt(60 * steps)  # of rounding, where the rest is less
    assert long.energy_error < max(1.5 * short.energy_error, walk)


@pytest.mark.parametrize("r", orders(0, 5, slow=(1, 2)))
def test_angular_momentum_is_conserved_to_round_off(r):
    motion = marched(KEPLER, r, 2 * np.pi / 60, 3000, *PERIHELION)
    assert np.max(np.abs(angular_momentum(motion) / angular_momentum(motion)[0] - 1)) < 3e-14


@pytest.mark.parametrize("r", [0, 2, 4])
def test_a_cyclic_momentum_is_conserved_exactly(r):
    """The kinetic matrix of the spherical pendulum depends on th, and nothing on ph."""
    motion = marched(SPHERICAL, r, 0.05, 1000, [1.0, 0.0], [0.2, 0.6])
    np.testing.assert_allclose(motion.p[:, 1], 0.6, rtol=2e-15)


@pytest.mark.parametrize("system", [PENDULUM, PARABOLA], ids=["pendulum", "parabola"])
@pytest.mark.parametrize("r", orders(0, 3, slow=(1,)))
def test_energy_does_not_drift(system, r):
    """The first 2000 steps see every phase of the motion; ten times as many add nothing."""
    short = marched(system, r, 0.2, 2000, 1.2, 0.0, every=10)
    long = marched(system, r, 0.2, 20000, 1.2, 0.0, every=10)
    assert short.energy_error < 0.06
    assert long.energy_error < 1.02 * short.energy_error + 1e-13


@pytest.mark.parametrize(
    ("system", "q", "p"),
    [
        (PENDULUM, 2.0, 0.3),
        (PARABOLA, 1.0, 0.0),
        (SPHERICAL, [1.0, 0.0], [0.2, 0.6]),
        (KEPLER, *PERIHELION),
    ],
    ids=["pendulum", "parabola", "spherical", "kepler"],
)
@pytest.mark.parametrize("r", [0, 2])
def test_time_reversible(system, q, p, r):
    """Back with -h, the motion comes to where it started, however wrong it was on the way."""
    there = marched(system, r, 0.1, 100, q, p)
    back = marched(system, r, -0.1, 100, there.q[-1], there.p[-1])
    assert np.max(np.abs(there.q[-1] - there.q[0])) > 0.1
    np.testing.assert_allclose(back.q[-1], there.q[0], rtol=0, atol=1e-11)
    np.testing.assert_allclose(back.p[-1], there.p[0], rtol=0, atol=1e-11)


@pytest.mark.parametrize("r", orders(0, 3, slow=(1,)))
def test_symplectic_map(r):
    """J^T Omega J = Omega for the Jacobian of one step, kinetic matrix position-dependent."""
    ggl, theta = integrator(SPHERICAL, r)
    z = jnp.array([1.0, 0.4, 0.2, 0.6])

    def step(z):
        q, p = z[:2], z[2:]
        V = ggl.guess(q, p, jnp.zeros(()), theta)
        done = ggl.newton(q, p, jnp.zeros(()), jnp.asarray(0.3), theta, V, 6)
        return jnp.concatenate([done.q, done.p])

    jacobian = np.asarray(jax.jit(jax.jacfwd(step))(z))
    omega = np.block([[np.zeros((2, 2)), np.eye(2)], [-np.eye(2), np.zeros((2, 2))]])
    np.testing.assert_allclose(jacobian.T @ omega @ jacobian, omega, atol=1e-13)


def test_chunks_do_not_matter():
    """A march cut anywhere gives the same bits."""
    ggl, theta = integrator(PENDULUM, 2)
    march, zero = TimeMarcher(ggl, "fixed point", None), jnp.zeros(())

    @eqx.filter_jit
    def advanced(x, stop):
        return march.advance(x, zero, jnp.asarray(0.1), theta, stop, jnp.asarray(1), 512)[0]

    start = march.start(jnp.array([2.0]), jnp.array([0.1]), zero, theta)
    whole = advanced(start, jnp.asarray(500))
    cut = start
    for stop in (1, 2, 7, 100, 333, 500):
        cut = advanced(cut, jnp.asarray(stop))
    assert int(cut.step) == 500
    assert np.array_equal(whole.q, cut.q) and np.array_equal(whole.p, cut.p)
    assert np.array_equal(whole.q_low, cut.q_low)
    assert float(whole.monitor.energy_high) == float(cut.monitor.energy_high)
