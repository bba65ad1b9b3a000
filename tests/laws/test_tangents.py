"""Derivatives of motions along themselves, beside SciPy's variational equations."""

import numpy as np
import pytest
from actionrun.spec import Faults, loads
from scipy.integrate import solve_ivp
from test_dense_output import PENDULUM, run

HENON_HEILES = """\
study = "ggl"
[system]
coordinates = ["x", "y"]
lagrangian = "(x'^2 + y'^2)/2 - (x^2 + y^2)/2 - x^2*y + y^3/3"
[start]
position = { x = 0.0, y = %r }
velocity = { x = %r, y = 0.1 }
"""
DRIVEN = """\
study = "ggl"
[system]
coordinates = ["q"]
lagrangian = "m*l^2*q'^2/2*(1 + q^2/9) + m*g*l*cos(q) + f*q*cos(w*t)"
nonconservative = "-b*q_plus'*q_minus"
[parameters]
m = 0.7
l = 1.3
g = 2.0
b = 0.1
f = "m/4"
w = 1.7
[define]
start = "l/2"
[start]
position = { q = "start" }
velocity = { q = "0.3*g" }
"""


def henon_heiles(t, y):
    """The motion and its variational equations, of (x, y, vx, vy) and a matrix (4, 4)."""
    x, z = y[:2]
    a = np.array([-x - 2 * x * z, -z - x**2 + z**2])
    curve = np.array([[-1 - 2 * z, -2 * x], [-2 * x, -1 + 2 * z]])
    A = np.block([[np.zeros((2, 2)), np.eye(2)], [curve, np.zeros((2, 2))]])
    return np.concatenate([y[2:4], a, (A @ y[4:].reshape(4, 4)).ravel()])


@pytest.mark.slow
def test_monodromy_beside_variational_equations():
    """Of a chaotic motion over some of its Lyapunov times, and its exponents so far."""
    y, v = np.random.default_rng(11).uniform([-0.2, 0.3], [0.0, 0.4])
    start = np.concatenate([[0.0, y, v, 0.1], np.eye(4).ravel()])
    true = solve_ivp(henon_heiles, (0, 40), start, "DOP853", rtol=1e-12, atol=1e-13).y[:, -1]
    more = "[analysis]\nlyapunov = 4\nmonodromy = true\n"
    out = run(HENON_HEILES % (float(y), float(v)), 6, 0.1, 400, more)
    M = out.arrays["monodromy"].data
    np.testing.assert_allclose(M, true[4:].reshape(4, 4), atol=1e-8 * np.max(np.abs(M)))
    assert out.metrics["monodromy.symplectic_defect"] < 1e-12
    exponents = [out.metrics[f"lyapunov.{j}"] for j in range(1, 5)]
    assert abs(sum(exponents)) < 1e-12
    assert 40 * exponents[0] == pytest.approx(np.log(np.linalg.norm(M, 2)), abs=2.5)
    assert {c.name for c in out.checks if c.passed} >= {"symplectic", "sum of exponents"}


@pytest.mark.slow
def test_sensitivities_beside_central_differences():
    """Through parameters that follow from others, starts that hold them, drag and driving."""

    def end(length, g, v, m):
        inertia, f = m * length**2, m / 4

        def motion(t, y):
            q, u = y
            mass = inertia * (1 + q**2 / 9)
            pull = (
                inertia * u**2 * q / 9 - m * g * length * np.sin(q) + f * np.cos(1.7 * t) - 0.1 * u
            )
            return [u, (pull - inertia * 2 * q / 9 * u**2) / mass]

        return solve_ivp(motion, (0, 12), [length / 2, v], "DOP853", rtol=1e-13, atol=1e-14).y[
            :, -1
        ]

    more = '[analysis]\nsensitivity = ["l", "g", "start.velocity.q", "m"]\n'
    out = run(DRIVEN, 6, 0.1, 120, more)
    at, names = np.array([1.3, 2.0, 0.6, 0.7]), ("l", "g", "start.velocity.q", "m")
    for k, name in enumerate(names):
        ends = []
        for j in (-2, -1, 1, 2):
            moved = at + 2e-3 * j * (np.arange(4) == k)
            moved[2] += 0.3 * (moved[1] - 2.0)  # the velocity is a formula of g
            ends.append(end(*moved))
        wanted = (8 * (ends[2] - ends[1]) - (ends[3] - ends[0])) / (12 * 2e-3)
        ours = [out.metrics[f"sensitivity.{what}.{name}"] for what in ("q", "q'")]
        np.testing.assert_allclose(ours, wanted, atol=1e-8 * max(1, np.max(np.abs(wanted))))
    assert out.metrics["sensitivity.difference"] < 1e-6
    assert all(check.passed for check in out.checks)


