"""Worker pools: processes on this machine, or those of a Dask cluster.

Tasks are named functions of `worker_main`. They end in any order, so whoever asks puts the answers
in order: a result never depends on how many workers there are. A task whose worker dies is given to
another one, three times.
"""

from __future__ import annotations

import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any, Protocol

from actionrun.runtime.errors import RETRY, RunError
from actionrun.spec.text.source import Faults

from .worker import MAIN, Answer, versions

MOST_DEATHS = 3

Task = tuple[int, tuple[Any, ...]]  # its tag; its name, our versions, its arguments


class Lost(RunError):  # noqa: N818
    """Workers died at the same task again and again, or there are none."""

    code = RETRY


class Remote(RunError):  # noqa: N818
    """What a worker's task ended with; its exit code is the task's."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class WorkerPool(Protocol):
    """Workers in a `with` block. Answers come as (tag, value), in any order."""

    @property
    def size(self) -> int: ...

    def submit(self, tag: int, name: str, *arguments: Any) -> None: ...

    def answers(self, seconds: float) -> Iterator[tuple[int, Any]]:
        """What has ended by then. Raises what a task raised, as Remote, or Lost."""
        ...

    def running(self) -> Sequence[int]:
        """Tags that may be in work now."""
        ...

    def cancel_pending(self) -> None:
        """Drop the tasks that nobody has started."""
        ...


class ProcessPool(AbstractContextManager):
    """`count` processes on this machine, each started when there is a task for it."""

    def __init__(self, count: int) -> None:
        self.size = count
        self._waiting: deque[Task] = deque()
        self._workers: list[_Process] = []
        self._deaths: dict[int, int] = {}
        self._versions = versions()

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.end()

    def submit(self, tag: int, name: str, *arguments: Any) -> None:
        self._waiting.append((tag, (name, self._versions, *arguments)))
        self._deal()

    def answers(self, seconds: float) -> Iterator[tuple[int, Any]]:
        busy = [(worker, worker.task) for worker in self._workers if worker.task]
        ready = wait([worker.pipe for worker, _ in busy], seconds)
        for worker, task in busy:
            if worker.pipe not in ready:
                continue
            try:
                answer: Answer = worker.pipe.recv()
            except (EOFError, OSError):
                self._bury(worker, task)
                continue
            worker.task = None
            yield task[0], value_of(answer)
        self._deal()

    def running(self) -> Sequence[int]:
        return [worker.task[0] for worker in self._workers if worker.task]

    def cancel_pending(self) -> None:
        self._waiting.clear()

    def _deal(self) -> None:
        while self._waiting:
            free = next((worker for worker in self._workers if not worker.task), None)
            if free is None and len(self._workers) < self.size:
                free = _Process()
                self._workers.append(free)
            if free is None:
                return
            free.task = self._waiting.popleft()
            with suppress(OSError):  # it has died: its pipe says so in `answers`
                free.pipe.send(free.task[1])

    def _bury(self, worker: _Process, task: Task) -> None:
        """A worker is dead: its task goes to another one."""
        tag = task[0]
        code = worker.end()
        self._workers.remove(worker)
        self._deaths[tag] = self._deaths.get(tag, 0) + 1
        if self._deaths[tag] >= MOST_DEATHS:
            why = f"signal {-code}" if code < 0 else f"exit code {code}"
            hint = ". Is there memory for so many workers?" if code == -9 else ""
            raise Lost(f"workers died {MOST_DEATHS} times at the same task ({why}){hint}")
        self._waiting.appendleft(task)


class _Process:
    """One worker on this machine, spawned and never forked."""

    def __init__(self) -> None:
        ours, theirs = Pipe()
        self.pipe: Connection = ours
        self.task: Task | None = None
        # A session of its own: Ctrl-C is for us, who let it save. Its stdin ends when we do.
        self._process = subprocess.Popen(
            [sys.executable, "-m", MAIN, str(theirs.fileno())],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, pass_fds=[theirs.fileno()],
            start_new_session=True,
        )  # fmt: skip
        theirs.close()

    def end(self) -> int:
        self.pipe.close()
        if self.task is not None:
            self._process.kill()
        if self._process.stdin is not None:
            self._process.stdin.close()
        return self._process.wait()


def value_of(answer: Answer) -> Any:
    """The value of a task, or its error raised here."""
    word, value = answer
    if word == "done":
        return value
    if word == "faults":
        raise Faults(value)
    message, code, trace = value
    if code != 1:
        raise Remote(message, code)
    error = RuntimeError(f"in a worker: {message}")
    error.add_note(trace)
    raise error


def as_ended(
    pool: WorkerPool, name: str, tasks: Mapping[int, tuple[Any, ...]]
) -> Iterator[tuple[int, Any]]:
    """The answers to tasks of one name with their tags, each when it is there."""
    for tag, arguments in tasks.items():
        pool.submit(tag, name, *arguments)
    waiting = set(tasks)
    while waiting:
        for tag, answer in pool.answers(1.0):
            waiting.discard(tag)
            yield tag, answer


def in_order(pool: WorkerPool, name: str, tasks: Sequence[tuple[Any, ...]]) -> list[Any]:
    """The answers to tasks of one name, in their order."""
    answers = dict(as_ended(pool, name, dict(enumerate(tasks))))
    return [answers[tag] for tag in range(len(tasks))]
