"""What a run folder holds before the run begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from actionrun.runtime.storage.atomic_write import json_text, write
from actionrun.runtime.storage.provenance import initial_provenance, now
from actionrun.runtime.storage.run_folder import Folder
from actionrun.spec.text.files import is_file

from .job import Job


def begin_folder(job: Job, folder: Folder, command: tuple[str, ...]) -> dict[str, Any]:
    """Write what is known before the run, the mark of a run folder last; its provenance."""
    provenance = folder.read_json(folder.provenance)
    if folder.is_run and provenance:
        return provenance | {"sessions": [*provenance.get("sessions", []), now()]}
    provenance = initial_provenance(job.hash, job.kind, job.title, job.seed, command)
    write(folder / "study.toml", job.text)
    for name, path in job.files.items():
        _copy(folder, name, path)
    write(folder.provenance, json_text(provenance))
    write(folder / "resolved.toml", job.resolved)
    return provenance


def _copy(folder: Folder, name: str, path: Path) -> None:
    """Keep a data file with the run, where resolved.toml finds it again."""
    place = folder.path / name
    inside = place.resolve().is_relative_to(folder.path.resolve())
    if inside and is_file(path) and not place.exists():
        write(place, path.read_bytes())
