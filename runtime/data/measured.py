"""The columns of a study's data file, in its units: times that grow, trials, faults located.

Pure Python over `csv_table`, so that `check` reads a small file without NumPy.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from actionrun.spec.expressions.errors import ExpressionFault
from actionrun.spec.kinds.experiment import DataTable
from actionrun.spec.kinds.registry import Study
from actionrun.spec.sampling import rows_later
from actionrun.spec.tables.data import Columns
from actionrun.spec.tables.leaves import Column
from actionrun.spec.text.files import is_file
from actionrun.spec.text.source import Fault, Faults
from actionrun.spec.units.quantities import Units, unit

from .csv_table import Numbers, Table, table_of
from .dialect import WORDS, Asked
from .wrapping import wrapped_rows

MOST_BYTES = 400 * 2**20
WORKBOOKS = (".xlsx", ".xlsm")


@dataclass
class MeasuredColumns:
    """What a data file holds: `columns` (components, each (N,)) by their keys; those in `vectors`
    have components. `lines` (N,) are where rows stand, `labels` (N,) what they are called."""

    columns: dict[str, tuple[Numbers, ...]] = field(default_factory=dict)
    vectors: set[str] = field(default_factory=set)
    lines: Sequence[int] = ()
    labels: Sequence[str] = ()
    by_trial: bool = True

    @property
    def count(self) -> int:
        return len(next(iter(self.columns.values()))[0])

    def complete(self, names: Sequence[str]) -> list[int]:
        """`sample_context.Rows.complete`."""
        counts: dict[float, int] = dict.fromkeys(sorted(set(self._trial)), 0)
        for trial, whole in zip(self._trial, self._whole(names), strict=True):
            counts[trial] += whole
        return [*counts.values()]

    def samples(self, names: Sequence[str]) -> list[int]:
        """`sample_context.Rows.samples`."""
        counts: dict[float, int] = dict.fromkeys(sorted(set(self._trial)), 0)
        for part in (part for name in names for part in self.columns[name]):
            for trial, value in zip(self._trial, part.tolist(), strict=True):
                counts[trial] += value == value
        return [*counts.values()]

    def wrapped(self, name: str, period: float) -> list[int]:
        """`sample_context.Rows.wrapped`."""
        # as plain numbers: each of an array of NumPy is made when it is looked at
        rows = wrapped_rows(self.columns[name][0].tolist(), self._trial, period)
        return [self.lines[row] for row in rows]

    def pairs(self, names: Sequence[str], dt: float) -> int:
        """`sample_context.Rows.pairs`."""
        whole = [*self._whole(names)]
        later = rows_later(self.columns["t"][0], self._trial, dt)
        return sum(row >= 0 and whole[k] and whole[row] for k, row in enumerate(later))

    @property
    def _trial(self) -> Sequence[float]:
        if self.by_trial and "trial" in self.columns:
            return self.columns["trial"][0]
        return [0.0] * self.count

    def _whole(self, names: Sequence[str]) -> Iterable[bool]:
        parts = [part for name in names for part in self.columns[name]]
        return (not any(map(math.isnan, row)) for row in zip(*parts, strict=True))


def require(study: Study) -> None:
    """Raise Faults unless the study's files are there and of a size that can be read."""
    files = study.structure_files
    for name, path in files.paths.items() if files else ():
        if not is_file(path):
            hint = "put it there: XYZ or extended XYZ"
            message = f"there is no file {path}"
            raise Faults([study.fault(("ends", name), None, "data.missing", message, hint)])
    table = study.data_table
    if table is None:
        return
    if not table.paths:
        message = f"there is no file {table.names[0]}"
        raise Faults([study.fault(table.where, None, "data.missing", message, "put it there")])
    for path in table.paths:
        if not is_file(path):
            hint = "put it there, or name another one with --data FILE"
            message = f"there is no file {path}"
            raise Faults([study.fault(table.where, None, "data.missing", message, hint)])
        if (count := path.stat().st_size) > MOST_BYTES:
            message = f"{path} has {count / 2**20:.0f} MB, and {MOST_BYTES // 2**20} MB can be read"
            raise Faults([study.fault(table.where, None, "data.size", message, "thin it out")])


def open_table(named: DataTable, path: Path) -> Table:
    """A data file, as [data] says that it is written. Raises Faults."""
    delimiter = None if named.delimiter is None else WORDS.get(named.delimiter, named.delimiter)
    asked = Asked(delimiter, named.decimal, named.header, named.rate is not None)
    return table_at(path, asked, named.encoding, named.sheet)


def table_at(
    path: Path, asked: Asked, encoding: str | None = None, sheet: str | None = None
) -> Table:
    """A file of text or a sheet of a workbook. Raises Faults."""
    if path.suffix.lower() in WORKBOOKS:
        from .workbook import workbook_table  # at start-up: openpyxl, for workbooks alone

        return workbook_table(path, asked, sheet)
    return table_of(path, asked, encoding)


