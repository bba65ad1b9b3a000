"""Where a result comes from: versions, machine, command, time."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from datetime import UTC, datetime

from actionrun.runtime.environment.jax_setup import foreign_setup

from .fingerprint import fingerprint
from .versions import cpu_model, version_of

LIBRARIES = ("jax", "jaxlib", "equinox", "optax", "sympy", "numpy", "pydantic")


def stamp(study_hash: str) -> dict[str, str]:
    """What a checkpoint and the run that goes on with it must agree in."""
    own = {"study": study_hash, "actionrun": version_of("actionrun"), "code": fingerprint()}
    versions = {name: version_of(name) for name in ("jax", "jaxlib", "numpy")}
    threads = foreign_setup() or os.environ.get("NPROC", "1")
    return own | versions | {"threads of XLA": threads}


def other_version(theirs: Mapping[str, object]) -> str:
    """What differs between this process and a run of this provenance, as a note; "" for nothing.

    Its network is the same all the same: structure and shapes are checked where it is read.
    """
    versions = theirs.get("versions")
    then = {**theirs, **(versions if isinstance(versions, Mapping) else {})}
    now = {key: value for key, value in stamp("").items() if key in then and key != "study"}
    changes = [f"{key} {then[key]} then, {now[key]} now" for key in now if then[key] != now[key]]
    return f"this run was made by another version: {'; '.join(changes)}" if changes else ""


def initial_provenance(
    hash_: str, kind: str, title: str, seed: int, command: tuple[str, ...]
) -> dict:
    """What is known before a run begins."""
    return {
        "format": 1,
        "study": kind,
        "title": title,
        "status": "unfinished",
        "hash": hash_,
        "seed": seed,
        "command": list(command),
        "started": now(),
        "finished": None,
        "seconds": None,
        "cpu_seconds": None,
        "device": None,
        "platform": platform.platform(),
        "processor": cpu_model(),
        "processors": os.cpu_count(),
        "python": sys.version.split()[0],
        "actionrun": version_of("actionrun"),
        "code": fingerprint(),
        "versions": {name: version_of(name) for name in LIBRARIES},
        "switches": switches(os.environ),
    }


def switches(environment: Mapping[str, str]) -> dict[str, str]:
    """The settings from outside that can change a bit of a result."""
    names = ("JAX_ENABLE_X64", "JAX_PLATFORMS", "XLA_FLAGS", "NPROC")
    given = {name: environment[name] for name in names if name in environment}
    return given | ({"XLA": foreign} if (foreign := foreign_setup()) else {})


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
