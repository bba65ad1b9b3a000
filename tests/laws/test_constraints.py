"""Holonomic constraints: order 2r + 2, on the surface to round-off, forces of constraint."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from actionrun.compiler import compile
from actionrun.compiler.numerics.integrators.time_marching import constraint_error, energy_error
from actionrun.spec import loads
from orders import orders
from programs import HEIGHT, LEFT, PERIOD, REST, ROD, G, angle, place, ran, text
from systems import marched, slope

POLAR = """\
coordinates = ["r", "th"]
lagrangian = "(r'^2 + r^2*th'^2)/2 + 9.81*r*cos(th)"
constraints = ["r = 1"]
"""
SPHERE = """\
coordinates = { q = 3 }
lagrangian = "dot(q', q')/2 - 9.81*q[3]"
constraints = ["|q| = 1"]
"""
DOUBLE = """\
coordinates = ["x1", "y1", "x2", "y2"]
lagrangian = "(x1'^2 + y1'^2 + x2'^2 + y2'^2)/2 - 9.81*(y1 + y2)"
constraints = ["x1^2 + y1^2 = 1", "(x2 - x1)^2 + (y2 - y1)^2 = 1/4"]
"""
DOUBLE_ANGLES = """\
coordinates = ["a", "b"]
lagrangian = "a'^2 + b'^2/8 + a'*b'*cos(a - b)/2 + 9.81*(2*cos(a) + cos(b)/2)"
"""
# Numbers of steps where the leading error is alone; multiples of 4.
STEPS = {0: (200, 400, 800), 1: (48, 100, 200), 2: (40, 60, 80), 3: (28, 36, 44)}


@pytest.mark.parametrize("r", STEPS)
def test_order_and_period(r):
    """Positions and the measured period are of order 2r + 2."""
    h = [PERIOD / n for n in STEPS[r]]
    runs = [ran(text(ROD, LEFT, REST, r, PERIOD / n, n)) for n in STEPS[r]]
    # where the rod turns back, th' = -G sin(th) (t - period)
    forward = np.array([np.cos(HEIGHT), np.sin(HEIGHT)])
    late = [abs(run.p[-1] @ forward) / (G * np.sin(HEIGHT)) for run in runs]
    assert slope(h, late) == pytest.approx(2 * r + 2, abs=0.1)
    true = place(angle(0.75 * PERIOD)[0])
    far = [np.max(np.abs(run.q[len(run.q) * 3 // 4 - 1] - true)) for run in runs]
    assert slope(h, far) == pytest.approx(2 * r + 2, abs=0.1)
    assert max(constraint_error(run.state) for run in runs) < 1e-15


@pytest.mark.parametrize("r", orders(12, slow=(6,)))
def test_high_orders_to_round_off(r):
    run = ran(text(ROD, LEFT, REST, r, PERIOD / 20, 60))
    assert np.max(np.abs(run.q - place(angle(run.t)[0]).T)) < 1e-12


@pytest.mark.parametrize("r", [0, 2])
def test_ten_thousand_steps_on_the_surface(r):
    """The constraint and the tangent velocity hold at every step, and the energy does not drift."""
    short = ran(text(ROD, LEFT, REST, r, 0.01, 1000))
    long = ran(text(ROD, LEFT, REST, r, 0.01, 10000))
    assert constraint_error(long.state) < 1e-15
    assert np.max(np.abs(np.sum(long.q**2, axis=1) - 1)) < 1e-15
    assert np.max(np.abs(np.sum(long.q * long.p, axis=1))) < 1e-14
    assert energy_error(long.state) < 1.02 * energy_error(short.state) + 1e-13


def test_r_0_is_rattle():
    """Andersen's steps, whose multipliers for the rod are roots of quadratic equations."""
    h, steps = 0.05, 40
    run = ran(text(ROD, LEFT, REST, 0, h, steps))
    q, p, fall = place(HEIGHT), np.zeros(2), np.array([0.0, -G])
    for _ in range(steps):
        free = q + h * (p + h / 2 * fall)
        b = free @ q
        push = -b + np.sqrt(b**2 - (free @ free - 1))  # |free + push q| = 1
        p = p + h / 2 * fall + push / h * q
        q = free + push * q
        p = p + h / 2 * fall
        p = p - (p @ q) * q
    np.testing.assert_allclose(run.q[-1], q, atol=1e-13)
    np.testing.assert_allclose(run.p[-1], p, atol=1e-13)


