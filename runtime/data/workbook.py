"""A sheet of an .xlsx workbook as a table, by openpyxl (the extra `actionrun[xlsx]`)."""

from __future__ import annotations

import zipfile
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from actionrun.spec.text.source import Fault, Faults, nearest, quoted

from .csv_table import Table
from .dialect import Asked, dialect_of

MOST_UNPACKED = 2**30  # bytes: a small workbook may unpack to any size
MOST_ROWS = 1_048_576  # of a sheet in Excel


def workbook_table(path: Path, asked: Asked, sheet: str | None) -> Table:
    """A sheet, the first unless it is named, as lines whose fields are separated by tabs; a row of
    the sheet is a line. Raises Faults."""
    lines = [*_lines(path, sheet)]
    while lines and not lines[-1].strip("\t"):
        lines.pop()
    dialect = dialect_of(lines, "workbook", Asked("\t", ".", asked.header, asked.empty_rows))
    if dialect is None:
        raise _fault(path, "data.empty", "the sheet has no header and no rows")
    return Table(path, lines, dialect, asked.empty_rows)


def _lines(path: Path, sheet: str | None) -> list[str]:
    try:
        import openpyxl
    except ImportError:
        hint = "pip install 'actionrun[xlsx]', or export the sheet as CSV"
        raise _fault(path, "data.xlsx", "reading .xlsx needs openpyxl", hint) from None
    try:
        with zipfile.ZipFile(path) as packed:
            if sum(entry.file_size for entry in packed.infolist()) > MOST_UNPACKED:
                raise _fault(path, "data.size", "the workbook unpacks to more than 1 GB",
                             "export the sheet as CSV")  # fmt: skip
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except Faults:
        raise
    except Exception as error:  # openpyxl has no class of its own for what is no workbook
        raise _fault(path, "data.read", f"cannot be read as a workbook: {error}",
                     "export the sheet as CSV") from None  # fmt: skip
    names = book.sheetnames
    if sheet is not None and sheet not in names:
        near = nearest(sheet, names)
        hint = f'did you mean "{near}"?' if near else f"it has {quoted(names[:20], 'and')}"
        raise _fault(path, "data.sheet", f'there is no sheet "{sheet}"', hint)
    chosen = book[sheet] if sheet is not None else book.worksheets[0]
    rows = chosen.iter_rows(values_only=True, max_row=MOST_ROWS)
    lines = ["\t".join(_text(cell) for cell in row) for row in rows]
    book.close()
    return lines


def _text(cell: Any) -> str:
    """A cell as text: numbers in full, dates and times as ISO has them."""
    match cell:
        case None:
            return ""
        case bool():
            return str(cell)
        case float() | int():
            return repr(cell)
        case datetime() | date() | time():
            return cell.isoformat()
        case _:
            return (
                str(cell).replace("\t", " ").replace("\n", " ").replace("\r", " ").replace('"', "'")
            )


def _fault(path: Path, code: str, message: str, hint: str | None = None) -> Faults:
    return Faults([Fault(code, message, str(path), hint=hint)])
