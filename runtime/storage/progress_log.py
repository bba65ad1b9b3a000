"""metrics.jsonl: one line per report of progress, for plots and for whoever watches a run."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from actionrun.runtime.events import Event, Progressed, Started

from .atomic_write import append, json_text, write
from .json_shapes import mismatch
from .regular_files import LOG_BYTES, descriptor_to

MOST_LETTERS = 1 << 20  # of a line
ROW = {"stage": str, "done": int, "total": int, "seconds": float}


class Log:
    """A listener that writes a run's progress to `path`.

    A stage that begins anew, or again at an older step, drops the lines that it will write again,
    so that a run that was killed leaves the same steps as one that was not.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, event: Event) -> None:
        match event:
            case Started(stage, _, done) if self.path.exists():
                kept = [
                    row for row in rows(self.path) if row["stage"] != stage or row["done"] <= done
                ]
                write(self.path, "".join(json_text(row, indent=None) + "\n" for row in kept))
            case Progressed() if not event.detail:
                row = dict(event.metrics) | {
                    "stage": event.stage,
                    "done": event.done,
                    "total": event.total,
                    "seconds": round(event.seconds, 3),
                }
                append(self.path, json_text(row, indent=None))
            case _:
                pass


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a log; a line that a kill cut short is skipped."""
    try:
        file = os.fdopen(descriptor_to(path, os.O_RDONLY, limit=LOG_BYTES), "rb")
    except OSError:  # none yet, or nothing of ours
        return
    with file:
        while line := file.readline(MOST_LETTERS):
            row = _row(line)
            if row is not None and mismatch(row, ROW) is None:
                yield row


def last_row(path: Path) -> dict[str, Any] | None:
    """The last whole line of a log, None where there is none yet."""
    try:
        with os.fdopen(descriptor_to(path, os.O_RDONLY, limit=LOG_BYTES), "rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 4000))
            lines = file.read(4000).splitlines()
    except OSError:
        return None
    for line in reversed(lines):
        row = _row(line)
        if row is not None and mismatch(row, {"done": int, "total": int}) is None:
            return row
    return None


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None
