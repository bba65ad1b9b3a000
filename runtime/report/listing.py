"""`actionrun list`: runs as lines of text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from actionrun.runtime.errors import Refused
from actionrun.runtime.storage.run_folder import Folder
from actionrun.spec.text.source import columns, shown

from .rounding import duration


def listing(runs: Sequence[Folder]) -> str:
    """A table of runs: folder, kind, state, when, how long, title, what the command changed."""
    head = ("run", "study", "status", "started", "took", "title", "changed")
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
    changed = {"changed": changes(origin.get("command") or [])}
    return {"run": str(run.path), "status": status} | known | changed


def by(name: str, runs: Sequence[Folder]) -> list[Folder]:
    """The runs in the order of one of their facts; what has it not comes last."""
    if name == "run":
        return list(runs)
    key = "seconds" if name == "took" else name
    known = [(facts(run)[key], run) for run in runs]
    there = sorted((one for one in known if one[0] is not None), key=lambda one: one[0])
    return [run for _, run in (*there, *(one for one in known if one[0] is None))]


def changes(command: Sequence[str]) -> str:
    """The keys, seed and data that a command line sets."""
    words = list(command)
    given = [
        words[k + 1] if word == "--set" else f"{word[2:]} {words[k + 1]}"
        for k, word in enumerate(words[:-1])
        if word in ("--set", "--seed", "--data")
    ]
    given += [w.partition("=")[2] if w.startswith("--set=") else w[2:].replace("=", " ", 1)
              for w in words if w.startswith(("--set=", "--seed=", "--data="))]  # fmt: skip
    return ", ".join(given)


def _row(run: Folder) -> tuple[str, ...]:
    known = facts(run)
    started = str(known["started"] or "")[:16].replace("T", " ")
    took = duration(known["seconds"]) if known["status"] == "done" else ""
    kind, title = known["study"] or "?", known["title"] or ""
    cells = (run.path, kind, known["status"], started, took, title, known["changed"])
    return tuple(shown(str(cell)).replace("\n", " ") for cell in cells)
