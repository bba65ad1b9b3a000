"""Columns of several files, inputs, numbers by trial, and angles that were wrapped."""

from __future__ import annotations

import numpy as np
import pytest
from actionrun.runtime.cli import main
from actionrun.runtime.data.observations import read_files
from actionrun.runtime.data.study_files import with_files_beside
from actionrun.runtime.data.wrapping import wrapped_rows
from actionrun.spec import Faults, loads
from data_files import STUDY, read
from hypothesis import given, settings
from hypothesis import strategies as st


def test_several_files_are_trials(tmp_path):
    for name, text in {
        "run1.csv": "t,q\n0,1\n1,2\n", "run2.csv": "q;t\n3,5;0\n4;0,5\n", "run3.csv": "t,q\n0,7\n",
    }.items():  # fmt: skip
        (tmp_path / name).write_text(text)
    said = (
        STUDY.replace('file = "motion.csv"', "files = FILES") + 'columns = { t = "t", q = "q" }\n'
    )
    for files in (
        '["run1.csv", "run2.csv", "run3.csv"]',
        '"run*.csv"',
        '["run[12].csv", "run3.csv"]',
    ):
        found = read_files(loads(said.replace("FILES", files), folder=tmp_path))
        assert found is not None
        assert found["trial"].tolist() == [1, 1, 2, 2, 3]
        assert found["q"].tolist() == [1, 2, 3.5, 4, 7] and found["t"].tolist() == [0, 1, 0, 0.5, 0]
    found = read_files(loads(said.replace("FILES", '["run3.csv", "run1.csv"]'), folder=tmp_path))
    assert found is not None and found["q"].tolist() == [7, 1, 2]
    with pytest.raises(Faults, match="there is no file none"):
        read_files(loads(said.replace("FILES", '"none*.csv"'), folder=tmp_path))
    with pytest.raises(Faults, match="leaves the study's folder"):
        loads(said.replace("FILES", '["../run1.csv"]'), folder=tmp_path / "deeper")


def test_trials_of_several_files_are_numbered_through(tmp_path):
    (tmp_path / "a.csv").write_text("trial,t,q\n4,0,1\n4,1,2\n9,0,3\n")
    (tmp_path / "b.csv").write_text("trial,t,q\n4,0,5\n")
    said = STUDY.replace('file = "motion.csv"', 'files = ["a.csv", "b.csv"]')
    said += 'columns = { t = "t", q = "q", trial = "trial" }\n'
    found = read_files(loads(said, folder=tmp_path))
    assert found is not None and found["trial"].tolist() == [1, 1, 2, 3]


def test_a_pattern_reaches_no_file_outside(tmp_path):
    (tmp_path / "secret.csv").write_text("t,q\n0,1\n")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "link.csv").symlink_to(tmp_path / "secret.csv")
    said = STUDY.replace('file = "motion.csv"', 'files = "*.csv"')
    study = loads(said + 'columns = { t = "t", q = "q" }\n', folder=tmp_path / "here")
    assert study.data is not None and study.data.paths == ()


def test_many_files_run_from_their_folder(tmp_path):
    """The study in the run folder names the files that are kept beside it."""
    (tmp_path / "one").mkdir()
    for name in ("one/a.csv", "one/b.csv"):
        (tmp_path / name).write_text("t,q\n0,1\n1,2\n")
    said = STUDY.replace('file = "motion.csv"', 'files = "one/*.csv"')
    study = loads(said + 'columns = { t = "t", q = "q" }\n', folder=tmp_path)
    moved, files = with_files_beside(study)
    assert moved.data.files == ("data/a.csv", "data/b.csv")
    assert files == {f"data/{n}.csv": tmp_path / "one" / f"{n}.csv" for n in "ab"}


def test_inputs_and_numbers_by_trial(tmp_path):
    text = "run,t,q,torque,l\n1,0,1,0.5,\n1,1,2,,0.4\n1,2,3,1.5,\n2,0,4,2,0.6\n2,1,5,3,0.6\n"
    said = (
        'columns = { t = "t", q = "q", trial = "run" }\ninputs = { u = "torque" }\n'
        'constants = { l = "l" }\n'
    )
    found = read(tmp_path, text, said)
    assert found["l"].tolist() == [0.4, 0.4, 0.4, 0.6, 0.6]
    np.testing.assert_array_equal(found["u"], [0.5, np.nan, 1.5, 2, 3])
    listed = read(tmp_path, text, said.replace('"l"', "[0.4, 0.6]"))
    assert listed["l"].tolist() == [0.4, 0.4, 0.4, 0.6, 0.6]
    with pytest.raises(Faults, match="3 numbers for 2 trials"):
        read(tmp_path, text, said.replace('"l"', "[0.4, 0.6, 1]"))
    with pytest.raises(Faults, match="the input u is missing at an end of the motion"):
        read(tmp_path, text.replace("0.5,", ",", 1), said)
    with pytest.raises(Faults, match="l differs from line 5 of its trial"):
        read(tmp_path, text.replace("3,0.6", "3,0.7"), said)
    with pytest.raises(Faults, match="l is missing in this trial"):
        read(tmp_path, text.replace("0.4", ""), said)


@given(st.integers(0, 10**6), st.booleans(), st.sampled_from([2 * np.pi, 360.0]))
@settings(max_examples=60, deadline=None)
def test_wrapped_angles_are_seen_and_others_not(seed, wraps, period):
    dice = np.random.default_rng(seed)
    steps = dice.uniform(0.01, 0.2) * period * (1 + 0.5 * dice.uniform(-1, 1, 100))
    angle = dice.uniform(0, period) + np.cumsum(steps)
    if not wraps:
        swing = dice.uniform(0.1, 3) * period * np.sin(angle * 2 * np.pi / period)
        assert wrapped_rows(swing.tolist(), [0.0] * 100, period) == []
        assert wrapped_rows(angle.tolist(), [0.0] * 100, period) == []
        return
    seen = np.mod(angle, period)
    jumps = [k + 1 for k in np.flatnonzero(np.diff(seen) < 0)]
    if seen.max() - seen.min() > 0.8 * period and all(
        np.diff(seen)[k - 1] < -0.8 * period for k in jumps
    ):
        assert wrapped_rows(seen.tolist(), [0.0] * 100, period) == jumps


def test_check_says_how_to_unwrap(tmp_path, capsys):
    t = np.arange(60) * 0.05
    rows = "".join(f"{a:.2f},{b:.6f}\n" for a, b in zip(t, np.mod(9 * t, 2 * np.pi), strict=True))
    (tmp_path / "motion.csv").write_text("t,q\n" + rows)
    study = tmp_path / "study.toml"
    study.write_text(STUDY + 'columns = { t = "t", q = "q" }\n')
    assert main(["check", str(study)]) == 65
    said = capsys.readouterr().out
    assert "q jumps by about 2*pi in line 16 and 3 more: an angle that was wrapped" in said
    advice = '[data.observables]\nq = { column = "q", wrap = "2*pi" }\n'
    assert advice.replace("]\n", "] ").strip() in " ".join(said.split()).replace(" = ", " = ")
    study.write_text(STUDY + 'columns = { t = "t" }\n' + advice)
    assert main(["check", str(study)]) == 0
