"""What the words of a command name: a run."""

from __future__ import annotations

from pathlib import Path

from actionrun.runtime.errors import Refused
from actionrun.runtime.storage.run_folder import Folder, runs_under


def run_at(path: Path) -> Folder:
    """The run in a folder, or the latest finished one below it."""
    return folder if (folder := Folder(path)).is_run else finished_run(path)


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
