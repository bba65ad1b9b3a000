"""`actionrun infer RUN --data FILE.csv`: a trained family network on new motions.

Columns are known by their names: t, trial (one motion a number), each coordinate, v_NAME, pi_NAME
(with one coordinate also velocity and pi); components of a vector q are q_1, q_2. Where the study
has [data], its columns say what the columns of new motions are called.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from actionrun.runtime.data.csv_table import Table, table_of
from actionrun.runtime.data.observations import MOST_BYTES, scale_of
from actionrun.runtime.report.rounding import brief, measured
from actionrun.runtime.storage.atomic_write import json_text, plain_data, write
from actionrun.runtime.storage.run_folder import Folder
from actionrun.spec.text.source import Fault, Faults, quoted

from .errors import Refused
from .events import Listener

if TYPE_CHECKING:
    from actionrun.spec.kinds.family import Family
    from actionrun.spec.tables.common import Columns
    from actionrun.spec.tables.leaves import Column

MOTIONS = 256  # that go through the integrator together


def infer(
    folder: Folder, data: Path, place: Path | None, workers: int = 0, cluster: str | None = None,
    tell: Listener = lambda event: None,
) -> tuple[str, Path]:  # fmt: skip
    """What the network of a finished run says of the motions in a CSV file: a table as text, and
    the folder with inference.json and coefficients.csv. Raises Faults, Refused, CannotWrite.

    Motions go through the integrator MOTIONS at a time, in this process or by the workers that
    were asked for: the result is the same.
    """
    from actionrun.runtime.workers.pool import all_done, crew_of
    from actionrun.spec import load
    from actionrun.spec.kinds.family import Family

    study = load(folder / "resolved.toml")
    if not isinstance(study, Family) or study.network.kind == "none":
        raise Refused(f"{folder.path} has no trained network: infer reads runs of a family "
                      "study that trains one")  # fmt: skip
    blocks = list(_blocks(motions_in(study, data)))
    with crew_of(workers, cluster, tell) as crew:
        if crew is None:
            network = Network(folder.path)
            parts = [network.told(block) for block in blocks]
        else:
            where = str(folder.path.resolve())
            parts = all_done(crew, "infer", [(where, block) for block in blocks])
    found = Told(parts[0].names, parts[0].units, [row for part in parts for row in part.motions])
    place = place or folder / "inferred" / data.stem
    content = {"format": 1, "data": data.name, "motions": found.motions}
    write(place / "inference.json", json_text(plain_data(content, lost=[])))
    write(place / "coefficients.csv", _rows(found))
    return _table(found), place


@dataclass(frozen=True)
class Told:
    """Coefficients and their units, and a dict a motion (see `compiler.family_infer`)."""

    names: tuple[str, ...]
    units: tuple[str, ...]
    motions: list[dict[str, Any]]


class Network:
    """The trained network of a finished run."""

    def __init__(self, path: Path) -> None:
        if "jax" not in sys.modules:
            from .cli import set_switches

            set_switches()
        import jax
        from actionrun.compiler.family.train import Training
        from actionrun.runtime.storage.checkpoint import Checkpoints
        from actionrun.runtime.storage.provenance import stamp
        from actionrun.spec import load

        from .runner import job

        folder = Folder(path)
        with jax.enable_x64(True):
            task = job(load(folder / "resolved.toml"))
            program = task.program()
            assert isinstance(program, Training)
            mark = stamp(task.hash)
            keep = Checkpoints(folder.checkpoint, mark, lambda event: None, free=("device",))
            point = keep.latest(program.start())
        if point is None:
            raise Refused(f"{folder.checkpoint} holds no network. Run the study again with --fresh")
        self.program, self.state = program, point.state

    def told(self, observations: Mapping[str, np.ndarray]) -> Told:
        import jax
        from actionrun.compiler.family.infer import inferred

        with jax.enable_x64(True):
            found = inferred(self.program, self.state, observations)
        return Told(found.names, found.units, found.data())


def _blocks(observations: Mapping[str, np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
    """The motions, MOTIONS at a time: the cut must not depend on who does them, as sums over other
    numbers of motions round otherwise."""
    trial = observations.get("trial")
    if trial is None:
        yield dict(observations)
        return
    names = np.unique(trial)
    for first in range(0, len(names), MOTIONS):
        rows = np.isin(trial, names[first : first + MOTIONS])
        yield {key: values[rows] for key, values in observations.items()}


def motions_in(study: Family, path: Path) -> dict[str, np.ndarray]:
    """The columns of a CSV file by what their names say, in base units. Raises Faults."""
    if not path.is_file():
        raise Faults([Fault("data.missing", "there is no such file", str(path))])
    if path.stat().st_size > MOST_BYTES:
        raise Faults([Fault("data.size", f"more than {MOST_BYTES // 2**20} MB", str(path),
                            hint="split it")])  # fmt: skip
    table = table_of(path)
    found: dict[str, np.ndarray] = {}
    for key, names in _columns(study, table).items():
        parts = [table.numbers(name, key) * _factor(study, table, name) for name in names]
        vector = key.removeprefix("v_").removeprefix("pi_") in study.system.coordinates and (
            study.system.is_vector(key.removeprefix("v_").removeprefix("pi_"))
        )
        found[key] = np.stack(parts, axis=1) if vector else parts[0]
    table.check_rows()
    table.check_times(found, "t" if study.data is None else study.data.columns["t"].name)
    if table.faults:
        raise Faults(table.faults)
    if "trial" in found:
        found["trial"] = found["trial"].astype(np.int64)
    return found


def _columns(study: Family, table: Table) -> dict[str, list[str]]:
    """Headings of the table by what they hold. Raises Faults for those that are missing."""
    wanted = _by_name(study, table) if study.data is None else _as_measured(study.data.columns)
    if not {*wanted.get("trial", ())} & {*table.header}:
        wanted.pop("trial", None)  # one motion
    lacking = [n for names in wanted.values() for n in names if table.header.count(n) != 1]
    if lacking:
        fault = Fault(
            "data.column",
            f"no column {quoted(lacking, 'and')}, or two of them",
            str(table.path), table.head, 1,
            hint=f"the network reads {quoted([n for ns in wanted.values() for n in ns], 'and')}; "
            f"the file has {quoted(table.header[:20], 'and')}",
        )  # fmt: skip
        raise Faults([fault])
    return wanted


def _as_measured(columns: Columns) -> dict[str, list[str]]:
    """Headings as those of the motion that the network was trained for."""
    return {key: [column.name for column in _each(of)] for key, of in columns.items()}


def _each(of: Column | tuple[Column, ...]) -> tuple[Column, ...]:
    """The column of a number, or those of a vector's components."""
    return of if isinstance(of, tuple) else (of,)


