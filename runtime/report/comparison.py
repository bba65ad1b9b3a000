"""`actionrun compare`: what was asked differently of runs, and what they found, side by side.

Made of the runs' files alone, without jax, sympy, numpy or matplotlib.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from actionrun.runtime.errors import Refused
from actionrun.runtime.storage.run_folder import Folder
from actionrun.spec import keyed
from actionrun.spec.kinds.om import file_and_frame
from actionrun.spec.text.source import shown

from .document import document
from .listing import columned
from .mathml import mathml
from .rounding import brief, duration, with_error

NONE = "–"
TIMES = ("seconds", "nanoseconds", "per_second")
MOST_LETTERS = 60  # of a cell on the screen
MOST_BYTES = 100 * 2**20
FILES = ("data.file", "data.files", "inputs.file", "ends.start", "ends.end")
MADE_WITH = ("actionrun", "code", "processor", "device", "python")

Row = tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """Rows of a label and a cell for each run; `same` counts what does not differ."""

    names: tuple[str, ...]
    runs: tuple[Row, ...]
    asked: tuple[Row, ...]
    same_keys: int
    metrics: tuple[Row, ...]
    same_metrics: tuple[tuple[str, str], ...]
    values: tuple[Row, ...]
    equations: tuple[tuple[str, tuple[Mapping[str, Any] | None, ...]], ...]
    made: tuple[Row, ...]


def comparison(folders: Sequence[Folder]) -> Comparison:
    """Compare runs, finished or not. Raises Refused where a folder is no run or is damaged."""
    studies = [_keys(folder) for folder in folders]
    results = [folder.results() for folder in folders]
    origins = [folder.origin() for folder in folders]
    metrics = [_metrics(result) for result in results]
    equations = [_equations(result) for result in results]
    values = [_values(result) for result in results]
    made = [_made(origin) for origin in origins]
    letters = [ascii_uppercase[i] if i < 26 else str(i + 1) for i in range(len(folders))]
    return Comparison(
        names=tuple(letters),
        runs=tuple(
            (letter, str(folder.path), str(origin.get("title", "")), _status(folder, origin))
            for letter, folder, origin in zip(letters, folders, origins, strict=True)
        ),
        asked=_rows(studies, differing=True),
        same_keys=len(_rows(studies)) - len(_rows(studies, differing=True)),
        metrics=_rows(metrics, differing=True),
        same_metrics=tuple(
            (row[0], row[1]) for row in _rows(metrics) if len(set(row[1:])) == 1
        ),
        values=_rows(values),
        equations=tuple(
            (name, tuple(one.get(name) for one in equations)) for name in _names(equations)
        ),
        made=_rows(made, differing=True),
    )  # fmt: skip


def _keys(folder: Folder) -> dict[str, str]:
    """The dotted keys of a run's study; a data file with what it holds."""
    if not folder.is_run:
        raise Refused(f"{folder.path} is no run folder: it has no resolved.toml")
    try:
        keys = keyed(folder.text("resolved.toml"))
    except (ValueError, TypeError, RecursionError) as error:
        raise Refused(f"{folder.path} is no run folder: its resolved.toml {error}") from None
    for name in FILES:
        if name in keys:
            with suppress(Refused):  # not in the folder, or it names none in it
                keys[name] += f" (sha256 {_digest(folder, keys[name])[:8]})"
    return keys


def _digest(folder: Folder, said: str) -> str:
    """Of the files that a key names, a string or a list of them. Raises Refused."""
    digest = hashlib.sha256()
    for name in re.findall(r'"([^"]*)"', said):
        digest.update(_data_file(folder, file_and_frame(name)[0]))
    return digest.hexdigest()


def _data_file(folder: Folder, name: str) -> bytes:
    """A file that a study names, where it is kept with its run. Raises Refused."""
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise Refused(f"{name} is not in {folder.path}")
    return folder.content(name, limit=MOST_BYTES)


def _status(folder: Folder, origin: Mapping[str, Any]) -> str:
    if not folder.finished:
        return folder.state
    return f"done in {duration(origin.get('seconds'))}"


def _metrics(result: Mapping[str, Any]) -> dict[str, str]:
    """Measures to eight digits; times, which are never the same again, to four."""
    return {
        name: brief(value, 4 if name.endswith(TIMES) else 8)
        for name, value in result.get("metrics", {}).items()
    }


