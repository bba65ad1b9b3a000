"""A CSV file as cells that know where they stand, so that what is wrong in one can be shown."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from actionrun.spec.tables.leaves import heading
from actionrun.spec.text.source import Fault, Faults

MOST_FAULTS = 20
MISSING = ("", "nan")


@dataclass
class Table:
    """A CSV file in memory: cells as text, with the line that each row is on."""

    path: Path
    lines: list[str]
    delimiter: str
    head: int  # line number of the header
    header: list[str]  # names, without the units that may follow them in brackets
    units: list[str]  # those units, "" where there is none
    rows: list[list[str]] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def numbers(self, name: str, key: str) -> np.ndarray:
        """A column as floats, (N,); cells that are no numbers become NaN and faults."""
        index = self.header.index(name)
        values = np.full(len(self.rows), np.nan)
        for row, cells in enumerate(self.rows):
            text = cells[index].strip() if index < len(cells) else ""
            if text.lower() in MISSING:
                if key in ("t", "trial"):
                    hint = "times and trials must all be there; samples may be left empty"
                    self._fault(row, index, "data.missing-cell", f"no {name} in this row", hint)
                continue
            values[row] = self._number(text, row, index, whole=key == "trial")
        return values

    def labels(self) -> np.ndarray:
        """A name of each row, (N,) text: the first column in which no cell is a number and all are
        different, such as chemical symbols; else "row 1", "row 2", ..."""
        for index in range(len(self.header)):
            cells = [row[index].strip()[:40] if index < len(row) else "" for row in self.rows]
            if len(set(cells)) == len(cells) and not any(map(_missing_or_number, cells)):
                return np.array(cells, dtype=str)
        return np.array([f"row {number}" for number in range(1, len(self.rows) + 1)], dtype=str)

    def _number(self, text: str, row: int, index: int, *, whole: bool) -> float:
        try:
            value = float(text)
        except ValueError:
            hint = "write a number, or leave the cell empty where the sample is missing"
            if "," in text:
                hint = "write decimals with a point"
            self._fault(row, index, "data.number", f'"{text[:40]}" is not a number', hint)
            return np.nan
        if not np.isfinite(value):
            self._fault(row, index, "data.finite", f'"{text[:40]}" is not finite',
                        "leave the cell empty where the sample is missing")  # fmt: skip
        elif whole and value != int(value):
            self._fault(row, index, "data.trial", f'"{text[:40]}" is not a whole number',
                        "number the trials 1, 2, 3, …")  # fmt: skip
        return value

    def check_rows(self) -> None:
        """There must be samples."""
        if not self.rows:
            self._add(
                Fault(
                    "data.empty", "no row below the header", str(self.path), self.head, 1,
                    line_text=self.lines[self.head - 1], hint="bring a file with the measured rows",
                )
            )  # fmt: skip

    def check_times(self, columns: dict[str, np.ndarray], column: str) -> None:
        """Time must grow within each trial."""
        times = columns.get("t")
        if times is None or self.faults:
            return
        trials = columns.get("trial", np.zeros(len(times)))
        index = self.header.index(column)
        last: dict[float, float] = {}
        for row, (time, trial) in enumerate(zip(times.tolist(), trials.tolist(), strict=True)):
            if time <= last.get(trial, -np.inf):
                hint = "sort the rows by time" + (
                    "" if "trial" in columns else '; if a new motion begins, add a column "trial"'
                )
                self._fault(row, index, "data.time", "time does not grow in this row", hint)
            last[trial] = time

    def _fault(self, row: int, index: int, code: str, message: str, hint: str) -> None:
        if len(self.faults) >= MOST_FAULTS:
            return
        line = self.places[row]
        text = self.lines[line - 1]
        start, stop = cell_span(text, index, self.delimiter)
        self._add(
            Fault(
                code, message, str(self.path), line, start + 1, max(1, stop - start),
                key=f"data.columns.{self.header[index]}", line_text=text, hint=hint,
            )
        )  # fmt: skip

    def _add(self, fault: Fault) -> None:
        self.faults.append(fault)


def _missing_or_number(text: str) -> bool:
    try:
        float(text or "nan")
    except ValueError:
        return False
    return True


def table_of(path: Path) -> Table:
    """The file as cells. Raises Faults where it has no header or is no text."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        message = f"this is no UTF-8 text (byte {error.start})"
        raise Faults([Fault("data.text", message, str(path), hint="save it as UTF-8")]) from None
    except OSError as error:
        reason = (error.strerror or "unknown").lower()
        raise Faults([Fault("data.read", f"cannot be read: {reason}", str(path))]) from None
    kept = list(_kept(lines))
    if not kept:
        raise Faults([Fault("data.empty", "the file has no header and no rows", str(path))])
    head, first = kept[0]
    delimiter = next((mark for mark in ",;\t" if mark in first), ",")
    names = [heading(cell) for cell in _cells(path, head, first, delimiter)]
    units = [(unit or "").strip() for _, unit, _ in names]
    table = Table(path, lines, delimiter, head, [name for name, _, _ in names], units)
    for number, line in kept[1:]:
        table.places.append(number)
        table.rows.append(_cells(path, number, line, delimiter))
        if len(table.rows[-1]) > len(table.header):
            table._fault(
                len(table.rows) - 1, len(table.header) - 1, "data.row",
                f"{len(table.rows[-1])} cells where the header has {len(table.header)}",
                "remove the surplus, or quote cells that hold the separator",
            )  # fmt: skip
    return table


def _kept(lines: list[str]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, line


def _cells(path: Path, number: int, line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error as error:
        fault = Fault("data.row", f"cannot be read: {error}", str(path), number, 1, line_text=line)
        raise Faults([fault]) from None


def cell_span(line: str, index: int, delimiter: str) -> tuple[int, int]:
    """Where the cell of this index stands in its line, half open, without surrounding blanks."""
    start = position = seen = 0
    inside = False
    for position, char in enumerate(line + delimiter):
        if char == '"':
            inside = not inside
        elif char == delimiter and (not inside or position == len(line)):
            if seen == index:
                break
            seen, start = seen + 1, position + 1
    text = line[start:position]
    lead = len(text) - len(text.lstrip())
    return (start + lead, start + len(text.rstrip())) if text.strip() else (start, start)