def _by_name(study: Family, table: Table) -> dict[str, list[str]]:
    """Headings by the names of the coordinates."""
    wanted: dict[str, list[str]] = {"t": ["t"], "trial": ["trial"]}
    single = len(study.system.coordinates) == 1
    for variable, prefix in (("q", ""), ("velocity", "v_"), ("pi", "pi_")):
        if variable not in study.observe.variables:
            continue
        for name, size in study.system.coordinates.items():
            if study.system.is_vector(name):
                wanted[prefix + name] = [f"{prefix}{name}_{i + 1}" for i in range(size)]
            else:
                short = single and variable in table.header and prefix + name not in table.header
                wanted[prefix + name] = [variable if short and prefix else prefix + name]
    return wanted


def _factor(study: Family, table: Table, name: str) -> float:
    """What turns a column's numbers into base units: by its heading, else as [data] says."""
    from actionrun.spec.expressions.errors import ExpressionFault
    from actionrun.spec.tables.leaves import Column
    from actionrun.spec.units.quantities import unit

    text = table.units[table.header.index(name)]
    if not text and study.data is not None:
        every = (column for of in study.data.columns.values() for column in _each(of))
        return scale_of(study, next(column for column in every if column.name == name))
    if not text or study.units.reduced:
        return 1.0
    try:
        return scale_of(study, Column(name, unit(text)))
    except ExpressionFault as fault:
        raise Faults([Fault(fault.code, f"the unit of {name}: {fault.message}", str(table.path),
                            table.head, 1, hint=fault.hint)]) from None  # fmt: skip


def _table(found: Told) -> str:
    """A line a motion."""
    head = ["motion", *(f"{n} [{u}]" if u else n for n, u in zip(found.names, found.units,
            strict=True)), "network", "residual"]  # fmt: skip
    rows = [head]
    for one in found.motions:
        values = one["coefficients"]
        cells = [measured(values[n]["value"], values[n]["std"]) for n in found.names]
        said = ", ".join(brief(one["network"][n], 5) for n in found.names)
        rows.append([str(one["trial"]), *cells, said, brief(one["residual"], 2)])
    widths = [max(len(row[k]) for row in rows) for k in range(len(head))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows]
    return "\n".join([*(line.rstrip() for line in lines), *_strays(found)])


SHOWN = 5  # samples of a motion that are named


def _strays(found: Told) -> list[str]:
    """A line for each motion that has samples far from its fit."""
    lines = []
    for one in found.motions:
        slips = [f"{slip['variable']} at t = {brief(slip['t'], 6)}" for slip in one["strays"]]
        if slips:
            more = f" and {len(slips) - SHOWN} more" if len(slips) > SHOWN else ""
            lines.append(f"motion {one['trial']}: far from the fit lie {', '.join(slips[:SHOWN])}"
                         f"{more}; if these are slips, empty their cells")  # fmt: skip
    return lines


def _rows(found: Told) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    head: list[Any] = ["trial"]
    for name in found.names:
        head += [f"{name}_network", name, f"{name}_std"]
    writer.writerow([*head, "network_residual", "residual"])
    for one in found.motions:
        row: list[Any] = [one["trial"]]
        for name in found.names:
            value = one["coefficients"][name]
            row += [one["network"][name], value["value"], value["std"]]
        writer.writerow([*row, one["network_residual"], one["residual"]])
    return out.getvalue()
