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
from actionrun.runtime.environment.signals import PROGRESS, Stop
from actionrun.runtime.errors import Diverged, Refused, RunError, Stopped
from actionrun.runtime.events import (
    Event,
    Finished,
    Listener,
    Noted,
    Progressed,
    ProgressThrottle,
    Reached,
    broadcast,
)
from actionrun.runtime.execution.job import Job, Run, Timing
from actionrun.runtime.execution.results import write_results
from actionrun.runtime.report.rounding import brief
from actionrun.runtime.storage.findings_file import read_content
from actionrun.runtime.storage.progress_log import Log, last_row
from actionrun.runtime.storage.run_folder import Folder
from actionrun.runtime.workers.pool import WorkerPool

from .findings import described, number_of, row_text, sweep_findings
from .points import PATIENCE, Outcome, Part, outcome, prepare, stop_file

if TYPE_CHECKING:
    from .guided import Guided

STAGE = "sweep"
POLL = 0.3  # seconds
MOST_SHOWN = 4
RunParts = Callable[["Sweep", Sequence[int]], None]
RunPoint = Callable[[Path, Listener, Stop], None]


class Sweep:
    """One session of a sweep in its folder."""

    def __init__(
        self, job: Job, parts: list[Part], folder: Folder, on_event: Listener, stop: Stop
    ) -> None:
        self.job, self.folder, self.stop = job, folder, stop
        self.parts = parts  # those of a guided sweep come on the way
        self.total = job.guide.trials if job.guide else len(self.parts)
        self._started = False
        self.outcomes: dict[int, Outcome] = {}
        self._on_event = on_event
        self._progress = ProgressThrottle(broadcast(on_event, Log(folder.metrics)), spacing=0.0)

    def place(self, index: int) -> Path:
        return self.folder / "points" / self.parts[index].name

    def point(self, index: int) -> Folder:
        return Folder(self.place(index), self.folder.path)

    def run(self, run_parts: RunParts) -> None:
        """Do what is left by `run_parts`, which calls `ended` for each point. Raises Stopped."""
        left = []
        for index in range(len(self.parts)):
            result = outcome(self.point(index))
            if result is None:
                left.append(index)
            else:
                self.outcomes[index] = result
        if left and not self._started:
            self._started = True
            if self.outcomes:
                self._on_event(
                    Noted(f"{len(self.outcomes)} of {self.total} points are there already")
                )
            self._progress.start(STAGE, self.total, len(self.outcomes), "points")
        PROGRESS.done = f"{len(self.outcomes)} of {self.total} points"
        for index in left:
            prepare(self.parts[index], self.point(index))
        try:
            run_parts(self, left)
        except Stopped as stopped:
            there = sum(outcome(self.point(index)) is not None for index in range(len(self.parts)))
            done = f"{there} of {self.total} points"
            raise Stopped(f"stopped with {done} done, saved", stopped.code) from None

    def ended(self, index: int) -> None:
        """A point has come to its end: tell it."""
        result = outcome(self.point(index))
        if result is None:
            raise RuntimeError(f"{self.place(index)} has neither result nor failure")
        self.outcomes[index] = result
        PROGRESS.done = f"{len(self.outcomes)} of {self.total} points"
        self._on_event(Reached(row_text(self.parts[index], result)))
        self._progress(STAGE, len(self.outcomes), self.total, {})

    def busy_with(self, words: str) -> None:
        """What the points that run now are doing, for the screen."""
        self._progress.detail(STAGE, len(self.outcomes), self.total, words)


def one_by_one(run_point: RunPoint) -> RunParts:
    """The points in this process, each by `run_point`."""

    def run_parts(sweep: Sweep, left: Sequence[int]) -> None:
        for index in left:
            if (code := sweep.stop()) is not None:
                raise Stopped("", code)
            run_point(sweep.place(index), _watching(sweep, index), sweep.stop)
            sweep.ended(index)

    return run_parts


def by_workers(pool: WorkerPool) -> RunParts:
    """The points by workers, many at a time."""

    def run_parts(sweep: Sweep, left: Sequence[int]) -> None:
        sign = stop_file(sweep.folder.path)
        sign.unlink(missing_ok=True)
        for index in left:
            pool.submit(index, "point", str(sweep.place(index).resolve()))
        waiting = set(left)
        PROGRESS.unsaved = True  # the workers' points
        try:
            while waiting:
                if (code := sweep.stop()) is not None:
                    raise Stopped("", code)
                for index, _ in pool.answers(POLL):
                    waiting.discard(index)
                    sweep.ended(index)
                if waiting:
                    working = [one for one in pool.running() if one in waiting]
                    sweep.busy_with(_at_work(sweep, working))
        except BaseException:
            with suppress(RunError):
                sweep.folder.write(sign.name, "")
            _wind_up(pool)
            raise
        finally:
            PROGRESS.unsaved = False
            sign.unlink(missing_ok=True)

    return run_parts


