"""Workers change nothing but the time: any number of them, some dying, on a cluster or not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from actionrun.runtime import load, run
from actionrun.runtime.errors import Refused
from actionrun.runtime.events import Noted, Reached
from actionrun.runtime.workers.pool import Lost, ProcessPool
from actionrun.spec import Faults
from helpers import same
from test_sweep import SPRING, same_sweep

GRID = '[sweep]\nintegrator.r = [0, 1]\n"integrator.dt" = [0.1, 0.05, 0.025]\n'


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("spring.toml").write_text(SPRING + GRID)
    return tmp_path


@pytest.fixture(scope="module")
def serial(tmp_path_factory):
    """The sweep in one process."""
    home = tmp_path_factory.mktemp("serial")
    (home / "spring.toml").write_text(SPRING + GRID)
    return run(load(home / "spring.toml"), out=home / "run").folder


def children(pid: int) -> set[int]:
    """The processes that a process has started."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(words[1]) == pid:
            found.add(int(stat.parent.name))
    return found


def until(condition, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def started(*words: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "actionrun.runtime.cli", "spring.toml", "--out", "run", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_two_workers_one_killed_give_what_one_process_gives(serial):
    killed = []

    def tell(event):
        if isinstance(event, Reached) and not killed:
            victim = next(iter(children(os.getpid())))
            os.kill(victim, signal.SIGKILL)
            killed.append(victim)

    run(load("spring.toml"), out="run", workers=2, on_event=tell)
    assert killed
    same_sweep(Path("run"), serial)
    until(lambda: not children(os.getpid()), 20)


@pytest.mark.slow
def test_generations_of_a_search_by_workers_are_the_same(tmp_path):
    study = load(
        Path(__file__).parents[2] / "studies" / "melting.toml",
        overrides=["search.population=10", "search.generations=2"],
    )
    run(study, out="alone")
    run(study, out="shared", workers=2)
    same(Path("shared"), Path("alone"))


def test_workers_have_nothing_to_do_in_a_single_run():
    heard = []
    Path("one.toml").write_text(SPRING)
    run(load("one.toml"), out="one", workers=2, on_event=heard.append)
    assert any("nothing to share" in event.text for event in heard if isinstance(event, Noted))


def test_workers_end_with_their_parent(tmp_path):
    process = started("--workers", "2")
    until(lambda: len(children(process.pid)) == 2)
    workers = children(process.pid)
    process.kill()
    process.communicate()
    until(lambda: not any(Path(f"/proc/{pid}").exists() and _alive(pid) for pid in workers), 20)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
def test_sigterm_lets_the_workers_save_and_another_number_goes_on(serial):
    process = started("--workers", "2")
    until(lambda: list(Path("run").glob("points/*/result.json")))
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=200)
    assert process.returncode == 75 and "of 6 points" in said and "Traceback" not in said
    assert not Path("run/.stop").exists()
    run(load("spring.toml"), out="run", workers=1)
    same_sweep(Path("run"), serial)


def test_a_task_that_kills_its_workers_is_given_up():
    with ProcessPool(1) as pool:
        pool.submit(0, "point", str(Path("nowhere").resolve()))
        with pytest.raises(Lost, match="3 times") as caught:
            for _ in range(60):
                for worker in pool._workers:
                    worker._process.kill()
                list(pool.answers(1.0))
    assert caught.value.code == 75


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [((), RuntimeError, "in a worker: TypeError"), (("nowhere", None), Faults, "no such file")],
    ids=["bug", "fault"],
)
def test_what_goes_wrong_in_a_worker_is_raised_here(arguments, kind, words):
    with ProcessPool(1) as pool:
        pool.submit(0, "scores", *arguments)
        with pytest.raises(kind, match=words) as caught:
            while True:
                list(pool.answers(1.0))
    assert kind is Faults or "Traceback" in caught.value.__notes__[0]


def test_another_version_at_a_worker_is_refused():
    from actionrun.runtime.worker_main import work
    from actionrun.runtime.workers.worker import versions

    word, (message, code, _) = work("point", versions() | {"numpy": "1.0"}, "nowhere")
    assert word == "error" and code == Refused.code
    assert "numpy" in message and "1.0 here" in message


@pytest.mark.slow
def test_a_cluster_with_one_worker_killed_gives_the_same(serial):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        killed = []

        def tell(event):
            if isinstance(event, Reached) and not killed:
                victim = next(iter(cluster.workers.values())).pid
                os.kill(victim, signal.SIGKILL)
                killed.append(victim)

        run(load("spring.toml"), out="run", cluster=cluster.scheduler_address, on_event=tell)
    assert killed
    same_sweep(Path("run"), serial)


@pytest.mark.slow
def test_no_scheduler_is_said():
    pytest.importorskip("distributed")
    process = started("--cluster", "tcp://127.0.0.1:9")
    _, said = process.communicate(timeout=120)
    assert process.returncode == 2 and "no Dask scheduler answers" in said, said


def test_a_scheduler_without_workers_is_said_and_given_up(monkeypatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr("actionrun.runtime.workers.dask_pool.LONGEST", 0.5)
    heard = []
    with (
        distributed.LocalCluster(n_workers=0, processes=False, dashboard_address=None) as cluster,
        pytest.raises(Lost, match=r"no worker for .* start one: dask worker .* and run") as caught,
    ):
        run(
            load("spring.toml"), out="run", cluster=cluster.scheduler_address, on_event=heard.append
        )
    assert caught.value.code == 75
    assert sum("has no worker" in event.text for event in heard if isinstance(event, Noted)) == 1
