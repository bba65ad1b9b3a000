"""Forces of every sort against closed forms, or against SciPy's DOP853 on the equations by hand."""

import numpy as np
import pytest
from orders import orders
from scipy.integrate import solve_ivp
from systems import PARABOLA, SPHERICAL, marched, slope

DRIVEN = """\
coordinates = ["q"]
lagrangian = "q'^2/2 - 4*q^2/2 + 0.7*q*cos(3*t)"
"""
CALDIROLA_KANAI = """\
coordinates = ["q"]
lagrangian = "exp(t/5)*(q'^2 - 4*q^2)/2"
"""
TIMED_DRAG = """\
coordinates = ["q"]
lagrangian = "q'^2/2"
nonconservative = "-t*q_plus'*q_minus"
"""
QUADRATIC_DRAG = """\
coordinates = { q = 2 }
lagrangian = "dot(q', q')/2"
nonconservative = "-0.4*|q_plus'|*dot(q_plus', q_minus)"
"""
CYCLOTRON = """\
coordinates = { q = 2 }
lagrangian = "dot(q', q')/2 + 1.5/2*cross(q, q')"
"""
MAGNETIC_QUARTIC = """\
coordinates = { q = 2 }
lagrangian = "dot(q', q')/2 + cross(q, q')/2 - dot(q, q)^2/4"
"""
RELATIVISTIC = """\
coordinates = ["q"]
lagrangian = "-sqrt(1 - q'^2) - q^2/2"
"""


def by_hand(rates, start, t):
    """SciPy's solution of d(state)/dt = rates(t, state) at times t, shape (rows, n)."""
    result = solve_ivp(rates, (0, t[-1]), start, method="DOP853", rtol=1e-13, atol=1e-14, t_eval=t)
    assert result.success
    return result.y.T


def driven(t):
    """q'' = -4 q + 0.7 cos 3t from rest at 0."""
    return 0.7 / (4 - 9) * (np.cos(3 * t) - np.cos(2 * t))


def caldirola_kanai(t):
    """q'' = -q'/5 - 4 q from 1 at rest; the momentum is exp(t/5) q'."""
    w = np.sqrt(4 - 0.1**2)
    return np.exp(-t / 10) * (np.cos(w * t) + 0.1 / w * np.sin(w * t))


@pytest.mark.parametrize(
    ("system", "exact", "start"),
    [(DRIVEN, driven, (0.0, 0.0)), (CALDIROLA_KANAI, caldirola_kanai, (1.0, 0.0))],
    ids=["driven force", "growing mass"],
)
def test_explicit_time_at_each_node(system, exact, start):
    """Time taken at the step's ends, or at the wrong node, would cost the order."""
    for r, steps in ((0, (80, 160, 320)), (1, (40, 80, 160)), (2, (20, 40, 80)), (3, (16, 24, 32))):
        errors = [abs(marched(system, r, 4 / n, n, *start).q[-1, 0] - exact(4.0)) for n in steps]
        assert slope([4 / n for n in steps], errors) == pytest.approx(2 * r + 2, abs=0.2)
    fine = marched(system, 8, 0.1, 400, *start)
    np.testing.assert_allclose(fine.q[:, 0], exact(fine.t), rtol=0, atol=1e-13)


def test_explicit_time_in_the_nonconservative_part():
    """v' = -t v: the velocity is a Gaussian of time."""
    motion = marched(TIMED_DRAG, 6, 0.1, 30, 0.0, 1.0)
    np.testing.assert_allclose(motion.p[:, 0], np.exp(-(motion.t**2) / 2), rtol=1e-12)


def test_a_march_starts_at_its_own_time():
    whole = marched(DRIVEN, 3, 0.1, 60, 0.0, 0.0)
    np.testing.assert_allclose(whole.t, 0.1 * np.arange(61), rtol=1e-15)


def test_drag_quadratic_in_the_velocity_of_a_vector():
    """v' = -c |v| v: |v| = v0/(1 + c v0 t), and the path is straight."""
    v0, direction, c = 2.5, np.array([0.6, -0.8]), 0.4
    motion = marched(QUADRATIC_DRAG, 4, 0.05, 200, [0.3, 0.1], v0 * direction)
    t = motion.t[:, None]
    np.testing.assert_allclose(motion.p, v0 / (1 + c * v0 * t) * direction, atol=1e-13)
    path = np.log1p(c * v0 * t) / c * direction
    np.testing.assert_allclose(motion.q, np.array([0.3, 0.1]) + path, atol=1e-12)


