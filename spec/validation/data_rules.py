"""The data of a study: which columns of a measured motion say what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actionrun.spec.expressions.errors import ExpressionFault
from actionrun.spec.text.source import Span, nearest

from .pnn_rules import tabular

if TYPE_CHECKING:
    from .table_rules import Sense


def sense(sense: Sense) -> None:
    """A data file below the study's folder, and columns of what this study observes."""
    data = sense.raw.get("data")
    if not isinstance(data, dict):
        return
    columns = data.get("columns")
    if isinstance(columns, dict) and not tabular(sense.raw):
        _columns(sense, columns)
    if isinstance(file := data.get("file"), str) and not sense.data_given:
        sense.file(("data", "file"), file)


def _columns(sense: Sense, columns: dict[str, Any]) -> None:
    names = [*sense.coordinates]
    short = ["velocity", "pi"] if len(names) == 1 else []
    known = ["t", "trial", *names, *(f"{p}_{q}" for p in ("v", "pi") for q in names), *short]
    if sense.coordinates:
        for name in columns:
            if name not in known:
                close = "t" if name in ("time", "T") else nearest(name, known)
                sense.found.append(
                    (
                        ("data", "columns", name),
                        ExpressionFault(
                            "name.column",
                            f"{name[:60]} is nothing that this study observes",
                            Span(-1, -1),
                            None if close else "known: " + " ".join(known[:12]),
                            close,
                        ),
                    )
                )
    if "t" not in columns and all(name in known for name in columns):
        sense.add(("data", "columns"), "data.column", "the column of the time t is missing",
                 'write columns = { t = "t", ... }')  # fmt: skip
    if not [name for name in columns if name not in ("t", "trial")]:
        sense.add(("data", "columns"), "data.column", "no column holds a motion",
                 f'write {names[0] if names else "q"} = "NAME OF THE COLUMN"')  # fmt: skip
    for name, item in columns.items():
        base = name.partition("_")[2] if name not in names and "_" in name else name
        size = sense.coordinates.get(
            base if base in sense.coordinates else names[0] if names else "", 0
        )
        if name in ("t", "trial") or name not in known:
            continue
        if sense.check.reading.vectors and not (isinstance(item, list) and len(item) == size):
            sense.add(
                ("data", "columns", name),
                "start.shape",
                f"{base} has {size} component{'s' * (size > 1)}",
                f"write {name} = [{', '.join([chr(34) + '...' + chr(34)] * min(size, 4))}]",
            )
        elif not sense.check.reading.vectors and isinstance(item, list):
            sense.add(("data", "columns", name), "start.shape", f"{base} is a scalar",
                     "name one column")  # fmt: skip
