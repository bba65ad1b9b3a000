"""What the models cannot see: names, shapes, constants, units, and sense across tables.

The stages work on the leaves that could be read, so a fault in one place does not hide another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from actionrun.spec.expressions.declarations import declaration_faults, order
from actionrun.spec.expressions.errors import ExpressionFault
from actionrun.spec.expressions.name_resolution import FIXED, Names, name_faults, uses
from actionrun.spec.expressions.shape_inference import Shapes, filled, summed
from actionrun.spec.expressions.syntax_tree import Node, Relation
from actionrun.spec.kinds.experiment import Meaning, constant, number
from actionrun.spec.tables.leaves import Expression, Reading, Value
from actionrun.spec.text.files import place_files
from actionrun.spec.text.source import Fault, Key, Source, Span
from actionrun.spec.units.dimension_inference import Dimensions
from actionrun.spec.units.quantities import coherent, dimension_product
from actionrun.spec.units.unit_table import NONE, Dimension

from . import table_rules as sense
from .pnn_rules import table_columns, tabular

if TYPE_CHECKING:
    from actionrun.spec.kinds.registry import Study


def checked(
    study: Study | None, source: Source, raw: dict[str, Any], reading: Reading,
    data_given: bool, broken: bool,
) -> list[Fault]:  # fmt: skip
    """All faults beyond the models. A study without any gets its meaning: units and constants."""
    check = Check(source, raw, reading, broken)
    check.run()
    check.faults += sense.faults(check, data_given)
    if study is not None and not check.faults:
        study._meaning = Meaning(
            source, raw, check.units, check.constants, check.dimensions, lists=check.lists
        )
        place_files(study, source, data_given)
    found = [
        source.fault(
            key, one.code, one.message, hint=one.hint, suggestion=one.suggestion,
            span=None if one.span.start < 0 else one.span, on_key=one.code.startswith("name.") and
            one.span.start < 0,
        )
        for key, one in [*reading.faults, *check.faults]
    ]  # fmt: skip
    return found


def place(key: Key, tree: Node | None) -> str:
    """What an expression at a key of the study may hold: a key of `names.PLACES`."""
    match key:
        case ("system", "constraints", *_):
            return "equation" if not isinstance(tree, Relation) or tree.op == "=" else "inequality"
        case ("system", ("pair" | "external") as name, *_):
            return name
        case ("search", ("inputs" | "outputs"), *_):
            return "input"
        case ("search", "weights", *_):
            return "weight"
        case ("compare", *_):
            return "rival"
        case ("system", "mass", *_):
            return "mass"
        case ("system", ("lagrangian" | "nonconservative" | "potential") as name, *_):
            return name
        case ("integrator", "time_transform"):
            return "time_transform"
        case ("exact", *_):
            return "exact"
        case ("start", *_):
            return "start"
        case ("events", *_):
            return "event"
        case ("loss", "terms", *_):
            return "term"
        case ("define", *_):
            return "define"
        case _:
            return "value"


MAX_NAME_FAULTS = 100


class Check:
    def __init__(self, source: Source, raw: dict[str, Any], reading: Reading, broken: bool):
        self.source, self.raw, self.reading = source, raw, reading
        self.faults: list[tuple[Key, ExpressionFault]] = []
        self.units = coherent(
            leaf.unit
            for key in keys(raw)
            if (leaf := reading.values.get(key) or reading.columns.get(key)) and leaf.unit
        )
        self.parameters = self._trees("parameters")
        self.define = self._trees("define")
        self.coefficients = frozenset(self.table("coefficients"))
        self.names = Names(
            reading.coordinates, reading.vectors, self.parameters, self.define, self.coefficients,
            isinstance(raw.get("system"), dict) and "particles" in raw["system"],
            not self.units.reduced,
            forgiven=frozenset(sense.forgiven_names(source.text, raw, reading.kind, broken)),
            open=not reading.coordinates and (
                broken or "coordinates" in self.table("system")
                or (reading.kind == "pnn" and "system" not in raw and not tabular(raw))
            ),
            columns=frozenset(table_columns(raw)), step=reading.kind == "pnn",
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
        found = self.raw.get(name)
        return found if isinstance(found, dict) else {}

    def _trees(self, table: str) -> dict[str, Node | None]:
        found: dict[str, Node | None] = {}
        for name in self.table(table):
            leaf = self.reading.expressions.get((table, name)) or self.reading.values.get(
                (table, name)
            )
            found[name] = leaf.tree if leaf else None
        return found

    def formulas(self) -> Iterator[tuple[Key, str, Node]]:
        """Every formula of the study, whether it stands for a law or for a number."""
        for key, expression in self.reading.expressions.items():
            yield key, expression.text, expression.tree
        for key, value in self.reading.values.items():
            if value.tree is not None:
                yield key, value.text, value.tree

    def add(self, key: Key, fault: ExpressionFault) -> None:
        if key not in self.odd:
            self.faults.append((key, fault))

    def blame(self, key: Key, code: str, message: str, hint: str | None = None) -> None:
        """A fault at the whole value of a key."""
        self.add(key, ExpressionFault(code, message, Span(-1, -1), hint))

    def run(self) -> None:
        self._names()
        self._shapes()
        self._constants()
        if not self.units.reduced:
            self._units()

    def _names(self) -> None:
        tables = {
            "coordinates": self.reading.coordinates, "parameters": self.parameters,
            "define": self.define, "coefficients": self.coefficients,
            "columns": table_columns(self.raw),
        }  # fmt: skip
        for key, fault in declaration_faults(
            tables, self.reading.coordinates, self.names.units, self.names.count
        ):
            self.add(key, fault)
        graph = {**self.parameters, **self.define}
        self.sequence, cycles = order(graph)
        for cycle in cycles:
            name = cycle[0]
            key = ("define", name) if name in self.define else ("parameters", name)
            way = " -> ".join(cycle if len(cycle) <= 8 else [*cycle[:4], "...", *cycle[-3:]])
            self.blame(
                key,
                "name.cycle",
                f"a cycle: {way}",
                "one of them has to be given without the others",
            )
            self.odd.add(key)
        self._contents()
        odd: set[Key] = set()
        found = (
            (key, fault)
            for key, text, tree in self.formulas()
            for fault in name_faults(tree, text, place(key, tree), self.names)
        )
        for key, fault in islice(found, MAX_NAME_FAULTS):  # each looks for a suggestion
            self.add(key, fault)
            odd.add(key)
        self.odd |= odd

    def _contents(self) -> None:
        """What kinds of names each definition holds, through all that it uses."""
        from actionrun.spec.expressions.name_resolution import occurrences

        for name in self.sequence:
            tree = self.define.get(name)
            if tree is None:
                continue
            kinds: set[str] = set()
            for used, order_, _, bound in occurrences(tree):
                if used.name in bound:
                    continue
                found = self.names.kinds(used.name) or frozenset()
                kinds |= {"velocity"} if order_ and "coordinate" in found else found
            self.names.contents[name] = frozenset(kinds)

    def _shapes(self) -> None:
        trees = {name: tree for name, tree in self.define.items() if tree is not None}
        self.shapes: Shapes = filled(self.names, self.sequence, trees)
        for key, _, tree in self.formulas():
            if key in self.odd:
                continue
            try:
                held = key[:2] == ("system", "constraints") and not summed(tree)
                each = self.names.count and (key[0] in ("start", "exact") or held)
                shape = self.shapes.of(tree, frozenset({"i"} if each else ()))
            except ExpressionFault as fault:
                self.add(key, fault)
                self.odd.add(key)
                continue
            if shape and key[0] not in ("define", "search"):
                what = {"lagrangian": "a Lagrangian", "nonconservative": "K"}.get(
                    str(key[-1]), "this"
                )
                self.blame(key, "shape.scalar", f"{what} is a vector of {shape} components here",
                           "a scalar is wanted: take dot(a, b), |a| or a component")  # fmt: skip
                self.odd.add(key)

    def _constants(self) -> None:
        if (dt := self.number(("data", "dt"))) is not None:
            self.constants["dt"] = dt
        for name in self.sequence:
            key: Key = ("parameters" if name in self.parameters else "define", name)
            value = self.reading.values.get(key)
            tree = self.parameters.get(name) or self.define.get(name)
            if key in self.odd or (value is None and tree is None):
                continue
            if tree is not None and not self._fixed(tree):
                continue
            try:
                if value is not None:
                    self.constants[name] = number(value, self.units, self.constants)
                elif tree is not None:
                    self.constants[name] = constant(tree, self.units, self.constants)
            except ExpressionFault as fault:
                self.add(key, fault)
                self.odd.add(key)

        if self.names.lists:
            from actionrun.spec.tables.per_body import lists

            lists(self)

    def _fixed(self, tree: Node) -> bool:
        """Whether a tree holds nothing but constants whose numbers are known."""
        kinds = (self.names.kinds(name) or frozenset({"?"}) for name in uses(tree))
        return all(kind <= FIXED | {"step"} for kind in kinds) and all(
            name in self.constants
            for name in uses(tree)
            if name in self.parameters or name in self.define or name == "dt"
        )

    def number(self, key: Key) -> float | None:
        """The number of the value at a key in base units; None for none, its fault told."""
        value = self.reading.values.get(key)
        if value is None or key in self.odd:
            return None
        if value.tree is not None and not self._fixed(value.tree):
            return None
        try:
            return number(value, self.units, self.constants)
        except ExpressionFault as fault:
            self.add(key, fault)
            self.odd.add(key)
            return None

    def _units(self) -> None:
        from .unit_rules import measure

        measure(self)

    def dimension(self, leaf: Value | Expression | None) -> Dimension | None:
        """The dimension of a leaf. Raises ExpressionFault for a mismatch inside it."""
        if leaf is None or leaf.path in self.odd:
            return None
        if isinstance(leaf, Value) and leaf.tree is None:
            if leaf.number is None or (leaf.number == 0 and leaf.unit is None):
                return None
            return leaf.unit.dimension if leaf.unit else NONE
        assert leaf.tree is not None
        return self.dimensional.of(leaf.tree)

    def dimension_of(self, node: Node) -> Dimension | None:
        """The dimension of a part of a formula; None where it has none."""
        try:
            return self.dimensional.of(node)
        except ExpressionFault:
            return None

    @property
    def dimensional(self) -> Dimensions:
        return Dimensions(
            self.dimensions, self.units, lambda node: constant(node, self.units, self.constants)
        )


def keys(raw: Any, path: Key = ()) -> Iterator[Key]:
    """The keys of all leaves in the order of the document."""
    items: Any = raw.items() if isinstance(raw, Mapping) else enumerate(raw)
    for name, item in items:
        if isinstance(item, Mapping | list):
            yield from keys(item, (*path, name))
        else:
            yield (*path, name)


__all__ = ["Check", "checked", "dimension_product"]