def test_two_ways_to_write_one_drag():
    """lam q+ q-' differs from -lam q+' q- by a total derivative: one motion, another momentum."""
    body = 'coordinates = ["q"]\nlagrangian = "q\'^2/2 - q^2/2 - q^4/4"\nnonconservative = '
    one = marched(body + '"-0.3*q_plus\'*q_minus"', 5, 0.1, 100, 1.0, 0.2)
    two = marched(body + '"0.3*q_plus*q_minus\'"', 5, 0.1, 100, 1.0, 0.2 + 0.3)
    np.testing.assert_allclose(two.q, one.q, atol=1e-12)
    np.testing.assert_allclose(two.p, one.p + 0.3 * one.q, atol=1e-12)


@pytest.mark.parametrize("r", orders(0, 3, slow=(1, 2)))
def test_bead_on_a_parabola_has_the_order(r):
    """The kinetic matrix depends on the position: (1 + 4x^2) x'' = -4 x x'^2 - 2 x."""

    def rates(t, z):
        return [z[1], -(4 * z[0] * z[1] ** 2 + 2 * z[0]) / (1 + 4 * z[0] ** 2)]

    reference = by_hand(rates, [0.7, 0.0], np.array([0.0, 4.0]))[-1, 0]
    steps = {0: (80, 160, 320), 1: (40, 80, 160), 2: (40, 60, 80), 3: (36, 42, 50)}[r]
    errors = [abs(marched(PARABOLA, r, 4 / n, n, 0.7, 0.0).q[-1, 0] - reference) for n in steps]
    assert slope([4 / n for n in steps], errors) == pytest.approx(2 * r + 2, abs=0.4)


def test_spherical_pendulum():
    def rates(t, z):
        th, _, v, w = z
        sine, cosine = np.sin(th), np.cos(th)
        return [v, w, sine * cosine * w**2 - sine, -2 * cosine / sine * v * w]

    motion = marched(SPHERICAL, 6, 0.05, 200, [1.0, 0.0], [0.2, 0.6])
    expected = by_hand(rates, [1.0, 0.0, 0.2, 0.6 / np.sin(1.0) ** 2], motion.t)
    np.testing.assert_allclose(motion.q, expected[:, :2], rtol=0, atol=3e-12)


@pytest.mark.parametrize("solver", ["linear", "fixed point"])
def test_cyclotron_motion(solver):
    """A constant magnetic field: circles of radius v/B, while the momentum is not m v."""
    B, q0, v0 = 1.5, np.array([0.3, -0.2]), np.array([1.0, 0.5])
    p0 = v0 + B / 2 * np.array([-q0[1], q0[0]])
    motion = marched(CYCLOTRON, 5, 0.2, 300, q0, p0, solver=solver)
    angle = -B * motion.t
    v = np.stack(
        [
            np.cos(angle) * v0[0] - np.sin(angle) * v0[1],
            np.sin(angle) * v0[0] + np.cos(angle) * v0[1],
        ],
        axis=1,
    )
    centre = q0 + np.array([v0[1], -v0[0]]) / B
    expected = centre + np.stack([-v[:, 1], v[:, 0]], axis=1) / B
    np.testing.assert_allclose(motion.q, expected, rtol=0, atol=2e-13)
    p = v + B / 2 * np.stack([-motion.q[:, 1], motion.q[:, 0]], axis=1)
    np.testing.assert_allclose(motion.p, p, rtol=0, atol=2e-13)


def test_magnetic_field_with_a_nonlinear_force():
    """q'' = B v x e - |q|^2 q, where a force that sees velocities is iterated."""

    def rates(t, z):
        x, y, v, w = z
        square = x * x + y * y
        return [v, w, w - square * x, -v - square * y]

    q0, v0 = np.array([1.0, 0.2]), np.array([0.1, 0.8])
    p0 = v0 + np.array([-q0[1], q0[0]]) / 2
    motion = marched(MAGNETIC_QUARTIC, 5, 0.1, 200, q0, p0)
    expected = by_hand(rates, [*q0, *v0], motion.t)
    np.testing.assert_allclose(motion.q, expected[:, :2], rtol=0, atol=1e-11)


@pytest.mark.parametrize("p0", [0.5, 3.0])
def test_relativistic_oscillator(p0):
    """p = v/sqrt(1 - v^2): the kinetic matrix depends on the velocity."""
    motion = marched(RELATIVISTIC, 5, 0.05, 200, 0.0, p0)
    expected = by_hand(lambda t, z: [z[1] / np.hypot(1, z[1]), -z[0]], [0.0, p0], motion.t)
    np.testing.assert_allclose(motion.q[:, 0], expected[:, 0], rtol=0, atol=1e-11)
    np.testing.assert_allclose(motion.p[:, 0], expected[:, 1], rtol=0, atol=1e-11)
    assert motion.energy_error < 1e-10