@pytest.mark.parametrize("r", orders(0, 3, slow=(1,)))
def test_time_reversible(r):
    there = ran(text(ROD, LEFT, REST, r, 0.05, 100))
    march, h = there.program.march, jnp.asarray(-0.05)
    start = march.start(there.q[-1], there.p[-1], jnp.zeros(()), there.program.theta)
    back = jax.jit(lambda x: march.advance(x, 0.0, h, there.program.theta, 100, 100, 1)[0])(start)
    np.testing.assert_allclose(back.q, place(HEIGHT), atol=1e-11)
    np.testing.assert_allclose(back.p, 0, atol=1e-11)


@pytest.mark.parametrize("r", [0, 2])
def test_momentum_around_the_vertical(r):
    """A rod that swings in space: its third angular momentum is conserved to round-off."""
    run = ran(text(SPHERE, "q = [0.6, 0, -0.8]", "q = [0, 1.2, 0]", r, 0.05, 1000))
    spin = run.q[:, 0] * run.p[:, 1] - run.q[:, 1] * run.p[:, 0]
    assert np.max(np.abs(spin / 0.72 - 1)) < 1e-13


def test_double_pendulum_in_places_and_in_angles():
    """Four coordinates and two constraints, or two angles: one motion."""
    a, b, h, steps = 1.0, 2.0, 0.01, 300
    first = place(a)
    second = first + place(b) / 2
    start = "x1 = {:.17g}, y1 = {:.17g}, x2 = {:.17g}, y2 = {:.17g}".format(*first, *second)
    run = ran(text(DOUBLE, start, "x1 = 0, y1 = 0, x2 = 0, y2 = 0", 3, h, steps))
    angles = marched(DOUBLE_ANGLES, 4, h, steps, [a, b], [0.0, 0.0]).q[1:]
    one = place(angles[:, 0]).T
    true = np.concatenate([one, one + place(angles[:, 1]).T / 2], axis=1)
    assert np.ptp(angles[:, 1]) > 2
    np.testing.assert_allclose(run.q, true, rtol=0, atol=1e-11)
    assert constraint_error(run.state) < 1e-15


def test_tension_of_the_rod():
    """The force along the rod is G cos(th) + th'^2, its multiplier half of that, inwards."""
    run = ran(text(ROD, LEFT, REST, 4, 0.02, 100))
    arrays = run.findings().arrays
    th, rate = angle(arrays["t"].data)
    tension = G * np.cos(th) + rate**2
    np.testing.assert_allclose(arrays["multiplier_1"].data, -tension / 2, rtol=0, atol=1e-9)
    forces = np.stack([arrays["force_x"].data, arrays["force_y"].data])
    np.testing.assert_allclose(forces, -tension * place(th), rtol=0, atol=1e-9)
    assert tension.min() < 0 < tension.max()


def test_multipliers_of_the_steps_are_the_forces():
    """What the step solves for at its nodes is the same force, of the order that stages have."""
    worst = []
    for h in (0.04, 0.02, 0.01):
        run = ran(text(ROD, LEFT, REST, 3, h, round(0.4 / h)))
        nodes = np.asarray(run.state.seed)[2]
        t = run.t[-1] - h + h * run.program.march.integrator.rule.nodes
        th, rate = angle(t)
        worst.append(np.max(np.abs(nodes + (G * np.cos(th) + rate**2) / 2)[1:-1]))
    assert worst[-1] < 1e-5
    assert slope([0.04, 0.02, 0.01], worst) > 2.5


