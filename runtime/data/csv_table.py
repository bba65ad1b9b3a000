"""A data file as columns of numbers whose cells know where they stand, so that what is wrong in one
can be shown.

Columns are `array("d")`, or arrays of NumPy where the file is large: who checks a small file need
not wait for NumPy.
"""

from __future__ import annotations

import csv
import gc
import math
import warnings
from array import array
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from actionrun.spec.tables.leaves import Column
from actionrun.spec.text.source import Fault, Faults, nearest, quoted

from .cells import INFINITE, is_missing, kind_of_cell, number_in, seconds_in
from .dialect import (
    TOKEN,
    Asked,
    Dialect,
    NoTextError,
    cells_of,
    decoded,
    dialect_of,
    header_cells,
    kept,
    lines_of,
    name_and_unit,
    uncommented,
)

MOST_FAULTS = 20  # of a file that are shown
MANY = 20_000  # lines from which NumPy reads the numbers
MOST_COLUMNS = 10_000

Numbers = Any  # array("d"), or an array (N,) of a large file


class Table:
    """A data file in memory. `names` are those of its header without the units that may follow
    them, `headings` the whole; `places` the line of each row."""

    def __init__(
        self, path: Path, lines: list[str], dialect: Dialect, empty_rows: bool = False,
        raw: bytes = b"",
    ):  # fmt: skip
        self.path, self.lines, self.dialect = path, lines, dialect
        self.empty_rows, self.raw = empty_rows, raw
        self.faults: list[Fault] = []
        self.unshown = 0
        delimiter = dialect.delimiter
        first = next(kept(lines, dialect.first), None)
        width = len(self._split(*first)) if first else 0
        headings = [""] * width
        if dialect.header:
            line = uncommented(lines[dialect.header - 1])
            headings = [cell.strip() for cell in header_cells(line, delimiter, width)]
        self.headings = headings[:MOST_COLUMNS]
        pairs = [name_and_unit(cell) for cell in self.headings]
        self.names, self.units = [name for name, _ in pairs], [unit for _, unit in pairs]
        if dialect.units:
            row = cells_of(lines[dialect.units - 1], delimiter)
            for index, cell in enumerate(row[: len(self.units)]):
                self.units[index] = self.units[index] or cell.strip().strip("[]()").strip()

    def _split(self, number: int, line: str) -> list[str]:
        try:
            return cells_of(line, self.dialect.delimiter)
        except csv.Error as error:
            fault = Fault("data.row", f"cannot be read: {error}", str(self.path), number, 1,
                          line_text=line[:4000])  # fmt: skip
            raise Faults([fault]) from None

    # -- rows ------------------------------------------------------------------------------------

    @cached_property
    def _rows(self) -> tuple[list[int], list[list[str]]]:
        """Lines and cells of the rows in which anything stands (or of all, in a film)."""
        places, rows, delimiter = [], [], self.dialect.delimiter
        collecting = gc.isenabled()
        gc.disable()  # millions of small lists and no circle among them
        for number, line in kept(self.lines, self.dialect.first):
            quick = delimiter != " " and '"' not in line
            cells = line.split(delimiter) if quick else self._split(number, line)
            if self.empty_rows or not is_missing(cells[0]) or not all(map(is_missing, cells)):
                places.append(number)
                rows.append(cells)
        if collecting:
            gc.enable()
        return places, rows

    @property
    def places(self) -> Sequence[int]:
        """The line of each row."""
        if self.block is not None:
            return range(self.dialect.first, self.dialect.first + len(self.block))
        return self._rows[0]

    def __len__(self) -> int:
        return len(self.places)

    def cell(self, row: int, index: int) -> str:
        """The text of a cell, "" where the row is too short."""
        cells = self._split(self.places[row], self.lines[self.places[row] - 1])
        return cells[index].strip() if index < len(cells) else ""

    @cached_property
    def block(self) -> Any:
        """All cells as an array (rows, columns), where the file is large and holds nothing but
        numbers; else None."""
        first, delimiter = self.dialect.first, self.dialect.delimiter
        count = len(self.lines) - first + 1
        plain = self.dialect.decimal == "." and delimiter != " " and self.raw.isascii()
        if count < MANY or not plain:
            return None
        import numpy as np  # for large files alone

        at = 0
        for _ in range(first - 1):
            at = self.raw.index(b"\n", at) + 1
        text = self.raw[at:].rstrip(b"\r\n").replace(b"\r\n", b"\n")
        if text.translate(None, b"0123456789+-.eE\n" + delimiter.encode()):
            return None  # something else than numbers
        raw = np.frombuffer(text, np.uint8)
        ends = raw == ord("\n")
        separators = ends | (raw == ord(delimiter))
        if separators[0] or separators[-1] or (separators[1:] & separators[:-1]).any():
            return None  # empty cells, or lines
        marks = np.flatnonzero(separators)
        width = int(np.argmax(ends[marks])) + 1
        if (marks.size + 1) != count * width or not ends[marks[width - 1 :: width]].all():
            return None
        if int(ends.sum()) != count - 1:
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                flat = np.fromstring(text.replace(delimiter.encode(), b" "), sep=" ")
            except (ValueError, DeprecationWarning):
                return None
        if flat.size != count * width or not np.isfinite(flat).all():
            return None
        return flat.reshape(count, width)

    # -- columns ---------------------------------------------------------------------------------

    def index(self, column: Column) -> int | tuple[str, str, str]:
        """The place of a column, from 0; else code, message and hint of what is wrong with it."""
        width = max(len(self.names), 1)
        if column.number is not None:
            if column.number <= width:
                return column.number - 1
            hint = f"columns are counted from 1: write a number up to {width}"
            return "data.column", f"{self.path} has {width} columns", hint
        given = column.heading or column.name
        for names in (self.headings, self.names):
            places = [k for k, name in enumerate(names) if name in (given, column.name) and name]
            if len(places) == 1:
                return places[0]
            if places:
                numbers = [str(k + 1) for k in places[:12]]
                several = " or ".join([", ".join(numbers[:-1]), numbers[-1]])
                message = f'{self.path} has {len(places)} columns "{column.name}"'
                return "data.column-twice", message, f"take one by its number: {several}"
        near = nearest(column.name, self.names)
        hint = f'did you mean "{near}"? ' if near else ""
        hint += f"the file has {quoted([n for n in self.names if n][:20], 'and')}"
        if not any(self.names):
            hint = f"the file has no header; write the number of a column, from 1 to {width}"
        elif self.dialect.header > 1:
            hint += (
                f" in line {self.dialect.header}; if that is not the header, write header = LINE"
            )
        return "data.column", f'{self.path} has no column "{column.name}"', hint

    def numbers(self, index: int, key: str) -> Numbers:
        """A column as floats (N,); cells that are no numbers become NaN and faults. Of `t` and
        `trial` none may be missing."""
        if self.block is not None and index < self.block.shape[1]:
            column = self.block[:, index]
            if key != "trial" or (column == column.round()).all():
                return column
        _, rows = self._rows
        fast = None if key == "trial" else _floats(rows, index, self.dialect.decimal)
        if fast is not None and (key != "t" or not any(map(math.isnan, fast))):
            return fast
        values = array("d", bytes(8 * len(rows)))
        for row, cells in enumerate(rows):
            text = cells[index].strip() if index < len(cells) else ""
            if is_missing(text):
                values[row] = float("nan")
                if key in ("t", "trial"):
                    name = self._called(index)
                    hint = "times and trials must all be there; samples may be left empty"
                    self.add(row, index, "data.missing-cell", f"no {name} in this row", hint)
                continue
            values[row] = self._number(text, row, index, key)
        return values

    def are_stamps(self, index: int) -> bool:
        """Whether a column holds times of day or dates: its first cell that is there does."""
        if self.block is not None:
            return False
        for cells in self._rows[1]:
            text = cells[index] if index < len(cells) else ""
            if not is_missing(text):
                return kind_of_cell(text, self.dialect.decimal) == "time"
        return False

    def seconds(self, index: int) -> array[float]:
        """A column of time stamps in seconds since its first, (N,); others become faults."""
        values: array[float] = array("d")
        for row, cells in enumerate(self._rows[1]):
            text = cells[index].strip() if index < len(cells) else ""
            second = seconds_in(text)
            if second is None:
                second = float("nan")
                self.add(row, index, "data.time-stamp",
                         f'"{text[:40]}" is no time' if text else "no time in this row",
                         "write 2024-05-01T10:00:00.25, or 10:00:00.25, in every row")  # fmt: skip
            values.append(second)
        first = next((value for value in values if value == value), 0.0)
        return array("d", (value - first for value in values))

    def labels(self) -> list[str]:
        """A name of each row: the first column in which no cell is a number and all are different,
        such as chemical symbols; else "row 1", "row 2", ..."""
        plain = [f"row {number}" for number in range(1, len(self) + 1)]
        if self.block is not None:
            return plain
        for index in range(len(self.names)):
            cells = [row[index].strip()[:40] if index < len(row) else "" for row in self._rows[1]]
            if len(set(cells)) == len(cells) and not any(map(_missing_or_number, cells)):
                return cells
        return plain

    def _number(self, text: str, row: int, index: int, key: str) -> float:
        value = number_in(text, self.dialect.decimal)
        if value is None:
            hint = {
                "t": "write a number, or a time such as 2024-05-01T10:00:00.25 in every row",
                "trial": "number the trials 1, 2, 3, …",
            }.get(key, "write a number, or leave the cell empty where the sample is missing")
            if "," in text and self.dialect.decimal == ".":
                hint = "write decimals with a point"
            elif "." in text and self.dialect.decimal == ",":
                hint = "write decimals with a comma as in the other rows, or say decimal in [data]"
            elif seconds_in(text) is not None:
                hint = "write seconds, or times in every row of the column"
            self.add(row, index, "data.number", f'"{text[:40]}" is not a number', hint)
            return float("nan")
        if value in (float("inf"), float("-inf")):
            self.add(row, index, "data.finite", f'"{text[:40]}" is not finite',
                     "leave the cell empty where the sample is missing" if text.lower() in INFINITE
                     else "write a number below 1e308")  # fmt: skip
            return float("nan")
        if key == "trial" and value != int(value):
            self.add(row, index, "data.trial", f'"{text[:40]}" is not a whole number',
                     "number the trials 1, 2, 3, …")  # fmt: skip
        return value

    # -- faults ----------------------------------------------------------------------------------

    def check_rows(self) -> None:
        """There must be samples, and no more cells than columns."""
        if not len(self):
            line = self.dialect.header
            self._keep(
                Fault(
                    "data.empty", "no row below the header", str(self.path), line, 1,
                    line_text=self.lines[line - 1][:4000] if line else "",
                    hint="bring a file with the measured rows",
                )
            )  # fmt: skip
        if self.block is not None or not self.dialect.header:
            return
        width = len(self.names)
        for row, cells in enumerate(self._rows[1]):
            if len(cells) > width and any(not is_missing(cell) for cell in cells[width:]):
                self.add(row, width - 1, "data.row",
                         f"{len(cells)} cells where the header has {width}",
                         "remove the surplus, or quote cells that hold the separator")  # fmt: skip

    def add(self, row: int, index: int, code: str, message: str, hint: str | None) -> None:
        """A fault at a cell."""
        line = self.places[row]
        text = self.lines[line - 1]
        start, stop = cell_span(text, index, self.dialect.delimiter)
        key = f"data.columns.{self._called(index)}"
        near = text[:4000]
        self._keep(
            Fault(
                code, message, str(self.path), line, start + 1, max(1, stop - start), key=key,
                line_text=near, hint=hint,
            )
        )  # fmt: skip

    def _called(self, index: int) -> str:
        name = self.names[index] if index < len(self.names) else ""
        return name or f"column {index + 1}"

    def _keep(self, fault: Fault) -> None:
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(fault)
        else:
            self.unshown += 1

    def require_sound(self) -> None:
        """Raises Faults for what was found, and says how much more there is."""
        if not self.faults:
            return
        faults = list(self.faults)
        if self.unshown:
            plural = "s" * (self.unshown > 1)
            faults.append(Fault("data.more", f"and {self.unshown} fault{plural} more of this kind",
                                str(self.path)))  # fmt: skip
        raise Faults(faults)


