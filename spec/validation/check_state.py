"""The state of a check: what was read of a study, what of it is known by now, and its faults.

The stages of `checks` fill it from the leaves up; the rules read it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from actionrun.spec.expressions.errors import ExpressionFault
from actionrun.spec.expressions.name_resolution import FIXED, Names, uses
from actionrun.spec.expressions.syntax_tree import Node
from actionrun.spec.kinds.experiment import constant, number
from actionrun.spec.tables.columns import table_columns, tabular
from actionrun.spec.tables.leaves import Expression, Reading, Value
from actionrun.spec.text.source import Source
from actionrun.spec.text.span import WHOLE, Key
from actionrun.spec.units.dimension_inference import Dimensions
from actionrun.spec.units.quantities import coherent
from actionrun.spec.units.unit_table import NONE, Dimension


class CheckState:
    """What the stages of a check share. `suppressed` are names that no stage complains about."""

    def __init__(
        self, source: Source, raw: dict[str, Any], reading: Reading, broken: bool,
        suppressed: frozenset[str],
    ):  # fmt: skip
        self.source, self.raw, self.reading = source, raw, reading
        self.faults: list[tuple[Key, ExpressionFault]] = []
        self.units = coherent(
            leaf.unit
            for key in leaf_keys(raw)
            if (leaf := reading.values.get(key) or reading.columns.get(key)) and leaf.unit
        )
        self.parameters = self._trees("parameters")
        self.define = self._trees("define")
        self.coefficients = frozenset(self.table("coefficients"))
        self.names = Names(
            reading.coordinates, reading.vectors, self.parameters, self.define, self.coefficients,
            isinstance(raw.get("system"), dict) and "particles" in raw["system"],
            not self.units.reduced,
            suppressed=suppressed,
            open=not reading.coordinates and (
                broken or "coordinates" in self.table("system")
                or (reading.kind == "pnn" and "system" not in raw and not tabular(raw))
            ),
            columns=frozenset(table_columns(raw)), step=reading.kind == "pnn",
            inputs=frozenset(self.inputs),
            by_trial=frozenset(self._of_data("constants")),
            count=reading.bodies,
            lists=frozenset(
                name for name, given in self.table("parameters").items()
                if reading.bodies and isinstance(given, list)
            ),
            paired=frozenset(
                name for name, given in self.table("parameters").items()
                if reading.species and isinstance(given, dict)
            ),
        )  # fmt: skip
        self.sequence: list[str] = []
        self.constants: dict[str, float] = {}
        self.lists: dict[str, tuple[float, ...]] = {}  # of parameters, a number for each body
        self.dimensions: dict[str, Dimension | None] = {}
        self.odd: set[Key] = {key for key, _ in reading.faults}  # no second fault for one value

    def table(self, name: str) -> dict[str, Any]:
        """A table of the document; an empty one where there is none."""
        given = self.raw.get(name)
        return given if isinstance(given, dict) else {}

    @property
    def inputs(self) -> list[str]:
        """The names of known functions of time."""
        columns = self.table("inputs").get("columns")
        return [*self._of_data("inputs"), *(
            name for name in (columns if isinstance(columns, dict) else {}) if name != "t"
        )]  # fmt: skip

    @property
    def observables(self) -> list[str]:
        """The names of what columns show that is no coordinate."""
        return [n for n in self._of_data("observables") if n not in self.reading.coordinates]

    def _of_data(self, name: str) -> dict[str, Any]:
        """A table of names inside [data]."""
        given = self.table("data").get(name)
        return given if isinstance(given, dict) else {}

    def _trees(self, table: str) -> dict[str, Node | None]:
        trees: dict[str, Node | None] = {}
        for name in self.table(table):
            leaf = self.reading.expressions.get((table, name)) or self.reading.values.get(
                (table, name)
            )
            trees[name] = leaf.tree if leaf else None
        return trees

    def formulas(self) -> Iterator[tuple[Key, str, Node]]:
        """Every formula of the study, whether it stands for a law or for a number."""
        for key, expression in self.reading.expressions.items():
            yield key, expression.text, expression.tree
        for key, value in self.reading.values.items():
            if value.tree is not None:
                yield key, value.text, value.tree

    def add(self, key: Key, fault: ExpressionFault) -> None:
        """A fault at a key, unless that value has one already."""
        if key not in self.odd:
            self.faults.append((key, fault))

    def add_last(self, key: Key, fault: ExpressionFault) -> None:
        """A fault at a key, after which nothing more is said of that value."""
        self.add(key, fault)
        self.odd.add(key)

    def blame(self, key: Key, code: str, message: str, hint: str | None = None) -> None:
        """A fault at the whole value of a key."""
        self.add(key, ExpressionFault(code, message, WHOLE, hint))

    def is_fixed(self, tree: Node) -> bool:
        """Whether a tree holds nothing but constants whose numbers are known."""
        kinds = (self.names.kinds(name) or frozenset({"?"}) for name in uses(tree))
        return all(kind <= FIXED | {"step"} for kind in kinds) and all(
            name in self.constants
            for name in uses(tree)
            if name in self.parameters or name in self.define or name == "dt"
        )

    def number(self, key: Key) -> float | None:
        """The number of the value at a key in base units; None for none, its fault kept."""
        value = self.reading.values.get(key)
        if value is None or key in self.odd:
            return None
        if value.tree is not None and not self.is_fixed(value.tree):
            return None
        try:
            return number(value, self.units, self.constants)
        except ExpressionFault as fault:
            self.add_last(key, fault)
            return None

    def dimension(self, leaf: Value | Expression) -> Dimension | None:
        """The dimension of a leaf. Raises ExpressionFault for a mismatch inside it."""
        if leaf.path in self.odd:
            return None
        if leaf.tree is not None:
            return self.dimensional.of(leaf.tree)
        if not isinstance(leaf, Value) or leaf.number is None:
            return None
        return leaf.unit.dimension if leaf.unit else NONE if leaf.number else None

    def dimension_of(self, node: Node) -> Dimension | None:
        """The dimension of a part of a formula; None where it has none."""
        try:
            return self.dimensional.of(node)
        except ExpressionFault:
            return None

    @property
    def dimensional(self) -> Dimensions:
        """The reader of dimensions, with those of the names that are known by now."""
        return Dimensions(
            self.dimensions, self.units, lambda node: constant(node, self.units, self.constants)
        )


def leaf_keys(raw: Any, path: Key = ()) -> Iterator[Key]:
    """The keys of all leaves in the order of the document."""
    items: Any = raw.items() if isinstance(raw, Mapping) else enumerate(raw)
    for name, item in items:
        if isinstance(item, Mapping | list):
            yield from leaf_keys(item, (*path, name))
        else:
            yield (*path, name)
