"""What the models cannot see: names, shapes, constants, units, and sense across tables.

The stages work on the leaves that could be read, so a fault in one place does not hide another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from actionrun.spec.expressions.declarations import declaration_faults, order
from actionrun.spec.expressions.errors import ExpressionFault
from actionrun.spec.expressions.name_resolution import name_faults, occurrences
from actionrun.spec.expressions.shape_inference import filled, summed
from actionrun.spec.expressions.syntax_tree import Node, Relation
from actionrun.spec.kinds.experiment import Experiment, Meaning, constant, number
from actionrun.spec.kinds.registry import Kind
from actionrun.spec.tables.columns import table_columns
from actionrun.spec.tables.leaves import Reading
from actionrun.spec.text.source import Fault, Source
from actionrun.spec.text.span import Key

from .check_state import CheckState
from .rule_context import RuleContext
from .supported import refusals
from .table_rules import check_all_tables
from .unit_rules import check_all_units

MAX_NAME_FAULTS = 100


def check_meaning(
    study: Experiment | None, kind: Kind, source: Source, raw: dict[str, Any], reading: Reading,
    broken: bool,
) -> list[Fault]:  # fmt: skip
    """All faults beyond the models. A study without any gets its meaning: units and constants.
    With `broken` some lines could not be read, and may have declared what seems to be missing."""
    suppressed = frozenset(suppressed_names(source.text, raw, kind, broken))
    state = CheckState(source, raw, reading, broken, suppressed)
    check_names(state)
    check_shapes(state)
    check_constants(state)
    if not state.units.reduced:
        check_all_units(state, kind)
    context = RuleContext(state)
    check_all_tables(context, kind)
    state.faults += context.faults
    if study is not None and not broken:
        for key, fault in refusals(study):
            if not any(key[: len(other)] == other[: len(key)] for other, _ in state.faults):
                state.faults.append((key, fault))
    if study is not None and not state.faults:
        study._meaning = Meaning(
            source, raw, state.units, state.constants, state.dimensions, lists=state.lists
        )
        for table in study.file_tables:
            table.place_files(source)
    return [
        source.fault(
            key, one.code, one.message, hint=one.hint, suggestion=one.suggestion,
            span=None if one.span.start < 0 else one.span, on_key=one.code.startswith("name.") and
            one.span.start < 0,
        )
        for key, one in [*reading.faults, *state.faults]
    ]  # fmt: skip


def suppressed_names(text: str, raw: dict[str, Any], kind: Kind, broken: bool) -> Iterator[str]:
    """Names that a line in error or a misspelt table may have declared: one fault is enough."""
    fields = kind.model().model_fields
    for name, table in raw.items():
        if isinstance(table, dict) and name not in fields:
            yield from table
    if broken:
        yield "?"
        for match in re.finditer(r"^\s*([A-Za-z_]\w*)\s*[=:]", text, re.M):
            yield match.group(1)


def expression_place(key: Key, tree: Node | None) -> str:
    """What an expression at a key of the study may hold: a key of `name_resolution.PLACES`."""
    match key:
        case ("system", "constraints", *_):
            return "equation" if not isinstance(tree, Relation) or tree.op == "=" else "inequality"
        case ("system", ("pair" | "external") as name, *_):
            return name
        case ("search", ("inputs" | "outputs"), *_) | ("data", "sigma"):
            return "input"
        case ("search", "weights", *_):
            return "weight"
        case ("search", "activations", *_):
            return "activation"
        case ("compare", *_):
            return "rival"
        case ("system", "mass", *_):
            return "mass"
        case ("system", ("lagrangian" | "nonconservative" | "potential") as name, *_):
            return name
        case ("library", name, *_):
            return "drag" if name == "drag" else "library"
        case ("integrator", "time_transform"):
            return "time_transform"
        case ("exact", *_):
            return "exact"
        case ("data", "observables", _, "is"):
            return "observable"
        case ("start", *_):
            return "start"
        case ("events", _, "after"):
            return "value"
        case ("events", *_) | ("analysis", "periodic", "section"):
            return "event"
        case ("loss", "terms", *_):
            return "term"
        case ("define", *_):
            return "define"
        case _:
            return "value"


def check_names(state: CheckState) -> None:
    """Declarations, cycles of definitions, and the names that formulas use."""
    tables = {
        "coordinates": state.reading.coordinates, "parameters": state.parameters,
        "define": state.define, "coefficients": state.coefficients,
        "columns": table_columns(state.raw),
        "constants": state.names.by_trial, "observables": state.observables,
        "inputs" if "data" in state.raw else "drives": state.names.inputs,
    }  # fmt: skip
    for key, fault in declaration_faults(
        tables, state.reading.coordinates, state.names.units, state.names.count
    ):
        state.add(key, fault)
    state.sequence, cycles = order({**state.parameters, **state.define})
    for cycle in cycles:
        name = cycle[0]
        key = ("define", name) if name in state.define else ("parameters", name)
        way = " -> ".join(cycle if len(cycle) <= 8 else [*cycle[:4], "...", *cycle[-3:]])
        state.blame(
            key, "name.cycle", f"a cycle: {way}", "one of them has to be given without the others"
        )
        state.odd.add(key)
    _definition_contents(state)
    odd: set[Key] = set()
    faults = (
        (key, fault)
        for key, text, tree in state.formulas()
        for fault in name_faults(tree, text, expression_place(key, tree), state.names)
    )
    for key, fault in islice(faults, MAX_NAME_FAULTS):  # each looks for a suggestion
        state.add(key, fault)
        odd.add(key)
    state.odd |= odd


def _definition_contents(state: CheckState) -> None:
    """What kinds of names each definition holds, through all that it uses."""
    for name in state.sequence:
        tree = state.define.get(name)
        if tree is None:
            continue
        contents: set[str] = set()
        for used, order_, _, bound in occurrences(tree):
            if used.name in bound:
                continue
            kinds = state.names.kinds(used.name) or frozenset()
            if order_ and "coordinate" in kinds:
                kinds = frozenset({"velocity"})
            contents |= {"input rate"} if order_ and "input" in kinds else kinds
        state.names.contents[name] = frozenset(contents)


def check_shapes(state: CheckState) -> None:
    """Vectors and scalars: every formula is a scalar where one is wanted."""
    trees = {name: tree for name, tree in state.define.items() if tree is not None}
    shapes = filled(state.names, state.sequence, trees)
    for key, _, tree in state.formulas():
        if key in state.odd:
            continue
        try:
            held = key[:2] == ("system", "constraints") and not summed(tree)
            each = state.names.count and (key[0] in ("start", "exact") or held)
            shape = shapes.of(tree, frozenset({"i"} if each else ()))
        except ExpressionFault as fault:
            state.add_last(key, fault)
            continue
        if shape and key[0] not in ("define", "search"):
            what = {"lagrangian": "a Lagrangian", "nonconservative": "K"}.get(str(key[-1]), "this")
            state.blame(key, "shape.scalar", f"{what} is a vector of {shape} components here",
                        "a scalar is wanted: take dot(a, b), |a| or a component")  # fmt: skip
            state.odd.add(key)


def check_constants(state: CheckState) -> None:
    """The numbers of [parameters] and of constant definitions, each after what it uses."""
    if (dt := state.number(("data", "dt"))) is not None:
        state.constants["dt"] = dt
    for name in state.sequence:
        key: Key = ("parameters" if name in state.parameters else "define", name)
        value = state.reading.values.get(key)
        tree = state.parameters.get(name) or state.define.get(name)
        if key in state.odd or (tree is not None and not state.is_fixed(tree)):
            continue
        try:
            if value is not None:
                state.constants[name] = number(value, state.units, state.constants)
            elif tree is not None:
                state.constants[name] = constant(tree, state.units, state.constants)
        except ExpressionFault as fault:
            state.add_last(key, fault)
    for name in state.names.lists if state.names.count else ():
        given = state.raw["parameters"][name]
        numbers = [state.number(("parameters", name, k)) for k in range(len(given))]
        if all(number is not None for number in numbers):
            state.lists[name] = tuple(number for number in numbers if number is not None)
