"""The dialect of a data file, found by looking: encoding, delimiter, decimal mark, header.

A file is read as programs export it: lines of metadata may stand above the header, units in
brackets behind the names or in a row of their own. What [data] says counts before what is found.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from actionrun.spec.expressions.errors import ExpressionFault
from actionrun.spec.tables.leaves import heading
from actionrun.spec.units.quantities import unit

from .cells import kind_of_cell

DELIMITERS = {";": "semicolons", "\t": "tabs", ",": "commas", " ": "blanks"}
WORDS = {"tab": "\t", "space": " "}  # as a study may write them
MARKS = (  # byte-order marks
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
LOOK = 300  # lines from which the dialect is found
NO_COMMENT = re.compile(r"#(n/?a|nv|nan|value!|wert!|div/0!)\b", re.I)
TOKEN = re.compile(r'"[^"]*"|[^\s]+')
IN_PARENTHESES = re.compile(r"(.*\S)\s*\(([^()]+)\)")


@dataclass(frozen=True)
class Dialect:
    """How a file is written. Lines count from 1; `header` is 0 where the columns have no names,
    `units` 0 where these have no row of their own; rows begin at line `first` or below."""

    encoding: str
    delimiter: str
    decimal: str
    header: int
    units: int
    first: int

    def words(self) -> str:
        """In a sentence, for `explain`."""
        points = "points" if self.decimal == "." else "commas"
        names = f"header in line {self.header}" if self.header else "no header"
        units = f", units in line {self.units}" if self.units else ""
        return (
            f"{self.encoding}, fields separated by {DELIMITERS.get(self.delimiter, 'marks')}, "
            f"decimal {points}, {names}{units}"
        )


@dataclass(frozen=True)
class Asked:
    """What a study says of the dialect; None where it is to be found."""

    delimiter: str | None = None
    decimal: str | None = None
    header: int | None = None
    empty_rows: bool = False  # whether rows without a number count, as frames of a film do


class NoTextError(ValueError):
    """Bytes that are no text."""


def decoded(raw: bytes, encoding: str | None) -> tuple[str, str]:
    """Text and the name of its encoding: by a byte-order mark, as UTF-8, else as Windows' or ISO's
    Latin. Raises NoTextError."""
    if encoding is None:
        found = next((name for mark, name in MARKS if raw.startswith(mark)), None)
        found = found or _without_mark(raw)
    else:
        found = encoding
    try:
        text = raw.decode(found)
    except UnicodeError as error:
        at = getattr(error, "start", 0)
        raise NoTextError(f"this is no {shown_encoding(found)} text (byte {at})") from None
    text = text.removeprefix("\ufeff")
    if "\0" in text:
        raise NoTextError("this is no text: it holds zero bytes")
    return text, shown_encoding(found)


def _without_mark(raw: bytes) -> str:
    if b"\0" not in raw[:2000] and raw.isascii():
        return "utf-8"
    head = raw[:2000]
    if len(head) > 3 and head[1::2].count(0) > len(head) // 5 > head[::2].count(0):
        return "utf-16-le"
    if len(head) > 3 and head[::2].count(0) > len(head) // 5 > head[1::2].count(0):
        return "utf-16-be"
    try:
        raw.decode("utf-8")
        return "utf-8"
    except UnicodeDecodeError:
        pass
    try:
        raw.decode("cp1252")
        return "cp1252"
    except UnicodeDecodeError:
        return "latin-1"


def shown_encoding(name: str) -> str:
    """An encoding as people write it."""
    return name.upper().removesuffix("-SIG").replace("CP", "Windows-")


def lines_of(text: str) -> list[str]:
    """Lines as an editor counts them."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    return lines


def is_comment(line: str) -> bool:
    """Whether a line is a comment."""
    start = line.lstrip()[:10]
    return start[:1] in ("#", "%") and not NO_COMMENT.match(start)


def kept(lines: Sequence[str], first: int = 1) -> Iterator[tuple[int, str]]:
    """The lines that are no comments and not blank, with their numbers, from line `first` on."""
    for number in range(first, len(lines) + 1):
        line = lines[number - 1]
        if line[:1].isdigit() or (line and not line.isspace() and not is_comment(line)):
            yield number, line


