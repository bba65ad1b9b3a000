"""What a pnn study has to agree on across its tables, and the units of its columns and groups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from actionrun.spec.expressions.errors import ExpressionFault
from actionrun.spec.expressions.name_resolution import uses
from actionrun.spec.expressions.shape_inference import brief
from actionrun.spec.expressions.syntax_tree import Binary, Derivative, Index, Name, Node
from actionrun.spec.kinds.pnn import Samples
from actionrun.spec.tables.columns import table_columns, tabular
from actionrun.spec.text.source import nearest
from actionrun.spec.text.span import WHOLE, Key, Span
from actionrun.spec.units.quantities import unit
from actionrun.spec.units.unit_table import NONE, Dimension

from .rule_context import RuleContext
from .sample_context import SampleContext
from .unit_context import UnitContext

MOST_CONSTANTS = 12  # of a rival formula
FEWEST_ROWS = 8  # of a table to learn from: with less no fold says anything
FEWEST_PAIRS = 10  # of states of a measured motion
ROWS_OF_ENDS = 8  # of a motion, that serve for velocities alone where none are measured
MAP_KEYS = ("energies", "energy_unit", "dt", "points")
LIKELY = (  # units of what a column of a table usually holds
    "GPa", "g/cm^3", "u", "K", "angstrom", "eV", "s", "angstrom^3", "m/s", "Hz", "N", "m^2", "C",
    "W/(m*K)", "J/(kg*K)", "1/K", "mol",
)  # fmt: skip


def check_tables(context: RuleContext) -> None:
    """What makes no sense in the tables of a pnn study."""
    raw, data = context.raw, context.table("data")
    if data and not context.broken:
        _data(context, data, tabular(raw))
    if "system" not in raw and not tabular(raw) and not context.broken:
        context.add(("data", "energies"), "key.missing", "motions by energy, without a [system]",
                    "add [system] with coordinates and lagrangian")  # fmt: skip
    _search(context, context.table("search"), tabular(raw))
    _rivals(context)


def _data(context: RuleContext, data: dict[str, Any], table: bool) -> None:
    if table:
        for name in MAP_KEYS:
            if name in data:
                context.add(("data", name), "data.map", f"{name} without a [system]",
                            "a map learns the motion of a system; a table has none")  # fmt: skip
        wanted = ("file", "columns")
    elif "file" in data:
        wanted = ("file", "columns", "dt")
    else:
        wanted = ("energies", "dt", "points")
    examples = {"file": 'file = "data/elements.csv"', "dt": 'dt = "1 fs"',
                "points": "points = 10000",
                "columns": '[data.columns]\nrho = "density [g/cm^3]"',
                "energies": "energies = { train = [-0.9, -0.8], test = [-0.85] }"}  # fmt: skip
    other = [name for name in data if name not in Samples.model_fields]
    for name in wanted:
        if name not in data and not nearest(name, other):
            context.add(("data",), "key.missing", f'"{name}" is missing in [data]',
                        f"write {examples[name]}")  # fmt: skip
    if "energies" in data and "file" in data:
        context.add(("data", "energies"), "data.twice", "motions by energy and a file",
                    "keep one of them")  # fmt: skip
    dt = context.number(("data", "dt"))
    if dt is not None and dt <= 0:
        context.add(("data", "dt"), "value.range", "dt is greater than 0")
    if data.get("columns") == {}:
        context.add(("data", "columns"), "data.column", "no columns", examples["columns"])
    energies = data.get("energies")
    for part, items in energies.items() if isinstance(energies, dict) else ():
        for index in range(len(items) if isinstance(items, list) else 0):
            context.number(("data", "energies", part, index))
    context.number(("data", "energy_unit"))
    if "sigma" in data and not table:
        context.add(("data", "sigma"), "data.map", "sigma with a [system]",
                    "maps are fitted to states without deviations of their own")  # fmt: skip


def _search(context: RuleContext, search: dict[str, Any], table: bool) -> None:
    names, scores = search.get("activations"), search.get("scores")
    if isinstance(names, list) and isinstance(scores, list) and len(names) != len(scores):
        context.add(("search", "scores"), "value.size",
                    f"{len(scores)} scores for {len(names)} activations",
                    "write one for each")  # fmt: skip
    if not table and not search.get("inputs") and search:
        context.add(("search",), "key.missing", '"inputs" is missing in [search]',
                    "write inputs = [\"x\", \"x'\"]: what a map is a function of")  # fmt: skip
    elif table and not search.get("inputs"):
        for index, leaf in _leaves(context, "outputs"):
            if not (isinstance(leaf.tree, Name) and leaf.tree.name in table_columns(context.raw)):
                context.add(("search", "outputs", index), "search.outputs",
                            "where inputs are left out, an output is a column",
                            "write the name of a column; what it is divided by is found"
                            )  # fmt: skip
    layers, force = search.get("layers"), search.get("force")
    if search and not table and layers is None:
        context.add(("search",), "key.missing", '"layers" is missing in [search]',
                    "write layers = [2, 2, 2]: the units of the hidden layers")  # fmt: skip
    system = context.raw.get("system")
    if force is not None and (table or (isinstance(system, dict) and "lagrangian" not in system)):
        context.add(("search", "force"), "search.force", "a force without a Lagrangian",
                    "force means that of [system] lagrangian")  # fmt: skip
    elif isinstance(force, int) and isinstance(layers, list) and force > len(layers):
        context.add(("search", "force"), "value.range",
                    f"there is no layer {force}: layers has {len(layers)} entries")  # fmt: skip
    for index, leaf in _leaves(context, "outputs"):
        key: Key = ("search", "outputs", index)
        later = getattr(leaf, "later", False)
        if later and table:
            context.add(key, "expression.later", "one step later has no meaning for a table",
                        "write the formula alone")  # fmt: skip
        elif later and not _is_state(leaf.tree):
            context.add(key, "expression.later", "only a coordinate or velocity is known at t+dt",
                        "write x(t+dt) and x'(t+dt)")  # fmt: skip
        elif not later and not table and not context.broken:
            context.add(key, "expression.later", "a map predicts the state one step later",
                        f"write {leaf.text[:30]}(t+dt)")  # fmt: skip
    weights = search.get("weights")
    for index in range(len(weights) if isinstance(weights, list) else 0):
        context.number(("search", "weights", index))


def _rivals(context: RuleContext) -> None:
    """Rival formulas have few constants to fit: names that nothing else declares."""
    for name in context.table("compare"):
        leaf = context.state.reading.expressions.get(("compare", name))
        words = context.state.names
        free = {one for one in uses(leaf.tree) if words.kinds(one) is None} if leaf else ()
        if len(free) > MOST_CONSTANTS:
            context.add(("compare", name), "compare.constants",
                        f"{name} has {len(free)} constants to fit, and {MOST_CONSTANTS} can be",
                        "declare those that are known in [parameters]")  # fmt: skip


def _leaves(context: RuleContext, name: str) -> Iterator[tuple[int, Any]]:
    items = context.table("search").get(name)
    for index in range(len(items) if isinstance(items, list) else 0):
        key = ("search", name, index)
        leaf = context.state.reading.expressions.get(key)
        if leaf is not None and key not in context.state.odd:
            yield index, leaf


def _is_state(tree: Node) -> bool:
    base = tree.base if isinstance(tree, Index) else tree
    return isinstance(base, Name) or (isinstance(base, Derivative) and base.order == 1)


def check_units(context: UnitContext) -> None:
    """Units of a pnn study: a table's groups are plain numbers, a map's energies are energies."""
    expect, value = context.expect, context.values.get
    expect(value(("data", "dt")), context.state.units.time, "dt")
    scale = value(("data", "energy_unit"))
    expect(scale, context.energy, "energy_unit")
    wanted = context.energy if scale is None else NONE
    for leaf in context.leaves(("data", "energies"), context.given("data", "energies")):
        expect(leaf, wanted, "an energy" if scale is None else "an energy in units of energy_unit")
    for key, one in context.expressions.items():
        if key[0] == "compare" or (key[0] == "search" and not tabular(context.state.raw)):
            context.of(one)
    if tabular(context.state.raw):
        _groups(context)
        sigma = context.expressions.get(("data", "sigma"))
        expect(sigma, context.known.get(_target(context) or ""), "sigma")


def column_dimensions(context: UnitContext) -> None:
    """The dimension of each column, before the definitions that use them. A column whose unit
    spoils groups that any other unit would repair is told in their place."""
    names = table_columns(context.state.raw)
    for name in names:
        leaf = context.state.reading.columns.get(("data", "columns", name))
        context.known[name] = context.of(leaf)
    if not names or context.state.faults or context.state.odd or _sound(context, {}):
        return
    likely = [unit(one) for one in LIKELY]
    repairs = [
        (name, other)
        for name in names
        for other in likely
        if other.dimension != context.known[name] and _sound(context, {name: other.dimension})
    ]
    if len(repairs) == 1:
        (name, other), words = repairs[0], context.state.dimensional.words
        leaf = context.state.reading.columns[("data", "columns", name)]
        text = str(context.given("data", "columns")[name])
        start = text.rfind("[") if leaf.unit else -1
        fault = ExpressionFault(
            "unit.column",
            f"the column of {name} is {words(context.known[name] or NONE)} here, and the "
            f"formulas need {words(other.dimension)}",
            Span(start, text.rfind("]") + 1) if start >= 0 else WHOLE,
            f'is it "{leaf.name} [{other.text}]"?',
        )
        context.state.add(leaf.path, fault)
        context.known[name] = other.dimension


def _formulas(context: UnitContext) -> Iterator[tuple[Key, Node]]:
    if not context.state.table("search").get("inputs"):
        return  # groups are found, the output's too
    for key, one in context.expressions.items():
        if key[0] == "search" and key not in context.state.odd:
            yield key, one.tree


def _sound(context: UnitContext, trial: dict[str, Dimension]) -> bool:
    """Whether every definition has one dimension, and every group is a plain number."""
    state = context.state
    names: dict[str, Dimension | None] = {**context.known, **trial}
    dimensions = state.dimensional
    dimensions.names = names
    try:
        for name in state.sequence:
            tree = state.define.get(name)
            if tree is not None and ("define", name) not in state.odd:
                names[name] = dimensions.of(tree)
        return all(dimensions.of(tree) in (None, NONE) for _, tree in _formulas(context))
    except ExpressionFault:
        return False


def _target(context: UnitContext) -> str | None:
    """The column that the output is made of: the first that no input holds."""
    state = context.state
    columns = table_columns(state.raw)

    def held(part: str) -> list[str]:
        waiting = [e.tree for k, e in context.expressions.items() if k[:2] == ("search", part)]
        names: dict[str, None] = {}
        while waiting:
            for name in uses(waiting.pop()):
                tree = state.define.get(name)
                if tree is not None and name not in names:
                    waiting.append(tree)
                names[name] = None
        return [name for name in names if name in columns]

    inputs = held("inputs")
    return next((name for name in held("outputs") if name not in inputs), None)


def _groups(context: UnitContext) -> None:
    words = context.state.dimensional.words
    if any(fault.code == "name.clash" for _, fault in context.state.faults):
        return  # a name means two things: its dimension is anybody's guess
    for key, tree in _formulas(context):
        dimension = context.of(context.expressions[key])
        later = getattr(context.expressions[key], "later", False)
        if dimension is None or dimension == NONE or later:
            continue
        what = "an input" if key[1] == "inputs" else "an output"
        hint = "divide it by a quantity of the same unit"
        if isinstance(tree, Binary) and tree.op in "*/":
            left = context.state.dimension_of(tree.left)
            right = context.state.dimension_of(tree.right)
            if left is not None and right is not None:
                hint = f"{brief(tree.left)} is {words(left)}, {brief(tree.right)} is {words(right)}"
        fault = ExpressionFault("unit.group", f"{what} is a plain number, and this is "
                                f"{words(dimension)}", WHOLE, hint)  # fmt: skip
        context.state.add(key, fault)


def check_samples(context: SampleContext) -> None:
    """Enough rows of a table to learn from, or enough pairs of states of a motion."""
    study, rows = context.study, context.rows
    if rows is None:
        return
    names = [*study.data.columns]
    if study.is_table:
        _check_rows(context, rows.count, sum(rows.complete(names)))
        return
    coordinates = [*study.system.coordinates]
    state = [*coordinates, *(f"v_{name}" for name in coordinates if f"v_{name}" in names)]
    if study.data.dt is None or not {"t", *state} <= {*names}:
        return
    count = rows.pairs(state, study.number(study.data.dt))
    ends = 0 if len(state) == 2 * len(coordinates) else ROWS_OF_ENDS
    if ends and FEWEST_PAIRS <= count < FEWEST_PAIRS + ends:
        lacking = next(f"v_{name}" for name in coordinates if f"v_{name}" not in names)
        context.add(
            ("data", "columns"), "data.pairs",
            f"{count} pairs of rows, and velocities that are estimated need {FEWEST_PAIRS + ends}",
            f'write {lacking} = "COLUMN", or bring longer motions',
        )  # fmt: skip
    if count < FEWEST_PAIRS:
        context.add(
            ("data", "dt"), "data.pairs",
            f"the file has {count} pairs of rows dt apart, at least {FEWEST_PAIRS} are needed",
            "give the dt of the file",
        )  # fmt: skip


def _check_rows(context: SampleContext, rows: int, count: int) -> None:
    """`count` of the rows lack nothing."""
    test = context.study.test
    held_out = round(test.fraction * count)
    left, fewest = count - held_out, max(FEWEST_ROWS, test.folds)
    if left >= fewest:
        return
    whole = "" if count == rows else f", {count} of them without gaps,"
    held = f" and {held_out} held out for the test" if held_out else ""
    context.add(
        ("data", "file"), "data.few",
        f"{rows} rows{whole}{held} leave {left} to learn from, and {test.folds} folds "
        f"need {fewest}",
        "bring more rows"
        + (", or fewer folds" if test.folds > FEWEST_ROWS else "")
        + (", or lower fraction in [test]" if held else ""),
    )  # fmt: skip
