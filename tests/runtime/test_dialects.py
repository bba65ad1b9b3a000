"""Data files as programs export them: the dialect is found, said, and may be given."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from actionrun.runtime.cli import main
from actionrun.runtime.data.cells import number_in, seconds_in
from actionrun.runtime.data.csv_table import MANY, table_of
from actionrun.runtime.data.dialect import Asked
from actionrun.runtime.data.observations import read_files
from actionrun.spec import Faults, check, loads
from actionrun.spec.sampling import (
    file_steps,
    resolution,
    rows_later,
    significant_digits,
    steps_apart,
)
from data_files import STUDY, read
from hypothesis import given, settings
from hypothesis import strategies as st

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
TRACKER = (
    "mass A\t\t\t\nt\tx\ty\t\n0.000E0\t1.0E-1\t-2.5E-2\t\n3.337E-2\t\t\t\n6.673E-2\t1.4E-1\t0\t\n"
)
PHYPHOX = '"Time (s)","Gyroscope x (rad/s)"\n0.000000000E0,1.4E-2\n9.969E-3,-1.2E-1\n'
GERMAN = "Zeit;Weg\n[s];[cm]\n0;1,5\n0,25;-2,25\n0,5;\n"
OPTITRACK = (
    'Format Version,1.21,Take Name,swing,Rate,120.0\n\n,,Marker,Marker\n,,"A1","A1"\n'
    "Frame,Time,X,X\n0,0.0,0.5,0.25\n1,0.0083,0.5,0.125\n"
)
LABVIEW = (
    "LabVIEW Measurement\t\nSeparator\tTab\nDate\t2024/05/01\n***End_of_Header***\t\n"
    "X_Value\tAngle\tComment\n0.000\t1.5\t\n0.001\t-2.25\t\n"
)
STAMPS = "time,angle\n2024-05-01 10:00:00.250,1\n2024-05-01 10:00:00.750,2\n2024-05-01 10:00:02,3\n"
CASES = {
    "tracker": (TRACKER, "t", "y", [0, 0.03337, 0.06673], [-0.025, np.nan, 0]),
    "phyphox": (PHYPHOX, '"Time (s)"', '"Gyroscope x"', [0, 9.969e-3], [0.014, -0.12]),
    "german": (GERMAN, "Zeit", "Weg", [0, 0.25, 0.5], [1.5, -2.25, np.nan]),
    "optitrack": (OPTITRACK, "Time", "4", [0, 0.0083], [0.25, 0.125]),
    "labview": (LABVIEW, "X_Value", "Angle", [0, 0.001], [1.5, -2.25]),
    "stamps": (STAMPS, "time", "angle", [0, 0.5, 1.75], [1, 2, 3]),
    "clock": ("t,q\n9:59:59.5,1\n10:00:00,2\n", "t", "q", [0, 0.5], [1, 2]),
    "savetxt": ("# t q\n0.0 1.0\n0.5 -2.0\n", "t", "q", [0, 0.5], [1, -2]),
    "blanks": ("  t      angle\n  0.0   1.0\n  0.5  -2.0\n", "t", "angle", [0, 0.5], [1, -2]),
    "gnuplot": ("# made today\n0\t1\n0.5\t-2\n", "1", "2", [0, 0.5], [1, -2]),
    "quoted": ('"t","q"\n"0,0","1,5"\n"0,5","-2,0"\n', "t", "q", [0, 0.5], [1.5, -2]),
    "words": ("t,q\n0,-\n1,#N/A\n2,NaN\n3,null\n4,\N{MINUS SIGN}5\n", "t", "q", [0, 1, 2, 3, 4],
              [np.nan] * 4 + [-5]),
    "empty rows": ("t,q\n0,1\n,\n\n,,\n1,2\n", "t", "q", [0, 1], [1, 2]),
    "old mac": ("t,q\r0,1\r1,2\r", "t", "q", [0, 1], [1, 2]),
    "windows": ("t,q\r\n0,1\r\n1,2\r\n", "t", "q", [0, 1], [1, 2]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_files_in_the_style_of_programs(tmp_path, case):
    text, t, q, times, values = CASES[case]
    t, q = (name if name.isdigit() or name[0] == '"' else f'"{name}"' for name in (t, q))
    found = read(tmp_path, text, f"columns = {{ t = {t}, q = {q} }}\n")
    np.testing.assert_allclose(found["t"], times, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(found["q"], values)


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252"]
)
def test_encodings(tmp_path, encoding):
    content = "Zeit;Länge [mm]\n0;1\n1;2\n".encode(encoding)
    found = read(tmp_path, content, 'columns = { t = "Zeit", q = "Länge" }\n')
    np.testing.assert_array_equal(found["q"], [1, 2])


def test_what_is_said_counts(tmp_path):
    text = "a,b\n1,2\n\nt,q\n0,5\n1,6\n"
    said = 'columns = { t = "t", q = "q" }\n'
    assert read(tmp_path, text, said + "header = 4\n")["q"].tolist() == [5, 6]
    found = read(tmp_path, "0;1.5\n1;2\n", "columns = { t = 1, q = 2 }\nheader = 0\n")
    assert found["q"].tolist() == [1.5, 2]
    latin = "t,µ\n0,1\n1,2\n".encode("cp1251", errors="replace")
    found = read(tmp_path, latin, 'columns = { t = "t", q = 2 }\nencoding = "cp1251"\n')
    assert found["q"].tolist() == [1, 2]
    text = "t q\n0 1,5\n1 2,5\n"
    said += 'delimiter = "space"\ndecimal = ","\n'
    assert read(tmp_path, text, said)["q"].tolist() == [1.5, 2.5]


def test_a_rate_instead_of_times(tmp_path):
    found = read(tmp_path, "angle\n1\n\n2\nNaN\n4\n", 'columns = { q = "angle" }\nrate = 240\n')
    np.testing.assert_array_equal(found["t"], np.arange(4) / 240)
    np.testing.assert_array_equal(found["q"], [1, 2, np.nan, 4])
    text = "trial,q\n1,1\n1,2\n2,3\n2,4\n"
    found = read(tmp_path, text, 'columns = { q = "q", trial = "trial" }\nrate = 4\n')
    np.testing.assert_array_equal(found["t"], [0, 0.25, 0, 0.25])


def test_a_rate_has_a_unit_where_times_have(tmp_path):
    study = STUDY.replace("0.1, 10.0", '"0.1 s^-2", "10 s^-2"').replace("dt = 0.1", 'dt = "0.1 s"')
    said = 'columns = { q = "q [m]" }\nrate = "2 kHz"\n'
    (tmp_path / "motion.csv").write_text("q\n1\n2\n")
    study = study.replace("q'^2/2 - w2*q^2/2", "m*q'^2/2 - m*w2*q^2/2")
    study = study.replace("[coefficients]", '[parameters]\nm = "1 kg"\n[coefficients]')
    whole = loads(study + said, folder=tmp_path)
    found = read_files(whole)
    assert found is not None
    assert found["t"][1] == pytest.approx(0.0005 if whole.unit("t") == "s" else 0.5)
    wrong = said.replace("2 kHz", "2 s")
    with pytest.raises(Faults, match="the rate of rows"):
        loads(study + wrong, folder=tmp_path)


def test_rows_at_one_time(tmp_path):
    said = 'columns = { t = "t", q = "q" }\n'
    text = "t,q\n0,1\n0,2\n1,3\n1,4\n1,5\n"
    with pytest.raises(Faults, match="again, as in line 2"):
        read(tmp_path, text, said)
    found = read(tmp_path, text, said + 'duplicates = "first"\n')
    assert found["t"].tolist() == [0, 1] and found["q"].tolist() == [1, 3]
    with pytest.raises(Faults, match="time falls from 1 in line 4 to 0"):
        read(tmp_path, text + "0,7\n", said + 'duplicates = "first"\n')


def test_explain_says_what_was_found(tmp_path, capsys):
    (tmp_path / "motion.csv").write_bytes(GERMAN.encode("cp1252"))
    (tmp_path / "study.toml").write_text(STUDY + 'columns = { t = "Zeit", q = "Weg" }\n')
    assert main(["explain", str(tmp_path / "study.toml")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert (
        "fields separated by semicolons, decimal commas, header in line 1, units in line 2" in said
    )
    assert '3 rows, from line 3 on; columns "Zeit" and "Weg"' in said


def test_workbooks(tmp_path):
    openpyxl = pytest.importorskip("openpyxl", reason="the extra xlsx is not installed")
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (["made by hand"], ["t", "q"], [0, 1.5], [0.1, None], [0.25, -2]):
        sheet.append(row)
    book.create_sheet("other").append(["nothing"])
    book.save(tmp_path / "motion.xlsx")
    said = 'columns = { t = "t", q = "q" }\n'
    raw = (tmp_path / "motion.xlsx").read_bytes()
    found = read(tmp_path, raw, said, "motion.xlsx")
    np.testing.assert_array_equal(found["t"], [0, 0.1, 0.25])
    np.testing.assert_array_equal(found["q"], [1.5, np.nan, -2])
    with pytest.raises(Faults, match='did you mean "other"'):
        read(tmp_path, raw, said + 'sheet = "others"\n', "motion.xlsx")
    with pytest.raises(Faults, match="cannot be read as a workbook"):
        read(tmp_path, b"PK\x03\x04 no workbook", said, "motion.xlsx")


def test_large_files_are_read_the_same(tmp_path):
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(MANY + 10, 3)) * 10.0 ** rng.integers(-9, 9, (MANY + 10, 1))
    text = "a;b;c\n" + "\n".join(";".join(map(repr, row)) for row in rows.tolist()) + "\n"
    (tmp_path / "big.csv").write_text(text)
    fast = table_of(tmp_path / "big.csv", Asked())
    assert fast.block is not None
    (tmp_path / "gap.csv").write_text(text + ";;\n")
    slow = table_of(tmp_path / "gap.csv", Asked())
    assert slow.block is None and len(slow) == len(fast) == len(rows)
    for index in range(3):
        np.testing.assert_array_equal(np.asarray(fast.numbers(index, "q")), rows[:, index])
        np.testing.assert_array_equal(np.asarray(slow.numbers(index, "q")), rows[:, index])
    (tmp_path / "bad.csv").write_text(text.replace(";", ";x", 30).replace(";x", ";", 29))
    bad = table_of(tmp_path / "bad.csv", Asked())
    for index in (1, 2):
        bad.numbers(index, "q")
    assert [fault.line for fault in bad.faults] == [15]


NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=64)
NAMES = st.text(st.sampled_from("abcXYZ äµ_-/."), min_size=1, max_size=8).map(str.strip)


@given(
    st.data(),
    st.sampled_from([(",", "."), (";", "."), (";", ","), ("\t", "."), ("\t", ","), (" ", ".")]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
@settings(max_examples=60, deadline=None)
def test_round_trips(tmp_path_factory, data, marks, encoding, end):
    """What a program writes in a dialect is read as it was, whatever stands above it."""
    delimiter, decimal = marks
    width = data.draw(st.integers(2, 5))
    name = NAMES.map(lambda text: text.replace(" ", "_")) if delimiter == " " else NAMES
    name = name.filter(lambda text: text and number_in(text, decimal) is None and text[0].isalpha())
    names = data.draw(st.lists(name, min_size=width, max_size=width, unique=True))
    rows = data.draw(st.lists(st.lists(NUMBERS, min_size=width, max_size=width), min_size=2,
                              max_size=6))  # fmt: skip
    metadata = st.sampled_from(["mass A", "Made by a program", "# comment", "", "Rate: fast"])
    above = data.draw(st.lists(metadata, max_size=3))
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator=end)
    writer.writerow(names)
    for row in rows:
        writer.writerow([repr(number).replace(".", decimal) for number in row])
    text = end.join([*above, buffer.getvalue()])
    path = tmp_path_factory.mktemp("round") / "file.csv"
    path.write_bytes(text.encode(encoding))
    table = table_of(path, Asked())
    assert table.headings == names
    for index in range(width):
        assert list(table.numbers(index, "q")) == [row[index] for row in rows]
    assert not table.faults


@given(
    st.binary(max_size=300)
    | st.text(st.sampled_from('0123456789.,;\t \n"-eE#tqN/A:'), max_size=200).map(str.encode)
)
@settings(max_examples=300, deadline=None)
def test_anything_is_read_or_refused(tmp_path_factory, raw):
    """No bytes end in a traceback, and what is read as a number is one."""
    path = tmp_path_factory.mktemp("fuzz") / "file.csv"
    path.write_bytes(raw)
    try:
        table = table_of(path, Asked())
        for index in range(len(table.names)):
            table.numbers(index, "q")
        table.check_rows()
        table.require_sound()
    except Faults as faults:
        for fault in faults.faults:
            fault.render(False)
        return
    for index in range(len(table.names)):
        assert not np.isinf(np.asarray(table.numbers(index, "q"))).any()


@pytest.mark.parametrize("text", ["0.1_0", "1_000", "\u0661\u0662", "1e", "0x10", "1,5", "١", "½"])
def test_no_numbers(text):
    assert number_in(text, ".") is None


def test_times_of_day():
    assert seconds_in("1:02:03.5") == 3723.5 and seconds_in("02:03.5") == 123.5
    assert seconds_in("1970-01-02T00:00:01Z") == 86401
    assert seconds_in("1970-01-01T01:00:00+01:00") == 0
    assert seconds_in("1970-13-01") is None and seconds_in("12") is None


@given(st.floats(1e-3, 10), st.integers(2, 5), st.integers(3, 200), st.floats(-5, 5))
@settings(max_examples=80, deadline=None)
def test_rounded_times_are_dt_apart(dt, decimals, count, start):
    """Times on a grid, rounded to a hundredth of dt or better, are; those of another dt are not."""
    decimals = max(decimals, int(np.ceil(-np.log10(dt))) + 2)
    times = [round(start + dt * k, decimals) for k in range(count)]
    assert all(steps_apart(times, [0.0] * count, dt))
    assert not any(steps_apart(times, [0.0] * count, 1.3 * dt))


def test_rounding_does_not_add_up():
    times = [round(k * 0.03337, 4) for k in range(300)]
    assert resolution(times) == 1e-4
    assert all(steps_apart(times, [0.0] * 300, 0.03337))
    assert sum(steps_apart(times, [0.0] * 300, 1 / 30)) < 10, "the clock is another"
    assert steps_apart([0, 1, 2, 3], [1, 1, 2, 2], 1.0) == [True, False, True]


@pytest.mark.parametrize("rate", [23.976, 24, 25, 29.97, 30, 50, 59.94, 60, 119.88, 240])
@pytest.mark.parametrize("written", ["{:.3f}", "{:.4f}", "{:.6f}", "{:.4g}", "{:.5g}", "{:.7g}"])
@pytest.mark.parametrize("first", [0.0, 3.21])
def test_times_of_frames_are_dt_apart_however_they_are_written(rate, written, first):
    """Of a film of 6 s: decimals, or significant digits; every frame, every second, every fifth."""
    times = [float(written.format(first + k / rate)) for k in range(int(6 * rate))]
    trials = [0.0] * len(times)
    for count in (1, 2, 5):
        later = rows_later(times, trials, count / rate)
        assert later == [*range(count, len(times)), *[-1] * count]
    for wrong in (1.3, 1.013):  # of another clock
        later = rows_later(times, trials, wrong / rate)
        assert sum(row >= 0 for row in later) < 0.1 * len(times)


@pytest.mark.parametrize(
    ("rate", "decimals", "steps"), [(30, 2, 5), (30, 2, 6), (60, 3, 30), (30, 2, 3)]
)
def test_steps_of_coarse_times_are_counted_as_rows_are_found(rate, decimals, steps):
    """The median of 0.03, 0.04, 0.03 alone counts 6 or 7 steps where 5 are meant."""
    times = [round(k / rate, decimals) for k in range(200)]
    assert file_steps(times, [1] * 200, steps / rate) == steps


def test_digits_of_times():
    assert significant_digits([0.03333, 9.967, 10.03]) == 4
    assert significant_digits([k / 30 for k in range(9)]) == 0
    assert rows_later([0, 1, 2, 0, 1, 2, 4, 5, 6], [1] * 3 + [2] * 6, 2.0) == [
        2, -1, -1, 5, -1, -1, 8, -1, -1,
    ]  # fmt: skip
    assert rows_later([0, 0.1, 0.2, 0.3], [1] * 4, 0.05) == [-1] * 4, "a part of a step"


@pytest.mark.parametrize(
    ("file", "columns", "rows", "first"),
    [
        ("ball_tracker.txt", 't = "t", q = "y"', 15, 1.0371757296603217),
        ("gyroscope_phyphox.csv", 't = "Time", q = "Gyroscope x"', 8, 1.419502217e-2),
        ("optitrack_head.csv", 't = "Time", q = 4', 6, 0.412046),
        ("drop_times.csv", 't = "t", q = "y", trial = "trial"', 6, 20),
        ("motor_pendulum.csv", 't = "time", q = "position"', None, -1.457236591136279458e-03),
    ],
)
def test_measured_files_as_they_were_exported(file, columns, rows, first):
    path = SHARED / file
    if not path.is_file():
        pytest.skip(f"{path} is not here: others' data are not in this repository")
    text = STUDY.replace("motion.csv", str(path)) + f"columns = {{ {columns} }}\n"
    study = loads(STUDY + f"columns = {{ {columns} }}\n", folder=path.parent)
    study.data._paths = (path,)
    found = read_files(study)
    assert found is not None and found["q"][0] == first and text
    assert rows is None or len(found["t"]) == rows


def test_a_study_may_name_columns_by_number(tmp_path):
    (tmp_path / "study.toml").write_text(STUDY + "columns = { t = 1, q = 0 }\n")
    (fault,) = check(tmp_path / "study.toml")
    assert "name of a column" in fault.message and "from 1" in (fault.hint or "")
