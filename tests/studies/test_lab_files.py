"""Measured files of others as they were exported: fits agree with SciPy's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from actionrun.compiler.family.build import build
from actionrun.compiler.family.fit import FittedMotion
from actionrun.runtime.data.observations import observations
from actionrun.spec import loads
from scipy.integrate import solve_ivp
from scipy.optimize import least_squares

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
HEAD = """study = "family"
[network]
kind = "none"
[integrator]
dt = DT
"""
BALL = """[system]
coordinates = [NAMES]
lagrangian = "LAW"
[coefficients]
g = [1.0, 20.0]
[data]
file = "ball_tracker.txt"
columns = { t = "t", COLUMNS }
"""
DROPS = """[system]
coordinates = ["y"]
lagrangian = "y'^2/2 - 9.81*y"
nonconservative = "-k*abs(y_plus')*y_plus'*y_minus"
[coefficients]
k = [0.0, 0.1]
[start]
velocity = { y = 0.0 }
[data]
file = "drop_times.csv"
columns = { t = "t", trial = "trial", y = "y" }
"""
MOTOR = """[system]
coordinates = ["q"]
lagrangian = "J*q'^2/2 + mgl*cos(q)"
nonconservative = "(torque - offset - Fv*q_plus' - Fc*tanh(q_plus'/0.01))*q_minus"
[coefficients]
J = [0.01, 0.2]
mgl = [0.2, 3.0]
Fv = [0.0, 0.5]
Fc = [0.0, 0.5]
offset = [-0.2, 0.2]
[data]
file = "motor_pendulum.csv"
columns = { t = "time", q = "position", v_q = "velocity" }
inputs = { torque = "torque" }
"""


def fitted(text: str, file: str, dt: float) -> FittedMotion:
    if not (SHARED / file).is_file():
        pytest.skip(f"{SHARED / file} is not here: others' data are not in this repository")
    study = loads(HEAD.replace("DT", str(dt)) + text, folder=SHARED)
    return build(study, observations(study)).solver.fit(lambda *_: None)  # type: ignore[attr-defined]


@pytest.mark.campaign
@pytest.mark.parametrize("also", [False, True])
def test_a_falling_ball(also):
    """Height alone gives g by least squares; the sideways drift must not spoil it."""
    names, law, columns = '"y"', "y'^2/2 - g*y", 'y = "y"'
    if also:
        names, law, columns = '"x", "y"', "x'^2/2 + y'^2/2 - g*y", 'x = "x", y = "y"'
    text = BALL.replace("NAMES", names).replace("LAW", law).replace("COLUMNS", columns)
    fit = fitted(text, "ball_tracker.txt", 0.04)
    t, y, _ = np.loadtxt(SHARED / "ball_tracker.txt", skiprows=1).T
    design = np.stack([np.ones_like(t), t, -(t**2) / 2], axis=1)
    (_, _, g), cost, *_ = np.linalg.lstsq(design, y, rcond=None)
    spread = cost[0] / (len(t) - 3) * np.linalg.inv(design.T @ design)
    assert fit.x[0] == pytest.approx(g, rel=1e-4)
    assert np.sqrt(fit.solution.inverse[0, 0]) == pytest.approx(np.sqrt(spread[2, 2]), rel=0.1)


@pytest.mark.campaign
def test_drop_times():
    fit = fitted(DROPS, "drop_times.csv", 0.05)
    _, t, y = np.loadtxt(SHARED / "drop_times.csv", delimiter=",", skiprows=1).T

    def misfit(x: np.ndarray) -> np.ndarray:
        rows = []
        for trial, height in enumerate(x[1:]):
            done = solve_ivp(
                lambda _, s: [s[1], -9.81 - x[0] * abs(s[1]) * s[1]], (0, t[2 * trial + 1]),
                (height, 0.0), rtol=1e-10, atol=1e-10,
            )  # fmt: skip
            rows += [height - y[2 * trial], done.y[0, -1] - y[2 * trial + 1]]
        return np.array(rows)

    best = least_squares(misfit, [0.01, *y[::2]], x_scale=[0.01, 10, 10, 10])
    assert fit.x[0] == pytest.approx(best.x[0], rel=1e-3)
    np.testing.assert_allclose(fit.starts[0], best.x[1:], rtol=1e-4)


@pytest.mark.campaign
def test_a_motor_whose_torque_was_measured():
    fit = fitted(MOTOR, "motor_pendulum.csv", 0.01)
    miss = fit.solution.miss[:, 0][fit.observed.there[:, 0]]
    assert np.sqrt(np.mean(miss**2)) < 0.025, "of the deviation of q"
    J, _, Fv, Fc, _ = fit.x
    assert 0.1 < J < 0.2 and 0 <= Fv < 0.2 and 0 <= Fc < 0.2