@pytest.mark.slow
def test_megno_of_a_regular_motion():
    """Of a pendulum, whose periods differ with its energy: nearby motions part as time does."""
    more = "save_every = 1000\n[analysis]\nmegno = true\nlyapunov = 2\n"
    out = run(PENDULUM, 5, 0.5, 120_000, more)
    assert out.metrics["megno"] == pytest.approx(2, abs=0.02)
    assert out.metrics["megno.error"] < 0.02
    assert abs(out.metrics["lyapunov.1"]) <= 3 * out.metrics["lyapunov.1.error"]


@pytest.mark.parametrize("steps", [1, 7])
def test_exponents_of_a_short_run(steps):
    """Of fewer steps than a convergence has rows: a row a step."""
    out = run(PENDULUM, 2, 0.1, steps, "[analysis]\nmegno = true\nlyapunov = 1\n")
    np.testing.assert_allclose(out.arrays["analysis_t"].data, 0.1 * np.arange(1, steps + 1))
    assert np.isfinite([out.metrics["megno"], out.metrics["lyapunov.1"]]).all()


@pytest.mark.slow
def test_exponents_beside_heyoka():
    """Of a driven Duffing oscillator, by its variational equations in an independent code."""
    heyoka = pytest.importorskip("heyoka")
    text = """\
study = "ggl"
[system]
coordinates = ["q"]
lagrangian = "q'^2/2 + q^2/2 - q^4/4 + 0.3*q*cos(1.2*t)"
nonconservative = "-0.15*q_plus'*q_minus"
[start]
position = { q = 0.5 }
velocity = { q = 0.0 }
"""
    end, every = 150_000, 1.0
    more = "save_every = 10000\n[analysis]\nlyapunov = 2\n"
    out = run(text, 4, 0.1, 10 * end, more)
    q, u = heyoka.make_vars("q", "u")
    motion = [(q, u), (u, q - q**3 + 0.3 * heyoka.cos(1.2 * heyoka.time) - 0.15 * u)]
    system = heyoka.var_ode_sys(motion, heyoka.var_args.vars, order=1)
    integrator = heyoka.taylor_adaptive(system, [0.5, 0.0])
    frame, growth = np.eye(2), np.zeros(2)
    for step in range(int(end / every)):
        integrator.state[2:] = np.eye(2).ravel()
        integrator.propagate_until((step + 1) * every)
        frame, R = np.linalg.qr(integrator.state[2:].reshape(2, 2) @ frame)
        growth += np.log(np.abs(np.diag(R)))
    ours = [out.metrics["lyapunov.1"], out.metrics["lyapunov.2"]]
    np.testing.assert_allclose(ours, growth / end, rtol=0.02)
    assert sum(ours) == pytest.approx(-0.15, rel=1e-9)  # what drag takes of every volume


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("lyapunov = 5", "4 directions"),
        ('sensitivity = ["k"]', "neither a parameter"),
        ('sensitivity = ["start.velocity.x[1]"]', "neither a parameter"),
        ('sensitivity = ["start.momentum.x"]', "given by velocity"),
        ("megno = 3", "true or false"),
    ],
)
def test_bad_input(line, words):
    text = HENON_HEILES % (0.1, 0.2) + f"[integrator]\ndt = 0.1\nsteps = 10\n[analysis]\n{line}\n"
    with pytest.raises(Faults) as caught:
        loads(text)
    (fault,) = caught.value.faults
    assert words in f"{fault.message} {fault.hint}" and fault.line_text == line


def test_what_is_not_built():
    text = (
        HENON_HEILES % (0.1, 0.2) + "[integrator]\ndt = 0.1\nsteps = 10\n[analysis]\nmegno = true\n"
    )
    loads(text)
    with pytest.raises(Faults) as caught:
        loads(text + '[events]\na = { when = "x", stop = true }\n')
    (fault,) = caught.value.faults
    assert fault.code == "not-built" and fault.line_text == "megno = true"
