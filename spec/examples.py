"""The studies that ship with actionrun, with the files that they name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from actionrun.spec.text.source import UsageFault, nearest

from .templates import kinds

TITLE = re.compile(r'^title = "(.*)"$', re.MULTILINE)
KIND = re.compile(r'^study = "(\w+)"$', re.MULTILINE)


@dataclass(frozen=True)
class Example:
    """A shipped study; `time`: what it takes on two cores, "" where that was not timed."""

    path: Path
    kind: str
    title: str
    time: str

    @property
    def name(self) -> str:
        return self.path.stem


def examples_folder() -> Path:
    """Where they are: beside the rooms, in a checkout as in an installed package."""
    return Path(__file__).resolve().parents[1] / "studies"


def examples() -> list[Example]:
    """All of them, by kind and name."""
    folder = examples_folder()
    timed = folder / "times.csv"
    rows = timed.read_text(encoding="utf-8").splitlines()[1:] if timed.is_file() else []
    times = dict(row.split(",", 1) for row in rows)
    every = []
    for path in folder.glob("*.toml"):
        text = path.read_text(encoding="utf-8")
        kind, title = KIND.search(text), TITLE.search(text)
        if kind and title:
            every.append(Example(path, kind[1], title[1], times.get(path.stem, "")))
    return sorted(every, key=lambda one: (one.kind, one.name))


def example(name: str) -> Example:
    """The one of that name. Raises UsageFault, with the nearest."""
    every = {one.name: one for one in examples()}
    if name in every:
        return every[name]
    close = nearest(name, [*every, *kinds()])
    hint = f'did you mean "{close}"? ' if close else ""
    raise UsageFault(f'there is no study "{name[:60]}": {hint}actionrun new --list shows all')
