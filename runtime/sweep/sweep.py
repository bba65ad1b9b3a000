"""A sweep: its points one after the other, or many at a time, and then the table over them.

A point that is finished is never run again, and one that was begun is gone on with, so that a sweep
can be killed at any moment. A point whose study or numbers are at fault is a row of the table; the
others go on. Where none can be done, the sweep ends as a single run would.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from actionrun.compiler.findings import Findings, Section
from actionrun.runtime.errors import Diverged, RunError, Stopped
from actionrun.runtime.events import (
    Event,
    Finished,
    Listener,
    Noted,
    Pace,
    Progressed,
    Reached,
    broadcast,
)
from actionrun.runtime.execution.march import Stop, Timing
from actionrun.runtime.report.rounding import brief
from actionrun.runtime.storage.findings_file import read_content
from actionrun.runtime.storage.progress_log import Log, last_row
from actionrun.runtime.storage.run_folder import Folder
from actionrun.runtime.workers.pool import Crew

from .findings import described, number_of, row_text, sweep_findings
from .points import PATIENCE, Outcome, Part, outcome, prepare, run_point, stop_file

if TYPE_CHECKING:
    from actionrun.runtime.runner import Job, Run

    from .guided import Guided

STAGE = "sweep"
POLL = 0.3  # seconds
MOST_SHOWN = 4
Tasks = Callable[["Sweep", Sequence[int]], None]


class Sweep:
    """One session of a sweep in its folder."""

    def __init__(
        self, task: Job, parts: list[Part], folder: Folder, tell: Listener, stop: Stop
    ) -> None:
        self.task, self.folder, self.stop = task, folder, stop
        self.parts = parts  # those of a guided sweep come on the way
        self.total = task.guide.trials if task.guide else len(self.parts)
        self._begun = False
        self.outcomes: dict[int, Outcome] = {}
        self._tell = tell
        self._count = Pace(broadcast(tell, Log(folder.metrics)), spacing=0.0)

    def place(self, index: int) -> Path:
        return self.folder / "points" / self.parts[index].name

    def run(self, tasks: Tasks) -> None:
        """Do what is left by `tasks`, which calls `ended` for each point. Raises Stopped."""
        left = []
        for index in range(len(self.parts)):
            found = outcome(self.place(index))
            if found is None:
                left.append(index)
            else:
                self.outcomes[index] = found
        if left and not self._begun:
            self._begun = True
            if self.outcomes:
                self._tell(Noted(f"{len(self.outcomes)} of {self.total} points are there already"))
            self._count.start(STAGE, self.total, len(self.outcomes), "points")
        for index in left:
            prepare(self.parts[index], self.place(index))
        try:
            tasks(self, left)
        except Stopped as stopped:
            there = sum(outcome(self.place(index)) is not None for index in range(len(self.parts)))
            done = f"{there} of {self.total} points"
            raise Stopped(f"stopped with {done} done, saved", stopped.code) from None

    def ended(self, index: int) -> None:
        """A point has come to its end: tell it."""
        found = outcome(self.place(index))
        assert found is not None, f"{self.place(index)} has neither result nor failure"
        self.outcomes[index] = found
        self._tell(Reached(row_text(self.parts[index], found)))
        self._count(STAGE, len(self.outcomes), self.total, {})

    def busy_with(self, words: str) -> None:
        """What the points that run now are doing, for the screen."""
        self._count.detail(STAGE, len(self.outcomes), self.total, words)


def one_by_one(sweep: Sweep, left: Sequence[int]) -> None:
    """The points in this process."""
    import jax

    for index in left:
        if (code := sweep.stop()) is not None:
            raise Stopped("", code)
        run_point(sweep.place(index), tell=_watching(sweep, index), stop=sweep.stop)
        jax.clear_caches()  # the next point has its own programs
        sweep.ended(index)


def by(crew: Crew) -> Tasks:
    """The points by workers, many at a time."""

    def tasks(sweep: Sweep, left: Sequence[int]) -> None:
        sign = stop_file(sweep.folder.path)
        sign.unlink(missing_ok=True)
        for index in left:
            crew.submit(index, "point", str(sweep.place(index).resolve()))
        waiting = set(left)
        try:
            while waiting:
                if (code := sweep.stop()) is not None:
                    raise Stopped("", code)
                for index, _ in crew.answers(POLL):
                    waiting.discard(index)
                    sweep.ended(index)
                if waiting:
                    working = [one for one in crew.running() if one in waiting]
                    sweep.busy_with(_at_work(sweep, working))
        except BaseException:
            sign.touch()
            _wind_up(crew)
            raise
        finally:
            sign.unlink(missing_ok=True)

    return tasks


def _wind_up(crew: Crew) -> None:
    """Let the points that run save what they have, and start no others."""
    crew.forget()
    deadline = monotonic() + PATIENCE
    while crew.running() and monotonic() < deadline:
        with suppress(RunError):
            list(crew.answers(POLL))


def _at_work(sweep: Sweep, indices: Sequence[int]) -> str:
    """What the points in work have reported last."""
    words = []
    for index in indices:
        line = last_row(sweep.place(index) / "metrics.jsonl")
        if line is not None:
            words.append(f"{sweep.parts[index].name}: {share(line['done'], line['total'])}")
        if len(words) == MOST_SHOWN:
            break
    return "  ".join(words) or "starting workers"


def _watching(sweep: Sweep, index: int) -> Listener:
    name = sweep.parts[index].name
    clock = [0.0]

    def tell(event: Event) -> None:
        match event:
            case Progressed(stage, done, total, seconds) if seconds - clock[0] > 0.2:
                clock[0] = seconds
                sweep.busy_with(f"{name}: {stage} {share(done, total)}")
            case _:
                pass

    return tell


def share(done: int, total: int) -> str:
    return f"{100 * done / total:.0f} %" if total else str(done)


def _searched(sweep: Sweep, tasks: Tasks) -> Guided | None:
    """Do all points; of a guided sweep batch by batch."""
    task = sweep.task
    if task.guide is None or task.part is None:
        sweep.run(tasks)
        return None
    from .guided import Guided

    search = Guided(task.guide, task.entries, task.seed)
    while (first := len(sweep.parts)) < sweep.total:
        for values in search.asked(min(task.guide.batch, sweep.total - first)):
            sweep.parts.append(task.part(len(sweep.parts), values))
        sweep.run(tasks)
        for index in range(first, len(sweep.parts)):
            search.told(index, sweep.outcomes[index])
    return search


def _with_search(
    found: Findings, search: Guided, sweep: Sweep, outcomes: Sequence[Outcome]
) -> Findings:
    """The findings of a guided sweep: its best point, and how it came there."""
    best, figure = search.best(outcomes), search.figure(outcomes)
    search.kept(sweep.folder.path)
    if best is None or figure is None:
        note = f"no point has the metric {search.guide.metric}: nothing was searched for"
        return replace(found, notes=(*found.notes, note))
    part, name = sweep.parts[best], search.guide.metric
    value = outcomes[best].result["metrics"][name]
    chosen = [(key, brief(one, 6)) for key, one in part.values.items()]
    word = "greatest" if search.guide.maximize else "least"
    return replace(
        found,
        extra={"sweep": {**found.extra["sweep"], "best": best}},
        metrics={**found.metrics, f"best.{name}": value},
        summary=(*found.summary, (f"{word} {name}", brief(value, 6)), ("at", part.name), *chosen),
        figures=(figure, *found.figures),
    )


def swept(
    task: Job, parts: list[Part], folder: Folder, story: dict[str, Any], tell: Listener,
    stop: Stop, tasks: Tasks,
) -> Run:  # fmt: skip
    """Run a sweep in its folder. Raises Diverged where no point could be done, else as `run`."""
    from actionrun.runtime.execution.results import write_results
    from actionrun.runtime.runner import Run

    sweep = Sweep(task, parts, folder, tell, stop)
    search = _searched(sweep, tasks)
    outcomes = [sweep.outcomes[index] for index in range(len(sweep.parts))]
    good = [index for index, found in enumerate(outcomes) if found.done]
    if not good:
        raise Diverged(f"none of the {len(outcomes)} points could be done: {outcomes[0].message}")
    found = sweep_findings(
        task.entries, sweep.parts, outcomes, task.guide.metric if task.guide else None
    )
    if search is not None:
        found = _with_search(found, search, sweep, outcomes)
    first = Folder(sweep.place(good[0]))
    asked = (
        Section("The sweep, and the study of its first point", described(task.entries)),
        *read_content(first).asked,
    )
    stories = [sweep.folder.read_json(sweep.place(index) / "provenance.json") for index in good]
    timing = Timing(
        seconds=sum(number_of(one, "seconds") for one in stories),
        cpu=sum(number_of(one, "cpu_seconds") for one in stories),
    )
    machine = str(stories[0].get("device"))
    result = write_results(task, folder, story, found, asked, STAGE, timing, tell, machine)
    tell(Finished(folder.path, timing.seconds))
    return Run(folder.path, result, found)
