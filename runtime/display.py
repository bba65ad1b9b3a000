"""The screen: live progress on a terminal, a few plain lines elsewhere. Only this file knows Rich.

Progress goes to stderr, the summary to stdout. Text of the user's is never read as markup, and its
control characters never reach the terminal.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any, TextIO

from actionrun.runtime.report.listing import columned
from actionrun.runtime.report.rounding import brief, duration, measured, speed
from actionrun.spec.text.source import shown

from .events import (
    Event,
    Failed,
    Finished,
    Listener,
    Noted,
    Opened,
    Progressed,
    Reached,
    Saved,
    Started,
)

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from .runner import Run

MOST_METRICS = 4
MOST_ROWS = 40
PLAIN_SECONDS = 30.0


def display(stream: TextIO | None = None, *, quiet: bool = False) -> Listener:
    """The listener that fits the stream, by default that of errors as it is now."""
    if quiet:
        return lambda event: None
    out: TextIO = sys.stderr if stream is None else stream
    return Live(out) if out.isatty() and not _dumb() else Plain(out)


class Plain:
    """Lines for logs: at a tenth of the way or after half a minute, whichever is rarer."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._tenth, self._time, self._unit = -1, 0.0, "steps"

    def __call__(self, event: Event) -> None:
        match event:
            case Opened(title, kind, folder):
                self._say(f"{title} ({kind}) in {folder}")
            case Started(stage, total, done, unit):
                self._unit = unit
                self._tenth, self._time = 10 * done // total if total else 0, monotonic()
                self._say(f"{stage}: {brief(total)} {unit}" if total else stage)
            case Progressed():
                self._progress(event)
            case Reached(text):
                self._say(text)
            case Noted(text):
                self._say(f"note: {text}")
            case Finished(folder, seconds, again):
                self._say(_end(folder, seconds, again))
            case Saved() | Failed():
                pass

    def _progress(self, event: Progressed) -> None:
        tenth = 10 * event.done // event.total if event.total else 0
        late = monotonic() - self._time > PLAIN_SECONDS
        if tenth == self._tenth and not late:
            return
        self._tenth, self._time = tenth, monotonic()
        share = f"{100 * event.done / event.total:.0f} %" if event.total else ""
        left = f"{duration(event.left)} left" if event.left and event.done < event.total else ""
        parts = (share, f"{event.done}/{event.total}", speed(event.rate, self._unit), left)
        parts = (*parts, event.detail or _numbers(event.metrics))
        self._say(f"{event.stage} " + "  ".join(filter(None, parts)))

    def _say(self, text: str) -> None:
        print(shown(text), file=self._stream, flush=True)


