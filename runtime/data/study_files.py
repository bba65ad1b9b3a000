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
    table, structures = study.data_table, study.structure_files
    files: dict[str, Path] = {}
    if table is not None:
        name = _name_beside(str(table.file))
        files[name] = table.path
        if name != table.file:
            moved = table.model_copy(update={"file": name})
            study = study.model_copy(update={"data": moved})
    if structures is not None:
        files |= {name: structures.paths[key] for key, name in structures.names.items()}
    return study, files
