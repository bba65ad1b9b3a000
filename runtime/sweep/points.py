"""The points of a sweep: each a full run in a folder of its own, that any process can do.

All that a process needs is in the point's folder before it begins: `resolved.toml`, which gives the
same run wherever it is read, and the data that it names. What came of a point is in its folder too:
`result.json`, or `failure.json` where the study or its numbers were at fault.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from actionrun.runtime.data.observations import require
from actionrun.runtime.data.study_files import with_files_beside
from actionrun.runtime.errors import DATA, RETRY
from actionrun.runtime.storage.atomic_write import json_text
from actionrun.runtime.storage.provenance import stamp
from actionrun.runtime.storage.regular_files import descriptor_of, is_regular
from actionrun.runtime.storage.run_folder import FAILURE, Folder
from actionrun.spec import resolved_toml
from actionrun.spec.kinds.registry import Study
from actionrun.spec.sweep.points import Point, point, points

MOST_LETTERS = 60  # of a folder's name
PATIENCE = 20.0  # seconds until a point's folder counts as busy: an ended session may still save


@dataclass(frozen=True)
class Part:
    """One point: its folder's name, what it takes on by dotted key, and its study."""

    name: str
    values: Mapping[str, Any]
    resolved: str
    files: Mapping[str, Path]


@dataclass(frozen=True)
class Outcome:
    """What came of a point: its result.json, or why it has none."""

    result: Mapping[str, Any] = field(default_factory=dict)
    message: str | None = None

    @property
    def done(self) -> bool:
        return self.message is None


def parts(study: Study) -> Iterator[Part]:
    """The points of a study's sweep. Raises Faults for one that is no study or has no data."""
    for one in points(study):
        yield _part(one)


def part_at(study: Study, index: int, values: Mapping[str, Any]) -> Part:
    """A point of a guided sweep. Raises Faults as `parts`."""
    return _part(point(study, index, values))


def _part(one: Point) -> Part:
    require(one.study)
    moved, files = with_files_beside(one.study)
    return Part(_name(one.index, one.values), one.values, resolved_toml(moved), files)


def _name(index: int, values: Mapping[str, Any]) -> str:
    words = (f"{name.rpartition('.')[2]}={value}" for name, value in values.items())
    text = "-".join((f"{index:03d}", *words)).replace(" ", "")
    kept = "".join(char if char.isascii() and (char.isalnum() or char in "=._+-") else "_"
                   for char in text)  # fmt: skip
    return kept[:MOST_LETTERS].rstrip("._-")


def prepare(part: Part, point: Folder) -> None:
    """Put all that a process needs into the point's folder. Raises CannotWrite."""
    for name, path in part.files.items():
        there = point / name
        if is_regular(there, home=point.top):
            continue
        try:
            # A hundred points need not hold a hundred copies; the sweep's own is never edited.
            with (
                descriptor_of(point.top, (point.top / name).parent) as ours,
                descriptor_of(point.top, there.parent, make=True) as theirs,
            ):
                if is_regular(point.top / name, home=point.top):
                    os.link(there.name, there.name, src_dir_fd=ours, dst_dir_fd=theirs,
                            follow_symlinks=False)  # fmt: skip
        except OSError:
            pass
        if not is_regular(there, home=point.top):
            point.write(name, path.read_bytes())
    if not is_regular(point / "resolved.toml", home=point.top) or (
        point.text("resolved.toml") != part.resolved
    ):
        point.write("resolved.toml", part.resolved)


def outcome(point: Folder) -> Outcome | None:
    """What has come of a point; None where it is to be run, also where another version failed."""
    if result := point.results():
        return Outcome(result)
    failure = point.data(point.failure, FAILURE, absent={})
    if not failure or failure.get("stamp") != stamp(str(failure.get("hash"))):
        return None
    return Outcome(message=str(failure.get("message")))


def stop_file(home: Path) -> Path:
    """Where a sweep's folder says to the processes of its points that they save and stop."""
    return home / ".stop"


def asked_to_stop(place: Path) -> int | None:
    """Whether the sweep of a point's folder asks it to stop."""
    return RETRY if stop_file(place.parent.parent).exists() else None


def write_failure(place: Path, message: str) -> None:
    """Keep in a point's folder why it has no result."""
    folder = Folder(place)
    digest = str(folder.origin().get("hash", ""))
    content = {"format": 1, "code": DATA, "message": message, "hash": digest}
    folder.write(folder.failure.name, json_text(content | {"stamp": stamp(digest)}))