def _equations(result: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {str(one.get("name")): one for one in result.get("equations", [])}


def _values(result: Mapping[str, Any]) -> dict[str, str]:
    return {
        symbol: with_error(pair.get("value"), pair.get("std"))
        for one in result.get("equations", [])
        for symbol, pair in one.get("values", {}).items()
    }


def _made(origin: Mapping[str, Any]) -> dict[str, str]:
    versions = {name: str(origin[name]) for name in MADE_WITH if origin.get(name) is not None}
    return versions | {str(name): str(one) for name, one in origin.get("versions", {}).items()}


def _names(tables: Sequence[Mapping[str, Any]]) -> list[str]:
    """All names in the order of the tables, each new one after the one before it."""
    names: list[str] = []
    for table in tables:
        at = 0
        for name in table:
            if name in names:
                at = names.index(name) + 1
            else:
                names.insert(at, name)
                at += 1
    return names


def _rows(tables: Sequence[Mapping[str, str]], *, differing: bool = False) -> tuple[Row, ...]:
    rows = ((name, *(table.get(name, NONE) for table in tables)) for name in _names(tables))
    return tuple(row for row in rows if not differing or len(set(row[1:])) > 1)


def text(compared: Comparison) -> str:
    """The comparison for a terminal."""
    lines = [f"{row[0]}  {'  '.join(map(shown, row[1:]))}" for row in compared.runs]
    lines += _part("what was asked", compared, compared.asked)
    if not compared.asked:
        lines += ["", "the studies are the same"]
    lines += _part("metrics", compared, compared.metrics)
    if compared.same_metrics:
        pairs = ", ".join(f"{name} {value}" for name, value in compared.same_metrics)
        lines += ["", f"the same: {shown(pairs)}"]
    lines += _part("learned values", compared, compared.values)
    for name, several in compared.equations:
        lines += ["", shown(name)]
        texts = [one["text"] if one else NONE for one in several]
        if len(set(texts)) == 1:
            lines += [f"  {shown(line)}" for line in texts[0].splitlines()]
            continue
        for letter, words in zip(compared.names, texts, strict=True):
            first, *more = words.splitlines() or [""]
            lines += [f"  {letter}  {shown(first)}", *(f"     {shown(line)}" for line in more)]
    lines += _part("made with", compared, compared.made)
    return "\n".join(lines)


def _part(title: str, compared: Comparison, rows: Iterable[Row]) -> list[str]:
    cells = [tuple(_cut(cell) for cell in row) for row in rows]
    return ["", *columned([(title, *compared.names), *cells])] if cells else []


def _cut(cell: str) -> str:
    line = shown(cell).replace("\n", " ")
    return line if len(line) <= MOST_LETTERS else f"{line[: MOST_LETTERS - 1]}…"


def page(compared: Comparison) -> str:
    """The comparison as a page that needs no network and no script."""
    same = ", ".join(f"{name} {value}" for name, value in compared.same_metrics)
    parts = (
        ("runs", "Runs", _table(("", "run", "title", "status"), compared.runs)),
        ("asked", "What was asked", _asked(compared)),
        ("metrics", "Metrics", _table(("metric", *compared.names), compared.metrics)
         + (f'<p class="aside">the same: {escape(same)}</p>' if same else "")),
        ("values", "Learned values", _table(("symbol", *compared.names), compared.values)),
        ("equations", "Equations",
         "\n".join(_equation(compared, *pair) for pair in compared.equations)),
        ("made", "Made with", _table(("", *compared.names), compared.made)),
    )  # fmt: skip
    title = " and ".join(dict.fromkeys(row[2] for row in compared.runs))
    return document(title, "Comparison of runs", "", parts, contents=False)


def _asked(compared: Comparison) -> str:
    if not compared.asked:
        return "<p>The studies are the same.</p>"
    same = f'<p class="aside">{compared.same_keys} other keys are the same.</p>'
    return _table(("key", *compared.names), compared.asked) + same


def _equation(compared: Comparison, name: str, several: Sequence[Mapping[str, Any] | None]) -> str:
    texts = {str(one["latex"]) if one else NONE for one in several}
    if len(texts) == 1:
        return f"<h3>{escape(name)}</h3>\n{mathml(texts.pop())}"
    columns = "\n".join(
        f'<div><p class="aside">{letter}</p>'
        f"{mathml(str(one['latex'])) if one else f'<p>{NONE}</p>'}</div>"
        for letter, one in zip(compared.names, several, strict=True)
    )
    return f'<h3>{escape(name)}</h3>\n<div class="beside">\n{columns}\n</div>'


def _table(head: Sequence[str], rows: Iterable[Row]) -> str:
    body = "\n".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    if not body:
        return ""
    heads = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    return (
        f'<div class="scroll"><table class="beside"><thead><tr>{heads}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )
