"""New motions for a trained network: the columns of a CSV file by their names.

They are t, trial (one motion a number), each coordinate, v_NAME, pi_NAME (with one coordinate also
velocity and pi); components of a vector q are q_1, q_2. Where the study has [data], its columns say
what the columns of new motions are called.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
from actionrun.spec.expressions.errors import ExpressionFault
from actionrun.spec.tables.common import Observe
from actionrun.spec.tables.data import Columns, Data
from actionrun.spec.tables.leaves import Column
from actionrun.spec.tables.observables import OBSERVABLES
from actionrun.spec.tables.system import System
from actionrun.spec.text.files import is_file
from actionrun.spec.text.source import Fault, Faults, quoted
from actionrun.spec.units.quantities import Units, unit

from .csv_table import Table
from .dialect import Asked
from .measured import (
    MOST_BYTES,
    MeasuredColumns,
    base_numbers,
    check_times,
    open_table,
    table_at,
)

MOTIONS = 256  # that go through the integrator together


class Observing(Protocol):
    """A study whose motions are observed."""

    @property
    def system(self) -> System: ...
    @property
    def units(self) -> Units: ...
    @property
    def data(self) -> Data | None: ...
    @property
    def observe(self) -> Observe: ...


def motions_in(study: Observing, path: Path) -> dict[str, np.ndarray]:
    """The columns of a CSV file by what their names say, in base units. Raises Faults."""
    if not is_file(path):
        raise Faults([Fault("data.missing", "there is no such file", str(path))])
    if path.stat().st_size > MOST_BYTES:
        raise Faults([Fault("data.size", f"more than {MOST_BYTES // 2**20} MB", str(path),
                            hint="split it")])  # fmt: skip
    table = table_at(path, Asked()) if study.data is None else open_table(study.data, path)
    motions: dict[str, np.ndarray] = {}
    for key, columns in _columns(study, table).items():
        parts = [
            np.asarray(
                base_numbers(study.units, table, index, _headed(study, table, column, index), key)
            )
            for column, index in columns
        ]
        vector = any(
            key == one.column(name) and study.system.is_vector(name)
            for name in study.system.coordinates
            for one in OBSERVABLES.values()
        )
        motions[key] = np.stack(parts, axis=1) if vector else parts[0]
    table.check_rows()
    table.require_sound()
    _check_times(study, table, motions)
    if "trial" in motions:
        motions["trial"] = motions["trial"].astype(np.int64)
    return motions


def _check_times(study: Observing, table: Table, motions: dict[str, np.ndarray]) -> None:
    """Time grows within each motion. Raises Faults."""
    column = Column("t") if study.data is None else study.data.columns.get("t")
    index = table.index(column) if column is not None else 0
    read = MeasuredColumns({key: (motions[key],) for key in ("t", "trial") if key in motions})
    check_times(table, read, index if isinstance(index, int) else 0, first=False)


Places = list[tuple[Column, int]]


def _columns(study: Observing, table: Table) -> dict[str, Places]:
    """Columns of the table by what they hold. Raises Faults for those that are missing."""
    wanted = _by_name(study, table) if study.data is None else _as_measured(study.data.columns)
    places = {
        key: [(column, table.index(column)) for column in columns]
        for key, columns in wanted.items()
    }
    if not all(isinstance(index, int) for _, index in places.get("trial", ())):
        del places["trial"]  # one motion
    lacking = [c.name for of in places.values() for c, index in of if not isinstance(index, int)]
    if lacking:
        fault = Fault(
            "data.column",
            f"no column {quoted(lacking, 'and')}, or two of them",
            str(table.path), table.dialect.header, 1,
            hint=f"the network reads {quoted([c.name for o in wanted.values() for c in o], 'and')}"
            f"; the file has {quoted(table.names[:20], 'and')}",
        )  # fmt: skip
        raise Faults([fault])
    return {
        key: [(column, index) for column, index in of if isinstance(index, int)]
        for key, of in places.items()
    }


def _as_measured(columns: Columns) -> dict[str, list[Column]]:
    """Columns as those of the motion that the network was trained for."""
    return {key: [*_each(of)] for key, of in columns.items()}


def _each(of: Column | tuple[Column, ...]) -> tuple[Column, ...]:
    """The column of a number, or those of a vector's components."""
    return of if isinstance(of, tuple) else (of,)


def _by_name(study: Observing, table: Table) -> dict[str, list[Column]]:
    """Columns by the names of the coordinates."""
    wanted: dict[str, list[Column]] = {"t": [Column("t")], "trial": [Column("trial")]}
    single = len(study.system.coordinates) == 1
    for key, one in OBSERVABLES.items():
        if key not in study.observe.variables:
            continue
        for name, size in study.system.coordinates.items():
            column = one.column(name)
            if study.system.is_vector(name):
                wanted[column] = [Column(f"{column}_{i + 1}") for i in range(size)]
            else:
                short = single and key in table.names and column not in table.names
                wanted[column] = [Column(key if short and one.prefix else column)]
    return wanted


def _headed(study: Observing, table: Table, column: Column, index: int) -> Column:
    """The column in the unit of its heading, where there is one, else as [data] says."""
    text = table.units[index]
    if not text or study.units.reduced:
        return column
    try:
        return Column(column.name, unit(text))
    except ExpressionFault as fault:
        message = f"the unit of {column.name}: {fault.message}"
        raise Faults([Fault(fault.code, message, str(table.path), table.dialect.header, 1,
                            hint=fault.hint)]) from None  # fmt: skip


def motion_blocks(motions: Mapping[str, np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
    """The motions, MOTIONS at a time: the cut must not depend on who does them, as sums over other
    numbers of motions round otherwise."""
    trial = motions.get("trial")
    if trial is None:
        yield dict(motions)
        return
    names = np.unique(trial)
    for first in range(0, len(names), MOTIONS):
        rows = np.isin(trial, names[first : first + MOTIONS])
        yield {key: values[rows] for key, values in motions.items()}
