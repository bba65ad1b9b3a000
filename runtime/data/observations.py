"""What a study's files hold, in its units: columns of a data file or structures; faults located."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from actionrun.spec import points, swept
from actionrun.spec.kinds.registry import KINDS, Study
from actionrun.spec.sweep.sweep import guide_of
from actionrun.spec.text.files import is_file, missing_files
from actionrun.spec.text.source import Fault, Faults
from actionrun.spec.validation.sample_context import EndStructure, SampleContext

from .measured import MeasuredColumns, measured_columns, require

if TYPE_CHECKING:
    import numpy as np

    Observations = dict[str, np.ndarray]

MOST_CHECKED = 100 * 2**20  # bytes that `check` reads for the points of a sweep
READING = ("data", "ends", "system", "units")  # tables that say how files are read


def observations(study: Study) -> Observations | None:
    """What a study's files hold, as `read_files`. Raises Faults, also where that is too little for
    a study of this kind, or no structures of this study."""
    read = _checked(study)
    return _arrays(study, read) if isinstance(read, MeasuredColumns) else read


def read_files(study: Study) -> Observations | None:
    """The columns of [data] by what they hold, (N,) or (N, dimension), NaN where missing; None for
    a study without data. `trial` is whole numbers. For a table that is no motion `#label` (N,)
    names the rows, `#line` (N,) is where they stand in the file. Of a path, the structures that
    its [ends] name. Raises Faults."""
    read = _read(study)
    return _arrays(study, read) if isinstance(read, MeasuredColumns) else read


def every_file_fault(study: Study) -> list[Fault]:
    """What is wrong with the files of a study and of the points of its sweep, each fault once."""
    return [*dict.fromkeys([*file_faults(study), *swept_file_faults(study)])]


def file_faults(study: Study) -> list[Fault]:
    """What is wrong with the files that a study names; nothing where one is not there yet."""
    files, table = study.structure_files, study.data_table
    paths = [*files.paths.values()] if files else []
    paths += table.paths if table else []
    if table is not None and not table.paths:
        return []  # a pattern that no file fits yet
    if not all(is_file(path) for path in paths):
        return []
    try:
        _checked(study)
    except Faults as faults:
        return [*faults.faults]
    return []


def swept_file_faults(study: Study) -> list[Fault]:
    """The same of the points of a study's sweep that name other files, or read them otherwise; as
    many as hold `MOST_CHECKED` bytes. The run reads the others before it begins."""
    if not study.sweep or guide_of(study) or not any(one.key[0] in READING for one in swept(study)):
        return []
    seen: set[str] = set()
    faults: list[Fault] = []
    room = MOST_CHECKED
    for one in points(study):
        how = repr([(k, v) for k, v in one.values.items() if k.partition(".")[0] in READING])
        if how in seen:
            continue
        seen.add(how)
        room -= sum(file.path.stat().st_size if is_file(file.path) else 1000
                    for table in one.study.file_tables
                    for file in table.named_files(one.study.source))  # fmt: skip
        if room < 0:
            break
        faults += missing_files(one.study.file_tables, one.study.source)
        faults += file_faults(one.study)
    return faults


def _read(study: Study) -> MeasuredColumns | Observations | None:
    require(study)
    if study.structure_files is not None:
        from .structures import ends  # at start-up: numpy, for studies that name structures

        return ends(study, study.structure_files)
    return None if study.data_table is None else measured_columns(study, study.data_table)


def _checked(study: Study) -> MeasuredColumns | Observations | None:
    read = _read(study)
    if read is None:
        return None
    context = SampleContext(study)
    if isinstance(read, MeasuredColumns):
        context.rows = read
    else:
        context.ends = {name: _end_structure(read, name) for name in ("start", "end")}
    KINDS[study.study].apply("check_samples", context)
    if context.faults:
        raise Faults(context.faults)
    return read


def _arrays(study: Study, read: MeasuredColumns) -> Observations:
    import numpy as np

    arrays: dict[str, Any] = {}
    for key, parts in read.columns.items():
        several = [np.asarray(part, dtype=np.float64) for part in parts]
        arrays[key] = np.stack(several, axis=1) if key in read.vectors else several[0]
    if study.is_table:
        lines = np.array(read.lines, dtype=np.int64)
        return arrays | {"#label": np.array(read.labels, dtype=str), "#line": lines}
    if "trial" in arrays:
        arrays["trial"] = arrays["trial"].astype(np.int64)
    return arrays


def _end_structure(columns: Mapping[str, Any], name: str) -> EndStructure:
    cell, periodic, frozen = (columns.get(f"{name}_{of}") for of in ("cell", "periodic", "frozen"))
    return EndStructure(
        tuple(map(str, columns[f"{name}_species"])),
        f"{name}_velocities" in columns,
        None if cell is None else tuple(map(tuple, cell.tolist())),
        None if periodic is None else tuple(periodic.tolist()),
        None if frozen is None else frozenset(frozen.nonzero()[0].tolist()),
    )
