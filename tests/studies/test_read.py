"""A network trained for the times, gaps and noise of one's own data, and the fit from it."""

import json

import numpy as np
import pytest
from actionrun.compiler import compile
from actionrun.runtime import load, run
from actionrun.spec import Faults, loads
from scipy.integrate import solve_ivp

STUDY = """
study = "family"
title = "One measured oscillator, read by a network"
[system]
coordinates = ["q"]
lagrangian = "c1*q'^2 - c2*q^2"
nonconservative = "-c3*q_plus'*q_minus"
constraints = ["c1 > 0", "c2 >= 0", "c3 >= 0"]
[coefficients]
c1 = [0.5, 4.0]
c2 = [0.5, 8.0]
c3 = [0.0, 2.0]
%s
[integrator]
r = 2
dt = 0.1
[observe]
variables = %s
[data]
file = "motion.csv"
columns = { t = "t", q = "q", pi = "pi" }
[network]
hidden = [48, 48]
[training]
steps = 1000
batch = 128
[test]
systems = 200
"""
START = "[start]\nposition = { q = [-1.0, 1.0] }\nmomentum = { q = [0.5, 1.0] }"
TRUTH = {"c1": 2.0, "c2": 4.0, "c3": 1.0}


def motion():
    """2 % noise, irregular times with a gap, two cells empty; by SciPy."""
    draw = np.random.default_rng(3)
    t = np.sort(np.concatenate([[0.0, 3.2], draw.uniform(0.05, 3.15, 60)]))
    t = t[(t < 1.5) | (t > 1.8)]
    c1, c2, c3 = TRUTH.values()

    def slope(t, x):
        return [x[1] / (2 * c1), -2 * c2 * x[0] - c3 * x[1] / (2 * c1)]

    y = solve_ivp(slope, (0, 3.2), [0.3, 0.8], t_eval=t, rtol=1e-11, atol=1e-13).y
    y = y + 0.02 * np.sqrt(np.mean(y**2, axis=1, keepdims=True)) * draw.normal(size=y.shape)
    y[0, [7, 20]] = np.nan
    return t, *y


@pytest.mark.slow
def test_a_measured_motion_is_read_and_fitted(tmp_path):
    rows = (
        ",".join("" if np.isnan(x) else repr(float(x)) for x in row)
        for row in np.stack(motion(), axis=1)
    )
    (tmp_path / "motion.csv").write_text("t,q,pi\n" + "\n".join(rows) + "\n")
    (tmp_path / "study.toml").write_text(STUDY % (START, '["q", "pi"]'))
    done = run(load(tmp_path / "study.toml"), out=tmp_path / "run")
    result = json.loads((done.folder / "result.json").read_text())
    for name, true in TRUTH.items():
        found = result["coefficients"][name]
        assert abs(found["value"] - true) < 4 * found["std"]
        assert result["metrics"][f"error_median.{name}"] < 0.1
        assert abs(result["network"][name] / true - 1) < 0.2
    assert result["residual"]["q"] == pytest.approx(0.02, rel=0.25)


@pytest.mark.parametrize(
    ("start", "variables", "words"),
    [("", '["q", "pi"]', "need a [start]"), (START, '["q"]', "these data have others")],
    ids=["start", "variables"],
)
def test_what_is_missing_is_told(start, variables, words):
    t, q, pi = motion()
    with pytest.raises(Faults, match=words.replace("[", r"\[")) as told:
        compile(loads(STUDY % (start, variables)), {"t": t, "q": q, "pi_q": pi})
    assert len(told.value.faults) == 1
