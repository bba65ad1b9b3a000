"""`compare`: what was asked differently, and what came of it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from actionrun.runtime import cli
from actionrun.runtime.errors import Refused
from actionrun.runtime.report.comparison import comparison, page, text
from actionrun.runtime.runner import run
from actionrun.runtime.storage.run_folder import Folder
from oscillator import Oscillator, task

ONE = 'study = "ggl"\n\n[integrator]\ndt = 0.01\nsteps = 200\n\n[parameters]\n"a.b" = [1, 2]\n'
OTHER = ONE.replace("0.01", '"1 ms"') + '\n[exact]\nq = "cos(t)"\n'
EVIL = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("actionrun.runtime.report.page.write_report", lambda folder: None)
    run(task(Oscillator(total=200), resolved=ONE), out="one")
    run(task(Oscillator(total=300, evil=EVIL), resolved=OTHER, title=f"B {EVIL}"), out="two")
    return tmp_path


def compared(*names: str):
    return comparison([Folder(Path(name)) for name in names])


def test_changed_keys_and_metrics_stand_side_by_side():
    found = compared("one", "two")
    assert found.asked == (("integrator.dt", "0.01", '"1 ms"'), ("exact.q", "–", '"cos(t)"'))
    assert found.same_keys == 3
    assert {row[0] for row in found.metrics} >= {"sum"}
    assert found.values == (("k", "1.0023 ± 0.0031", "1.0023 ± 0.0031"),
                            ("gamma", "not determined", "not determined"))  # fmt: skip


def test_both_equations_are_shown_where_they_differ():
    result = json.loads(Path("two/result.json").read_text())
    result["equations"][0] |= {"name": "Lagrangian", "text": "q'^2 - k*q^4", "latex": r"\dot q^2"}
    Path("two/result.json").write_text(json.dumps(result))
    found = compared("one", "two")
    shown = text(found)
    assert "  A  q'^2/2 - k*q^2/2\n  B  q'^2 - k*q^4" in shown
    assert page(found).count("<math") == 2


def test_a_run_is_the_same_as_itself():
    found = compared("one", "one")
    assert not found.asked and not found.metrics and not found.made
    assert "the studies are the same" in text(found)


def test_nothing_of_a_stranger_is_markup_or_control():
    found = compared("one", "two")
    html = page(found)
    assert EVIL not in html and "&lt;script&gt;" in html
    assert not re.search(r"(src|href)=|https?://(?!www\.w3\.org)", html)
    assert "\x1b" not in text(found)


def test_unfinished_and_foreign_folders():
    Path("two/result.json").unlink()
    assert "unfinished" in text(compared("one", "two"))
    Path("three").mkdir()
    with pytest.raises(Refused, match="no run folder"):
        compared("one", "three")
    Path("three/resolved.toml").write_text("not toml")
    with pytest.raises(Refused, match="no run folder"):
        compared("one", "three")


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("data.file", '"motion.csv"'),
        ("data.files", '["motion.csv", "same.csv"]'),
        ("inputs.file", '"motion.csv"'),
        ("ends.start", '"motion.csv@0"'),
    ],
)
def test_other_data_are_another_question(key, said):
    table, last = key.split(".")
    for name in ("one", "two"):
        Path(name, "same.csv").write_text("t,q\n")
        Path(name, "motion.csv").write_text(f"t,q\n0,{len(name) + (name == 'two')}\n")
        Path(name, "resolved.toml").write_text(f"[{table}]\n{last} = {said}\n")
    (row,) = compared("one", "two").asked
    assert row[0] == key and row[1] != row[2] and "sha256" in row[1]


def test_command_writes_a_page_and_no_file_of_others(capsys):
    assert cli.main(["compare", "one", "two"]) == 0
    assert "integrator.dt" in capsys.readouterr().out
    assert Path("compare.html").read_text().startswith("<!DOCTYPE html>")
    assert cli.main(["compare", "one", "two"]) == 0
    Path("mine.html").write_text("my notes")
    assert cli.main(["compare", "one", "two", "--out", "mine.html"]) == 2
    assert Path("mine.html").read_text() == "my notes"


def test_comparing_imports_nothing_heavy():
    script = (
        "import sys\nfrom actionrun.runtime.cli import main\n"
        "code = main(['compare', 'one', 'two'])\n"
        "heavy = ('jax', 'sympy', 'matplotlib', 'deap', 'numpy', 'rich', 'h5py', 'pydantic')\n"
        "print('HEAVY', [name for name in heavy if name in sys.modules], code)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1].startswith("HEAVY ["), done.stderr
    assert not {"jax", "sympy", "matplotlib", "deap"} & set(
        re.findall(r"'(\w+)'", done.stdout.splitlines()[-1])
    )
    assert done.stdout.endswith(" 0\n")
