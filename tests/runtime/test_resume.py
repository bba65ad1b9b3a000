"""A run that is killed and started again gives what an undisturbed one gives, bit for bit."""

from __future__ import annotations

import json
import random
import signal
import time

import pytest
from actionrun.runtime.errors import Damaged, Diverged, Refused, Stopped
from actionrun.runtime.events import Noted, Progressed, Saved, Started
from actionrun.runtime.execution import march
from actionrun.runtime.report import page as report
from actionrun.runtime.runner import run
from actionrun.runtime.storage.progress_log import rows
from helpers import result, same, started
from oscillator import Oscillator, task

SLOW = ("total=3000", "pause=0.002", "save=0.05", "chunk=0.05", "slow_findings=0.2")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An undisturbed run."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    run(task(Oscillator(total=3000)), out=folder)
    return folder


@pytest.fixture
def quick(monkeypatch):
    """Save after each chunk, draw no page."""
    monkeypatch.setattr(march, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(report, "write_report", lambda folder: None)


def test_kill_9_at_random_moments(tmp_path, whole):
    seed = random.Random(20)
    kills = 0
    while kills < 12:
        process = started(tmp_path / "run", *SLOW)
        try:
            process.wait(seed.uniform(0.7, 1.7))
        except Exception:
            process.kill()
            kills += 1
        process.communicate()
        if process.returncode == 0:
            break
    else:
        assert started(tmp_path / "run", *SLOW).wait(60) == 0
    assert kills > 2, "the run was over before it could be killed"
    same(tmp_path / "run", whole)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_signals_save_and_stop(tmp_path, whole, number, code):
    process = started(tmp_path / "run", "total=3000", "pause=0.001", "chunk=0.1")
    _until(lambda: "integrate" in process.stderr.readline())
    time.sleep(0.5)
    process.send_signal(number)
    _, said = process.communicate(timeout=20)
    assert process.returncode == code
    assert "saved" in said and "Traceback" not in said
    assert not (tmp_path / "run" / "result.json").exists()
    again = started(tmp_path / "run", "total=3000")
    _, said = again.communicate(timeout=60)
    assert again.returncode == 0
    assert "going on from step" in said
    same(tmp_path / "run", whole)


def test_second_ctrl_c_stops_at_once(tmp_path):
    process = started(tmp_path / "run", "total=3000", "pause=0.05", "chunk=60.0")
    _until(lambda: "integrate" in process.stderr.readline())
    time.sleep(1.8)  # its first two chunks are done, and hold what is not saved
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None, "it waits for the chunk that it is in"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=2)
    assert process.returncode == 130


def _until(condition) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline


SMALL = Oscillator(total=60, quantum=20)


def test_result_does_not_depend_on_chunks(tmp_path, whole, monkeypatch):
    for chunk in (1e-9, 0.003, 100.0):
        monkeypatch.setattr(march, "CHUNK_SECONDS", chunk)
        run(task(Oscillator(total=3000)), out=tmp_path / str(chunk))
        same(tmp_path / str(chunk), whole)


def test_damaged_checkpoint_falls_back_to_the_one_before(tmp_path, monkeypatch, quick):
    folder, heard = tmp_path / "run", []
    run(task(SMALL), out=tmp_path / "whole")
    _stop_after(folder, steps=40)
    newest = max((folder / "checkpoint").glob("step-*"))
    content = bytearray(newest.read_bytes())
    content[-3] ^= 1
    newest.write_bytes(content)
    run(task(SMALL), out=folder, on_event=heard.append)
    assert any("damaged" in event.text for event in heard if isinstance(event, Noted))
    assert next(event.done for event in heard if isinstance(event, Started) and event.total) == 20
    same(folder, tmp_path / "whole")


@pytest.mark.parametrize("damage", ["cut", "empty", "gone"])
def test_damaged_samples_and_checkpoints_start_over(tmp_path, quick, damage):
    folder, heard = tmp_path / "run", []
    run(task(SMALL), out=tmp_path / "whole")
    _stop_after(folder, steps=40)
    for path in (folder / "checkpoint").glob("samples-*"):
        match damage:
            case "cut":
                path.write_bytes(path.read_bytes()[:-40])
            case "empty":
                path.write_bytes(b"")
            case "gone":
                path.unlink()
    run(task(SMALL), out=folder, on_event=heard.append)
    assert any(isinstance(event, Noted) for event in heard)
    assert next(event.done for event in heard if isinstance(event, Started) and event.total) == 0
    same(folder, tmp_path / "whole")


