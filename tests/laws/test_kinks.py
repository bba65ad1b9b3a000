"""Lagrangians with kinks (|x|, max, min, |x|^p): they run, and after a period of the closed form
the motion is where it began, to first order in the step: a jump of the force within a step is seen
at the nodes only.
"""

import json

import numpy as np
import pytest
from actionrun.runtime import load, run
from scipy.special import beta

STUDY = """study = "ggl"
title = "A kink"

[system]
coordinates = ["x"]
lagrangian = "x'^2/2 - ({potential})"

[start]
position = {{ x = 1.0 }}
velocity = {{ x = 0.0 }}

[integrator]
dt = {dt!r}
steps = {steps}
"""
HALVES = np.pi / np.sqrt(2) + np.pi / np.sqrt(0.5)  # half a period of each of two springs
PERIODS = {
    "abs(x)": 4 * np.sqrt(2),
    "abs(x)^(3/2)": 4 / np.sqrt(2) / 1.5 * beta(1 / 1.5, 0.5),
    "max(x, 0)^2 + min(x, 0)^2/4": HALVES,
}


@pytest.mark.parametrize(
    "potential",
    ["abs(x)", *(pytest.param(x, marks=pytest.mark.slow) for x in PERIODS if x != "abs(x)")],
)
def test_a_kinked_well_has_its_period(potential, tmp_path):
    path = tmp_path / "kink.toml"
    for steps in (500, 2000):
        dt = float(PERIODS[potential] / steps)
        path.write_text(STUDY.format(potential=potential, dt=dt, steps=steps))
        done = run(load(path), out=tmp_path / f"run{steps}")
        result = json.loads((done.folder / "result.json").read_text())
        final = result["final"]
        miss = abs(final["position"]["x"] - 1) + abs(final["velocity"]["x"])
        notes = json.loads((done.folder / "findings.json").read_text())["notes"]
        assert sum("kink at x = 0" in note for note in notes) == 1
        assert miss < 6 * dt  # two crossings, each an impulse of at most 0.9 h
