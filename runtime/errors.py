"""Ways in which a run ends early, each with its exit code (runs.md)."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

USAGE, DATA, WRITE, RETRY, INTERRUPTED = 2, 65, 74, 75, 130


OUT_OF_MEMORY = "out of memory. A smaller batch, fewer steps or a larger save_every needs less"


def is_out_of_memory(error: Exception) -> bool:
    """Whether Python or XLA could not get the memory that they asked for."""
    of_xla = type(error).__name__ in ("XlaRuntimeError", "JaxRuntimeError")
    return isinstance(error, MemoryError) or (of_xla and "RESOURCE_EXHAUSTED" in str(error))


class RunError(Exception):
    """An end that a user can act upon: `str` is the message, `code` the exit code."""

    code = 1


class Refused(RunError):  # noqa: N818
    """The command does not fit what is there, such as a folder with another study's run."""

    code = USAGE


class Diverged(RunError):  # noqa: N818
    """The numbers left the finite world."""

    code = DATA


class Damaged(RunError):  # noqa: N818
    """A file of the run has changed under it."""

    code = RETRY


class AlgebraTooLong(RunError):  # noqa: N818
    """Algebra took more CPU time than it may."""

    code = DATA


class Busy(RunError):  # noqa: N818
    """Another process works in this folder."""

    code = RETRY


class Stopped(RunError):  # noqa: N818
    """Asked to stop, and saved: by SIGTERM (75) or by Ctrl-C (130)."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class CannotWrite(RunError):  # noqa: N818
    """A file could not be written: names path, reason and need."""

    code = WRITE

    def __init__(self, path: Path, need: int, error: OSError) -> None:
        self.path, self.need, self.error = path, need, error
        super().__init__(_complaint(path, need, error))


def _complaint(path: Path, need: int, error: OSError) -> str:
    reason = (error.strerror or str(error) or type(error).__name__).lower()
    head = f"cannot write {path}: {reason}"
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return f"{head}. It needs {size(need)}{_free(path)}. Make room and run again"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return f"{head}. Give write permission there, or choose another folder with --out"
        case errno.ELOOP:
            return f"{head}. It is not what a run of actionrun has there; choose another folder"
        case errno.ENOENT | errno.ENOTDIR | errno.ESTALE:
            return f"{head}. The folder has vanished while the run was using it"
        case _:
            return f"{head}. It needs {size(need)}{_free(path)}"


def _free(path: Path) -> str:
    try:
        return f", and {size(shutil.disk_usage(path.parent).free)} are free"
    except OSError:
        return ""


def size(count: int) -> str:
    """Bytes for a reader: `size(1536)` is "1.5 kB" (powers of 1024)."""
    if count < 1024:
        return f"{count} bytes"
    amount, unit = count / 1024, "kB"
    for unit in ("kB", "MB", "GB", "TB"):
        if amount < 1024 or unit == "TB":
            break
        amount /= 1024
    return f"{amount:.3g} {unit}" if amount < 1000 else f"{amount:.0f} {unit}"
