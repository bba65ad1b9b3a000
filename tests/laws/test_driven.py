"""Inputs and numbers by trial: motions of driven laws are SciPy's, and fits find the truth."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from actionrun.compiler.family.fit import Fitting
from actionrun.compiler.family.measured.noise import first_noise
from actionrun.compiler.family.measured.starts import frequencies, phases
from actionrun.compiler.numerics.inference.driving import piecewise
from actionrun.compiler.numerics.inference.trajectory_residual import modelled
from actionrun.compiler.symbolic.lagrangian_system import lagrangian_system
from actionrun.spec import Faults, loads
from hypothesis import given
from hypothesis import strategies as st
from measured_fits import solver
from scipy.integrate import solve_ivp
from scipy.interpolate import CubicSpline

MOTOR = """study = "family"
[system]
coordinates = ["q"]
lagrangian = "J*q'^2/2 + mgl*cos(q)"
nonconservative = "(torque - Fv*q_plus')*q_minus"
[coefficients]
J = [0.01, 1.0]
mgl = [0.1, 5.0]
Fv = [0.0, 1.0]
[integrator]
dt = 0.02
[data]
file = "motor.csv"
columns = { t = "t", q = "q" }
inputs = { torque = "torque" }
between = "BETWEEN"
[network]
kind = "none"
"""
PIVOT = """study = "family"
[system]
coordinates = ["q"]
lagrangian = "q'^2/2 + u'*q'*cos(q)/l + w2*cos(q)/l"
nonconservative = "-c*q_plus'*q_minus"
[coefficients]
w2 = [1.0, 30.0]
c = [0.0, 1.0]
[integrator]
dt = 0.02
[data]
file = "pivot.csv"
columns = { t = "t", q = "q", trial = "trial" }
inputs = { u = "x" }
between = "cubic"
constants = { l = "l" }
[network]
kind = "none"
"""
PENDULUMS = """study = "family"
[system]
coordinates = ["q"]
lagrangian = "l^2*q'^2/2 + g*l*cos(q)"
[coefficients]
g = [5.0, 15.0]
[integrator]
dt = 0.02
[data]
files = "run*.csv"
columns = { t = "t", q = "q" }
constants = { l = LENGTHS }
[network]
kind = "none"
"""


def modelled_motion(fitting: Fitting, coefficients, starts: np.ndarray) -> np.ndarray:
    """The first channel (samples, trials) of the motions with these coefficients and starts
    (2, trials)."""
    problem = fitting.problem
    trajectory = problem.trajectory(first_noise(fitting.observed, problem.settings))
    trials = starts.shape[1]
    x = np.concatenate([np.repeat(np.array(coefficients)[:, None], trials, axis=1), starts])
    return np.asarray(modelled(trajectory, jnp.asarray(x))[0])[:, 0]


def reference(acceleration, t: np.ndarray, start, pieces=None) -> np.ndarray:
    """q at times t by DOP853, started anew at each sample, where an input may have a kink."""
    state, result = np.array(start, float), [start[0]]
    for k in range(len(t) - 1):
        done = solve_ivp(
            lambda s, y, k=k: [y[1], acceleration(s, y[0], y[1], k)], t[k : k + 2], state,
            method="DOP853", rtol=1e-11, atol=1e-12,
        )  # fmt: skip
        state = done.y[:, -1]
        result.append(state[0])
    return np.array(result)


def motor_data(seed: int, between: str):
    """Times, a torque at them, coefficients drawn at random, and the motion that they make."""
    dice = np.random.default_rng(seed)
    t = np.sort(np.concatenate([[0, 4], dice.uniform(0, 4, 79)]))
    torque = np.sin(2 * t + dice.uniform(0, 6)) * dice.uniform(0.5, 2) + 0.3 * dice.normal(size=81)
    J, mgl, Fv = dice.uniform(0.1, 0.5), dice.uniform(0.5, 3), dice.uniform(0.05, 0.3)
    begins, derivatives = piecewise(t, torque, between)

    def force(s, k):
        since = s - begins[k]
        d = derivatives[:, k]
        return d[0] + d[1] * since + d[2] * since**2 / 2 + d[3] * since**3 / 6

    q = reference(lambda s, q, v, k: (force(s, k) - Fv * v - mgl * np.sin(q)) / J, t, (0.4, -0.2))
    return t, torque, (J, mgl, Fv), q


@pytest.mark.parametrize("between", ["hold", "linear", "cubic"])
def test_a_driven_motion_is_that_of_scipy(between):
    t, torque, coefficients, q = motor_data(1, between)
    text = MOTOR.replace("BETWEEN", between)
    fitting = solver(text, {"t": t, "q": q, "torque": torque})
    found = modelled_motion(fitting, coefficients, np.array([[0.4], [-0.2]]))[:, 0]
    np.testing.assert_allclose(found, q, rtol=0, atol=2e-8)


@given(st.integers(0, 10**6), st.sampled_from(["hold", "linear", "cubic"]), st.integers(2, 30))
def test_pieces_go_through_the_samples(seed, between, count):
    dice = np.random.default_rng(seed)
    t, u = np.cumsum(dice.uniform(0.01, 1, count)), dice.normal(size=count)
    begins, derivatives = piecewise(t, u, between)
    at = dice.uniform(t[0], t[-1], 50)
    piece = np.searchsorted(begins, at, side="right") - 1
    since, d = at - begins[piece], derivatives[:, piece]
    found = d[0] + d[1] * since + d[2] * since**2 / 2 + d[3] * since**3 / 6
    expected = {
        "hold": u[np.searchsorted(t, at, side="right") - 1],
        "linear": np.interp(at, t, u),
        "cubic": CubicSpline(t, u)(at),
    }[between]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def pivot_data(seed: int, noise: float):
    """Three pendulums of known lengths on a pivot that moves by a smooth measured curve."""
    dice = np.random.default_rng(seed)
    parts: dict[str, list[np.ndarray]] = {key: [] for key in ("t", "q", "trial", "u", "l")}
    w2, c, starts = 9.81, 0.1, []
    for trial, length in enumerate((0.5, 0.8, 1.3)):
        t = np.linspace(0, 5, 101)
        u = 0.1 * np.sin(dice.uniform(3, 6) * t) + 0.05 * np.cos(dice.uniform(1, 2) * t)
        u = CubicSpline(t, u)
        bend = u.derivative(2)

        # d/dt(q' + u' cos(q)/l) = -u' q' sin(q)/l - w2 sin(q)/l - c q'
        def acceleration(s, q, v, k, bend=bend, length=length):
            return -(bend(s) * np.cos(q) + w2 * np.sin(q)) / length - c * v

        start = (dice.uniform(-1, 1), dice.uniform(-1, 1))
        starts.append(start)
        q = reference(acceleration, t, start) + noise * dice.normal(size=len(t))
        for key, values in (("t", t), ("q", q), ("u", u(t))):
            parts[key].append(values)
        parts["trial"].append(np.full(len(t), trial))
        parts["l"].append(np.full(len(t), length))
    return {key: np.concatenate(of) for key, of in parts.items()}, (w2, c), np.array(starts).T


def test_a_moving_pivot_and_lengths_by_trial():
    data, coefficients, starts = pivot_data(4, 0.0)
    found = modelled_motion(solver(PIVOT, data), coefficients, starts)
    np.testing.assert_allclose(found.T.ravel(), data["q"], rtol=0, atol=2e-7)


def test_a_derivative_needs_a_smooth_input():
    with pytest.raises(Faults, match=r"the derivative of u jumps at its samples"):
        loads(PIVOT.replace('"cubic"', '"linear"'))
    with pytest.raises(Faults, match="a derivative of order 2"):
        loads(PIVOT.replace("u'*q'*cos(q)", "u''*sin(q)"))
    with pytest.raises(Faults, match=r"u is declared in \[data.inputs\] already|choose another"):
        loads(PIVOT.replace('constants = { l = "l" }', 'constants = { u = "l" }'))


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(3))
def test_fits_of_driven_motions_find_the_truth(seed):
    t, torque, (J, mgl, Fv), q = motor_data(10 + seed, "linear")
    q = q + 0.01 * np.random.default_rng(seed).normal(size=len(q))
    fitting = solver(MOTOR.replace("BETWEEN", "linear"), {"t": t, "q": q, "torque": torque})
    fit = fitting.fit(lambda *_: None)
    std = np.sqrt(np.diag(fit.solution.inverse))
    assert (np.abs(fit.x - [J, mgl, Fv]) < 4 * std).all(), (fit.x, std)
    assert (std / np.array([J, mgl, Fv]) < 0.1).all()


@pytest.mark.campaign
def test_ten_pendulums_give_one_g():
    dice = np.random.default_rng(3)
    lengths = dice.uniform(0.3, 1.5, 10)
    parts: dict[str, list[np.ndarray]] = {key: [] for key in ("t", "q", "trial", "l")}
    for trial, length in enumerate(lengths):
        t = np.linspace(0, 3, 31)
        start = (dice.uniform(0.2, 1), 0.0)
        q = reference(lambda s, q, v, k, L=length: -9.81 / L * np.sin(q), t, start)
        for key, values in (
            ("t", t), ("q", q + 0.005 * dice.normal(size=31)), ("trial", np.full(31, trial)),
            ("l", np.full(31, length)),
        ):  # fmt: skip
            parts[key].append(values)
    data = {key: np.concatenate(of) for key, of in parts.items()}
    fit = solver(PENDULUMS.replace("LENGTHS", '"l"'), data).fit(lambda *_: None)
    std = float(np.sqrt(fit.solution.inverse[0, 0]))
    assert abs(fit.x[0] - 9.81) < 3 * std and std < 0.01


def test_frequencies_and_phases_of_a_drive_are_seen():
    """F cos(w t + phi) and its double angle: a phase has the period of the slowest wave; one that
    stands elsewhere too is none."""
    law = "q'^2/2 - k*q^2/2 + F*cos(2*w*t + phi)*q + F*sin(w*t + phi/2)*q + k*a*cos(q - a)"
    names = {"k": 0, "F": 1, "w": 2, "phi": 3, "a": 4}
    ranges = "\n".join(f"{name} = [0.1, 9.0]" for name in names)
    text = (
        f'study = "family"\n[system]\ncoordinates = ["q"]\nlagrangian = "{law}"\n[coefficients]\n'
        f"{ranges}\n[start]\nposition = {{ q = 1.0 }}\nvelocity = {{ q = 0.0 }}\n"
        "[integrator]\ndt = 0.1\nsteps = 10\n"
    )
    symbolic = lagrangian_system(loads(text))
    assert [c.name for c in symbolic.coefficients] == [*names]
    assert frequencies(symbolic).keys() == {names["w"]}
    assert phases(symbolic) == pytest.approx({names["phi"]: 4 * np.pi})