def _floats(rows: list[list[str]], index: int, decimal: str) -> array[float] | None:
    """A column that holds nothing but finite numbers and empty cells, as nearly all do; else
    None."""
    try:
        joined = "\n".join([row[index] for row in rows])
        if "_" in joined or not joined.isascii():
            return None
        if decimal == ",":
            if "." in joined:
                return None
            joined = joined.replace(",", ".")
        values = array("d", [float(text or "nan") for text in joined.split("\n")])
    except (ValueError, IndexError):
        return None
    return None if any(map(math.isinf, values)) else values


def _missing_or_number(text: str) -> bool:
    """Of a name of a row; "Na" and "none" are names like others."""
    return not text or number_in(text, ".") is not None


def table_of(path: Path, asked: Asked, encoding: str | None = None) -> Table:
    """The file as a table. Raises Faults where it has no rows or is no text."""
    try:
        raw = path.read_bytes()
        text, found = decoded(raw, encoding)
    except NoTextError as error:
        hint = "export it as text (CSV), or say encoding in [data]"
        raise Faults([Fault("data.text", str(error), str(path), hint=hint)]) from None
    except OSError as error:
        reason = (error.strerror or "unknown").lower()
        raise Faults([Fault("data.read", f"cannot be read: {reason}", str(path))]) from None
    lines = lines_of(text)
    if asked.header is not None and asked.header > len(lines):
        message = f"header = {asked.header} in [data], and the file has {len(lines)} lines"
        raise Faults([Fault("data.header", message, str(path), hint="lines count from 1")])
    dialect = dialect_of(lines, found, asked)
    if dialect is None:
        raise Faults([Fault("data.empty", "the file has no header and no rows", str(path))])
    return Table(path, lines, dialect, asked.empty_rows, raw)


def cell_span(line: str, index: int, delimiter: str) -> tuple[int, int]:
    """Where the cell of this index stands in its line, half open, without surrounding blanks."""
    if delimiter == " ":
        spans = [match.span() for match in TOKEN.finditer(line)]
        return spans[index] if index < len(spans) else (len(line), len(line))
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
