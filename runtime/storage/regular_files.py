"""Files below a folder that a stranger may have made: no link is followed, only regular files are
opened, and no more is read than a bound.

A run folder from elsewhere may hold links to files of ours, pipes and devices that never end, and
sparse files of terabytes. What lies above `home` is the user's own, and its links are followed;
from `home` on each part of a path is opened by itself (openat(2) with O_NOFOLLOW), so that nothing
can be put in its place between a look and the deed.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

TEXT_BYTES = 64 << 20  # of JSON, TOML, LaTeX
LOG_BYTES = 1 << 30
ARRAY_BYTES = 16 << 30
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
FILE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC  # no pipe makes us wait


class Unsafe(OSError):  # noqa: N818
    """What is there is a link, a pipe, a device or too large: `strerror` says which."""

    def __init__(self, words: str) -> None:
        super().__init__(errno.ELOOP, words)


@contextmanager
def descriptor_of(home: Path, folder: Path, *, make: bool = False) -> Iterator[int]:
    """`folder`, which is `home` or below it, as an open descriptor. Raises OSError, Unsafe for a
    link on the way from `home`."""
    if make:
        home.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(home, FOLDER)
    try:
        for part in _parts(home, folder):
            if make:
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=descriptor)
            _refuse_link(part, descriptor, folder)
            inner = os.open(part, FOLDER | os.O_NOFOLLOW, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def _parts(home: Path, folder: Path) -> tuple[str, ...]:
    if folder == home:
        return ()
    parts = folder.relative_to(home).parts if folder.is_relative_to(home) else ("..",)
    if ".." in parts:
        raise Unsafe(f"{folder} leads out of {home}")
    return parts


def _refuse_link(name: str, descriptor: int, path: Path) -> None:
    if stat.S_ISLNK(os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode):
        raise Unsafe(f"{name} is a link, and links in a run folder are not followed")


def descriptor_to(
    path: Path, flags: int, *, home: Path | None = None, limit: int | None = None
) -> int:
    """A regular file, opened with `flags`. Raises OSError, Unsafe for anything else and for more
    than `limit` bytes. A file that is written in place must have one name: another one may be that
    of a file elsewhere."""
    if "\0" in str(path):
        raise OSError(errno.EINVAL, "no file has such a name")
    with descriptor_of(home or path.parent, path.parent) as folder:
        try:
            _require_regular(os.stat(path.name, dir_fd=folder, follow_symlinks=False), path)
        except FileNotFoundError:
            if not flags & os.O_CREAT:
                raise
        descriptor = os.open(path.name, flags | FILE, 0o666, dir_fd=folder)
    try:
        about = os.fstat(descriptor)
        _require_regular(about, path)
        if flags & (os.O_WRONLY | os.O_RDWR) and about.st_nlink > 1:
            raise Unsafe(f"{path.name} is a hard link to another file; remove it")
        if limit is not None and about.st_size > limit:
            size = f"{about.st_size / 2**20:.0f} MB"
            raise Unsafe(f"{path.name} has {size}, and {limit >> 20} MB can be read")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _require_regular(about: os.stat_result, path: Path) -> None:
    if stat.S_ISLNK(about.st_mode):
        raise Unsafe(f"{path.name} is a link, and links in a run folder are not followed")
    if stat.S_ISDIR(about.st_mode):
        raise IsADirectoryError(errno.EISDIR, "is a folder")
    if not stat.S_ISREG(about.st_mode):
        raise Unsafe(f"{path.name} is no regular file")


def content(path: Path, *, home: Path | None = None, limit: int = TEXT_BYTES) -> bytes:
    """The bytes of a regular file. Raises OSError, Unsafe."""
    with os.fdopen(descriptor_to(path, os.O_RDONLY, home=home, limit=limit), "rb") as file:
        return file.read(limit)


def is_regular(path: Path, *, home: Path | None = None) -> bool:
    """Whether `content` would open it, whatever its size."""
    try:
        os.close(descriptor_to(path, os.O_RDONLY, home=home))
    except OSError:
        return False
    return True


def names(folder: Path, *, home: Path | None = None) -> list[str]:
    """What a folder holds, in order; nothing where it is none, or a link below `home`."""
    try:
        with descriptor_of(home or folder, folder) as descriptor:
            return sorted(os.listdir(descriptor))  # noqa: PTH208 (pathlib opens no descriptors)
    except OSError:
        return []


def remove(folder: Path, name: str, *, home: Path | None = None) -> None:
    """Remove an entry of a folder, a link itself and never what it leads to. Raises OSError."""
    with (
        suppress(FileNotFoundError),
        descriptor_of(home or folder, folder) as descriptor,
    ):
        os.unlink(name, dir_fd=descriptor)
