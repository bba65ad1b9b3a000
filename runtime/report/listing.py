"""`actionrun list`: runs as lines of text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from actionrun.runtime.errors import Refused
from actionrun.runtime.storage.run_folder import Folder
from actionrun.spec.text.source import columns, shown

from .rounding import duration


def listing(runs: Sequence[Folder]) -> str:
    """A table of runs: folder, kind, state, when, how long, title."""
    head = ("run", "study", "status", "started", "took", "title")
    return "\n".join(columned([head, *(_row(run) for run in runs)]))


def columned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines, each column as wide as its widest cell."""
    widths = [max(map(columns, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell + " " * (width - columns(cell)) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def facts(run: Folder) -> dict[str, Any]:
    """What is known of a run, for programs: `seconds` and `started` null where it is not."""
    try:
        origin, status = run.origin(), run.state
    except Refused:
        origin, status = {}, "damaged"
    known = {name: origin.get(name) for name in ("study", "title", "started", "seconds", "seed")}
    return {"run": str(run.path), "status": status} | known


def _row(run: Folder) -> tuple[str, ...]:
    known = facts(run)
    started = str(known["started"] or "")[:16].replace("T", " ")
    took = duration(known["seconds"]) if known["status"] == "done" else ""
    kind, title = known["study"] or "?", known["title"] or ""
    cells = (run.path, kind, known["status"], started, took, title)
    return tuple(shown(str(cell)).replace("\n", " ") for cell in cells)