class Live:
    """A bar that lives: stage, share, steps, speed, time left; below it the numbers that matter."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console

        self._console = Console(file=stream, highlight=False, markup=False, emoji=False)
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._unit = "steps"

    def __call__(self, event: Event) -> None:
        from rich.text import Text

        match event:
            case Opened(title, kind, folder):
                heading = Text(shown(title), style="bold")
                heading.append(f"  {kind}  {folder}", style="not bold dim")
                self._console.print(heading)
            case Started(stage, total, done, unit):
                self._unit = unit
                self._end_stage()
                self._begin_stage(stage, total, done)
            case Progressed():
                self._update(event)
            case Reached(text):
                self._console.print(Text(shown(text), style="dim"))
            case Noted(text):
                self._console.print(Text(f"note: {shown(text)}", style="yellow"))
            case Saved():
                pass
            case Finished(folder, seconds, again):
                self._end_stage()
                self._console.print(Text(_end(folder, seconds, again), style="green"))
            case Failed():
                self._end_stage()

    def _begin_stage(self, stage: str, total: int, done: int) -> None:
        from rich.progress import BarColumn, Progress, TextColumn
        from rich.table import Column

        fixed = Column(no_wrap=True)
        self._progress = Progress(
            TextColumn("{task.description}", style="bold cyan", markup=False, table_column=fixed),
            BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=8, max_width=48)),
            TextColumn("{task.fields[share]}", markup=False, justify="right", table_column=fixed),
            TextColumn("{task.fields[pace]}", style="dim", markup=False, table_column=fixed),
            console=self._console,
            expand=True,
            get_time=monotonic,
        )
        numbers = Progress(
            TextColumn("{task.description}", style="dim", markup=False), console=self._console
        )
        self._numbers = numbers.add_task("")
        self._second = numbers
        self._task = self._progress.add_task(
            stage, total=total or None, completed=done, share="", pace="starting"
        )
        self._live = _live(self._console, self._progress, numbers)
        self._live.start()

    def _update(self, event: Progressed) -> None:
        if self._progress is None or self._task is None:
            return
        share = f"{100 * event.done / event.total:3.0f} %" if event.total else str(event.done)
        left = f"{duration(event.left)} left" if event.left else ""
        steps = f"{brief(event.done)}/{brief(event.total)}  " if self._console.width >= 100 else ""
        # Fixed widths keep the bar from jumping.
        pace = f"{steps}{speed(event.rate, self._unit):>8}  {left:<16}"
        self._progress.update(self._task, completed=event.done, share=share, pace=pace)
        width = self._console.width - 4
        words = shown(event.detail) or _numbers(event.metrics)
        self._second.update(self._numbers, description=f"  {words[:width]}")

    def _end_stage(self) -> None:
        if self._progress is not None:
            self._live.stop()
            self._progress = None


def _live(console: Any, *parts: Any) -> Any:
    from rich.console import Group
    from rich.live import Live as RichLive

    return RichLive(Group(*parts), console=console, refresh_per_second=8)


def summary(run: Run, stream: TextIO = sys.stdout) -> None:
    """The end of a run: equations, learned values, the few key numbers, where the report is."""
    found = run.findings
    bold, dim, plain = ("\x1b[1m", "\x1b[2m", "\x1b[0m") if _colored(stream) else ("", "", "")
    lines: list[str] = []
    # Laws with learned numbers are the news; the symbolic ones are in the report.
    learned = [equation for equation in found.equations if equation.values]
    known = {name for name, _ in found.summary}
    for equation in learned or found.equations:
        lines += ["", f"{dim}{shown(equation.name)}{plain}"]
        lines += [f"  {bold}{shown(line)}{plain}" for line in equation.text.splitlines()]
        values = {name: pair for name, pair in equation.values.items() if name not in known}
        known |= values.keys()
        lines += _aligned([(name, measured(*pair)) for name, pair in values.items()], indent="    ")
    lines += _points(run)
    if found.summary:
        lines += ["", *_aligned(found.summary, indent="  ")]
    lines += [
        f"  not held: {shown(check.name)}. {shown(check.text)}"
        for check in found.checks
        if not check.passed
    ]
    lines += [f"  note: {shown(note)}" for note in found.notes]
    lines += ["", f"report  {run.folder / 'report.html'}"]
    print("\n".join(lines), file=stream, flush=True)


def _points(run: Run) -> list[str]:
    """The table of a sweep."""
    if "sweep" not in run.result:
        return []
    (table, *_) = run.findings.tables
    rows = [table.header, *table.rows[:MOST_ROWS]]
    cells = [[shown(brief(cell, 4)).replace("\n", " ")[:48] for cell in row] for row in rows]
    more = len(table.rows) - MOST_ROWS
    return ["", *columned(cells), *([f"and {more} points more, in the report"] if more > 0 else [])]


def _aligned(pairs: Any, indent: str) -> list[str]:
    rows = [(shown(name), shown(value)) for name, value in pairs]
    width = max((len(name) for name, _ in rows), default=0)
    return [f"{indent}{name:<{width}}  {value}" for name, value in rows]


def _numbers(metrics: Mapping[str, float]) -> str:
    chosen = list(metrics.items())[:MOST_METRICS]
    return "  ".join(f"{name} {brief(value, 3)}" for name, value in chosen)


def _end(folder: object, seconds: float, again: bool) -> str:
    if again:
        return f"this run is finished, {folder} has it (--fresh starts a new one)"
    return f"done in {duration(seconds)}"


def _colored(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and not _dumb()


def _dumb() -> bool:
    return os.environ.get("TERM") == "dumb"
