"""`check` reads the files that a study names and says what a run would say of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from actionrun.runtime.cli import main
from actionrun.runtime.data.observations import swept_file_faults
from actionrun.spec import checked_study

FIT = """study = "family"
[system]
coordinates = ["x"]
lagrangian = "x'^2 - k*x^2"
[coefficients]
k = [0.5, 2.0]
[integrator]
dt = 0.1
[network]
kind = "none"
[data]
file = "motion.csv"
columns = { t = "t", x = "x" }
"""
LAW = """study = "pnn"
[data]
file = "table.csv"
[data.columns]
a = "a"
y = "y"
[search]
inputs = ["a"]
outputs = ["y"]
layers = [1]
"""
PATH = """study = "om"
[system]
particles = 2
dimension = 3
mass = 1.0
pair = "1/r^12 - 1/r^6"
box = { length = 10.0 }
[system.species]
Ar = 1
Kr = 1
[ends]
start = "start.xyz"
end = "end.xyz"
[path]
duration = 1.0
points = 5
"""
GOOD = "t,x\n" + "\n".join(f"{0.1 * k:.1f},{k}" for k in range(6))
PAIR = '2\nLattice="{0} 0 0 0 {0} 0 0 0 {0}"\nAr 0 0 0\nKr 1 0 0\n'


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in (("fit", FIT), ("law", LAW), ("path", PATH)):
        Path(f"{name}.toml").write_text(text)
    Path("motion.csv").write_text(GOOD)
    Path("table.csv").write_text("a,y\n" + "\n".join(f"{k},{k * k}" for k in range(20)))
    Path("start.xyz").write_text(PAIR.format(10))
    Path("end.xyz").write_text(PAIR.format(10))


def checked(study: str, capsys) -> list[dict]:
    code = main(["check", f"{study}.toml", "--format", "json"])
    faults = json.loads(capsys.readouterr().out)
    assert code == (65 if any(fault["severity"] == "error" for fault in faults) else 0)
    return faults


@pytest.mark.parametrize("study", ["fit", "law", "path"])
def test_good_files_have_no_fault(study, capsys):
    assert checked(study, capsys) == []


@pytest.mark.parametrize("study", ["fit", "law"])
def test_a_file_that_is_not_there_yet_is_a_note(study, capsys):
    Path("motion.csv" if study == "fit" else "table.csv").unlink()
    (fault,) = checked(study, capsys)
    assert fault["severity"] == "note" and fault["message"].endswith(".csv yet")


CASES = {
    "column": ("fit", "motion.csv", "t,y\n0,1\n", "fit.toml", 13,
               'motion.csv has no column "x"', 'the file has "t" and "y"'),
    "twice": ("fit", "motion.csv", "t,x,x\n0,1,1\n", "fit.toml", 13,
              'motion.csv has 2 columns "x"', "take one by its number: 2 or 3"),
    "word": ("fit", "motion.csv", GOOD.replace("0.3,3", "0.3,three"), "motion.csv", 5,
             '"three" is not a number',
             "write a number, or leave the cell empty where the sample is missing"),
    "comma": ("fit", "motion.csv", GOOD.replace("0.3,3", '0.3,"3,1"'), "motion.csv", 5,
              '"3,1" is not a number', "write decimals with a point"),
    "infinite": ("fit", "motion.csv", GOOD.replace("0.3,3", "0.3,inf"), "motion.csv", 5,
                 '"inf" is not finite', "leave the cell empty where the sample is missing"),
    "time": ("fit", "motion.csv", GOOD.replace("0.3,3", "0.2,3"), "motion.csv", 5,
             "the time 0.2 again, as in line 4",
             'write duplicates = "first" in [data] to keep the first of such rows, or correct the '
             "times"),
    "fall": ("fit", "motion.csv", GOOD.replace("0.3,3", "0.1,3"), "motion.csv", 5,
             "time falls from 0.2 in line 4 to 0.1",
             'sort the rows by time; if a new motion begins, add a column "trial"'),
    "no-time": ("fit", "motion.csv", GOOD.replace("0.3,3", ",3"), "motion.csv", 5,
                "no t in this row",
                "times and trials must all be there; samples may be left empty"),
    "surplus": ("fit", "motion.csv", GOOD.replace("0.3,3", "0.3,3,9"), "motion.csv", 5,
                "3 cells where the header has 2",
                "remove the surplus, or quote cells that hold the separator"),
    "few": ("fit", "motion.csv", "t,x\n0,1\n1,2\n2,\n", "fit.toml", 12,
            "2 samples of the motion cannot tell 3 numbers: 1 of the law and 2 of each start",
            "bring more samples, or say in [start] what is known: velocity = { x = 0.0 }"),
    "empty": ("fit", "motion.csv", "t,x\n", "motion.csv", 1, "no row below the header",
              "bring a file with the measured rows"),
    "rows": ("law", "table.csv", "a,y\n1,1\n2,4\n3,9\n", "law.toml", 3,
             "3 rows and 1 held out for the test leave 2 to learn from, and 5 folds need 8",
             "bring more rows, or lower fraction in [test]"),
    "atoms": ("path", "end.xyz", "3\n\nAr 0 0 0\nKr 1 0 0\nAr 2 0 0\n", "end.xyz", 1,
              "3 atoms here, and the study has particles = 2",
              "write particles = 3 in [system], or take another structure"),
    "ends": ("path", "end.xyz", "2\n\nAr 0 0 0\nAr 1 0 0\n", "end.xyz", 1,
             "the end has Ar2, the start Ar1 Kr1", "both ends of a path hold the same atoms"),
    "order": ("path", "end.xyz", "2\n\nKr 1 0 0\nAr 0 0 0\n", "end.xyz", 3,
              "atom 1 is Kr here and Ar at the start",
              "write align = true in [ends], or bring the atoms into one order"),
    "cell": ("path", "end.xyz", PAIR.format(12), "path.toml", 13,
             "the structure's cell has an edge of 12, the study's box 10",
             "write box = { length = 12 } in [system]"),
    "place": ("path", "end.xyz", "2\n\nAr 0 0 0\nKr 1 zero 0\n", "end.xyz", 4,
              '"zero" is not a finite number', "write decimals with a point: 0.5"),
    "short": ("path", "end.xyz", "2\n\nAr 0 0 0\n", "end.xyz", 1,
              "2 atoms are announced, 1 follow", "correct the number, or add what is missing"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_with_a_file_is_located(case, capsys):
    study, file, text, place, line, message, hint = CASES[case]
    Path(file).write_text(text)
    (fault,) = checked(study, capsys)
    told = fault["file"], fault["line"], fault["message"], fault["hint"]
    assert told == (place, line, message, hint)
    assert main([f"{study}.toml"]) == 65, "a run says it too, before it compiles"
    assert message in capsys.readouterr().err


def test_species_of_the_files_are_those_of_the_study(capsys):
    for name in ("start", "end"):
        Path(f"{name}.xyz").write_text("2\n\nAr 0 0 0\nAr 1 0 0\n")
    (fault,) = checked("path", capsys)
    assert fault["message"] == "the structures have Ar2, and the study Ar1 Kr1"
    assert fault["key"] == "system.species"


def test_atoms_that_a_file_holds_are_those_of_the_study(capsys):
    held = "2\nProperties=species:S:1:pos:R:3:move_mask:L:1\nAr 0 0 0 F\nKr 1 0 0 T\n"
    for name in ("start", "end"):
        Path(f"{name}.xyz").write_text(held)
    assert checked("path", capsys) == []
    source = PATH.replace("box =", "frozen = [2]\nbox =")
    Path("path.toml").write_text(source)
    first, second = checked("path", capsys)
    assert first["hint"] == "write frozen = [1] in [system], or correct the file"
    assert (first["key"], second["key"]) == ("ends.start", "ends.end")


def test_velocities_that_a_study_asks_for(capsys):
    Path("path.toml").write_text(
        PATH.replace("[ends]\n", '[ends]\ngiven = ["positions", "velocities"]\n')
    )
    first, second = checked("path", capsys)
    assert first["message"] == "the structure has no velocities (a column velo)"
    assert (first["key"], second["key"]) == ("ends.start", "ends.end")


def test_pairs_of_rows_of_a_map(capsys):
    Path("map.toml").write_text(
        'study = "pnn"\n[system]\ncoordinates = ["x"]\nlagrangian = "x\'^2/2 - x^2/2"\n'
        '[data]\nfile = "motion.csv"\ndt = 0.1\ncolumns = { t = "t", x = "x", v_x = "x" }\n'
        '[search]\noutputs = ["x(t+dt)", "x\'(t+dt)"]\ninputs = ["x", "x\'"]\nlayers = [1]\n'
    )
    (fault,) = checked("map", capsys)
    assert fault["message"] == ("the file has 5 pairs of rows dt apart, at least 10 are needed")


def test_reading_files_imports_neither_jax_nor_sympy():
    heavy = ("jax", "sympy", "matplotlib", "scipy")
    script = (
        "import sys\nfrom actionrun.runtime.cli import main\n"
        "code = main(['check', 'fit.toml', 'law.toml', 'path.toml'])\n"
        f"print([name for name in {heavy} if name in sys.modules], code)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[] 0", done.stdout + done.stderr


def test_a_name_too_long_for_the_system_is_a_file_that_is_not_there(tmp_path, capsys):
    study = tmp_path / "long.toml"
    study.write_text(FIT.replace("motion.csv", "m" * 300 + ".csv"))
    assert main(["check", str(study)]) == 0  # a note: the data may come later
    assert "data.missing" in "".join(capsys.readouterr())
    assert main(["run", str(study), "--out", str(tmp_path / "run")]) == 65
    assert "data.missing" in "".join(capsys.readouterr())


def test_files_of_the_points_of_a_sweep_are_read(tmp_path):
    """Each file that a point names: one that is wrong is told with its line, one that is not there
    at its place in [sweep]."""
    rows = "\n".join(f"{k / 10},{k % 7}" for k in range(60))
    (tmp_path / "good.csv").write_text(f"t,x\n{rows}\n")
    (tmp_path / "bad.csv").write_text("t,x\n0,1\n0.1,word\n0.2,3\n")
    path = tmp_path / "study.toml"
    path.write_text(
        FIT.replace("motion.csv", "good.csv")
        + '\n[sweep]\n"data.file" = ["good.csv", "bad.csv", "gone.csv"]\n'
    )
    read, faults = checked_study(path)
    assert read is not None and not [one for one in faults if one.severity == "error"]
    told = swept_file_faults(read)
    assert any(one.file.endswith("bad.csv") and one.line == 3 for one in told)
    (gone,) = [one for one in told if one.code == "data.missing"]
    assert gone.line_text[gone.column - 1 :].startswith('"gone.csv"')
