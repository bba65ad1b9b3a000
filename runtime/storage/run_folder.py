"""The run folder: where it lives, whose it is, and who works in it."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import gethostname
from time import sleep
from typing import Any

from actionrun.runtime.errors import Busy, CannotWrite, Refused

from .atomic_write import remove_leftovers, write
from .json_shapes import EQUATION, METRICS, NUMBER, Optional, json_object, mismatch
from .regular_files import (
    TEXT_BYTES,
    Unsafe,
    content,
    descriptor_of,
    descriptor_to,
    is_regular,
)

OURS = ("study.toml", "resolved.toml", "provenance.json", "result.json", "report.html", "data.nc")
DEPTH = 3  # of runs below the folder that `list` is given
ID = re.compile(r"(\d{3,})-([0-9a-f]{8})")
SUBFOLDERS = ("checkpoint", "data", "export", "figures", "inferred", "paper", "points")
WORDS = Optional({str: str})
PROVENANCE = {
    "study": Optional(str), "title": Optional(str), "status": Optional(str), "hash": Optional(str),
    "command": Optional([str]), "sessions": Optional([str]), "started": Optional((str, None)),
    "finished": Optional((str, None)), "seconds": Optional(NUMBER), "cpu_seconds": Optional(NUMBER),
    "compile_seconds": Optional(NUMBER), "step_nanoseconds": Optional(NUMBER),
    "device": Optional((str, None)), "actionrun": Optional(str), "code": Optional(str),
    "python": Optional(str), "platform": Optional(str), "processor": Optional(str),
    "processors": Optional((int, None)), "seed": Optional(int), "versions": WORDS,
    "switches": WORDS,
}  # fmt: skip
RESULT = {
    "title": str, "status": str, "seconds": Optional(NUMBER), "metrics": METRICS,
    "equations": [EQUATION],
}  # fmt: skip
FAILURE = {"message": str, "hash": Optional(str), "stamp": {str: str}}


@dataclass(frozen=True)
class Folder:
    """A run folder. All paths of a run are named here and nowhere else.

    It may be a stranger's: from `home` on, by default the folder itself, no link is followed, and
    what is read is looked at before it is believed.
    """

    path: Path
    home: Path | None = None  # of a point: the folder of its sweep

    @property
    def top(self) -> Path:
        return self.home or self.path

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    @property
    def result(self) -> Path:
        return self.path / "result.json"

    @property
    def provenance(self) -> Path:
        return self.path / "provenance.json"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def findings(self) -> Path:
        return self.path / "findings.json"

    @property
    def failure(self) -> Path:
        """Why a point of a sweep has no result."""
        return self.path / "failure.json"

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoint"

    @property
    def finished(self) -> bool:
        return is_regular(self.result, home=self.top)

    @property
    def state(self) -> str:
        """In a word, for people."""
        if self.finished:
            return "done"
        if is_regular(self.failure, home=self.top):
            return "failed"
        return "running" if self.busy else "unfinished"

    @property
    def is_run(self) -> bool:
        return is_regular(self.path / "resolved.toml", home=self.top)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder. A killed process leaves it free, for the kernel drops its lock.

        Raises Busy with the holder's pid and host, CannotWrite where no folder can be made.
        """
        path = self.path / ".lock"
        try:
            with descriptor_of(self.top, self.path, make=True):
                self._refuse_links()
            descriptor = descriptor_to(path, os.O_RDWR | os.O_CREAT, home=self.top)
        except OSError as error:
            raise CannotWrite(path, 64, error) from error
        try:
            if not _locked(descriptor):
                raise Busy(_holder(self.path, descriptor))
            try:
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"{os.getpid()} {gethostname()}\n".encode(), 0)
            except OSError as error:
                raise CannotWrite(path, 64, error) from error
            for place in (self.path, self.checkpoint, self.path / "figures"):
                remove_leftovers(place, home=self.top)
            yield
        finally:
            os.close(descriptor)

    def _refuse_links(self) -> None:
        """Raise Unsafe for a folder of ours that is a link: what we write would land elsewhere."""
        for name in SUBFOLDERS:
            if (self.path / name).is_symlink():
                raise Unsafe(f"{name} is a link, and links in a run folder are not followed")

    @property
    def busy(self) -> bool:
        """Whether another process holds the folder now."""
        try:
            descriptor = descriptor_to(self.path / ".lock", os.O_RDONLY, home=self.top)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        else:
            return False
        finally:
            os.close(descriptor)

    def require_free(self) -> None:
        """Raise Busy, with the holder's pid and host, where another process holds the folder."""
        if self.busy:
            descriptor = descriptor_to(self.path / ".lock", os.O_RDONLY, home=self.top)
            with os.fdopen(descriptor, "rb") as file:
                raise Busy(_holder(self.path, file.fileno()))

    def write(self, name: str, text: bytes | str) -> Path:
        """Put a file into the folder, or into one below it. Raises CannotWrite."""
        path = self.path / name
        write(path, text, home=self.top)
        return path

    def content(self, name: str, *, limit: int = TEXT_BYTES) -> bytes:
        """The bytes of a file of the folder. Raises Refused where it is not there or no file."""
        path = self.path / name
        try:
            return content(path, home=self.top, limit=limit)
        except OSError as error:
            raise _refusal(path, (error.strerror or str(error)).lower()) from None

    def text(self, name: str, *, limit: int = TEXT_BYTES) -> str:
        """A text file of the folder; what is no UTF-8 in it is replaced. Raises Refused."""
        return self.content(name, limit=limit).decode("utf-8", errors="replace")

    def regular(self, name: str, *, limit: int = TEXT_BYTES) -> Path:
        """The path of a file of the folder, for those who read it by themselves. Raises Refused."""
        path = self.path / name
        try:
            os.close(descriptor_to(path, os.O_RDONLY, home=self.top, limit=limit))
        except OSError as error:
            raise _refusal(path, (error.strerror or str(error)).lower()) from None
        return path

    def origin(self) -> dict[str, Any]:
        """provenance.json, {} where there is none yet. Raises Refused where it is damaged."""
        return self.data(self.provenance, PROVENANCE, absent={})

    def results(self) -> dict[str, Any]:
        """result.json, {} where there is none yet. Raises Refused where it is damaged."""
        return self.data(self.result, RESULT, absent={})

    def data(
        self, path: Path, shape: Any, *, absent: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """A JSON file of this folder that has this shape. Raises Refused where it has not, and
        where there is none unless `absent` stands for it."""
        try:
            value = json_object(content(path, home=self.top))
        except FileNotFoundError:
            if absent is not None:
                return absent
            raise _refusal(path, "there is no such file") from None
        except OSError as error:
            raise _refusal(path, (error.strerror or str(error)).lower()) from None
        if value is None:
            raise _refusal(path, "it is no JSON object")
        if wrong := mismatch(value, shape):
            raise _refusal(path, f"what is at {wrong[:60]} is not what belongs there")
        return value


def _refusal(path: Path, why: str) -> Refused:
    return Refused(f"{path} is missing or damaged ({why}). Run the study again with --fresh")


def _locked(descriptor: int) -> bool:
    """Take a lock; who only looks whether it is free holds it for a moment, so try again."""
    for pause in (0.0, 0.02, 0.1):
        sleep(pause)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            continue
    return False


def require_free(study: Path, out: Path | None, command: Sequence[str]) -> None:
    """Raise Busy before anything is read where the folder that a command will use is in use.

    Without `out` that is known where the same command runs on the same bytes of a study that names
    no files; all else is found out when the study is read.
    """
    if out is not None:
        Folder(out).require_free()
        return
    try:
        text = study.read_bytes()
    except OSError:
        return
    if b"[data" in text or b"[ends" in text or "--fresh" in command:
        return
    for path in (Path("runs") / study.stem).glob("*-*"):
        folder = Folder(path)
        try:
            theirs = folder.origin().get("command")
            same = theirs is not None and theirs[1:] == list(command[1:])
            if same and folder.content("study.toml") != text:
                continue
        except Refused:
            continue  # a damaged folder is told where it is used
        if same:
            folder.require_free()


def _holder(folder: Path, descriptor: int) -> str:
    words = os.pread(descriptor, 300, 0).decode(errors="replace").split()
    who = f"process {words[0]} on {words[1]}" if len(words) == 2 else "another process"
    return f"{folder} is in use by {who}. Wait until it is done, or stop it, and run again"


def runs_under(place: Path) -> list[Folder]:
    """All runs in `place`, up to three levels down, in the order of their paths; a sweep is one
    run, and its points are further ones only where `place` is its own folder."""
    return [Folder(path) for path in sorted(_runs(place, DEPTH, own=True))]


def _runs(place: Path, depth: int, *, own: bool = False) -> Iterator[Path]:
    try:
        names = {one.name: one.is_dir(follow_symlinks=False) for one in os.scandir(place)}
    except OSError:
        return
    if Folder(place).is_run:
        yield place
        if own and names.get("points"):
            yield from _runs(place / "points", 1)
        if not own:
            return
    for name, folder in names.items() if depth else ():
        if folder and not (name == "points" and Folder(place).is_run):
            yield from _runs(place / name, depth - 1)


def folder_for(name: str, digest: str, *, out: Path | None, fresh: bool) -> Folder:
    """The folder for a run of the study with this hash.

    Without `out` it is `runs/NAME/COUNT-HASH`, the latest of this hash, or the next count where
    there is none or `fresh` asks for a new one. With `out` it is that folder, which must be empty,
    or hold a run of this very study (`check_owner`), or no file of a run's names.
    """
    if out is not None:
        return Folder(_moved_aside(out) if fresh else _usable(out))
    home = Path("runs") / name
    ids = [match for path in home.glob("*-*") if (match := ID.fullmatch(path.name))]
    same = [match for match in ids if match[2] == digest[:8]]
    if same and not fresh:
        return Folder(home / max(same, key=lambda match: int(match[1]))[0])
    count = 1 + max((int(match[1]) for match in ids), default=0)
    return Folder(home / f"{count:03d}-{digest[:8]}")


def _usable(out: Path) -> Path:
    if out.exists() and not out.is_dir():
        raise Refused(f"--out {out} is a file. Name a folder")
    if not Folder(out).is_run:
        taken = [name for name in OURS if (out / name).exists()]
        # A kill between the first two files leaves a study without its resolved form, and a lock.
        if taken and not (out / ".lock").exists():
            raise Refused(f"--out {out} holds {taken[0]}, which is not of a run. Name another one")
    return out


def _moved_aside(out: Path) -> Path:
    """`out`, after the run that it holds has moved to OUT.1, OUT.2, …"""
    older = Folder(_usable(out))
    if older.is_run:
        with older.lock():
            count = 1
            while (aside := out.with_name(f"{out.name}.{count}")).exists():
                count += 1
            try:
                out.rename(aside)
            except OSError as error:
                raise CannotWrite(aside, 0, error) from error
    return out


def check_owner(folder: Folder, digest: str, resolved: str) -> None:
    """Raise Refused, with the difference, where the folder holds a run of another study."""
    theirs = folder.origin().get("hash")
    if theirs in (None, digest):
        return
    lines = difference(folder.text("resolved.toml"), resolved)
    what = "\n".join(f"    {line}" for line in lines) or "    (a data file has changed)"
    raise Refused(
        f"{folder.path} holds a run of another study, and no run is ever overwritten.\n{what}\n"
        "Choose another --out, or add --fresh, which moves the older run aside"
    )


def difference(before: str, after: str, *, limit: int = 12) -> list[str]:
    """The changed lines of two resolved studies, each with its table: "- [integrator] dt = 0.1"."""
    old, new = _keyed(before), _keyed(after)
    lines: list[str] = []
    for key in [*old, *(key for key in new if key not in old)]:
        if old.get(key) != new.get(key):
            lines += [f"- {key}{old[key]}"] if key in old else []
            lines += [f"+ {key}{new[key]}"] if key in new else []
    return lines if len(lines) <= limit else [*lines[:limit], f"… and {len(lines) - limit} more"]


def _keyed(text: str) -> dict[str, str]:
    table, lines = "", {}
    for number, line in enumerate(text.splitlines()):
        stripped = line.strip()
        if stripped.startswith("["):
            table = f"{stripped} "
        elif stripped and not stripped.startswith("#"):
            key, equals, value = stripped.partition("=")
            label = f"{table}{key}=" if equals else f"{table}{number}: "
            lines[label] = value if equals else stripped
    return lines


def finished_run(path: Path) -> Folder:
    """The run that a path means: its folder, or the latest finished one below it."""
    folder = Folder(path)
    if folder.is_run:
        if folder.finished:
            return folder
        raise Refused(f"the run in {path} is not finished. Run its study again to go on with it")
    below = [run for run in runs_under(path) if run.finished]
    if not below:
        raise Refused(f"{path} is no run folder, and holds none that is finished")
    return max(below, key=lambda run: run.result.stat().st_mtime)
