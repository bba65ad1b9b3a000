"""Files that a study names: below its folder, and noted where they are not there yet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

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


def place_files(study: object, source: Source) -> None:
    """Give a study the places of its files on this machine."""
    data, ends = getattr(study, "data", None), getattr(study, "ends", None)
    if data is not None:
        folder = _folder(source)
        data._paths = tuple(path for name in data.names for path in _files_of(folder, name))
    if ends is not None:
        ends._folder = source.folder


def _folder(source: Source) -> Path:
    """Where the names of data files start."""
    return Path() if source.data_from_command_line else source.folder


def is_pattern(name: str) -> bool:
    """Whether a name stands for all files that fit it."""
    return any(mark in name for mark in "*?[")


def _files_of(folder: Path, name: str) -> list[Path]:
    """The file of a name; of a pattern all files below the folder that fit, but no links out."""
    if not is_pattern(name) or is_file(folder / name):
        return [folder / name]
    if outside(folder, name):
        return []
    fitting = sorted(islice(folder.glob(name), MOST_FILES))
    inside = [p for p in fitting if not outside(folder, str(p.relative_to(folder)))]
    return [path for path in inside if is_file(path)]


def missing_files(study: object, source: Source) -> list[Fault]:
    """Notes on files that are not there: a study may be written before its data."""
    return [
        source.fault(key, "data.missing", f"there is no file {shown(file)} yet", severity="note",
                     hint=hint)
        for key, file, path, hint in _files(study, source) if not is_file(path)
    ]  # fmt: skip


def _files(study: object, source: Source) -> Iterator[tuple[Key, str, Path, str]]:
    data, ends = getattr(study, "data", None), getattr(study, "ends", None)
    names, single = ((), True) if data is None else (data.names, data.file is not None)
    for number, name in enumerate(names):
        key: Key = ("data", "file") if single else ("data", "files", number)
        path = next(iter(_files_of(_folder(source), name)), Path(name))
        yield key, name, path, "put it there before the run, or give another with --data FILE"
    if ends is None:
        return
    for name in ("start", "end"):
        if isinstance(end := getattr(ends, name), str):
            hint = "put it there before the run: XYZ or extended XYZ"
            yield ("ends", name), end, ends.path(end), hint
