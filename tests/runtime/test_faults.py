"""Death and a full disk at each fsync and each rename of a run and of a sweep, pages included."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from actionrun.runtime import runner
from actionrun.runtime.errors import CannotWrite
from actionrun.runtime.execution import march
from actionrun.runtime.report import page as report
from actionrun.runtime.sweep.points import Part
from actionrun.spec import Swept
from helpers import same
from oscillator import Oscillator, task

SMALL = Oscillator(total=60, quantum=20)
GOOD, BAD = (Oscillator(total=20, quantum=10, diverge=step) for step in (-1, 15))
POINT = 'study = "ggl"\n\n[integrator]\ndt = {dt}\nsteps = 4000\n'


class Died(BaseException):
    """As if the process had been killed here: no handler of errors sees it."""


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Save after each chunk; draw small figures, as there are hundreds of runs; points of a sweep
    are read without the compiler."""
    monkeypatch.setattr(march, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(report, "svg", lambda figure, salt: "<svg></svg>")
    monkeypatch.setattr(report, "parts", lambda figure, salt, drawn=None: ["<svg></svg>"])

    def load(file: Path):
        text = file.read_text()
        return task(BAD if "0.02" in text else GOOD, resolved=text)

    monkeypatch.setattr("actionrun.spec.load", load)
    monkeypatch.setattr("jax.clear_caches", lambda: None)


def single():
    return task(SMALL)


def sweep():
    """Two points of which one diverges."""
    one = task(SMALL)
    parts = [
        Part(f"{k:03d}", {"integrator.dt": dt}, POINT.format(dt=dt), {})
        for k, dt in enumerate((0.01, 0.02))
    ]
    key = ("integrator", "dt")
    entries = (Swept(key, ("sweep", "integrator.dt"), (0.01, 0.02)),)
    return type(one)(**vars(one) | {"entries": entries, "parts": lambda: iter(parts)})


OF_THE_SWEEP = ("resolved", "failure", "result")  # what it reads in its points' folders


def counted(monkeypatch, act):
    """Call `act(count, real)` in place of each fsync and rename, but for those that the runs of a
    sweep's points do by themselves, as single runs do."""
    count = 0

    def patched(name):
        real = getattr(os, name)

        def call(*arguments, **folders):
            nonlocal count
            # What is written is there without an fsync: the machine goes on, the process dies.
            made = (lambda: None) if name == "fsync" else (lambda: real(*arguments, **folders))
            path = str(arguments[-1])
            if name == "fsync":
                path = str(Path(f"/proc/self/fd/{path}").readlink())
            if "dst_dir_fd" in folders:
                folder = Path(f"/proc/self/fd/{folders['dst_dir_fd']}").readlink()
                path = str(folder / path)
            if "/points/" in path and not any(word in path for word in OF_THE_SWEEP):
                return made()
            count += 1
            return act(count, made)

        monkeypatch.setattr(os, name, call)

    for name in ("fsync", "replace", "rename"):
        patched(name)
    return lambda: count


def total(monkeypatch, made, folder: Path) -> int:
    with monkeypatch.context() as patch:
        count = counted(patch, lambda count, real: real())
        runner.run(made(), out=folder)
    return count()


def equal(one: Path, other: Path) -> None:
    same(one, other)
    for path in other.glob("points/*/result.json"):
        same(one / path.parent.relative_to(other), path.parent)
    assert files(one) == files(other), "nothing is missing, nothing is left over"


def files(folder: Path) -> set[Path]:
    """All but checkpoints: when these are saved is a matter of time."""
    found = {path.relative_to(folder) for path in folder.rglob("*")}
    return {path for path in found if "checkpoint" not in path.parts}


@pytest.mark.parametrize(("made", "least"), [(single, 40), (sweep, 30)])
def test_death_before_and_after_each(tmp_path, monkeypatch, made, least):
    every = total(monkeypatch, made, tmp_path / "whole")
    assert every > least
    for point in range(1, every + 1):
        for after in (False, True):

            def act(count, real, point=point, after=after):
                if count == point and not after:
                    raise Died
                value = real()
                if count == point:
                    raise Died
                return value

            folder = tmp_path / f"run-{point}-{after}"
            with monkeypatch.context() as patch:
                counted(patch, act)
                with pytest.raises(Died):
                    runner.run(made(), out=folder)
            runner.run(made(), out=folder)
            equal(folder, tmp_path / "whole")


@pytest.mark.parametrize(("made", "stride"), [(single, 1), (sweep, 2)])
def test_full_disk_at_each(tmp_path, monkeypatch, made, stride):
    every = total(monkeypatch, made, tmp_path / "whole")
    for point in range(1, every + 1, stride):

        def act(count, real, point=point):
            if count == point:
                raise OSError(28, "No space left on device")
            return real()

        folder = tmp_path / f"run-{point}"
        with monkeypatch.context() as patch:
            counted(patch, act)
            with pytest.raises(CannotWrite, match="no space left on device") as caught:
                runner.run(made(), out=folder)
        assert str(folder) in str(caught.value) and "needs" in str(caught.value)
        assert caught.value.code == 74
        assert not list(folder.rglob(".*.tmp")), "a full disk is not filled further"
        runner.run(made(), out=folder)
        equal(folder, tmp_path / "whole")


def test_points_are_the_sweeps_own():
    """`quick` replaces the reader that a point's run calls."""
    assert "spec.load(" in Path(runner.__file__).read_text()