def cells_of(line: str, delimiter: str) -> list[str]:
    """The cells of a line as they are written, without quotation marks around them. Raises
    csv.Error."""
    if delimiter == " ":
        return [token.strip('"') for token in TOKEN.findall(line)]
    if '"' not in line:
        return line.split(delimiter)
    return next(csv.reader([line], delimiter=delimiter, skipinitialspace=delimiter != "\t"), [])


def header_cells(line: str, delimiter: str, width: int) -> list[str]:
    """The cells of a header, whose names may hold blanks where blanks separate the fields."""
    cells = cells_of(line, delimiter)
    if delimiter == " " and len(cells) != width:
        wide = [cell for cell in re.split(r"\t|\s{2,}", line.strip()) if cell]
        return wide if len(wide) == width else cells
    return cells


def name_and_unit(cell: str) -> tuple[str, str]:
    """Name and unit of a heading: "x [m]", or "x (m)" where what stands in parentheses is one."""
    name, inside, _ = heading(cell)
    if inside is not None:
        return name, inside.strip()
    match = IN_PARENTHESES.fullmatch(name)
    if match is not None and is_unit(match.group(2)):
        return match.group(1), match.group(2).strip()
    return name, ""


def is_unit(text: str) -> bool:
    """Whether a text is a unit that we know."""
    try:
        unit(text.strip())
    except ExpressionFault:
        return False
    return True


def dialect_of(lines: Sequence[str], encoding: str, asked: Asked) -> Dialect | None:
    """The dialect of a file; None where it has no lines but comments."""
    head = [*islice(kept(lines), LOOK)]
    if not head:
        return None
    tail = [*islice(kept(lines, max(1, len(lines) - LOOK)), LOOK)] if len(lines) > LOOK else []
    sample = [*head, *(one for one in tail if one[0] > head[-1][0])]
    marks = [asked.delimiter] if asked.delimiter else [*DELIMITERS]
    decimals = [asked.decimal] if asked.decimal else [".", ","]
    best: tuple[tuple[float, ...], _Look] | None = None
    for rank, mark in enumerate(marks):
        for comma in decimals:
            look = _Look(sample, mark, comma, asked.header)
            wide = max(map(len, look.cells), default=0) if look.begin is None else 0
            grade = (round(look.share, 2), look.named, look.width > 1, wide, comma == ".", -rank)
            if best is None or grade > best[0]:
                best = grade, look
    assert best  # there are marks to try
    return best[1].dialect(lines, encoding)


