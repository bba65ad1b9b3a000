"""Files that are whole or absent, and JSON that every reader accepts."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from actionrun.runtime.errors import CannotWrite


def write(path: Path, content: bytes | str) -> None:
    """Put `content` at `path` so that a kill or a power cut leaves the old file or the new one.

    Raises CannotWrite; the file that was there before is then still there.
    """
    data = content.encode() if isinstance(content, str) else content
    temporary = temporary_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise CannotWrite(path, len(data), error) from error


def append(path: Path, line: str) -> None:
    """Add a line to a log. A kill may cut the last line short; readers skip such a line."""
    data = (line + "\n").encode()
    try:
        with path.open("ab") as file:
            file.write(data)
    except OSError as error:
        raise CannotWrite(path, len(data), error) from error


def temporary_of(path: Path) -> Path:
    """Where `write` keeps a file until it is whole; one name, as a run folder has one writer."""
    return path.with_name(f".{path.name}.tmp")


def sync_folder(folder: Path) -> None:
    """Make a rename durable: on Linux the folder's entry is a write of its own."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def json_text(value: Any, *, lost: list[str] | None = None, indent: int | None = 2) -> str:
    """`value` as JSON text. NaN and infinities become null and are named in `lost`."""
    plain = plain_data(value, lost=lost)
    return json.dumps(plain, indent=indent, ensure_ascii=False, allow_nan=False)


def plain_data(value: Any, *, lost: list[str] | None = None, path: str = "") -> Any:
    """Numbers, strings, lists, dicts and None out of numpy's and our own containers."""
    match value:
        case None | str() | bool() | int():
            return value
        case float():
            if math.isfinite(value):
                return float(value)
            if lost is not None:
                lost.append(path)
            return None
        case Mapping():
            return {
                str(key): plain_data(item, lost=lost, path=f"{path}.{key}" if path else str(key))
                for key, item in value.items()
            }
        case list() | tuple():
            return [
                plain_data(item, lost=lost, path=f"{path}[{index}]")
                for index, item in enumerate(value)
            ]
        case _ if hasattr(value, "tolist"):  # numpy and jax scalars and arrays
            return plain_data(value.tolist(), lost=lost, path=path)
        case Path():
            return str(value)
        case _:
            raise TypeError(f"{path or 'value'} is a {type(value).__name__}, which is not JSON")
