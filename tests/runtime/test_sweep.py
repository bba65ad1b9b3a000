"""A sweep is its points' runs: killed or not, with a point that fails or none, the same."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from actionrun.runtime import load, run
from actionrun.runtime.errors import Diverged
from actionrun.runtime.events import Progressed, Reached, Started
from actionrun.runtime.storage.run_folder import runs_under
from actionrun.spec import Faults
from helpers import result, same, timeless

SPRING = """study = "ggl"
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

[exact]
q = "cos(t)"

"""
GRID = '[sweep]\nintegrator.r = [0, 1]\n"integrator.dt" = [0.1, 0.05]\n'
# The motion grows without bound where k < 0, and leaves the finite numbers within the run.
FALLING = '[sweep]\n"parameters.k" = [1.0, -1e6, 2.0]\n'


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    """An undisturbed sweep."""
    home = tmp_path_factory.mktemp("grid")
    (home / "spring.toml").write_text(SPRING + GRID)
    heard = []
    done = run(load(home / "spring.toml"), out=home / "run", on_event=heard.append)
    return done, heard


def actionrun(*words: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "actionrun.runtime.cli", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def same_sweep(one: Path, other: Path) -> None:
    """Both sweeps and all of their points found the same, bit for bit."""
    same(one, other)
    names = sorted(path.name for path in (one / "points").iterdir())
    assert names == sorted(path.name for path in (other / "points").iterdir()) and names
    for name in names:
        if (one / "points" / name / "result.json").exists():
            same(one / "points" / name, other / "points" / name)


def test_each_point_is_the_run_of_its_study(grid, tmp_path):
    done, _ = grid
    data = done.result["sweep"]
    assert data["keys"] == ["integrator.r", "integrator.dt"]
    assert [one["values"] for one in data["points"]] == [
        {"integrator.r": r, "integrator.dt": dt} for r in (0, 1) for dt in (0.1, 0.05)
    ]
    Path("alone.toml").write_text(SPRING.replace("r = 1", "r = 0").replace("dt = 0.1", "dt = 0.05"))
    alone = run(load("alone.toml"), out=tmp_path / "alone")
    second = data["points"][1]
    same(done.folder / second["folder"], alone.folder)
    assert second["metrics"] == timeless(dict(alone.metrics))


def test_table_and_figures_tell_the_order_of_the_integrator(grid):
    done, _ = grid
    (table,) = done.findings.tables
    column = table.header.index("energy_error_max")
    errors = [row[column] for row in table.rows]
    assert 3.8 < errors[0] / errors[1] < 4.2, "order 2"
    assert 15 < errors[2] / errors[3] < 17, "order 4"
    figures = {figure.name: figure for figure in done.findings.figures}
    assert {*figures} == {"over-integrator.r", "over-integrator.dt"}
    panel = figures["over-integrator.dt"].panels[0]
    assert panel.x.label == "integrator.dt" and panel.y.log
    assert [curve.label for curve in panel.curves] == ["r 0", "r 1"]
    for curve in panel.curves:
        np.testing.assert_array_equal(curve.x, [0.05, 0.1])


def test_progress_counts_points(grid):
    _, heard = grid
    assert [e.total for e in heard if isinstance(e, Started)] == [4]
    assert len([e for e in heard if isinstance(e, Reached)]) == 4
    counts = [e.done for e in heard if isinstance(e, Progressed) and not e.detail]
    assert counts == [1, 2, 3, 4]


def test_page_has_the_table_and_its_figures(grid):
    done, _ = grid
    page = (done.folder / "report.html").read_text()
    assert "integrator.dt takes on 0.1, 0.05" in page
    assert page.count("<figure>") >= 2 and "exact_error_max" in page
    import xarray

    with xarray.open_dataset(done.folder / "data.nc", engine="h5netcdf") as data:
        assert data["integrator.dt"].dims == ("point",)
        np.testing.assert_array_equal(data["integrator.r"], [0, 0, 1, 1])


def test_list_shows_a_sweep_as_one_run(grid):
    done, _ = grid
    assert [found.path for found in runs_under(done.folder.parent)] == [done.folder]
    assert len(runs_under(done.folder)) == 5, "and in its folder its points too"


def test_a_killed_sweep_goes_on_and_finished_points_stay(grid, tmp_path):
    Path("spring.toml").write_text(SPRING + GRID)
    chance = random.Random(4)
    finished: dict[Path, int] = {}
    for kill in range(5):
        process = actionrun("spring.toml", "--out", "run")
        _until(lambda one=process: Path("run/points").exists() or one.poll() is not None)
        time.sleep(chance.uniform(0.0, 3.0))
        running = process.poll() is None
        if running:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        results = {
            path: path.stat().st_mtime_ns for path in Path("run").glob("points/*/result.json")
        }
        for path, when in finished.items():
            assert results[path] == when, "a finished point is not run again"
        finished = results
        assert running or kill > 1, "it was over before it could be killed"
    process = actionrun("spring.toml", "--out", "run")
    _, said = process.communicate(timeout=400)
    assert process.returncode == 0, said
    same_sweep(tmp_path / "run", grid[0].folder)


def _until(condition) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_sigterm_saves_and_says_how_far_it_came(tmp_path):
    Path("spring.toml").write_text(SPRING + GRID)
    process = actionrun("spring.toml", "--out", "run")
    _until(lambda: list(Path("run").glob("points/*/result.json")))
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 75 and "of 4 points" in said and "Traceback" not in said
    assert not Path("run/result.json").exists()


def test_a_point_that_fails_is_told_and_the_others_go_on(tmp_path):
    Path("falling.toml").write_text(SPRING.replace("steps = 50", "steps = 500") + FALLING)
    done = run(load("falling.toml"), out="run")
    statuses = [one["status"] for one in done.result["sweep"]["points"]]
    assert statuses == ["done", "failed", "done"]
    bad = done.result["sweep"]["points"][1]
    assert "finite" in bad["message"] and done.metrics["points_failed"] == 1
    (check,) = done.findings.checks
    assert not check.passed and "1 of 3" in check.text
    assert "finite" in (Path("run") / "report.html").read_text()
    failure = json.loads((Path("run") / bad["folder"] / "failure.json").read_text())
    assert failure["code"] == 65
    # Nothing is computed again, neither what is done nor what cannot be.
    (Path("run") / "result.json").unlink()
    heard = []
    again = run(load("falling.toml"), out="run", on_event=heard.append)
    assert timeless(dict(again.result)) == timeless(dict(done.result))
    assert not [e for e in heard if isinstance(e, Reached | Started)]


def test_a_sweep_of_which_nothing_can_be_done_ends_like_a_run(tmp_path):
    text = SPRING.replace("steps = 50", "steps = 500").replace("k = 1.0", "k = -1e6")
    Path("falling.toml").write_text(text + "[sweep]\nseed = 2\n")
    with pytest.raises(Diverged, match="none of the 2 points") as caught:
        run(load("falling.toml"), out="run")
    assert caught.value.code == 65 and not Path("run/result.json").exists()


def test_seeds_show_their_median_and_range():
    text = SPRING + '[sweep]\nseed = 3\n"integrator.dt" = [0.1, 0.05]\n'
    Path("spring.toml").write_text(text)
    done = run(load("spring.toml"), out="run")
    assert done.metrics["points"] == 6
    figures = {figure.name: figure for figure in done.findings.figures}
    (curve,) = figures["over-integrator.dt"].panels[0].curves
    assert curve.low is not None
    np.testing.assert_array_equal(curve.low, curve.high)  # a motion has no randomness


def test_a_stranger_names_no_path_with_a_value(tmp_path):
    text = SPRING + "[sweep]\ntitle = ['../../../escaped', '<b>&', 'x']\n"
    Path("spring.toml").write_text(text)
    done = run(load("spring.toml"), out=tmp_path / "a" / "b" / "c" / "run")
    folders = [Path(one["folder"]) for one in done.result["sweep"]["points"]]
    assert all(len(folder.parts) == 2 for folder in folders)
    assert {path.parent.name for path in tmp_path.rglob("*escaped*")} == {"points"}
    assert "<b>&" not in (done.folder / "report.html").read_text()


def test_result_of_a_sweep_is_finite(grid):
    assert result(grid[0].folder)["metrics"]["points"] == 4


@pytest.mark.slow
def test_data_are_kept_once_and_not_those_that_a_user_edits(tmp_path):
    rows = "".join(f"{0.1 * n:.1f},{np.cos(0.1 * n):.12f}\n" for n in range(40))
    Path("motion.csv").write_text("t,q\n" + rows)
    head = SPRING.split("[start]")[0].replace('"ggl"', '"family"').replace("k = 1.0\n", "")
    text = head + (
        "[coefficients]\nk = [0.5, 2.0]\n\n[integrator]\nr = 1\ndt = 0.1\n\n"
        '[data]\nfile = "motion.csv"\ncolumns = { t = "t", q = "q" }\n\n'
        '[network]\nkind = "none"\n\n[sweep]\nintegrator.r = [1, 2]\n'
    )
    Path("fit.toml").write_text(text)
    run(load("fit.toml"), out="run")
    kept = sorted(Path("run").rglob("motion.csv"))
    assert len(kept) == 3 and len({path.stat().st_ino for path in kept}) == 1
    assert Path("motion.csv").stat().st_ino not in {path.stat().st_ino for path in kept}
    values = [
        one["metrics"] for one in json.loads(Path("run/result.json").read_text())["sweep"]["points"]
    ]
    assert all(values)


def test_a_faulty_combination_is_told_before_anything_runs():
    """Each value is right beside the first of the other key, and both together divide by zero."""
    text = SPRING.replace('"cos(t)"', '"cos(t) + 0/z"').replace(
        "[start]", '[define]\nz = "1/(k - m)"\n\n[start]'
    )
    text = text.replace("k = 1.0", "k = 3.0")
    Path("spring.toml").write_text(
        text + '[sweep]\n"parameters.m" = [1.0, 2.0]\n"parameters.k" = [3.0, 2.0]\n'
    )
    with pytest.raises(Faults, match="division by zero"):
        load("spring.toml")