@pytest.mark.parametrize("r", orders(0, 2, slow=(1,)))
def test_position_dependent_mass(r):
    """Polar coordinates with a constant radius: order 2r + 2 again."""
    h = [PERIOD / n for n in STEPS[r]]
    runs = [ran(text(POLAR, "r = 1, th = 2", "r = 0, th = 0", r, k, round(PERIOD / k))) for k in h]
    far = [abs(run.q[len(run.q) * 3 // 4 - 1, 1] - angle(0.75 * PERIOD)[0]) for run in runs]
    assert slope(h, far) == pytest.approx(2 * r + 2, abs=0.1)


@pytest.mark.parametrize("r", orders(0, 3, slow=(1, 2)))
def test_velocity_dependent_forces(r):
    """A damped rod against the damped angle: order 2r + 2."""
    damped = ROD + "nonconservative = \"-0.3*(x_plus'*x_minus + y_plus'*y_minus)\"\n"
    angles = (
        'coordinates = ["th"]\nlagrangian = "th\'^2/2 + 9.81*cos(th)"\n'
        'nonconservative = "-0.3*th_plus\'*th_minus"\n'
    )
    true = place(marched(angles, 6, 0.01, 200, 2.0, 0.0).q[-1, 0])
    h = [2.0 / n for n in STEPS[r]]
    runs = [ran(text(damped, LEFT, REST, r, k, round(2.0 / k))) for k in h]
    far = [np.max(np.abs(run.q[-1] - true)) for run in runs]
    assert slope(h, far) == pytest.approx(2 * r + 2, abs=0.15)


@pytest.mark.parametrize("r", orders(2, slow=(1,)))
def test_a_constraint_that_moves(r):
    """A heavy bead on a rod that turns at a constant rate: s'' = w^2 s - g sin(w t)."""
    turning = """\
coordinates = ["x", "y"]
lagrangian = "(x'^2 + y'^2)/2 - 9.81*y"
constraints = ["x*sin(1.5*t) = y*cos(1.5*t)"]
"""
    lag = G / (2 * 1.5**2)
    out = np.cosh(3.0) - lag * np.sinh(3.0) + lag * np.sin(3.0)
    h, far = [2.0 / n for n in (10, 20, 40)], []
    for k in h:
        run = ran(text(turning, "x = 1, y = 0", "x = 0, y = 1.5", r, k, round(2.0 / k)))
        far.append(np.max(np.abs(run.q[-1] - out * np.array([np.cos(3.0), np.sin(3.0)]))))
        assert constraint_error(run.state) < 1e-15
        assert "energy_error_max" not in run.findings().metrics
    assert slope(h, far) == pytest.approx(2 * r + 2, abs=0.2)


def test_chunks_do_not_matter():
    study = text(ROD, LEFT, REST, 2, 0.05, 300)
    whole, cut = ran(study), ran(study, (1, 2, 7, 100, 299))
    same = jax.tree.map(np.array_equal, whole.state, cut.state)
    assert all(jax.tree.leaves(same)) and np.array_equal(whole.q, cut.q)


def test_a_start_off_by_rounding_is_put_on_the_surface():
    run = ran(text(ROD, "x = 0.6, y = -0.80000000005", "x = 0.8, y = 0.6", 1, 0.01, 1))
    q, p = np.asarray(run.program.q), np.asarray(run.program.p)
    assert abs(q @ q - 1) < 3e-16 and abs(q @ p) < 3e-16
    np.testing.assert_allclose(q, [0.6, -0.8], atol=2e-11)


def test_a_step_is_written_once_where_momenta_are_not_affine():
    """Velocities are then found by Newton's method. A copy of it for each push onto the surface
    made XLA compile for minutes (found by a random study: quartic velocities, kinks)."""

    def lines(kinetic):
        solver = compile(loads(
            f'study = "ggl"\n[system]\ncoordinates = ["x", "y", "z"]\n'
            f'lagrangian = "{kinetic} - |x|^1.5 - cos(y - z)"\nconstraints = ["x^2 + y^2 = 1"]\n'
            "[start]\nposition = { x = 0.6, y = 0.8, z = 0.2 }\n"
            "velocity = { x = 0.8, y = -0.6, z = 0.3 }\n"
            "[integrator]\nr = 2\ndt = 0.1\nsteps = 1\n"
        )).solver  # fmt: skip
        start, g = solver.start(), solver.integrator

        def step(q, p, seed):
            return g.newton(q, p, 0.0, 0.1, solver.theta, seed)

        return str(jax.make_jaxpr(step)(start.q, start.p, start.seed)).count(" = ")

    square = "(x'^2 + y'^2 + z'^2)/2"
    assert lines(f"{square} + z'^4/120") < 2 * lines(square)
