"""XLA's compiled programs, kept in the user's cache folder from one start to the next.

JAX reads and writes them. This module chooses the folder, keeps it below `LIMIT`, and mends it: a
death in the middle of a write leaves a damaged entry, which JAX would complain about at each start
and never replace. No result depends on what is there.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import MutableMapping
from hashlib import sha256
from pathlib import Path

from actionrun.runtime.storage.fingerprint import cache_home
from actionrun.runtime.storage.versions import cpu_model, version_of

LIMIT = 1 << 30  # bytes of all versions together
EVERY = 3600.0  # seconds between two looks at their size
FOLDER = "JAX_COMPILATION_CACHE_DIR"
SWITCH = "JAX_ENABLE_COMPILATION_CACHE"
_said: list[str] = []
_watched: list[Path] = []


def use(environment: MutableMapping[str, str]) -> None:
    """Choose the folder, unless the user chose one or none, and watch over ours."""
    environment.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    home = cache_home(environment)
    folder = home / _key()
    inherited = environment.get(FOLDER) == str(folder)
    if not inherited and (FOLDER in environment or SWITCH in environment):
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trim(home)
    except OSError as error:
        environment[SWITCH] = "false"
        _warn(f"{folder} cannot be used ({error.strerror}); set XDG_CACHE_HOME to another folder")
    else:
        environment[FOLDER] = str(folder)
        watch(folder)


def trim(home: Path, limit: int = LIMIT, every: float = EVERY) -> None:
    """Remove the entries that were not used for the longest time, down to `limit` bytes.

    Looks at most each `every` seconds: with thousands of entries a look is a part of a short start.
    """
    stamp = home / "looked-at"
    if stamp.exists() and abs(time.time() - stamp.stat().st_mtime) < every:
        return
    stamp.touch()
    kept = 0
    entries = [(entry, entry.stat()) for entry in home.glob("*/*-cache")]
    newest_first = sorted(entries, key=lambda one: -max(one[1].st_atime, one[1].st_mtime))
    for entry, about in newest_first:
        kept += about.st_size
        if kept > limit:
            entry.unlink(missing_ok=True)


def watch(folder: Path) -> None:
    """Take JAX's complaints about its cache: mend what is damaged, tell of the rest once."""
    if folder in _watched:
        return
    _watched.append(folder)
    shown = warnings.showwarning

    def heard(message: Warning | str, category: type[Warning], *where, **more) -> None:
        said = str(message)
        if not said.startswith("Error") or "persistent compilation cache" not in said:
            shown(message, category, *where, **more)
        elif said.startswith("Error writing"):
            _warn(f"{folder} cannot be written ({said.rpartition(': ')[2]})")
        elif "FileNotFoundError" not in said:  # that is one which another process has just trimmed
            for entry in folder.glob("*-cache"):
                entry.unlink(missing_ok=True)
            _warn(f"{folder} had a damaged entry and is emptied")

    warnings.showwarning = heard


def _warn(text: str) -> None:
    if text not in _said:
        _said.append(text)
        print(f"actionrun: cache of compiled programs: {text}", file=sys.stderr, flush=True)


def _key() -> str:
    """Of what a compiled program depends on beside itself."""
    cpu = sha256(cpu_model().encode()).hexdigest()[:8]
    return f"{version_of('actionrun')}-{version_of('jax')}-{cpu}"