def measured_columns(study: Study, named: DataTable) -> MeasuredColumns:
    """The columns that a study names, of all its files, each of which is a trial or more. Raises
    Faults."""
    parts = [_file_columns(study, named, path) for path in named.paths]
    whole = parts[0] if len(parts) == 1 else _joined(parts)
    if not study.is_table:
        _give_constants(study, named, whole, len(parts))
    return whole


def _file_columns(study: Study, named: DataTable, path: Path) -> MeasuredColumns:
    table = open_table(named, path)
    driven = {**getattr(named, "inputs", {}), **getattr(named, "constants", {})}
    seen = {key: one.column for key, one in getattr(named, "observables", {}).items()}
    wanted = {**named.columns, **seen, **{k: c for k, c in driven.items() if isinstance(c, Column)}}
    places = _places(study, wanted, table)
    table.check_rows()
    table.require_sound()
    read = MeasuredColumns(lines=table.places, by_trial=not study.is_table)
    for key, columns in wanted.items():
        several = columns if isinstance(columns, tuple) else (columns,)
        # In a table t and trial are columns like others.
        as_key = "" if study.is_table else key
        read.columns[key] = tuple(
            base_numbers(study.units, table, places[one], one, as_key) for one in several
        )
        if isinstance(columns, tuple):
            read.vectors.add(key)
    table.require_sound()
    if study.is_table:
        read.labels = table.labels()
        return read
    if named.rate is not None:
        read.columns["t"] = (_frames(read, study.number(named.rate)),)
    if "t" in read.columns:
        column = places[named.columns["t"]] if "t" in named.columns else 0
        check_times(table, read, column, named.duplicates == "first")
    _check_driven(
        table, read, {key: places[c] for key, c in wanted.items() if key in driven}, named
    )
    return read


def _joined(parts: list[MeasuredColumns]) -> MeasuredColumns:
    """Files one after the other, their trials numbered through."""
    whole = MeasuredColumns(by_trial=parts[0].by_trial, vectors=parts[0].vectors)
    whole.lines = [line for part in parts for line in part.lines]
    whole.labels = [label for part in parts for label in part.labels]
    count = 0
    if whole.by_trial:
        for part in parts:
            given = part._trial
            number = {trial: count + k + 1 for k, trial in enumerate(dict.fromkeys(given))}
            part.columns["trial"] = (array("d", (number[trial] for trial in given)),)
            count += len(number)
    for key, of in parts[0].columns.items():
        whole.columns[key] = tuple(
            array("d", (v for part in parts for v in part.columns[key][k])) for k in range(len(of))
        )
    return whole


def _check_driven(
    table: Table, read: MeasuredColumns, places: Mapping[str, int], named: DataTable
) -> None:
    """Inputs are known at the ends of a trial, numbers by trial are one in each. Raises Faults."""
    if not places:
        return
    rows: dict[float, list[int]] = {}
    for row, trial in enumerate(read._trial):
        rows.setdefault(trial, []).append(row)
    lines = {line: row for row, line in enumerate(table.places)}
    for key, index in places.items():
        values = read.columns[key][0]

        def blame(row: int, code: str, message: str, hint: str, index: int = index) -> None:
            table.add(lines[read.lines[row]], index, code, message, hint)

        for of in rows.values():
            there = [row for row in of if not math.isnan(values[row])]
            if key in getattr(named, "inputs", {}):
                for row in {of[0], of[-1]} - {*there}:
                    blame(row, "data.input", f"the input {key} is missing at an end of the motion",
                          "an input is known in the first and in the last row of a trial",
                          )  # fmt: skip
                continue
            if not there:
                blame(of[0], "data.constant", f"{key} is missing in this trial",
                      "write it in one row of it at least")  # fmt: skip
                continue
            other = next((row for row in there if values[row] != values[there[0]]), None)
            if other is not None:
                first = read.lines[there[0]]
                blame(other, "data.constant", f"{key} differs from line {first} of its trial",
                      "a number that changes in time is an input: name it in inputs")  # fmt: skip
                continue
            for row in of:
                values[row] = values[there[0]]
    table.require_sound()


def _give_constants(study: Study, named: DataTable, read: MeasuredColumns, files: int) -> None:
    """Numbers by trial that the study lists: one a trial, or one a file. Raises Faults."""
    trials = [*dict.fromkeys(read._trial)]
    for name, given in getattr(named, "constants", {}).items():
        if isinstance(given, Column):
            continue
        if len(given) != len(trials):
            what = "files" if files > 1 else "trials"
            raise Faults([study.fault(
                ("data", "constants", name), None, "data.constant",
                f"{len(given)} numbers for {len(trials)} trials",
                f"write {len(trials)}, in the order of the {what}",
            )])  # fmt: skip
        number = {t: study.number(value) for t, value in zip(trials, given, strict=True)}
        read.columns[name] = (array("d", (number[trial] for trial in read._trial)),)


