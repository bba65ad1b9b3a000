"""Files that a study names: below its folder, and noted where they are not there yet."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Protocol

from .source import Fault, Source, shown
from .span import Key

MOST_FILES = 1000  # of a pattern


def is_file(path: Path) -> bool:
    """Whether there is such a file; a name that the system cannot even look up names none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def outside(folder: Path, file: str) -> bool:
    """Whether a path leaves the folder, by name or by a link."""
    path = Path(file)
    if (
        path.is_absolute()
        or "\0" in file
        or ".." in path.parts
        or re.match(r"^[A-Za-z]:|^\\\\|^~", file)
    ):
        return True
    try:
        return not (folder / path).resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):
        return True


class FileTable(Protocol):
    """A table of a study that names files."""

    def place_files(self, source: Source) -> None:
        """Find the places of its files on this machine."""
        ...

    def named_files(self, source: Source) -> Iterator[NamedFile]: ...


class NamedFile(NamedTuple):
    """A file as a study names it: by which key, where it is, and what to do where it is not."""

    key: Key
    name: str
    path: Path
    hint: str


def data_folder(source: Source) -> Path:
    """Where the names of data files start."""
    return Path() if source.data_from_command_line else source.folder


def is_pattern(name: str) -> bool:
    """Whether a name stands for all files that fit it."""
    return any(mark in name for mark in "*?[")


def files_of(folder: Path, name: str) -> list[Path]:
    """The file of a name; of a pattern all files below the folder that fit, but no links out."""
    if not is_pattern(name) or is_file(folder / name):
        return [folder / name]
    if outside(folder, name):
        return []
    fitting = sorted(islice(folder.glob(name), MOST_FILES))
    inside = [p for p in fitting if not outside(folder, str(p.relative_to(folder)))]
    return [path for path in inside if is_file(path)]


def missing_files(tables: Iterable[FileTable], source: Source) -> list[Fault]:
    """Notes on files that are not there: a study may be written before its data."""
    return [
        source.fault(file.key, "data.missing", f"there is no file {shown(file.name)} yet",
                     severity="note", hint=file.hint)
        for table in tables for file in table.named_files(source) if not is_file(file.path)
    ]  # fmt: skip
