"""Files that a study names: below its folder, and noted where they are not there yet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from .source import Fault, Source, shown
from .span import Key


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
    if data is not None and data.file is not None:
        folder = Path() if source.data_from_command_line else source.folder
        data._path = folder / data.file
    if ends is not None:
        ends._folder = source.folder


def missing_files(study: object, source: Source) -> list[Fault]:
    """Notes on files that are not there: a study may be written before its data."""
    return [
        source.fault(key, "data.missing", f"there is no file {shown(file)} yet", severity="note",
                     hint=hint)
        for key, file, path, hint in _files(study) if not is_file(path)
    ]  # fmt: skip


def _files(study: object) -> Iterator[tuple[Key, str, Path, str]]:
    data, ends = getattr(study, "data", None), getattr(study, "ends", None)
    if data is not None and data.file is not None:
        yield (("data", "file"), data.file, data.path,
               "put it there before the run, or give another with --data FILE")  # fmt: skip
    if ends is None:
        return
    for name in ("start", "end"):
        if isinstance(end := getattr(ends, name), str):
            hint = "put it there before the run: XYZ or extended XYZ"
            yield ("ends", name), end, ends.path(end), hint
