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

from .regular_files import descriptor_of, descriptor_to, names, remove


def write(path: Path, content: bytes | str, *, home: Path | None = None) -> None:
    """Put `content` at `path` so that a kill or a power cut leaves the old file or the new one.

    Links from `home` on, by default the file's folder, are not followed: a link at `path` itself
    is replaced. Raises CannotWrite; the file that was there before is then still there.
    """
    data = encoded(content) if isinstance(content, str) else content
    # Of a name that nobody can have put there beforehand, and not longer than a name may be.
    temporary = f".{path.name[:40]}.{os.urandom(8).hex()}.tmp"
    try:
        with descriptor_of(home or path.parent, path.parent, make=True) as folder:
            try:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                descriptor = os.open(temporary, flags, 0o666, dir_fd=folder)
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(temporary, path.name, src_dir_fd=folder, dst_dir_fd=folder)
                os.fsync(folder)  # on Linux the folder's entry is a write of its own
            except OSError:
                with suppress(OSError):
                    os.unlink(temporary, dir_fd=folder)
                raise
    except OSError as error:
        raise CannotWrite(path, len(data), error) from error


def encoded(text: str) -> bytes:
    """UTF-8. Bytes of a file name that are no text are kept, halves of characters written out."""
    try:
        return text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return text.encode(errors="backslashreplace")


def append(path: Path, line: str) -> None:
    """Add a line to a log. A kill may cut the last line short; readers skip such a line."""
    data = encoded(line + "\n")
    try:
        descriptor = descriptor_to(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        with os.fdopen(descriptor, "ab") as file:
            file.write(data)
    except OSError as error:
        raise CannotWrite(path, len(data), error) from error


def remove_leftovers(folder: Path, *, home: Path) -> None:
    """Remove the half-written files of a process that was killed."""
    for name in names(folder, home=home):
        if name.startswith(".") and name.endswith(".tmp"):
            with suppress(OSError):
                remove(folder, name, home=home)


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
