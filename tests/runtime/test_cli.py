"""The command line: exit codes, what it imports, how it speaks."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from actionrun.runtime import cli
from actionrun.runtime.commands import check
from actionrun.runtime.environment import jax_setup
from actionrun.runtime.runner import run
from helpers import result, same
from oscillator import Oscillator, task

STUDY = """study = "ggl"
title = "A spring"

[system]
coordinates = ["q"]
lagrangian = "m*q'^2/2 - k*q^2/2"

[parameters]
m = 1.0
k = 1.0

[start]
position = { q = 1.0 }
velocity = { q = 0.0 }

[integrator]
r = 1
dt = 0.1
steps = 50
"""
COEFFICIENTS = "[coefficients]\nk = [0.5, 2.0]\n\n"
LEARNING = "\n[training]\nsteps = 40\nbatch = 1024\n\n[test]\nsystems = 10\n"
HEAVY = ("jax", "sympy", "matplotlib", "deap", "numpy", "rich", "scipy", "h5py")


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "spring.toml").write_text(STUDY)
    return tmp_path


@pytest.fixture
def finished(monkeypatch):
    return run(task(Oscillator(total=200), title="50% of β & co_"), out="done").folder


def actionrun(*words: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "actionrun.runtime.cli", *words],
        capture_output=True, text=True, timeout=120, **options,
    )  # fmt: skip


@pytest.mark.parametrize(
    "words",
    [["--help"], ["--version"], ["check", "spring.toml"], ["schema"], ["list"], ["new", "ggl"]],
)
def test_words_alone_import_nothing_heavy(words):
    script = (
        "import sys\nfrom actionrun.runtime.cli import main\n"
        "try: code = main(sys.argv[1:])\nexcept SystemExit as end: code = end.code\n"
        f"print('HEAVY', [name for name in {HEAVY} if name in sys.modules], code)"
    )
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "HEAVY [] 0", done.stderr


def test_an_integration_imports_what_it_uses():
    """SciPy and the fonts of PDF cost more than the motion of a pendulum."""
    script = (
        "import sys\nimport actionrun.compiler.ggl.build, actionrun.runtime.report.page\n"
        "heavy = ('scipy', 'optax', 'diffrax', 'matplotlib.backends.backend_pdf')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_run_end_to_end_and_again():
    first = actionrun("spring.toml")
    assert first.returncode == 0, first.stderr
    (folder,) = Path("runs/spring").iterdir()
    assert str(folder / "report.html") in first.stdout
    assert result(folder)["metrics"]["steps"] == 50
    texts = {"study.toml", "resolved.toml", "equations.tex", "report.html", "metrics.jsonl"}
    data = {"provenance.json", "equations.json", "data.nc", "figures", "checkpoint"}
    assert texts | data <= {path.name for path in folder.iterdir()}
    assert (folder / "study.toml").read_text() == STUDY
    again = actionrun("run", "spring.toml")
    assert again.returncode == 0 and "is finished" in again.stderr
    resolved = actionrun("run", str(folder / "resolved.toml"), "--out", "copy", "--quiet")
    assert (resolved.returncode, resolved.stdout, resolved.stderr) == (0, "", "")
    assert result(Path("copy")) == result(folder)
    assert (Path("copy") / "data.nc").read_bytes() == (folder / "data.nc").read_bytes()


def test_set_and_seed_change_the_run():
    done = actionrun("spring.toml", "--set", "integrator.steps=20", "--seed", "7", "--out", "x")
    assert done.returncode == 0, done.stderr
    assert result(Path("x"))["metrics"]["steps"] == 20
    assert result(Path("x"))["seed"] == 7


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["spring.toml", "--set", "integrator.stesp=20"], 2, "steps"),
        (["spring.toml", "--sett"], 2, "--sett"),
        (["spring.toml", "--workers", "-1"], 2, "--workers"),
        (["spring.toml", "--workers", "1", "--cluster", "tcp://x"], 2, "not allowed with"),
        (["lst"], 2, "actionrun list"),
        ([], 2, "usage"),
        (["compare", "a", "b"], 2, "no run folder"),
        (["compare", "a"], 2, "two runs"),
        (["latex", "nowhere"], 2, "no run folder"),
        (["missing.toml"], 65, "missing.toml"),
        (["broken.toml"], 65, "broken.toml:17:4"),
        (["check", "broken.toml", "spring.toml"], 65, "1 fault"),
        (["check", "spring.toml"], 0, "no faults"),
        (["--version"], 0, "actionrun "),
    ],
)
def test_exit_codes(words, code, said):
    Path("broken.toml").write_text(STUDY.replace("dt = 0.1", "dt = -1"))
    try:
        done = actionrun(*words)
    finally:
        assert not Path("runs").exists() or code == 0
    assert done.returncode == code
    said_by = done.stdout + done.stderr
    if said == "broken.toml:17:4":
        assert re.search(r"broken\.toml:\d+:\d+", said_by)
    else:
        assert said in said_by
    assert "Traceback" not in said_by and "\x1b" not in said_by


def test_check_as_json():
    Path("broken.toml").write_text(STUDY.replace("dt = 0.1", "dt = -1"))
    done = actionrun("check", "broken.toml", "--format", "json")
    (fault,) = json.loads(done.stdout)
    assert done.returncode == 65 and fault["key"] == "integrator.dt" and fault["line"] > 0


def test_unwritable_place_is_74(monkeypatch, capsys):
    Path("runs").touch()
    done = actionrun("spring.toml")
    assert done.returncode == 74, done.stderr
    assert "cannot write runs/spring" in done.stderr and "Traceback" not in done.stderr


def test_a_bug_says_that_it_is_one(monkeypatch, capsys):
    def crash(options):
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(check, "check", crash)
    assert cli.main(["check", "spring.toml"]) == 1
    said = capsys.readouterr().err
    assert "bug in actionrun" in said and "ZeroDivisionError" in said and "Traceback" not in said
    with pytest.raises(ZeroDivisionError):
        cli.main(["check", "spring.toml", "--debug"])


def test_switches_keep_what_the_user_has_set(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=x")
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "mine")
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    for name in ("JAX_ENABLE_X64", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"):
        monkeypatch.setenv(name, "x")
    jax_setup.set_switches()
    jax_setup.set_switches()
    assert os.environ["XLA_FLAGS"].startswith(
        f"--xla_dump_to=x {jax_setup.XLA_FLAGS} {jax_setup.SUMS}="
    )
    assert os.environ["XLA_FLAGS"].count("--") == 3
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == "mine"
    assert os.environ["JAX_ENABLE_X64"] == "true" and "JAX_PLATFORMS" not in os.environ


def test_latex_of_a_run(finished, tmp_path, capsys):
    assert cli.main(["latex", str(finished)]) == 0
    assert "\\[\nL = \\frac{1}{2}" in capsys.readouterr().out
    assert cli.main(["latex", str(finished), "--standalone"]) == 0
    document = capsys.readouterr().out
    assert r"50\% of \ensuremath{\beta} \& co\_" in document
    (tmp_path / "page.tex").write_text(document)
    tried = subprocess.run(["which", "pdflatex"], capture_output=True)
    if tried.returncode:
        pytest.skip("no pdflatex on this machine")
    made = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert made.returncode == 0, made.stdout[-2000:]
    assert (tmp_path / "page.pdf").stat().st_size > 1000


def test_export_and_xarray_read_the_arrays(finished, capsys):
    import numpy as np
    import xarray

    with xarray.open_dataset(finished / "data.nc", engine="h5netcdf") as data:
        assert data["q"].dims == ("t", "body") and data["q"].attrs["units"] == "m"
        q, t = data["q"].values, data["t"].values
    assert cli.main(["export", str(finished), "--format", "csv"]) == 0
    assert str(finished / "export" / "t_body.csv") in capsys.readouterr().out
    lines = (finished / "export" / "t_body.csv").read_text().splitlines()
    assert lines[0] == "t [s],body,q [m]"
    rows = np.array([[float(cell) for cell in line.split(",")] for line in lines[1:]])
    np.testing.assert_array_equal(rows[:, 2].reshape(q.shape), q)
    np.testing.assert_array_equal(rows[::2, 0], t)


def test_report_and_list(finished, capsys):
    (finished / "report.html").unlink()
    assert cli.main(["report", str(finished)]) == 0
    assert (finished / "report.html").exists()
    assert cli.main(["list", str(finished.parent)]) == 0
    assert "done" in capsys.readouterr().out


def test_explain_and_new(capsys):
    assert cli.main(["explain", "spring.toml"]) == 0
    assert "Lagrangian" in capsys.readouterr().out
    assert cli.main(["explain", "spring.toml", "--latex"]) == 0
    assert r"\dot{q}" in capsys.readouterr().out
    assert cli.main(["new", "family"]) == 0
    assert 'study = "family"' in capsys.readouterr().out


def test_python_interface(tmp_path):
    script = (
        "from actionrun.runtime import load, run\n"
        "done = run(load('spring.toml'), out='api')\n"
        "print(done.metrics['steps'], done._repr_latex_().count('$$'), done.equations[0].name)\n"
        "print(done)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("50 ") and "Lagrangian" in done.stdout
    assert actionrun("spring.toml", "--out", "cli", "--quiet").returncode == 0
    assert result(Path("api")) == result(Path("cli")), "the same from Python"


STUDIES = Path(__file__).parents[2] / "studies"
SHORT = {
    "ggl": ("kepler_transformed", "integrator.steps=400"),
    "om": ("double_well_path",),
    "laws": ("melting", "search.population=10", "search.generations=2"),
}


@pytest.mark.parametrize(
    "kind", ["ggl", *(pytest.param(k, marks=pytest.mark.slow) for k in ("family", "om", "laws"))]
)
def test_cores_and_cache_change_no_bit(monkeypatch, kind):
    """All cores with a cold cache, then one core with a warm one. (With two threads of XLA instead
    of one the family would differ in its last bits.)"""
    family = STUDY.replace('"ggl"', '"family"').replace("m = 1.0\nk = 1.0", "m = 1.0")
    family = family.replace("steps = 50", "steps = 40").replace("[start]", COEFFICIENTS + "[start]")
    Path("family.toml").write_text(family + LEARNING)
    name, *overrides = SHORT.get(kind, ("family",))
    study = Path("family.toml") if kind == "family" else STUDIES / f"{name}.toml"
    options = [word for override in overrides for word in ("--set", override)]
    one_core = ("taskset", "-c", str(min(os.sched_getaffinity(0))))
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")  # that of the tests
    for name, prefix in (("cold", ()), ("warm", one_core)):
        module = (sys.executable, "-m", "actionrun.runtime.cli")
        words = (*prefix, *module, str(study), *options, "--out", name)
        done = subprocess.run(words, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
    assert any(Path("cache").glob("actionrun/*/*-cache"))
    same(Path("cold"), Path("warm"))


def test_a_busy_folder_answers_before_anything_is_read():
    """In about the time of --help: neither study nor numpy is read."""
    from actionrun.runtime.storage.provenance import now
    from actionrun.runtime.storage.run_folder import Folder

    script = (
        "import sys\nfrom actionrun.runtime.cli import main\n"
        "sys.argv = ['actionrun', *sys.argv[1:]]\n"
        f"print(main(), [name for name in {(*HEAVY, 'pydantic')} if name in sys.modules])"
    )
    same = Path("runs/spring/001-00000000")
    for words, folder in ((["spring.toml", "--out", "x"], Path("x")), (["spring.toml"], same)):
        with Folder(folder).lock():
            story = {"command": ["actionrun", *words], "started": now()}
            (folder / "provenance.json").write_text(json.dumps(story))
            (folder / "study.toml").write_text(STUDY)
            command = [sys.executable, "-c", script, *words]
            done = subprocess.run(command, capture_output=True, text=True)
        assert done.stdout == "75 []\n", done.stdout + done.stderr
        assert f"{folder} is in use by process {os.getpid()} on " in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["spring.toml", "integrator.dt=0.1"], "a key is set by --set integrator.dt=0.1"),
        (["run", "spring.toml", "dt=1"], "a key is set by --set dt=1"),
        (["spring.toml", "--set", "dt=1"], 'there is no key "dt"; did you mean "integrator.dt"?'),
        (["check", "spring.toml", "--set", "steps=5"], 'did you mean "integrator.steps"?'),
    ],
)
def test_how_a_key_is_set_is_said(words, said, capsys):
    assert cli.main(words) == 2
    assert said in capsys.readouterr().err


def test_json_for_programs(capsys):
    run(task(Oscillator(total=20)), out=Path("runs/a"))
    run(task(Oscillator(total=30)), out=Path("runs/b"))
    assert cli.main(["list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(one["run"], one["status"], one["study"]) for one in listed] == [
        ("runs/a", "done", "ggl"), ("runs/b", "done", "ggl"),
    ]  # fmt: skip
    assert cli.main(["compare", "runs/a", "runs/b", "--json"]) == 0
    compared = json.loads(capsys.readouterr().out)
    assert compared["names"] == ["A", "B"] and any(row[0] == "sum" for row in compared["metrics"])
    assert not Path("compare.html").exists()
    assert cli.main(["explain", "spring.toml", "--json"]) == 0
    explained = json.loads(capsys.readouterr().out)
    assert explained["study"].startswith("study = ")
    assert any(section["equations"] for section in explained["sections"])
    assert cli.main(["list", "nowhere"]) == 2
    assert "is no folder" in capsys.readouterr().err
