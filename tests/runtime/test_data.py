"""CSV files: read in the study's units, their faults located in the file or in the study."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from actionrun.runtime.data.csv_table import cell_span
from actionrun.runtime.data.observations import read_files
from actionrun.runtime.execution.build_job import build_job
from actionrun.runtime.runner import run
from actionrun.spec import Faults, load, loads
from hypothesis import given
from hypothesis import strategies as st

STUDY = """
study = "family"
title = "measured"
[system]
coordinates = ["q"]
lagrangian = "q'^2/2 - w2*q^2/2"
[coefficients]
w2 = [0.1, 10.0]
[integrator]
r = 2
dt = 0.1
[data]
file = "motion.csv"
columns = { t = "time", q = "place" }
[network]
kind = "none"
"""
UNITS = """
study = "family"
[system]
coordinates = ["q"]
lagrangian = "m*q'^2/2 - m*w2*q^2/2"
[parameters]
m = "1 kg"
l = "1 m"
[coefficients]
w2 = ["0.1 s^-2", "10 s^-2"]
[integrator]
dt = "0.1 s"
[data]
file = "motion.csv"
columns = { t = "time [s]", q = "place [mm]" }
[network]
kind = "none"
"""


def read(tmp_path, text: str, study: str = STUDY):
    (tmp_path / "motion.csv").write_text(text, encoding="utf-8")
    return read_files(loads(study, folder=tmp_path))


def faults(tmp_path, text: str, study: str = STUDY):
    with pytest.raises(Faults) as caught:
        read(tmp_path, text, study)
    return caught.value.faults


def test_comments_gaps_and_other_columns(tmp_path):
    text = "# from the lab\n\ntime, other, place\n0,x,1.5\n# paused\n0.5,,\n1e0,y,nan\n2,z,-3\n"
    found = read(tmp_path, text)
    assert found is not None and set(found) == {"t", "q"}
    np.testing.assert_array_equal(found["t"], [0, 0.5, 1, 2])
    np.testing.assert_array_equal(found["q"], [1.5, np.nan, np.nan, -3])


@pytest.mark.parametrize("mark", [";", "\t"])
def test_other_separators_and_a_byte_order_mark(tmp_path, mark):
    found = read(tmp_path, f"\ufefftime{mark}place\n0{mark}1\n1{mark}2\n")
    assert found is not None
    np.testing.assert_array_equal(found["q"], [1, 2])


def test_units_become_the_study_s_own(tmp_path):
    found = read(tmp_path, "time,place\n0,1000\n1,7\n", UNITS)
    study = loads(UNITS, folder=tmp_path)
    unit = study.unit("q")
    factor = {"mm": 1.0, "m": 1e-3}[unit]
    assert found is not None
    np.testing.assert_array_equal(found["q"], [1000 * factor, 7 / 1000 if unit == "m" else 7])


def test_unit_of_the_header_must_agree(tmp_path):
    assert read(tmp_path, "time [s],place [mm]\n0,1\n", UNITS) is not None
    (fault,) = faults(tmp_path, "time [s],place [cm]\n0,1\n", UNITS)
    assert "cm" in fault.message and fault.line > 0


def test_missing_column_points_into_the_study(tmp_path):
    (fault,) = faults(tmp_path, "time,plaice\n0,1\n")
    assert fault.line_text.startswith("columns =") and '"plaice"' in (fault.hint or "")
    assert STUDY.splitlines()[fault.line - 1] == fault.line_text


def test_bad_cells_are_all_shown_where_they_are(tmp_path):
    text = "time,place\n0,1\n1, abc\n2,inf\n,4\n1.5,5\n"
    found = faults(tmp_path, text)
    assert [(fault.line, fault.column) for fault in found] == [(5, 1), (3, 4), (4, 3)]
    assert all(fault.file.endswith("motion.csv") for fault in found)
    (late,) = faults(tmp_path, "time,place\n0,1\n2,1\n1.5,5\n")
    assert (late.line, late.column) == (4, 1) and "trial" in (late.hint or "")


LAW = """
study = "pnn"
[data]
file = "motion.csv"
columns = { x = "time", y = "place" }
[search]
inputs = ["x"]
outputs = ["y"]
layers = [1]
weights = ["trainable"]
"""


@pytest.mark.parametrize("study", [STUDY, LAW])
def test_a_header_alone_is_told_in_the_data(tmp_path, study):
    (fault,) = faults(tmp_path, "# a table\ntime,place\n", study)
    assert (fault.code, fault.line, fault.line_text) == ("data.empty", 2, "time,place")


def test_decimal_commas(tmp_path):
    found = read(tmp_path, "time;place\n0;1,5\n0,25;-2\n")
    np.testing.assert_array_equal(found["t"], [0, 0.25])
    np.testing.assert_array_equal(found["q"], [1.5, -2])


@pytest.mark.parametrize(
    ("text", "word"), [("", "no header"), ("time,place\n", "no row"), ("time,place\n1,2,3\n", "3")]
)
def test_broken_files(tmp_path, text, word):
    assert word in faults(tmp_path, text)[0].message


def test_bytes_that_are_no_text(tmp_path):
    (tmp_path / "motion.csv").write_bytes(b"time,place\n\x00\xff\xfe")
    with pytest.raises(Faults, match="no text"):
        read_files(loads(STUDY, folder=tmp_path))


def test_missing_file(tmp_path):
    with pytest.raises(Faults, match=r"no file .*motion\.csv"):
        read_files(loads(STUDY, folder=tmp_path))


@given(st.lists(st.text(alphabet='ab ,;"', max_size=6), min_size=1, max_size=5))
def test_cell_spans_agree_with_the_csv_module(cells):
    line = ",".join('"' + cell.replace('"', '""') + '"' for cell in cells)
    for index, cell in enumerate(next(csv.reader([line]))):
        start, stop = cell_span(line, index, ",")
        assert line[start:stop] == '"' + cell.replace('"', '""') + '"'


def test_data_from_anywhere_are_kept_and_resolved(tmp_path, monkeypatch):
    text = "t,x\n" + "".join(f"{k / 10},{np.cos(k / 10):.6f}\n" for k in range(80))
    study = STUDY.replace('"time"', '"t"').replace('"place"', '"x"')
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "study.toml").write_text(study)
    jobs = []
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "spring.csv").write_text(text)
        given = load(tmp_path / "here" / "study.toml", data=tmp_path / place / "spring.csv")
        jobs.append(build_job(given))
    assert jobs[0].hash == jobs[1].hash and jobs[0].resolved == jobs[1].resolved
    monkeypatch.setattr("actionrun.runtime.report.page.write_report", lambda folder: None)
    first = run(given, out=tmp_path / "run")
    again = load(first.folder / "resolved.toml")
    assert build_job(again).hash == jobs[0].hash
    assert first.metrics["samples"] == 80
