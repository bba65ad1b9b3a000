"""What a study's files hold, in its units: columns of a CSV file or structures; faults located.

Lines that begin with # are comments, the first other line is the header, fields are separated by
commas (semicolons or tabs where the header has no comma). An empty cell and `nan` are a missing
sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from actionrun.spec.kinds.experiment import DataTable
from actionrun.spec.kinds.registry import KINDS, Study
from actionrun.spec.tables.common import Columns
from actionrun.spec.tables.leaves import Column
from actionrun.spec.text.files import is_file
from actionrun.spec.text.source import Fault, Faults, nearest, quoted
from actionrun.spec.units.quantities import Units
from actionrun.spec.validation.sample_context import EndStructure, SampleContext

from .csv_table import Table, table_of
from .structures import ends

MOST_BYTES = 100 * 2**20

Observations = dict[str, np.ndarray]


def observations(study: Study) -> Observations | None:
    """What a study's files hold, as `read_files`. Raises Faults, also where that is too little for
    a study of this kind, or no structures of this study."""
    columns = read_files(study)
    if columns is None:
        return None
    context = SampleContext(study)
    if study.structure_files is not None:
        context.ends = _end_structures(columns)
    else:
        context.rows = MeasuredRows(columns, by_trial=not study.is_table)
    KINDS[study.study].apply("check_samples", context)
    if context.faults:
        raise Faults(context.faults)
    return columns


def read_files(study: Study) -> Observations | None:
    """The columns of [data] by what they hold, (N,) or (N, dimension), NaN where missing; None for
    a study without data. `trial` is whole numbers. For a table that is no motion `#label` (N,)
    names the rows, `#line` (N,) is where they stand in the file. Of a path, the structures that
    its [ends] name. Raises Faults."""
    require(study)
    if study.structure_files is not None:
        return ends(study, study.structure_files)
    return None if study.data_table is None else _columns(study, study.data_table)


def file_faults(study: Study) -> list[Fault]:
    """What is wrong with the files that a study names; nothing where one is not there yet."""
    files, table = study.structure_files, study.data_table
    paths = [*files.paths.values()] if files else []
    paths += [table.path] if table else []
    if not all(is_file(path) for path in paths):
        return []
    try:
        observations(study)
    except Faults as faults:
        return [*faults.faults]
    return []


@dataclass(frozen=True)
class MeasuredRows:
    """Counts of the rows of a data file (`sample_context.Rows`)."""

    columns: Observations
    by_trial: bool

    @property
    def count(self) -> int:
        return len(next(iter(self.columns.values())))

    def complete(self, names: Sequence[str]) -> list[int]:
        whole, trial = self._whole(names), self._trial
        return [int(whole[trial == one].sum()) for one in np.unique(trial)]

    def pairs(self, names: Sequence[str], dt: float) -> int:
        whole, trial = self._whole(names), self._trial
        follows = (trial[1:] == trial[:-1]) & (np.abs(np.diff(self.columns["t"]) / dt - 1) < 1e-6)
        return int((follows & whole[1:] & whole[:-1]).sum())

    @property
    def _trial(self) -> np.ndarray:
        none = np.zeros(self.count, dtype=int)
        return self.columns.get("trial", none) if self.by_trial else none

    def _whole(self, names: Sequence[str]) -> np.ndarray:
        parts = [self.columns[name].reshape(self.count, -1) for name in names]
        return np.all(np.isfinite(np.concatenate(parts, axis=1)), axis=1)


def _end_structures(columns: Observations) -> dict[str, EndStructure]:
    return {
        name: EndStructure(
            tuple(map(str, columns[f"{name}_species"])),
            float(columns[f"{name}_cell"]) if f"{name}_cell" in columns else None,
            f"{name}_velocities" in columns,
        )
        for name in ("start", "end")
    }


def _columns(study: Study, named: DataTable) -> Observations:
    """The columns that a study names. Raises Faults."""
    table = table_of(named.path)
    _find_columns(study, named.columns, table)
    read: Observations = {}
    for key, columns in named.columns.items():
        several = columns if isinstance(columns, tuple) else (columns,)
        # In a table t and trial are columns like others.
        parts = [table.numbers(one.name, "" if study.is_table else key) for one in several]
        # Whatever cannot be read is NaN here, and a fault below.
        scaled = [
            part * scale_of(study.units, one) for part, one in zip(parts, several, strict=True)
        ]
        read[key] = np.stack(scaled, axis=1) if isinstance(columns, tuple) else scaled[0]
    table.check_rows()
    if study.is_table:
        read |= {"#label": table.labels(), "#line": np.array(table.places, dtype=np.int64)}
    elif "t" in named.columns:
        table.check_times(read, named.columns["t"].name)
    if table.faults:
        raise Faults(table.faults)
    if "trial" in read and not study.is_table:
        read["trial"] = read["trial"].astype(np.int64)
    return read


def require(study: Study) -> None:
    """Raise Faults unless the study's files are there and of a size that can be read."""
    files = study.structure_files
    for name, path in files.paths.items() if files else ():
        if not is_file(path):
            hint = "put it there: XYZ or extended XYZ"
            message = f"there is no file {path}"
            raise Faults([study.fault(("ends", name), None, "data.missing", message, hint)])
    if study.data_table is None:
        return
    path, where = study.data_table.path, ("data", "file")
    if not is_file(path):
        hint = "put it there, or name another one with --data FILE"
        raise Faults([study.fault(where, None, "data.missing", f"there is no file {path}", hint)])
    if (count := path.stat().st_size) > MOST_BYTES:
        message = f"{path} has {count / 2**20:.0f} MB, and {MOST_BYTES // 2**20} MB can be read"
        raise Faults([study.fault(where, None, "data.size", message, "thin it out")])


def _find_columns(study: Study, wanted: Columns, table: Table) -> None:
    """Raise Faults, in the study, for columns that the file does not have or has twice."""
    faults = []
    for columns in wanted.values():
        for column in columns if isinstance(columns, tuple) else (columns,):
            count = table.header.count(column.name)
            if count != 1:
                faults.append(_column_fault(study, column, table, count))
                continue
            theirs = table.units[table.header.index(column.name)]
            ours = column.unit.text if column.unit else ""
            if ours and theirs not in ("", ours):
                message = f'the header of {table.path} gives "{column.name}" in {theirs}'
                hint = f"write {column.name} [{theirs}], or change the header"
                faults.append(study.fault(column.path, None, "data.unit", message, hint))
    if faults:
        raise Faults(faults)


def _column_fault(study: Study, column: Column, table: Table, count: int) -> Fault:
    where = column.path
    if count:
        message = f'{table.path} has {count} columns "{column.name}"'
        return study.fault(where, None, "data.column-twice", message, "rename one in its header")
    near = nearest(column.name, table.header)
    hint = f'did you mean "{near}"? ' if near else ""
    hint += f"the file has {quoted(table.header[:20], 'and')}"
    message = f'{table.path} has no column "{column.name}"'
    return study.fault(where, None, "data.column", message, hint)


def scale_of(units: Units, column: Column) -> float:
    """What turns the column's numbers into these base units."""
    if column.unit is None:
        return 1.0
    scale = column.unit.factor / units.scale(column.unit.dimension)
    return float(scale) if not isinstance(scale, Fraction) else scale.numerator / scale.denominator
