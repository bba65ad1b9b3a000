"""The files that a study names, and where they are kept with its run."""

from __future__ import annotations

from pathlib import Path

from actionrun.spec.kinds.registry import Study


def _name_beside(file: str) -> str:
    """Where a data file is kept below the run folder: --data may name one from anywhere."""
    path = Path(file)
    return f"data/{path.name}" if path.is_absolute() or ".." in path.parts else file


def with_files_beside(study: Study) -> tuple[Study, dict[str, Path]]:
    """The study as it is in the run folder, so that the same files in another place are the same
    study; and where the files that it names are now, by their place below the run folder."""
    data, ends = getattr(study, "data", None), getattr(study, "ends", None)
    files: dict[str, Path] = {}
    if data is not None and data.file is not None:
        name = _name_beside(data.file)
        files[name] = data.path
        if name != data.file:
            study = study.model_copy(update={"data": data.model_copy(update={"file": name})})
    if ends is not None:
        named = [end for end in (ends.start, ends.end) if isinstance(end, str)]
        files |= {end: ends.path(end) for end in named}
    return study, files
