"""The data of a study: which columns of a measured motion say what."""

from __future__ import annotations

from typing import Any

from actionrun.spec.expressions.errors import ExpressionFault
from actionrun.spec.expressions.name_resolution import occurrences
from actionrun.spec.tables.columns import tabular
from actionrun.spec.tables.observables import column_names
from actionrun.spec.text.source import nearest
from actionrun.spec.text.span import Key

from .rule_context import RuleContext


def check_data(context: RuleContext) -> None:
    """A data file below the study's folder, and columns of what this study observes."""
    _inputs(context)
    data = context.raw.get("data")
    if not isinstance(data, dict):
        return
    columns = data.get("columns")
    if isinstance(columns, dict) and not tabular(context.raw):
        _columns(context, columns, "rate" in data)
    _rate(context, "data")
    if not context.state.source.data_from_command_line:
        _files(context, data)
    _constants(context, data)
    _rates(context, data)
    _observables(context, data)


def _rate(context: RuleContext, table: str) -> None:
    rate = context.number((table, "rate"))
    if rate is not None and rate <= 0:
        context.add((table, "rate"), "value.range", "a rate is greater than 0",
                    'write rate = 240, or with units "240 Hz"')  # fmt: skip


def _files(context: RuleContext, data: dict[str, Any]) -> None:
    """Files below the study's folder, named by one key."""
    if isinstance(file := data.get("file"), str):
        context.file(("data", "file"), file)
    files = data.get("files")
    for index, name in enumerate(files if isinstance(files, list) else []):
        if isinstance(name, str):
            context.file(("data", "files", index), name)
    if isinstance(files, str):
        context.file(("data", "files"), files)
    if "file" in data and "files" in data:
        context.add(("data", "files"), "data.files", "both file and files are given",
                    "write one of them")  # fmt: skip
    if not {"file", "files", "energies"} & {*data} and context.raw.get("study") != "pnn":
        context.add(("data",), "key.missing", '"file" is missing in [data]',
                    'write file = "motion.csv", or files = "run*.csv"')  # fmt: skip


def _inputs(context: RuleContext) -> None:
    """The file of [inputs], a column of times, and one of an input."""
    given = context.raw.get("inputs")
    if not isinstance(given, dict):
        return
    if isinstance(file := given.get("file"), str):
        context.file(("inputs", "file"), file)
    columns = given.get("columns")
    if isinstance(columns, dict):
        if "t" not in columns and "rate" not in given:
            context.add(("inputs", "columns"), "data.column",
                        "the column of the time t is missing", 'write columns = { t = "t", ... }'
                        )  # fmt: skip
        if not {*columns} - {"t"}:
            context.add(("inputs", "columns"), "data.column", "no column holds an input",
                        'write columns = { t = "t", torque = "torque" }')  # fmt: skip
    _rate(context, "inputs")
    _rates(context, given)


def _rates(context: RuleContext, data: dict[str, Any]) -> None:
    """The derivative of an input needs a smooth one."""
    if data.get("between") == "cubic":
        return
    names = context.state.names
    for key, _, tree in context.state.formulas():
        for name, order, node, _ in occurrences(tree):
            if order and name.name in names.inputs:
                fault = ExpressionFault(
                    "data.between", f"the derivative of {name.name} jumps at its samples",
                    node.span, 'write between = "cubic" beside its column',
                )  # fmt: skip
                context.faults.append((key, fault))
                return


def _observables(context: RuleContext, data: dict[str, Any]) -> None:
    """A formula for each but a coordinate, which is not observed twice; periods are positive."""
    observables, columns = data.get("observables"), data.get("columns")
    for name, one in observables.items() if isinstance(observables, dict) else ():
        key: Key = ("data", "observables", name)
        if not isinstance(one, dict):
            continue
        if "is" not in one and name not in context.coordinates:
            context.add(key, "data.observable", f"what is {name}?",
                        "write is = \"sqrt(x^2 + y^2)\", or name it like a coordinate")  # fmt: skip
        if isinstance(columns, dict) and name in columns:
            context.add(key, "data.observable", f"{name} is a column and an observable",
                        f"leave {name} out of columns")  # fmt: skip
        period = context.number((*key, "wrap"))
        if period is not None and period <= 0:
            context.add((*key, "wrap"), "value.range", "a period is greater than 0",
                        'write wrap = "2*pi"')  # fmt: skip


def _constants(context: RuleContext, data: dict[str, Any]) -> None:
    """Lists of numbers by trial; each is a number."""
    constants = data.get("constants")
    for name, given in constants.items() if isinstance(constants, dict) else ():
        for index in range(len(given)) if isinstance(given, list) else ():
            context.number(("data", "constants", name, index))


def unobserved(context: RuleContext, key: Key, name: str, known: list[str]) -> bool:
    """Whether a name is none of the known columns, which is a fault."""
    if name in known:
        return False
    close = "t" if name in ("time", "T") and "t" in known else nearest(name, known)
    context.add_always(
        key, "name.column", f"{name[:60]} is nothing that this study observes",
        None if close else "known: " + " ".join(known[:12]), close,
    )  # fmt: skip
    return True


def _columns(context: RuleContext, columns: dict[str, Any], rated: bool) -> None:
    names = [*context.coordinates]
    known = ["t", "trial", *column_names(names)]
    if names:
        for name in columns:
            unobserved(context, ("data", "columns", name), name, known)
    if rated and "t" in columns:
        context.add(("data", "rate"), "data.rate", "times are given by a column and by a rate",
                    "leave out rate, or the column of t")  # fmt: skip
    if not rated and "t" not in columns and all(name in known for name in columns):
        context.add(("data", "columns"), "data.column", "the column of the time t is missing",
                    'write columns = { t = "t", ... }, or where rows have no times '
                    'rate = "240 Hz" (a plain number in a study of plain numbers)')  # fmt: skip
    seen = [name for name in columns if name not in ("t", "trial")]
    if not seen and "observables" not in context.table("data"):
        context.add(("data", "columns"), "data.column", "no column holds a motion",
                    f'write {names[0] if names else "q"} = "NAME OF THE COLUMN"')  # fmt: skip
    for name, item in columns.items():
        base = name.partition("_")[2] if name not in names and "_" in name else name
        size = context.coordinates.get(
            base if base in context.coordinates else names[0] if names else "", 0
        )
        if name in ("t", "trial") or name not in known:
            continue
        context.components(("data", "columns", name), base, size, item)
