"""What `explain` says of a study's data file: how it was found to be written."""

from __future__ import annotations

from contextlib import suppress

from actionrun.compiler.findings import Section
from actionrun.spec.kinds.registry import Study
from actionrun.spec.text.files import is_file
from actionrun.spec.text.source import Faults, quoted

from .csv_table import Table
from .measured import open_table

MOST_NAMES = 12
MOST_TABLES = 10


def file_sections(study: Study) -> tuple[Section, ...]:
    """How the file of [data] is written, where it is there and can be read."""
    named, sections = study.data_table, []
    if named is None:
        return ()
    for path in filter(is_file, named.paths[:MOST_TABLES]):
        with suppress(Faults):  # `check` says why
            sections.append(Section("Data file", described(open_table(named, path))))
    return tuple(sections)


def described(table: Table) -> str:
    """How a file is written, in sentences."""
    names = [name or f"(column {k + 1})" for k, name in enumerate(table.names)]
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    first = f", from line {table.places[0]} on" if len(table) else ""
    units = {
        f"{name} in {unit}" for name, unit in zip(table.names, table.units, strict=True) if unit
    }
    said = f" Units of the header: {', '.join(sorted(units))}." if units else ""
    return (
        f"{table.path.name}: {table.dialect.words()}; {len(table)} rows{first}; columns "
        f"{quoted(names[:MOST_NAMES], 'and')}{more}.{said}"
    )