def base_numbers(units: Units, table: Table, index: int, column: Column, key: str) -> Numbers:
    """A column of the file in base units; what is no number becomes NaN, and a fault of the table.
    Stamps of time count from the first."""
    if key == "t" and table.are_stamps(index):
        second = 1.0 if units.reduced else scale_of(units, Column(column.name, unit("s")))
        return _scaled(table.seconds(index), second)
    shift = 0.0 if column.unit is None else float(column.unit.shift)
    return _scaled(_shifted(table.numbers(index, key), shift), scale_of(units, column))


def _shifted(values: Numbers, shift: float) -> Numbers:
    if shift == 0:
        return values
    return array("d", (v + shift for v in values)) if isinstance(values, array) else values + shift


def _scaled(values: Numbers, factor: float) -> Numbers:
    if factor == 1:
        return values
    return (
        array("d", (v * factor for v in values)) if isinstance(values, array) else values * factor
    )


def _frames(read: MeasuredColumns, rate: float) -> array[float]:
    """Times of rows that follow each other at a rate, from 0 in each trial."""
    seen: dict[float, int] = {}
    times: array[float] = array("d")
    for trial in read._trial:
        times.append(seen.get(trial, 0) / rate)
        seen[trial] = seen.get(trial, 0) + 1
    return times


def check_times(table: Table, read: MeasuredColumns, index: int, first: bool) -> None:
    """Time grows within each trial; `first`: of rows at one time the first is kept. Raises
    Faults."""
    times: Any = read.columns["t"][0]
    trials = read.columns["trial"][0] if "trial" in read.columns else None
    if trials is None and _grows(times):
        return
    last: dict[float, int] = {}
    dropped: list[int] = []
    for row, time in enumerate(times):
        trial = 0.0 if trials is None else trials[row]
        before = last.get(trial)
        if before is not None and not time > times[before]:
            if time == times[before] and first:
                dropped.append(row)
                continue
            _blame_time(table, row, before, index, time == times[before], trials is not None)
        last[trial] = row
    table.require_sound()
    if dropped:
        gone = {*dropped}
        kept = [row for row in range(len(times)) if row not in gone]
        read.lines = [read.lines[row] for row in kept]
        for key, parts in read.columns.items():
            read.columns[key] = tuple(array("d", (part[row] for row in kept)) for part in parts)


def _grows(times: Any) -> bool:
    if isinstance(times, array):
        return all(a < b for a, b in pairwise(times))
    return bool((times[1:] > times[:-1]).all())


def _blame_time(
    table: Table, row: int, before: int, index: int, same: bool, by_trial: bool
) -> None:
    now, then = table.cell(row, index)[:40], table.cell(before, index)[:40]
    line = table.places[before]
    if same:
        table.add(row, index, "data.time", f"the time {now} again, as in line {line}",
                  'write duplicates = "first" in [data] to keep the first of such rows, '
                  "or correct the times")  # fmt: skip
        return
    hint = "sort the rows by time"
    if not by_trial:
        hint += '; if a new motion begins, add a column "trial"'
    table.add(row, index, "data.time", f"time falls from {then} in line {line} to {now}", hint)


def _places(study: Study, wanted: Columns, table: Table) -> dict[Column, int]:
    """Where the columns of a study stand. Raises Faults, in the study, for those that the file does
    not have or has twice, and for units that its header contradicts."""
    faults: list[Fault] = []
    places: dict[Column, int] = {}
    for columns in wanted.values():
        for column in columns if isinstance(columns, tuple) else (columns,):
            index = table.index(column)
            if isinstance(index, tuple):
                faults.append(study.fault(column.path, None, *index))
                continue
            places[column] = index
            theirs = table.units[index] if index < len(table.units) else ""
            if column.unit is not None and _contradicts(theirs, column):
                name = table.names[index]
                message = f'the header of {table.path} gives "{name}" in {theirs}'
                hint = f"write {name} [{theirs}], or change the header"
                faults.append(study.fault(column.path, None, "data.unit", message, hint))
    if faults:
        raise Faults(faults)
    return places


def _contradicts(theirs: str, column: Column) -> bool:
    """Whether a header's unit is another than the study's."""
    ours = column.unit
    if ours is None or theirs in ("", ours.text):
        return False
    try:
        one = unit(theirs)
    except ExpressionFault:
        return True
    return (one.factor, one.dimension) != (ours.factor, ours.dimension)


def scale_of(units: Units, column: Column) -> float:
    """What turns the column's numbers into these base units."""
    if column.unit is None:
        return 1.0
    scale = column.unit.factor / units.scale(column.unit.dimension)
    return float(scale) if not isinstance(scale, Fraction) else scale.numerator / scale.denominator