@pytest.mark.parametrize("damage", ["flip", "gone"])
def test_damaged_last_samples_fall_back_to_the_checkpoint_before(
    tmp_path, monkeypatch, quick, damage
):
    folder, heard = tmp_path / "run", []
    run(task(SMALL), out=tmp_path / "whole")
    _stop_after(folder, steps=40)
    newest = max((folder / "checkpoint").glob("samples-*"))
    if damage == "flip":
        content = bytearray(newest.read_bytes())
        content[len(content) // 2] ^= 4
        newest.write_bytes(content)
    else:
        newest.unlink()
    run(task(SMALL), out=folder, on_event=heard.append)
    assert any(newest.name in event.text for event in heard if isinstance(event, Noted))
    assert next(event.done for event in heard if isinstance(event, Started) and event.total) == 20
    same(folder, tmp_path / "whole")


def test_samples_damaged_while_the_run_is_on_end_it_and_it_goes_on(tmp_path, quick):
    folder = tmp_path / "run"
    run(task(SMALL), out=tmp_path / "whole")

    def tell(event):
        if isinstance(event, Saved) and event.step == 60:
            newest = max((folder / "checkpoint").glob("samples-*"))
            newest.write_bytes(newest.read_bytes()[:-1] + b"x")

    with pytest.raises(Damaged, match="checksum differs") as caught:
        run(task(SMALL), out=folder, on_event=tell)
    assert caught.value.code == 75
    run(task(SMALL), out=folder)
    same(folder, tmp_path / "whole")


def _stop_after(folder, steps):
    """Leave an unfinished run with its last checkpoint at that step."""
    reached = []

    def stop():
        return 75 if reached and reached[-1] >= steps else None

    def tell(event):
        if isinstance(event, Progressed):
            reached.append(event.done)

    with pytest.raises(Stopped):
        run(task(SMALL), out=folder, on_event=tell, stop=stop)


def test_another_version_is_refused_with_the_difference(tmp_path, monkeypatch, quick):
    _stop_after(tmp_path / "run", steps=40)
    monkeypatch.setattr("actionrun.runtime.storage.provenance.fingerprint", lambda: "ffff00001111")
    with pytest.raises(Refused, match=r"code: \w+ then, ffff00001111 now") as caught:
        run(task(SMALL), out=tmp_path / "run")
    assert caught.value.code == 2 and "--fresh" in str(caught.value)


def test_divergence_keeps_the_last_good_state(tmp_path, quick):
    saved = []
    program = Oscillator(total=100, quantum=20, diverge=45)
    with pytest.raises(Diverged, match="not finite at step 45") as caught:
        run(task(program), out=tmp_path / "run", on_event=saved.append)
    assert caught.value.code == 65
    assert [event.step for event in saved if isinstance(event, Saved)][-1] == 40
    assert not (tmp_path / "run" / "result.json").exists()
    newest = max((tmp_path / "run" / "checkpoint").glob("step-*"))
    assert int(newest.stem[5:]) == 40


def test_log_has_each_step_once_after_a_kill(tmp_path, quick):
    _stop_after(tmp_path / "run", steps=40)
    with (tmp_path / "run" / "metrics.jsonl").open("a") as log:
        log.write('{"stage": "integrate", "done": 55, "total": 60, "seconds": 1}\n{"stage": "in')
    run(task(SMALL), out=tmp_path / "run")
    steps = [row["done"] for row in rows(tmp_path / "run" / "metrics.jsonl")]
    assert steps == sorted(set(steps)) and steps[-1] == 60 and 55 not in steps


def test_result_is_finite_and_says_so(tmp_path, whole):
    assert result(whole)["metrics"]["undefined"] is None
    notes = json.loads((whole / "findings.json").read_text())["notes"]
    assert any("metrics.undefined" in note for note in notes)
