"""A measured motion: the CSV file of [data], in the study's units, its faults located.

Lines that begin with # are comments, the first other line is the header, fields are separated by
commas (semicolons or tabs where the header has no comma). An empty cell and `nan` are a missing
sample.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from actionrun.spec.text.source import Fault, Faults, nearest, quoted

from .csv_table import Table, table_of
from .structures import ends

if TYPE_CHECKING:
    from actionrun.spec import Study
    from actionrun.spec.tables.common import Columns
    from actionrun.spec.tables.leaves import Column
    from actionrun.spec.units.quantities import Units

MOST_BYTES = 100 * 2**20

Observations = dict[str, np.ndarray]


def observations(study: Study) -> Observations | None:
    """The columns of [data] by what they hold, (N,) or (N, dimension), NaN where missing; None for
    a study without data. `trial` is whole numbers. For a table of a pnn study `#label` (N,) names
    the rows, `#line` (N,) is where they stand in the file. Of a path, the structures that its
    [ends] name. Raises Faults."""
    if getattr(study, "ends", None) is not None:
        require(study)
        return ends(study)  # type: ignore[arg-type]
    data = getattr(study, "data", None)
    if data is None or data.file is None:
        return None
    require(study)
    table = table_of(data.path)
    _find_columns(study, data.columns, table)
    static = study.study == "pnn" and not study.system.coordinates
    found: Observations = {}
    for key, columns in data.columns.items():
        several = columns if isinstance(columns, tuple) else (columns,)
        # In a table t and trial are columns like others.
        parts = [table.numbers(column.name, "" if static else key) for column in several]
        # Whatever cannot be read is NaN here, and a fault below.
        scaled = [
            part * scale_of(study.units, column)
            for part, column in zip(parts, several, strict=True)
        ]
        found[key] = np.stack(scaled, axis=1) if isinstance(columns, tuple) else scaled[0]
    table.check_rows()
    if static:
        found |= {"#label": table.labels(), "#line": np.array(table.places, dtype=np.int64)}
    elif "t" in data.columns:
        table.check_times(found, data.columns["t"].name)
    if table.faults:
        raise Faults(table.faults)
    if "trial" in found and not static:
        found["trial"] = found["trial"].astype(np.int64)
    return found


def require(study: Study) -> None:
    """Raise Faults unless the study's files are there and of a size that can be read."""
    _require_ends(study)
    data = getattr(study, "data", None)
    if data is None or data.file is None:
        return
    path = Path(data.path)
    where = ("data", "file")
    if not path.is_file():
        hint = "put it there, or name another one with --data FILE"
        raise Faults([study.fault(where, None, "data.missing", f"there is no file {path}", hint)])
    if (count := path.stat().st_size) > MOST_BYTES:
        message = f"{path} has {count / 2**20:.0f} MB, and {MOST_BYTES // 2**20} MB can be read"
        raise Faults([study.fault(where, None, "data.size", message, "thin it out")])


def _require_ends(study: Study) -> None:
    ends = getattr(study, "ends", None)
    if ends is None:
        return
    for name in ("start", "end"):
        file = getattr(ends, name)
        if isinstance(file, str) and not ends.path(file).is_file():
            message = f"there is no file {ends.path(file)}"
            hint = "put it there: XYZ or extended XYZ"
            raise Faults([study.fault(("ends", name), None, "data.missing", message, hint)])


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
