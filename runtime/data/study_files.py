"""The files that a study names, and where they are kept with its run."""

from __future__ import annotations

from pathlib import Path

from actionrun.spec.kinds.experiment import DataTable
from actionrun.spec.kinds.registry import Study
from actionrun.spec.text.files import is_pattern


def _names_beside(table: DataTable) -> tuple[str, ...]:
    """Where data files are kept below the run folder; those of a pattern by their own names."""
    if len(table.paths) == len(table.names) and not any(map(is_pattern, table.names)):
        names = [_name_beside(str(name)) for name in table.names]
    else:
        names = [f"data/{path.name}" for path in table.paths]
    if len({*names}) < len(names):
        names = [f"data/{k + 1}_{Path(name).name}" for k, name in enumerate(names)]
    return tuple(names)


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
        names = _names_beside(table)
        files |= dict(zip(names, table.paths, strict=True))
        if names != table.names:
            home, key = map(str, table.where)
            moved = table.model_copy(update={key: names if key == "files" else names[0]})
            study = study.model_copy(update={home: moved})
    if structures is not None:
        files |= {name: structures.paths[key] for key, name in structures.names.items()}
    return study, files
