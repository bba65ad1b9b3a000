"""Live progress on a terminal. Only this file knows Rich."""

from __future__ import annotations

from time import monotonic
from typing import TextIO

from actionrun.spec.text.source import shown
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, Task, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from .events import (
    Event,
    Failed,
    Finished,
    Noted,
    Opened,
    Progressed,
    Reached,
    Saved,
    Started,
)
from .report.rounding import brief, duration, speed


class Pace(TextColumn):
    """Speed and time left; until there is a step to tell of, how long it has taken: programs are
    compiled then."""

    def render(self, task: Task) -> Text:
        if task.fields["pace"]:
            return super().render(task)
        word = "compiling " if task.total else ""
        return Text(f"{word}{int(task.elapsed or 0)} s", style="dim")


class LiveDisplay:
    """A bar that lives: stage, share, steps, speed, time left; below it the numbers that matter."""

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream, highlight=False, markup=False, emoji=False)
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._unit = "steps"

    def __call__(self, event: Event) -> None:
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
            case Finished():
                self._end_stage()
                self._console.print(Text(event.text, style="green"))
            case Failed():
                self._end_stage()

    def _begin_stage(self, stage: str, total: int, done: int) -> None:
        fixed = Column(no_wrap=True)
        self._progress = Progress(
            TextColumn("{task.description}", style="bold cyan", markup=False, table_column=fixed),
            BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=8, max_width=48)),
            TextColumn("{task.fields[share]}", markup=False, justify="right", table_column=fixed),
            Pace("{task.fields[pace]}", style="dim", markup=False, table_column=fixed),
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
            stage, total=total or None, completed=done, share="", pace=""
        )
        self._live = Live(
            Group(self._progress, numbers), console=self._console, refresh_per_second=8
        )
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
        words = shown(event.detail) or event.metrics_text
        self._second.update(self._numbers, description=f"  {words[:width]}")

    def _end_stage(self) -> None:
        if self._progress is not None:
            self._live.stop()
            self._progress = None
