"""`actionrun look`: what it says of generated files is true, and its study has no fault."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from actionrun.runtime.cli import main
from actionrun.runtime.data.csv_table import table_of
from actionrun.runtime.data.dialect import Asked
from actionrun.runtime.data.survey import starter_study, survey, survey_text
from actionrun.spec import check
from hypothesis import given, settings
from hypothesis import strategies as st


def surveyed(folder, text: str):
    (folder / "file.csv").write_text(text, encoding="utf-8")
    return survey(table_of(folder / "file.csv", Asked()))


def columns(names: str, *of: np.ndarray) -> str:
    rows = [",".join(f"{x:.7g}" for x in row) for row in np.array(of).T]
    return names + "\n" + "\n".join(rows) + "\n"


@given(st.integers(0, 10**6))
@settings(max_examples=15, deadline=None)
def test_noise_and_periods_are_those_of_the_file(tmp_path_factory, seed):
    dice = np.random.default_rng(seed)
    t = np.linspace(0, 60, 1500)
    first, second, noise = dice.uniform(0.3, 1), dice.uniform(1.5, 3), dice.uniform(0.005, 0.02)
    x = np.sin(2 * np.pi * first * t) + 0.5 * np.cos(2 * np.pi * second * t + 1)
    x += noise * dice.normal(size=len(t)) + 3
    found = surveyed(tmp_path_factory.mktemp("look"), columns("t,x", t, x)).channels[0]
    assert found.noise == pytest.approx(noise, rel=0.15)
    np.testing.assert_allclose(found.peaks[:2], [first, second], rtol=0.02)


def test_gaps_trials_wraps_and_text(tmp_path):
    t = np.concatenate([np.arange(50), np.arange(60, 100), np.arange(30)]) * 0.1
    trial = np.repeat([1, 2], [90, 30])
    angle = np.mod(3 * t, 2 * np.pi)
    one = surveyed(tmp_path, columns("run,t [s],angle", trial, t, angle))
    said = survey_text(one)
    assert "1 gaps, before lines 52" in said and "2 trials by the column" in said
    assert "angle jumps by about 2*pi" in said
    assert one.channels[0].wrapped == "2*pi"
    assert 'observables]\nq = { column = "angle", wrap = "2*pi" }' in starter_study(one)
    falling = surveyed(tmp_path, "t,q\n0,1\n1,2\n0.5,3\n2,4\n")
    assert "the time falls in line 4" in survey_text(falling)
    bare = surveyed(tmp_path, "name,mass\nAg,1.5\nAu,2.5\n")
    assert [c.name for c in bare.channels] == ["mass"] and "no column of times" in survey_text(bare)


FILES = {
    "plain": columns("t,x", np.arange(40) * 0.1, np.sin(np.arange(40) * 0.3)),
    "two": columns("Time (s),x [m],x [m]", np.arange(40), np.sin(np.arange(40)), np.arange(40.0)),
    "no times": columns("x,y", np.sin(np.arange(40)), np.cos(np.arange(40))),
    "no header": columns("# nothing", np.arange(40) * 0.1, np.sin(np.arange(40) * 0.3)),
    "wrapped": columns("t,a", np.arange(60) * 0.1, np.mod(np.arange(60) * 0.9, 2 * np.pi)),
    "names": columns('t,"a ""quoted"" \\ name"', np.arange(40) * 0.1, np.sin(np.arange(40) * 0.3)),
    "constant": columns("t,x", np.arange(40) * 0.1, np.ones(40)),
    "german": "Zeit;Weg\n[s];[cm]\n" + "\n".join(f"{k},5;{k % 7},25" for k in range(30)),
}


@pytest.mark.parametrize("name", FILES)
def test_the_study_to_start_from_has_no_fault(tmp_path, name):
    one = surveyed(tmp_path, FILES[name])
    (tmp_path / "study.toml").write_text(starter_study(one), encoding="utf-8")
    faults = check(tmp_path / "study.toml")
    assert not faults, "\n".join(fault.render() for fault in faults)
    assert main(["check", str(tmp_path / "study.toml")]) == 0


def test_the_command_and_its_figure(tmp_path, capsys):
    (tmp_path / "file.csv").write_text(FILES["plain"])
    figure = tmp_path / "figure.svg"
    assert main(["look", str(tmp_path / "file.csv"), "--out", str(figure)]) == 0
    assert "A study to start from" in capsys.readouterr().out
    assert figure.read_text().startswith("<?xml")
    assert main(["look", str(tmp_path / "file.csv"), "--out", str(tmp_path / "x.gif")]) == 2
    assert main(["look", str(tmp_path / "none.csv")]) == 2
    (tmp_path / "bytes.csv").write_bytes(b"t,q\n\x00\x01")
    assert main(["look", str(tmp_path / "bytes.csv")]) == 65


def test_looking_needs_neither_jax_nor_sympy(tmp_path):
    (tmp_path / "file.csv").write_text(FILES["plain"])
    script = (
        "import sys\nfrom actionrun.runtime.cli import main\n"
        f"code = main(['look', {str(tmp_path / 'file.csv')!r}])\n"
        "print([n for n in ('jax', 'sympy', 'matplotlib') if n in sys.modules], code)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[] 0", done.stdout + done.stderr
