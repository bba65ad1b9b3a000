"""`actionrun list`: runs as lines of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from actionrun.runtime.errors import Refused
from actionrun.runtime.storage.run_folder import Folder
from actionrun.spec.text.source import columns, shown

from .rounding import duration

Facts = Mapping[str, Any]


def listing(runs: Sequence[Facts]) -> str:
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


def in_order_of(name: str, runs: Sequence[Facts]) -> list[Facts]:
    """Runs in the order of one of their facts; what has it not comes last."""
    key = "seconds" if name == "took" else name
    if key == "run":
        return [*runs]  # as `runs_under` has them
    return sorted(runs, key=lambda known: (known[key] is None, known[key]))


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


def _row(known: Facts) -> tuple[str, ...]:
    started = str(known["started"] or "")[:16].replace("T", " ")
    took = duration(known["seconds"]) if known["status"] == "done" else ""
    kind, title = known["study"] or "?", known["title"] or ""
    cells = (known["run"], kind, known["status"], started, took, title, known["changed"])
    return tuple(shown(str(cell)).replace("\n", " ") for cell in cells)
