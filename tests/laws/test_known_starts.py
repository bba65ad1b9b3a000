"""Starts of measured motions: known, known in part, by trial; few samples where they are known."""

from __future__ import annotations

import numpy as np
import pytest
from actionrun.compiler.family.fit_findings import fit_findings
from actionrun.spec import Faults, loads
from actionrun.spec.kinds.family import Family
from measured_fits import solver
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

DROPS = """study = "family"
[system]
coordinates = ["y"]
lagrangian = "y'^2/2 - 9.81*y"
nonconservative = "-k*abs(y_plus')*y_plus'*y_minus"
[coefficients]
k = [0.0, 0.1]
[integrator]
dt = 0.05
[data]
file = "drop.csv"
columns = { t = "t", trial = "trial", y = "y" }
DRIVEN
[start]
START
[network]
kind = "none"
"""


def fall(k: float, height: float, speed: float, t: float) -> float:
    done = solve_ivp(
        lambda _, y: [y[1], -9.81 - k * abs(y[1]) * y[1]], (0, t), (height, speed),
        rtol=1e-11, atol=1e-12,
    )  # fmt: skip
    return float(done.y[0, -1])


def flights(k: float, heights, speed: float = 0.0) -> dict[str, np.ndarray]:
    """Drops from heights: a row at the start, and one when the ground is reached."""
    rows = []
    for trial, height in enumerate(heights, 1):
        ground = brentq(lambda t, height=height: fall(k, height, speed, t), 0.1, 10)
        rows += [(trial, 0.0, height, height), (trial, ground, 0.0, height)]
    trial, t, y, h = np.array(rows).T
    return {"trial": trial.astype(int), "t": t, "y": y, "h": h}


def study(start: str, driven: str = "") -> str:
    return DROPS.replace("START", start).replace("DRIVEN", driven)


@pytest.mark.parametrize(
    ("start", "driven", "free"),
    [
        ("velocity = { y = 0.0 }", "", [0]),
        ('position = { y = "h" }\nvelocity = { y = 0.0 }', 'constants = { h = "h" }', []),
        ('position = { y = "h" }', 'constants = { h = "h" }', [1]),
    ],
)
def test_what_is_not_known_of_a_start_is_estimated(start, driven, free):
    fitting = solver(study(start, driven), flights(0.01, (20, 40, 60)))
    assert fitting.problem.free == free
    given = fitting.problem.settings.start
    assert given is not None
    if 0 not in free:
        np.testing.assert_array_equal(given[0], [20, 40, 60])
    if 1 not in free:
        np.testing.assert_array_equal(given[1], [0, 0, 0])


def test_too_few_samples_to_tell_the_speeds_are_taken_to_start_from_rest():
    """Flight times alone: what is assumed is a check that does not hold; one sample more of each
    trial, and the speeds are estimated."""
    text, k = study("").replace("[start]\n", ""), 0.0123
    found = fit_findings(solver(text, flights(k, (20, 40, 60))).fit(lambda *_: None))
    assert found.extra["coefficients"]["k"]["value"] == pytest.approx(k, rel=1e-4)
    (said,) = (check for check in found.checks if check.name == "starts")
    assert not said.passed and "taken to start from rest" in said.text
    data = flights(k, (20, 40, 60))
    more = {"trial": [1, 2, 3], "t": [0.5] * 3, "h": [20, 40, 60]}
    more["y"] = [fall(k, h, 0.0, 0.5) for h in (20, 40, 60)]
    data = {name: np.concatenate([column, more[name]]) for name, column in data.items()}
    order = np.lexsort((data["t"], data["trial"]))
    more = solver(text, {name: column[order] for name, column in data.items()})
    assert more.problem.settings.start is None and not more.problem.settings.from_rest


@pytest.mark.parametrize("column", ["v_y", "velocity"])
def test_speeds_that_are_seen_are_not_taken_for_rest(column):
    """As few samples, of which some are of speeds: too few, and nothing is assumed."""
    text = study("").replace("[start]\n", "").replace('y = "y"', f'y = "y", {column} = "v"')
    made = loads(text)
    assert isinstance(made, Family) and not made.starts_from_rest([2, 2, 2])
    plain = loads(study("").replace("[start]\n", ""))
    assert isinstance(plain, Family) and plain.starts_from_rest([2, 2, 2])
    assert not plain.starts_from_rest([3, 3, 3]) and not plain.starts_from_rest([2])


def test_faults_of_starts():
    with pytest.raises(Faults, match="there is no coordinate z"):
        loads(study("velocity = { z = 0.0 }"))
    with pytest.raises(Faults, match="a range of the starts of measured motions"):
        loads(study("velocity = { y = [0.0, 1.0] }"))
    with pytest.raises(Faults, match="a start is given by position and velocity"):
        loads(study("momentum = { y = 0.0 }"))


@pytest.mark.campaign
@pytest.mark.parametrize(
    ("start", "driven"),
    [
        ("velocity = { y = 0.0 }", ""),
        ('position = { y = "h" }\nvelocity = { y = 0.0 }', 'constants = { h = "h" }'),
    ],
)
def test_one_sample_a_trial_beside_its_start(start, driven):
    k = 0.0123
    fit = solver(study(start, driven), flights(k, (20, 40, 60))).fit(lambda *_: None)
    assert fit.x[0] == pytest.approx(k, rel=1e-5)


@pytest.mark.campaign
def test_a_thrown_ball_of_unknown_speed():
    """Two samples beyond the start tell the drag and the speed."""
    k, rows = 0.02, []
    for trial, (height, speed) in enumerate(((30, 5.0), (40, -3.0), (50, 8.0)), 1):
        rows += [(trial, t, fall(k, height, speed, t), height) for t in (1e-9, 1.0, 1.5, 2.0)]
    trial, t, y, h = np.array(rows).T
    data = {"trial": trial.astype(int), "t": t, "y": y, "h": h}
    fit = solver(study('position = { y = "h" }', 'constants = { h = "h" }'), data)
    found = fit.fit(lambda *_: None)
    assert found.x[0] == pytest.approx(k, rel=1e-5)
    np.testing.assert_allclose(found.starts[1], [5, -3, 8], rtol=1e-5)
