"""The units stage: the dimension of every name, and whether every formula and value agrees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from actionrun.spec.expressions.errors import ExpressionFault
from actionrun.spec.expressions.name_resolution import FIXED
from actionrun.spec.tables.leaves import Column, Expression, Value
from actionrun.spec.text.source import Key
from actionrun.spec.units.quantities import dimension_power, dimension_product
from actionrun.spec.units.unit_table import LENGTH, NONE, Dimension

from . import particle_rules as bodies
from . import pnn_rules as laws

if TYPE_CHECKING:
    from .checks import Check


def measure(check: Check) -> None:
    """Fill `check.dimensions` and tell every mismatch, from the leaves up."""
    measures = Measures(check)
    measures.constants()
    measures.coefficients()
    measures.bodies()
    laws.columns(measures)
    measures.coordinates()
    measures.definitions()
    measures.laws()
    measures.start()
    measures.step()
    measures.columns()
    measures.cases()
    match check.reading.kind:
        case "om":
            from actionrun.spec.kinds import om

            om.measure(measures)
        case "pnn":
            laws.measure(measures)
    measures.labels()


class Measures:
    def __init__(self, check: Check):
        self.check = check
        self.known = check.dimensions
        self.values, self.expressions = check.reading.values, check.reading.expressions
        self.coordinate_names = [*check.reading.coordinates]
        self.energy: Dimension | None = None

    def of(self, leaf: Value | Expression | Column | None) -> Dimension | None:
        """The dimension of a leaf; a mismatch inside it is told once."""
        if isinstance(leaf, Column):
            return leaf.unit.dimension if leaf.unit else NONE
        try:
            return self.check.dimension(leaf)
        except ExpressionFault as fault:
            assert leaf is not None
            self.check.add(leaf.path, fault)
            self.check.odd.add(leaf.path)
            return None

    def expect(
        self, leaf: Value | Expression | Column | None, wanted: Dimension | None, what: str
    ) -> None:
        """Tell where a leaf has not the dimension that its place has."""
        found = self.of(leaf)
        if leaf is None or found is None or wanted is None or found == wanted:
            return
        words = self.check.dimensional.words
        label = self.check.units.label(wanted)
        if found == NONE:
            text = leaf.name if isinstance(leaf, Column) else leaf.text
            example = f"{text} [{label}]" if isinstance(leaf, Column) else f"{text} {label}"
            plain = isinstance(leaf, Column) or (isinstance(leaf, Value) and leaf.tree is None)
            self.check.blame(leaf.path, "unit.mixed" if plain else "unit.dimension",
                             f"{what} is {words(wanted)}, and this is a plain number",
                             f'write "{example}"' if plain else None)  # fmt: skip
        elif wanted == NONE:
            self.check.blame(
                leaf.path,
                "unit.mixed",
                f"{what} is a plain number here, and this is {words(found)}",
                "use units for it everywhere, or nowhere",
            )
        else:
            self.check.blame(
                leaf.path,
                "unit.dimension",
                f"{what} is {words(wanted)}, and this is {words(found)}",
                f"a unit of the right kind is {label}"
                if isinstance(leaf, Column) or (isinstance(leaf, Value) and not leaf.tree)
                else None,
            )

    def constants(self) -> None:
        check = self.check
        for name in check.sequence:
            kinds = check.names.contents.get(name, FIXED)
            if name in check.parameters:
                self.known[name] = self.of(self.values.get(("parameters", name)))
                self._list(name)
            elif kinds <= FIXED:
                self.known[name] = self.of(self.expressions.get(("define", name)))

    def _list(self, name: str) -> None:
        """A parameter with an entry for each body, or each pair of species, has one dimension."""
        entries = self.check.table("parameters").get(name)
        places = range(len(entries)) if isinstance(entries, list) else ()
        for index in entries if isinstance(entries, dict) else places:
            leaf = self.values.get(("parameters", name, index))
            if self.known[name] is None:
                self.known[name] = self.of(leaf)
            else:
                self.expect(leaf, self.known[name], f"an entry of {name}")

    def coefficients(self) -> None:
        for name, item in self.check.table("coefficients").items():
            self.known[name] = None
            for leaf in self.leaves(("coefficients", name), item):
                if self.known[name] is None:
                    self.known[name] = self.of(leaf)
                else:
                    self.expect(leaf, self.known[name], f"the other end of {name}")

    def bodies(self) -> None:
        """Names that a many-body system knows, and the time step of a map."""
        if self.check.names.step:
            self.known["dt"] = self.check.units.time
        if self.check.names.bodies:
            length = LENGTH if self.check.units.used[0] else NONE
            self.known |= {name: length for name in "rxyz" if name not in self.known}

    def leaves(self, key: Key, item: Any) -> Iterator[Value | Expression | Column]:
        """The leaves at and below a key."""
        if isinstance(item, dict | list):
            inner = item.items() if isinstance(item, dict) else enumerate(item)
            for name, one in inner:
                yield from self.leaves((*key, name), one)
            return
        reading = self.check.reading
        leaf = self.values.get(key) or self.expressions.get(key) or reading.columns.get(key)
        if leaf is not None:
            yield leaf

    def given(self, *path: str) -> dict[str, Any]:
        at: Any = self.check.raw
        for part in path:
            at = at.get(part) if isinstance(at, dict) else None
        return at if isinstance(at, dict) else {}

    def coordinates(self) -> None:
        """The dimension of a coordinate is that of its start, its column, or its velocity's. Where
        these disagree, the one that the law agrees with counts, and the others are told."""
        self.known |= dict.fromkeys(self.coordinate_names)
        for name in self.coordinate_names:
            options = [*dict.fromkeys(self._options(name))]
            if not options and self.check.reading.kind in ("om", "pnn"):
                options = [LENGTH, NONE] if self.check.units.used[0] else [NONE]
            self.known[name] = options[0] if options else None
            for option in options if len(options) > 1 else ():
                if self._law_agrees({name: option}):
                    self.known[name] = option
                    break
        if self.check.names.count and len(self.coordinate_names) == 1:
            self.known.setdefault("r", None)
            if "r" not in self.coordinate_names:  # r[i,j] is the distance in the one coordinate
                self.known["r"] = self.known[self.coordinate_names[0]]

    def _options(self, name: str) -> Iterator[Dimension]:
        time = self.check.units.time
        places = [
            (("start", "position", name), NONE),
            (("data", "columns", name), NONE),
            (("start", "velocity", name), time),
            (("data", "columns", f"v_{name}"), time),
        ]
        if len(self.coordinate_names) == 1:
            places.append((("data", "columns", "velocity"), time))
        for key, factor in places:
            item = self.given(*key[:-1]).get(key[-1])
            for leaf in self.leaves(key, item) if item is not None else ():
                if (found := self.of(leaf)) is not None:
                    yield dimension_product(found, factor)

    def _law_agrees(self, trial: dict[str, Dimension]) -> bool:
        """Whether every formula of the system has one dimension with these of coordinates."""
        dimensions = self.check.dimensional
        names: dict[str, Dimension | None] = {**self.known, **trial}
        dimensions.names = names
        try:
            for name in self.check.sequence:
                if name in self.check.define and name not in self.known:
                    tree = self.check.define[name]
                    names[name] = dimensions.of(tree) if tree is not None else None
            for key, one in self.expressions.items():
                if key[0] == "system":
                    dimensions.of(one.tree)
        except ExpressionFault:
            return False
        return True

    def definitions(self) -> None:
        for name in self.check.sequence:
            if name in self.check.define and name not in self.known:
                self.known[name] = self.of(self.expressions.get(("define", name)))

    def velocity(self, name: str) -> Dimension | None:
        found = self.known.get(name)
        return None if found is None else dimension_product(found, self.check.units.time, -1)

    def momentum(self, name: str) -> Dimension | None:
        speed = self.velocity(name)
        if speed is None or self.energy is None:
            return None
        return dimension_product(self.energy, speed, -1)

    def laws(self) -> None:
        expression = self.expressions.get
        lagrangian = expression(("system", "lagrangian"))
        potential = expression(("system", "potential"))
        pair = expression(("system", "pair"))
        self.energy = self.of(lagrangian or potential or pair)
        if "particles" in self.given("system") and not self.check.names.count:
            bodies.measure(self)
        self.expect(expression(("system", "nonconservative")), self.energy,
                    "the nonconservative K, like the Lagrangian,")  # fmt: skip
        if potential is not None and lagrangian is None:
            self._masses()
        for key, one in self.expressions.items():
            if key[:2] in (("system", "constraints"), ("system", "pair"), ("system", "external")):
                self.of(one)
        for name, item in self.given("exact").items():
            for leaf in self.leaves(("exact", name), item):
                self.expect(leaf, self.known.get(name), f"the coordinate {name}")

    def _masses(self) -> None:
        given = self.given("system").get("mass")
        for name in self.coordinate_names:
            speed = self.velocity(name)
            if speed is None or self.energy is None:
                continue
            wanted = dimension_product(self.energy, dimension_power(speed, 2), -1)
            if given is None and wanted != NONE:
                label = self.check.units.label(wanted)
                self.check.blame(("system", "potential"), "unit.mixed",
                                 f"the mass of {name} is not given, and a default of 1 has no unit",
                                 f'write mass = "1 {label}"')  # fmt: skip
                return
            item = given.get(name) if isinstance(given, dict) else given
            key = ("system", "mass", name) if isinstance(given, dict) else ("system", "mass")
            for leaf in self.leaves(key, item):
                self.expect(leaf, wanted, f"the mass of {name}")

    def start(self) -> None:
        for part, dimension in (("position", self.known.get), ("velocity", self.velocity),
                                ("momentum", self.momentum)):  # fmt: skip
            for name, item in self.given("start", part).items():
                for leaf in self.leaves(("start", part, name), item):
                    self.expect(leaf, dimension(name), f"the {part} of {name}")

    def step(self) -> None:
        wanted: Dimension | None = self.check.units.time
        transform = self.expressions.get(("integrator", "time_transform"))
        what = "dt"
        if transform is not None:
            found = self.of(transform)
            wanted = None if found is None else dimension_product(self.check.units.time, found, -1)
            what = "dt, which the time transform multiplies,"
        self.expect(self.values.get(("integrator", "dt")), wanted, what)
        for key, leaf in self.values.items():
            if key[0] == "output":
                self.expect(leaf, self.check.units.time, "a time of output")
        for key, leaf in self.expressions.items():
            if key[0] == "events" or key[:2] == ("loss", "terms"):
                self.of(leaf)

    def columns(self) -> None:
        if laws.tabular(self.check.raw):
            return
        single = self.coordinate_names[0] if len(self.coordinate_names) == 1 else ""
        for key, item in self.given("data", "columns").items():
            name = {"velocity": f"v_{single}", "pi": f"pi_{single}"}.get(key, key)
            kind, _, base = name.partition("_")
            wanted: Dimension | None = None
            if name == "t":
                wanted = self.check.units.time
            elif name in self.known:
                wanted = self.known[name]
            elif kind == "v":
                wanted = self.velocity(base)
            elif kind == "pi":
                wanted = self.momentum(base)
            for leaf in self.leaves(("data", "columns", key), item):
                self.expect(leaf, wanted, "the time" if name == "t" else f"the column of {name}")

    def cases(self) -> None:
        cases = self.given("test").get("cases")
        for index, case in enumerate(cases if isinstance(cases, list) else []):
            for name in case if isinstance(case, dict) else ():
                leaf = self.values.get(("test", "cases", index, name))
                self.expect(leaf, self.known.get(name), f"the coefficient {name}")

    def labels(self) -> None:
        """What `study.unit` knows beyond declared names."""
        self.known.setdefault("t", self.check.units.time)
        self.known.setdefault("lagrangian", self.energy)
        for name in self.coordinate_names:
            self.known.setdefault(f"{name}'", self.velocity(name))
            self.known.setdefault(f"pi_{name}", self.momentum(name))
            self.known.setdefault(f"force_{name}", self._of_energy(self.known.get(name)))
        for key, one in self.expressions.items():
            if key[:2] == ("system", "constraints"):
                name = f"multiplier_{int(key[2]) + 1}"
                self.known.setdefault(name, self._of_energy(self.of(one)))

    def _of_energy(self, dimension: Dimension | None) -> Dimension | None:
        """What gives an energy when it is multiplied by something of a dimension."""
        if dimension is None or self.energy is None:
            return None
        return dimension_product(self.energy, dimension, -1)
