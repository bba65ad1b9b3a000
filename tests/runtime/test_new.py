"""Shipped studies are listed, copied over nothing, and run away from the repository."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from actionrun.runtime import cli
from actionrun.spec import check
from actionrun.spec.examples import examples

TOP = Path(__file__).parents[2]


def test_each_shipped_study_is_listed(capsys):
    assert cli.main(["new", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = {line.split()[0] for line in lines[1:]}
    assert names == {path.stem for path in (TOP / "studies").glob("*.toml")}
    pendulum = next(line for line in lines if line.startswith("pendulum_measured"))
    assert "family" in pendulum and "20 s" in pendulum and "A measured pendulum" in pendulum


@pytest.mark.parametrize("name", [one.name for one in examples()])
def test_each_is_copied_with_its_files(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["new", name]) == 0
    assert (tmp_path / f"{name}.toml").read_bytes() == (TOP / f"studies/{name}.toml").read_bytes()
    assert not [f for f in check(tmp_path / f"{name}.toml") if f.severity == "error"]
    capsys.readouterr()
    (tmp_path / f"{name}.toml").write_text("mine")
    assert cli.main(["new", name]) == 2
    assert "written over" in capsys.readouterr().err
    assert (tmp_path / f"{name}.toml").read_text() == "mine"


def test_what_cannot_be_copied_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").write_text("a file, no folder")
    assert cli.main(["new", "pendulum_measured"]) == 74
    assert cli.main(["new", "pendulum_mesured"]) == 2
    assert 'did you mean "pendulum_measured"' in capsys.readouterr().err
    assert cli.main(["new"]) == 2
    assert "--list" in capsys.readouterr().err


SCRIPT = """
import actionrun as ar
from pathlib import Path
import numpy as np
run = ar.open_run("runs")
assert run.sympy() and run.equations[0].function()(q=1.0, qdot=0.0).shape == ()
assert Path(ar.__file__).is_relative_to(Path("env").resolve())
try:
    ar.infer(run, "motion.csv")
except ar.RunError as refused:
    print("refused:", refused)
"""


@pytest.mark.slow
def test_a_wheel_away_from_the_repository(tmp_path):
    """The wheel in an environment of its own (its libraries are those of ours): list, copy, run,
    open in Python, export, infer."""
    build = f"from setuptools.build_meta import build_wheel; build_wheel({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=_copy(tmp_path), check=True,
                   capture_output=True)  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    python = tmp_path / "env/bin/python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "env"], check=True)
    (site,) = (tmp_path / "env/lib").glob("python*/site-packages")
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", "--no-index", wheel],
                   check=True)  # fmt: skip
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib"))

    def said(*words: object, code: int = 0) -> str:
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
        done = subprocess.run([*map(str, words)], cwd=tmp_path, capture_output=True, text=True,
                              env=environment)  # fmt: skip
        assert done.returncode == code, (words, done.stdout, done.stderr)
        return done.stdout

    command = tmp_path / "env/bin/actionrun"
    assert "pendulum_constraint" in said(command, "new", "--list")
    said(command, "new", "dho_ggl")
    said(command, "dho_ggl.toml", "--set", "integrator.steps=200")
    said(command, "export", "runs", "--format", "csv", "--out", "out")
    assert list((tmp_path / "out").glob("*.csv"))
    (tmp_path / "motion.csv").write_text("t,q\n0,1\n0.1,0.9\n")
    assert "refused:" in said(python, "-c", SCRIPT)
    (tmp_path / "p.toml").write_text(said(command, "new", "ggl"))
    said(command, "p.toml")
    said(command, "check", "p.toml")


def _copy(place: Path) -> Path:
    """The repository's files that a wheel is made of, so that a build leaves nothing in it."""
    from shutil import copy, copytree, ignore_patterns

    for name in ("spec", "compiler", "runtime", "studies", "package"):
        copytree(TOP / name, place / "src" / name, ignore=ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        copy(TOP / name, place / "src" / name)
    return place / "src"
