"""Pieces of the page: everything that comes from a study or a run is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from html import escape
from typing import Any, cast
from urllib.parse import quote

from actionrun.compiler.findings import Equation, Table
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import TOMLLexer

from .mathml import mathml
from .rounding import brief, with_error


def text_html(text: str) -> str:
    """Prose as a paragraph; text that is laid out in columns as it stands."""
    laid_out = any("  " in line.strip() for line in text.splitlines())
    return f"<pre>{escape(text)}</pre>" if laid_out else f'<p class="text">{escape(text)}</p>'


def equation_html(equation: Equation, named: bool = True) -> str:
    heading = f'<p class="aside">{escape(equation.name)}</p>' if named else ""
    return f"{heading}\n{mathml(equation.latex)}"


def values_html(values: Mapping[str, tuple[float | None, float | None]]) -> str:
    """Learned symbols with their standard deviations, and unrounded."""
    rows = tuple(
        (symbol, with_error(value, std), None if value is None else repr(float(value)))
        for symbol, (value, std) in values.items()
    )
    return table_html(Table("", "", ("symbol", "value", "unrounded"), rows))


def of_coefficients(table: Table) -> bool:
    """Whether a table holds the coefficients of a fit: name, value, deviation, and perhaps unit."""
    return table.header[:3] == ("coefficient", "value", "standard deviation") and all(
        isinstance(row[0], str) and all(isinstance(x, float | int | None) for x in row[1:3])
        for row in table.rows
    )


def coefficients_html(table: Table) -> str:
    """The table of a fit's coefficients (name, value, deviation, unit where there are units), as
    they are quoted, and unrounded."""
    given = cast("Sequence[Sequence[Any]]", table.rows)  # as `of_coefficients` saw
    rows = tuple(
        (name, with_error(value, std), *unit, None if value is None else repr(float(value)))
        for name, value, std, *unit in given
    )
    units = ("unit",) * (len(table.header) - 3)
    return table_html(replace(table, header=("coefficient", "value", *units, "unrounded"),
                              rows=rows))  # fmt: skip


def toml_html(text: str) -> str:
    """A study as it was written, its keys, strings, numbers and comments marked for the style."""
    marked = highlight(text, TOMLLexer(), HtmlFormatter(nowrap=True, classprefix="toml-"))
    return f'<pre class="toml">{marked}</pre>'


def table_html(table: Table, pages: Sequence[str | None] = ()) -> str:
    """A table; columns of numbers are aligned to the right. `pages`, one a row, are where the first
    cells lead to."""
    numeric = [
        all(isinstance(row[index], int | float | None) for row in table.rows)
        for index in range(len(table.header))
    ]
    marks = [' class="number"' if number else "" for number in numeric]
    head = "".join(
        f"<th{mark}>{escape(cell)}</th>" for mark, cell in zip(marks, table.header, strict=True)
    )
    body = "\n".join(
        "<tr>"
        + "".join(
            f"<td{mark}>{_linked(escape(brief(cell, 5)), None if index else page)}</td>"
            for index, (mark, cell) in enumerate(zip(marks, row, strict=True))
        )
        + "</tr>"
        for page, row in zip(pages or [None] * len(table.rows), table.rows, strict=True)
    )
    caption = f"<h3>{escape(table.caption)}</h3>\n" if table.caption else ""
    return (
        f'{caption}<div class="scroll"><table><thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def _linked(content: str, page: str | None) -> str:
    return content if page is None else f'<a href="{escape(quote(page))}">{content}</a>'


def pairs_html(pairs: Iterable[tuple[str, str]]) -> str:
    rows = "\n".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in pairs)
    return f'<dl class="key">\n{rows}\n</dl>' if rows else ""