def _wind_up(pool: WorkerPool) -> None:
    """Let the points that run save what they have, and start no others."""
    pool.cancel_pending()
    deadline = monotonic() + PATIENCE
    while pool.running() and monotonic() < deadline:
        with suppress(RunError):
            list(pool.answers(POLL))


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

    def on_event(event: Event) -> None:
        match event:
            case Progressed(stage, done, total, seconds) if seconds - clock[0] > 0.2:
                clock[0] = seconds
                sweep.busy_with(f"{name}: {stage} {share(done, total)}")
            case _:
                pass

    return on_event


def share(done: int, total: int) -> str:
    return f"{100 * done / total:.0f} %" if total else str(done)


def _run_all(sweep: Sweep, run_parts: RunParts) -> Guided | None:
    """Do all points; of a guided sweep batch by batch."""
    job = sweep.job
    if job.guide is None or job.part is None:
        sweep.run(run_parts)
        return None
    try:
        from .guided import Guided  # at start-up: Optuna, an extra that may be absent
    except ImportError:
        raise Refused("[sweep] method needs Optuna: pip install 'actionrun[guided]'") from None
    search = Guided(job.guide, job.entries, job.seed)
    while (first := len(sweep.parts)) < sweep.total:
        for values in search.ask(min(job.guide.batch, sweep.total - first)):
            sweep.parts.append(job.part(len(sweep.parts), values))
        sweep.run(run_parts)
        for index in range(first, len(sweep.parts)):
            search.tell(index, sweep.outcomes[index])
    return search


def _with_search(
    findings: Findings, search: Guided, sweep: Sweep, outcomes: Sequence[Outcome]
) -> Findings:
    """The findings of a guided sweep: its best point, and how it came there."""
    best, figure = search.best(outcomes), search.figure(outcomes)
    search.write_journal(sweep.folder.path)
    if best is None or figure is None:
        note = f"no point has the metric {search.guide.metric}: nothing was searched for"
        return replace(findings, notes=(*findings.notes, note))
    part, name = sweep.parts[best], search.guide.metric
    value = outcomes[best].result["metrics"][name]
    chosen = [(key, brief(one, 6)) for key, one in part.values.items()]
    word = "greatest" if search.guide.maximize else "least"
    return replace(
        findings,
        extra={"sweep": {**findings.extra["sweep"], "best": best}},
        metrics={**findings.metrics, f"best.{name}": value},
        summary=(
            *findings.summary,
            (f"{word} {name}", brief(value, 6)),
            ("at", part.name),
            *chosen,
        ),
        figures=(figure, *findings.figures),
    )


def run_sweep(
    job: Job, parts: list[Part], folder: Folder, provenance: dict[str, Any], on_event: Listener,
    stop: Stop, run_parts: RunParts,
) -> Run:  # fmt: skip
    """Run a sweep in its folder. Raises Diverged where no point could be done, else as `run`."""
    sweep = Sweep(job, parts, folder, on_event, stop)
    search = _run_all(sweep, run_parts)
    outcomes = [sweep.outcomes[index] for index in range(len(sweep.parts))]
    good = [index for index, outcome in enumerate(outcomes) if outcome.done]
    if not good:
        raise Diverged(f"none of the {len(outcomes)} points could be done: {outcomes[0].message}")
    findings = sweep_findings(
        job.entries, sweep.parts, outcomes, job.guide.metric if job.guide else None
    )
    if search is not None:
        findings = _with_search(findings, search, sweep, outcomes)
    first = sweep.point(good[0])
    asked = (
        Section("The sweep, and the study of its first point", described(job.entries)),
        *read_content(first).asked,
    )
    records = [sweep.point(index).origin() for index in good]
    timing = Timing(
        seconds=sum(number_of(one, "seconds") for one in records),
        cpu=sum(number_of(one, "cpu_seconds") for one in records),
    )
    machine = str(records[0].get("device"))
    result = write_results(
        job, folder, provenance, findings, asked, STAGE, timing, on_event, machine
    )
    on_event(Finished(folder.path, timing.seconds))
    return Run(folder.path, result, findings)
