"""Where runs live, who works in them, and what is never overwritten."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from actionrun.runtime.errors import Busy, CannotWrite, Refused
from actionrun.runtime.events import Finished
from actionrun.runtime.report.listing import facts, listing
from actionrun.runtime.runner import run
from actionrun.runtime.storage.run_folder import Folder, difference, runs_under
from helpers import result, started
from oscillator import Oscillator, task

TINY = Oscillator(total=20)
OTHER = 'study = "ggl"\n\n[integrator]\ndt = 0.02\nsteps = 4000\n'


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("actionrun.runtime.report.page.write_report", lambda folder: None)
    return tmp_path


def test_same_study_finds_its_finished_run():
    heard = []
    first = run(task(TINY))
    again = run(task(TINY), on_event=heard.append)
    assert first.folder == again.folder
    assert first.folder.parent == Path("runs/oscillator")
    assert first.folder.name.startswith("001-")
    assert [event.again for event in heard if isinstance(event, Finished)] == [True]
    assert again.equations == first.equations
    assert again.metrics["worst"] == first.metrics["worst"]


def test_changed_study_and_fresh_run_get_folders_of_their_own():
    one = run(task(TINY)).folder
    before = (one / "result.json").read_bytes()
    other = run(task(TINY, resolved=OTHER)).folder
    fresh = run(task(TINY), fresh=True).folder
    assert [path.name[:3] for path in (one, other, fresh)] == ["001", "002", "003"]
    assert one.name[4:] == fresh.name[4:] != other.name[4:]
    assert run(task(TINY)).folder == fresh, "the latest of a study's runs is the one"
    assert (one / "result.json").read_bytes() == before


def test_changed_data_are_a_changed_study(tmp_path):
    data = tmp_path / "motion.csv"
    digests = set()
    for text in ("t,q\n0,1\n", "t,q\n0,2\n"):
        data.write_text(text)
        job = task(TINY)
        digests.add(type(job)(**vars(job) | {"files": {"motion.csv": data}}).hash)
    assert len(digests) == 2


def test_data_are_kept_where_the_resolved_study_finds_them(tmp_path):
    data = tmp_path / "motion.csv"
    data.write_text("t,q\n0,1\n")
    job = task(TINY)
    for name, kept in (("data/motion.csv", True), ("../../../escaped.csv", False)):
        done = run(type(job)(**vars(job) | {"files": {name: data}}))
        assert (done.folder / name).exists() == kept


def test_out_is_the_run_folder_and_never_overwritten():
    run(task(TINY), out="here")
    with pytest.raises(Refused, match=r"- \[integrator\] dt = 0.01\n.*\+ \[integrator\] dt = 0.02"):
        run(task(TINY, resolved=OTHER), out="here")
    run(task(TINY, resolved=OTHER), out="here", fresh=True)
    assert "dt = 0.02" in Path("here/resolved.toml").read_text()
    assert "dt = 0.01" in Path("here.1/resolved.toml").read_text()
    assert Path("here.1/result.json").exists()


def test_out_leaves_foreign_files_alone():
    Path("mine").mkdir()
    Path("mine/result.json").write_text("{}")
    with pytest.raises(Refused, match="not of a run"):
        run(task(TINY), out="mine")
    assert Path("mine/result.json").read_text() == "{}"
    Path("file").touch()
    with pytest.raises(Refused, match="is a file"):
        run(task(TINY), out="file")


def test_study_is_kept_byte_for_byte():
    job = task(TINY)
    text = b'study = "ggl"\r\n# \xc3\xa9\r\n\r\n'
    folder = run(type(job)(**vars(job) | {"text": text})).folder
    assert (folder / "study.toml").read_bytes() == text


def test_busy_folder_names_pid_and_host_before_jax_is_imported():
    process = started("run", "total=3000", "pause=0.01")
    while "integrate" not in process.stderr.readline():
        pass
    assert Folder(Path("run")).busy
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from oscillator import Oscillator, task\n"
        "from actionrun.runtime.runner import run\n"
        "from actionrun.runtime.errors import Busy\n"
        "try: run(task(Oscillator()), out='run')\n"
        "except Busy as busy: print(busy.code, 'jax' in sys.modules, busy)\n"
    )
    here = str(Path(__file__).parent)
    second = subprocess.run(
        [sys.executable, "-c", script, here], capture_output=True, text=True, check=True
    )
    assert second.stdout.startswith(f"75 False run is in use by process {process.pid} on ")
    process.kill()
    process.communicate()
    assert not Folder(Path("run")).busy, "a killed process leaves the folder free"
    with Folder(Path("run")).lock():
        pass


def test_lock_excludes_within_a_process():
    with Folder(Path("run")).lock(), pytest.raises(Busy), Folder(Path("run")).lock():
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_no_permission():
    Path("closed").mkdir(mode=0o500)
    with pytest.raises(CannotWrite, match=r"permission denied.*--out"):
        run(task(TINY), out="closed/run")


def test_vanished_folder_is_said(monkeypatch):
    def vanish(event):
        if type(event).__name__ == "Started":
            shutil.rmtree("run")

    with pytest.raises(CannotWrite, match="vanished"):
        run(task(TINY), out="run", on_event=vanish)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_full_disk_of_one_megabyte(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("this machine does not let us mount")
    try:
        program = ("total=30000", "save=0.0", "chunk=0.05")
        first = started(disk / "run", *program)
        _, said = first.communicate(timeout=60)
        assert first.returncode == 74, said
        assert "no space left on device" in said and str(disk / "run") in said
        subprocess.run(["mount", "-o", "remount,size=20m", str(disk)], check=True)
        again = started(disk / "run", *program)
        _, said = again.communicate(timeout=60)
        assert again.returncode == 0, said
        assert "going on from step" in said
        whole = started(tmp_path / "whole", *program)
        whole.communicate(timeout=60)
        assert result(disk / "run") == result(tmp_path / "whole")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_list_shows_each_run():
    run(task(TINY))
    run(task(TINY, resolved=OTHER))
    text = listing([facts(run) for run in runs_under(Path("runs"))])
    assert [line.split()[2] for line in text.splitlines()] == ["status", "done", "done"]
    assert "A damped oscillator" in text


def test_difference_names_table_and_key():
    one = "seed = 0\n[training]\nsteps = 10\n[refine]\nsteps = 3\n"
    two = "seed = 1\n[training]\nsteps = 20\n[refine]\nsteps = 3\nnew = true\n"
    assert difference(one, two) == [
        "- seed = 0",
        "+ seed = 1",
        "- [training] steps = 10",
        "+ [training] steps = 20",
        "+ [refine] new = true",
    ]