class _Look:
    """A file read with one delimiter and one decimal mark: how well that goes, where it begins."""

    def __init__(
        self, sample: list[tuple[int, str]], delimiter: str, decimal: str, header: int | None
    ):
        self.delimiter, self.decimal, self.asked = delimiter, decimal, header
        self.sample = [one for one in sample if header is None or one[0] > header]
        self.cells = [self._cells(line) for _, line in self.sample]
        self.kinds = [[kind_of_cell(cell, decimal) for cell in row] for row in self.cells]
        full = [k for k, row in enumerate(self.kinds) if {*row} != {"missing"}]
        if full:  # rows of empty cells say nothing
            self.sample = [self.sample[k] for k in full]
            self.cells = [self.cells[k] for k in full]
            self.kinds = [self.kinds[k] for k in full]
        widths: dict[int, int] = {}
        for row in self.kinds:
            if "number" in row:
                size = len(row) - (row[-1] == "missing" and len(row) > 2)  # a delimiter at the end
                widths[size] = widths.get(size, 0) + 1
        self.width = max(widths, key=lambda size: (widths[size], size), default=0)
        self.columns = self._number_columns()
        body = [row for row in self.kinds if self._fits(row) and "number" in row]
        good = sum(sum(kind != "text" for kind in row) / len(row) for row in body)
        self.share = good / max(len(self.kinds), 1)
        self.begin = self._first()
        self.named = self.begin is None or (
            self.begin > 0 and len(self._header(self.begin - 1)) == self.width
        )

    def _cells(self, line: str) -> list[str]:
        try:
            return cells_of(line, self.delimiter)
        except csv.Error:
            return [line]

    def _fits(self, row: list[str]) -> bool:
        return len(row) == self.width or (len(row) == self.width + 1 and row[-1] == "missing")

    def _number_columns(self) -> list[int]:
        """The columns that hold numbers or times in most of their cells."""
        result = []
        rows = [row for row in self.kinds if self._fits(row)]
        for index in range(self.width):
            column = [row[index] for row in rows if row[index] != "missing"]
            good = sum(kind in ("number", "time") for kind in column)
            if good and good >= 0.5 * len(column):
                result.append(index)
        return result

    def _is_data(self, k: int) -> bool:
        row = self.kinds[k]
        if not self._fits(row):
            return False
        kinds = [row[index] for index in self.columns]
        return "text" not in kinds and ("number" in kinds or "time" in kinds)

    def _first(self) -> int | None:
        """The first row of numbers in the sample; None where there is none."""
        size = len(self.kinds)
        for k in range(size):
            if self._is_data(k) and (k + 1 == size or self._is_data(k + 1)):
                break
        else:
            k = next((k for k in range(size) if self._is_data(k)), -1)
            if k < 0:
                return None
        # Rows above it that begin with a number and have a header above them are rows, too.
        while k > 1 and self._begins_like_a_row(k - 1):
            k -= 1
        return k

    def _begins_like_a_row(self, k: int) -> bool:
        row, above = self.kinds[k], self.kinds[k - 1]
        if not self.columns or len(above) != self.width or not self._fits(row):
            return False
        return row[self.columns[0]] in ("number", "time") and self.asked is None

    def _header(self, k: int) -> list[str]:
        return header_cells(self.sample[k][1], self.delimiter, self.width)

    def _are_units(self, k: int) -> bool:
        """Whether a row holds nothing but units, below a row of names."""
        if k < 1 or len(self._header(k - 1)) != len(self.cells[k]):
            return False
        cells = [cell.strip() for cell in self.cells[k]]
        plain = [re.sub(r"^[\[(](.*)[\])]$", r"\1", cell) for cell in cells]
        known = [is_unit(cell) for cell in plain if cell not in ("", "-", "1")]
        return bool(known) and all(known) and "number" not in self.kinds[k - 1]

    def dialect(self, lines: Sequence[str], encoding: str) -> Dialect:
        delimiter, decimal = self.delimiter, self.decimal
        first = self.sample[self.begin][0] if self.begin is not None else 0
        if self.asked is not None:
            units = 0
            if self.begin == 1 and self.asked and not self._is_data(0):
                cells = [cell.strip(" []()") for cell in self.cells[0]]
                units = self.sample[0][0] * all(is_unit(c) for c in cells if c not in ("", "-"))
            return Dialect(
                encoding, delimiter, decimal, self.asked, units, (units or self.asked) + 1
            )
        if self.begin is None:  # no row of numbers: the widest of the first lines names columns
            k = max(range(min(20, len(self.cells))), key=lambda k: (len(self.cells[k]), -k))
            header = self.sample[k][0]
            return Dialect(encoding, delimiter, decimal, header, 0, header + 1)
        if self.begin > 0:
            k = self.begin - 1
            units = self.sample[k][0] if self._are_units(k) else 0
            header = self.sample[k - 1 if units else k][0]
            return Dialect(encoding, delimiter, decimal, header, units, (units or header) + 1)
        return Dialect(encoding, delimiter, decimal, self._comment_header(lines, first), 0, first)

    def _comment_header(self, lines: Sequence[str], first: int) -> int:
        """The last comment above the rows, where it names the columns: "# t, q"; 0 for none."""
        for number in range(first - 1, 0, -1):
            if lines[number - 1].strip():
                names = header_cells(uncommented(lines[number - 1]), self.delimiter, self.width)
                text = all(kind_of_cell(name, self.decimal) == "text" for name in names)
                return number if text and len(names) == self.width else 0
        return 0


def uncommented(line: str) -> str:
    """A header's line without the mark of a comment."""
    return line.lstrip().lstrip("#%").strip() if is_comment(line) else line
