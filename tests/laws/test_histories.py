"""Inputs of an integration from a file: the motion is SciPy's."""

from __future__ import annotations

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy as sp
from actionrun.compiler.numerics.inference.driving import piecewise
from actionrun.compiler.symbolic.histories import histories
from actionrun.compiler.symbolic.lowering import lowered
from actionrun.runtime.cli import main
from scipy.integrate import solve_ivp
from scipy.interpolate import CubicSpline

STUDY = """study = "ggl"
[system]
coordinates = ["q"]
lagrangian = "J*q'^2/2 + mgl*cos(q) + DRIVE"
nonconservative = "-c*q_plus'*q_minus"
[parameters]
J = 0.4
mgl = 1.5
c = 0.05
[start]
position = { q = 0.4 }
velocity = { q = -0.2 }
[integrator]
r = 2
dt = 0.05
steps = 80
[inputs]
file = "drive.csv"
columns = { t = "time", u = "u" }
between = "BETWEEN"
"""


def drive(folder, between: str, law: str):
    """A file of samples, and the study beside it."""
    t = np.arange(0, 4.01, 0.05)
    u = np.sin(3 * t) + 0.4 * np.cos(7 * t)
    rows = "".join(f"{a:.2f};{b:.12g}\n".replace(".", ",") for a, b in zip(t, u, strict=True))
    (folder / "drive.csv").write_text("measured today\ntime;u [N*m]\n" + rows)
    text = STUDY.replace("BETWEEN", between).replace("DRIVE", law)
    (folder / "study.toml").write_text(text)
    return t, u


def final_state(folder) -> tuple[float, float]:
    assert main(["run", str(folder / "study.toml"), "--out", str(folder / "run"), "--quiet"]) == 0
    assert main(["export", str(folder / "run"), "--format", "csv", "--out", str(folder / "x")]) == 0
    table = next(p for p in (folder / "x").glob("*.csv") if "v_q" in p.read_text().split("\n")[0])
    names = [name.split(" ")[0] for name in table.read_text().split("\n")[0].split(",")]
    last = np.loadtxt(table, delimiter=",", skiprows=1)[-1]
    return float(last[names.index("q")]), float(last[names.index("v_q")])


@pytest.mark.parametrize("between", ["linear", pytest.param("cubic", marks=pytest.mark.campaign)])
def test_a_driven_motion_is_that_of_scipy(tmp_path, between):
    t, u = drive(tmp_path, between, "u*q")
    begins, d = piecewise(t, u, between)
    state = np.array([0.4, -0.2])
    for k in range(80):

        def rate(s, y, k=k):
            since = s - begins[k]
            torque = d[0, k] + d[1, k] * since + d[2, k] * since**2 / 2 + d[3, k] * since**3 / 6
            return [y[1], (torque - 0.05 * y[1] - 1.5 * np.sin(y[0])) / 0.4]

        state = solve_ivp(rate, t[k : k + 2], state, rtol=1e-11, atol=1e-12).y[:, -1]
    np.testing.assert_allclose(final_state(tmp_path), state, rtol=0, atol=2e-7)


@pytest.mark.campaign
def test_a_derivative_in_the_law(tmp_path):
    """A pivot that moves: its velocity stands in the Lagrangian."""
    t, u = drive(tmp_path, "cubic", "u'*q'*cos(q)")
    study = tmp_path / "study.toml"
    study.write_text(study.read_text().replace("r = 2", "r = 6"))  # it turns over fast
    bend = CubicSpline(t, u).derivative(2)

    def rate(s, y):
        return [y[1], (-bend(s) * np.cos(y[0]) - 0.05 * y[1] - 1.5 * np.sin(y[0])) / 0.4]

    state = np.array([0.4, -0.2])
    for k in range(80):
        state = solve_ivp(rate, t[k : k + 2], state, rtol=1e-11, atol=1e-12).y[:, -1]
    np.testing.assert_allclose(final_state(tmp_path), state, rtol=0, atol=2e-7)


def test_a_history_differentiates_and_evaluates():
    t = np.linspace(0, 2, 21)
    of = histories(["u"], "cubic", {"t": t, "u": np.sin(t)})["u"]
    s = sp.Symbol("t", real=True)
    function = lowered([of(s) ** 2, sp.diff(of(s), s), sp.diff(of(s) * s, s, 2)], [s])
    at, spline = jnp.asarray([[0.3, 1.1], [1.97, 0.0]]), CubicSpline(t, np.sin(t))
    squared, slope, second = (np.asarray(x) for x in function(at))
    np.testing.assert_allclose(squared, spline(at) ** 2, atol=1e-12)
    np.testing.assert_allclose(slope, spline(at, 1), atol=1e-12)
    np.testing.assert_allclose(second, 2 * spline(at, 1) + at * spline(at, 2), atol=1e-11)
    assert jax.grad(lambda x: function(x)[0])(0.3) == pytest.approx(
        2 * spline(0.3) * spline(0.3, 1)
    )
    assert str(of(s) + sp.diff(of(s), s)) in ("u + u'", "u' + u")


def test_faults_of_inputs(tmp_path, capsys):
    drive(tmp_path, "linear", "u*q")
    study = tmp_path / "study.toml"
    good = study.read_text()

    def said(text: str, command: str = "check") -> str:
        study.write_text(text)
        assert main([command, str(study)]) == 65
        return "".join(capsys.readouterr())

    assert main(["check", str(study)]) == 0 and main(["explain", str(study)]) == 0
    capsys.readouterr()
    assert "the derivative of u jumps" in said(good.replace("u*q", "u'*q"))
    assert 'no column "time2"' in said(good.replace('"time"', '"time2"'))
    assert "the run goes from 0 to 10" in said(good.replace("steps = 80", "steps = 200"), "run")
    assert "an input that jumps" in said(good.replace('"linear"', '"hold"'))
    assert "already" in said(good.replace("c = 0.05", "c = 0.05\nu = 1.0"))
    assert "no column holds an input" in said(good.replace(', u = "u"', "").replace("u*q", "q"))
    (tmp_path / "drive.csv").unlink()
    study.write_text(good)
    assert main(["check", str(study), "--format", "json"]) == 0
    (note,) = json.loads(capsys.readouterr().out)
    assert note["severity"] == "note" and note["key"] == "inputs.file"
