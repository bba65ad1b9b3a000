"""The screen: live progress on a terminal, a few plain lines elsewhere.

Progress goes to stderr, the summary to stdout. Text of the user's is never read as markup, and its
control characters never reach the terminal.
"""

from __future__ import annotations

import os
import sys
from time import monotonic
from typing import TYPE_CHECKING, Any, TextIO

from actionrun.runtime.report.listing import columned
from actionrun.runtime.report.rounding import brief, duration, speed, with_error
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
    from .execution.job import Run

MOST_ROWS = 40
PLAIN_SECONDS = 30.0


def display(stream: TextIO | None = None, *, quiet: bool = False) -> Listener:
    """The listener that fits the stream, by default that of errors as it is now."""
    if quiet:
        return lambda event: None
    out: TextIO = sys.stderr if stream is None else stream
    if not out.isatty() or _dumb():
        return PlainDisplay(out)
    from .live_display import LiveDisplay  # at start-up: Rich, on a terminal alone

    return LiveDisplay(out)


class PlainDisplay:
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
            case Finished():
                self._say(event.text)
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
        parts = (*parts, event.detail or event.metrics_text)
        self._say(f"{event.stage} " + "  ".join(filter(None, parts)))

    def _say(self, text: str) -> None:
        print(shown(text), file=self._stream, flush=True)


def summary(run: Run, stream: TextIO = sys.stdout) -> None:
    """The end of a run: equations, learned values, the few key numbers, where the report is."""
    findings = run.findings
    bold, dim, plain = ("\x1b[1m", "\x1b[2m", "\x1b[0m") if _colored(stream) else ("", "", "")
    lines: list[str] = []
    # Laws with learned numbers are the news; the symbolic ones are in the report.
    learned = [equation for equation in findings.equations if equation.values]
    known = {name for name, _ in findings.summary}
    for equation in learned or findings.equations:
        lines += ["", f"{dim}{shown(equation.name)}{plain}"]
        lines += [f"  {bold}{shown(line)}{plain}" for line in equation.text.splitlines()]
        values = {name: pair for name, pair in equation.values.items() if name not in known}
        known |= values.keys()
        lines += _aligned(
            [(name, with_error(*pair)) for name, pair in values.items()], indent="    "
        )
    lines += _points(run)
    if findings.summary:
        lines += ["", *_aligned(findings.summary, indent="  ")]
    lines += [
        f"  not held: {shown(check.name)}. {shown(check.text)}"
        for check in findings.checks
        if not check.passed
    ]
    lines += [f"  note: {shown(note)}" for note in findings.notes]
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


def _colored(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and not _dumb()


def _dumb() -> bool:
    return os.environ.get("TERM") == "dumb"
