"""What a run folder holds before the run begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from actionrun.runtime.storage.atomic_write import json_text
from actionrun.runtime.storage.provenance import initial_provenance, now
from actionrun.runtime.storage.regular_files import is_regular
from actionrun.runtime.storage.run_folder import Folder
from actionrun.spec.text.files import is_file, outside

from .job import Job


def begin_folder(job: Job, folder: Folder, command: tuple[str, ...]) -> dict[str, Any]:
    """Write what is known before the run, the mark of a run folder last; its provenance."""
    provenance = folder.origin()
    if folder.is_run and provenance:
        return provenance | {"sessions": [*provenance.get("sessions", []), now()]}
    provenance = initial_provenance(job.hash, job.kind, job.title, job.seed, command)
    folder.write("study.toml", job.text)
    for name, path in job.files.items():
        _copy(folder, name, path)
    folder.write("provenance.json", json_text(provenance))
    folder.write("resolved.toml", job.resolved)
    return provenance


def _copy(folder: Folder, name: str, path: Path) -> None:
    """Keep a data file with the run, where resolved.toml finds it again."""
    inside = not outside(folder.path, name)
    if inside and is_file(path) and not is_regular(folder / name, home=folder.top):
        folder.write(name, path.read_bytes())
