"""A network trained for the times, gaps and noise of one's own data, and the fit from it."""

import json

import numpy as np
import pytest
from actionrun.compiler import compile
from actionrun.runtime import load, run
from actionrun.runtime.cli import main
from actionrun.runtime.data.observations import read_files
from actionrun.runtime.infer import motions_in
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


def motion(seed=3, truth=(2.0, 4.0, 1.0)):
    """2 % noise, irregular times with a gap, two cells empty; by SciPy."""
    draw = np.random.default_rng(seed)
    t = np.sort(np.concatenate([[0.0, 3.2], draw.uniform(0.05, 3.15, 60)]))
    t = t[(t < 1.5) | (t > 1.8)]
    c1, c2, c3 = truth

    def slope(t, x):
        return [x[1] / (2 * c1), -2 * c2 * x[0] - c3 * x[1] / (2 * c1)]

    y = solve_ivp(slope, (0, 3.2), [0.3, 0.8], t_eval=t, rtol=1e-11, atol=1e-13).y
    y = y + 0.02 * np.sqrt(np.mean(y**2, axis=1, keepdims=True)) * draw.normal(size=y.shape)
    y[0, [7, 20]] = np.nan
    return t, *y


def written(path, columns, header):
    """A CSV file of columns with the same number of rows, NaN as an empty cell."""
    rows = (
        ",".join("" if np.isnan(x) else repr(float(x)) for x in row)
        for row in zip(*columns, strict=True)
    )
    path.write_text(header + "\n" + "\n".join(rows) + "\n")
    return path


OTHERS = {4: (1.0, 2.0, 0.5), 9: (3.0, 1.5, 1.5)}


@pytest.mark.slow
def test_a_measured_motion_is_read_and_fitted_and_so_are_others(tmp_path):
    written(tmp_path / "motion.csv", motion(), "t,q,pi")
    (tmp_path / "study.toml").write_text(STUDY % (START, '["q", "pi"]'))
    done = run(load(tmp_path / "study.toml"), out=tmp_path / "run")
    result = json.loads((done.folder / "result.json").read_text())
    for name, true in TRUTH.items():
        found = result["coefficients"][name]
        assert abs(found["value"] - true) < 4 * found["std"]
        assert result["metrics"][f"error_median.{name}"] < 0.1
        assert abs(result["network"][name] / true - 1) < 0.2
    assert result["residual"]["q"] == pytest.approx(0.02, rel=0.25)
    # The study names no column of trials: each file is one motion.
    for trial, truth in OTHERS.items():
        data = written(tmp_path / f"new{trial}.csv", motion(trial, truth), "t,q,pi")
        assert main(["infer", str(done.folder), "--data", str(data)]) == 0
        place = done.folder / "inferred" / f"new{trial}" / "inference.json"
        (found,) = json.loads(place.read_text())["motions"]
        # Noise is 2 % of the RMS; what is told is beside the RMS about the mean.
        ratios = [np.sqrt(np.nanmean(x**2)) / np.nanstd(x) for x in motion(trial, truth)[1:]]
        assert 0.02 * min(ratios) * 0.65 < found["residual"] < 0.02 * max(ratios) * 1.35
        for name, true in zip(TRUTH, truth, strict=True):
            value = found["coefficients"][name]
            assert abs(value["value"] - true) < 4 * value["std"] < true
            assert abs(found["network"][name] / true - 1) < 0.3


def test_new_motions_have_the_columns_of_the_measured_one(tmp_path):
    columns = '{ trial = "run", t = "time", q = "place", pi = "push" }'
    text = STUDY % (START, '["q", "pi"]')
    text = text.replace('{ t = "t", q = "q", pi = "pi" }', columns)
    (tmp_path / "study.toml").write_text(text)
    study = load(tmp_path / "study.toml")
    t, q, pi = motion()
    one = motions_in(study, written(tmp_path / "one.csv", (pi, t, q), "push,time,place"))
    assert [*one] == ["t", "q", "pi_q"]
    assert all(np.array_equal(a, b, True) for a, b in zip(one.values(), (t, q, pi), strict=True))
    trial = np.repeat([3, 7], len(t))
    two = (trial, np.tile(t, 2), np.tile(q, 2), np.tile(pi, 2))
    many = motions_in(study, written(tmp_path / "two.csv", two, "run,time,place,push"))
    assert np.array_equal(many["trial"], trial)
    with pytest.raises(Faults, match='no column "place"'):
        motions_in(study, written(tmp_path / "bad.csv", (t, q, pi), "time,q,push"))


UNITS = {
    "c1 = [0.5, 4.0]": 'c1 = ["0.5 J*s^2/K^2", "4 J*s^2/K^2"]',
    "c2 = [0.5, 8.0]": 'c2 = ["0.5 J/K^2", "8 J/K^2"]',
    "c3 = [0.0, 2.0]": 'c3 = ["0 J*s/K^2", "2 J*s/K^2"]',
    "dt = 0.1": 'dt = "100 ms"',
    "[-1.0, 1.0]": '["-1 K", "1 K"]',
    "[0.5, 1.0]": '["0.5 J*s/K", "1 J*s/K"]',
    '{ t = "t", q = "q", pi = "pi" }': '{ t = "t [s]", q = "q [degC]", pi = "pi [J*s/K]" }',
}


@pytest.mark.parametrize("units", [False, True])
def test_a_file_holds_the_same_as_measured_and_as_new_motions(tmp_path, units):
    """Stamps of time, and a scale that has a zero of its own."""
    rows = "10:00:00.0,1.5,2\n10:00:00.25,-3,4\n10:00:01.0,2,0.5\n"
    (tmp_path / "motion.csv").write_text("t,q,pi\n" + rows)
    text = STUDY % (START, '["q", "pi"]')
    for plain, quantity in UNITS.items() if units else ():
        text = text.replace(plain, quantity)
    study = loads(text, folder=tmp_path)
    measured, new = read_files(study), motions_in(study, tmp_path / "motion.csv")
    assert measured is not None and measured.keys() == new.keys()
    for name, values in measured.items():
        np.testing.assert_array_equal(new[name], values)
    assert new["t"][2] == 1
    assert new["q"][0] == (274.65 if units else 1.5)


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
