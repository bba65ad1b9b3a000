"""What the words of a command name: a run."""

from __future__ import annotations

from pathlib import Path

from actionrun.runtime.storage.run_folder import Folder, finished_run


def run_at(path: Path) -> Folder:
    """The run in a folder, or the latest finished one below it."""
    return folder if (folder := Folder(path)).is_run else finished_run(path)
