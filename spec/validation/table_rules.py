"""Sense across tables: a start for every coordinate, steps or data, ranges that are ranges."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from actionrun.spec.expressions.errors import ExpressionFault
from actionrun.spec.text.source import Key, Span, nearest

from . import data_rules as measured
from . import pnn_rules as laws

if TYPE_CHECKING:
    from .checks import Check


def faults(check: Check, data_given: bool) -> list[tuple[Key, ExpressionFault]]:
    """Everything that makes no sense across tables."""
    sense = Sense(check, data_given)
    sense.system()
    sense.start()
    sense.integrator()
    sense.exact()
    measured.sense(sense)
    match check.reading.kind:
        case "family":
            from actionrun.spec.kinds import family

            family.sense(sense)
        case "om":
            from actionrun.spec.kinds import om

            om.sense(sense)
        case "pnn":
            laws.sense(sense)
    return sense.found


class Sense:
    def __init__(self, check: Check, data_given: bool):
        self.check, self.raw = check, check.raw
        self.coordinates = check.reading.coordinates
        self.data_given = data_given
        self.broken = "?" in check.names.forgiven
        self.found: list[tuple[Key, ExpressionFault]] = []

    def add(self, key: Key, code: str, message: str, hint: str | None = None,
            suggestion: str | None = None) -> None:  # fmt: skip
        if key not in self.check.odd:
            self.found.append((key, ExpressionFault(code, message, Span(-1, -1), hint, suggestion)))

    def system(self) -> None:
        system = self.check.table("system")
        if not system or self.broken:
            return
        # A law under a misspelt key is a fault of that key alone.
        law = any(nearest(str(key), ("lagrangian", "potential", "pair")) for key in system)
        if "particles" in system:
            from actionrun.spec.tables import per_body as many

            from . import particle_rules as bodies

            if self.check.reading.kind == "ggl":
                many.sense(self, system)
            else:
                bodies.sense(self, system)
            if not laws:
                self.add(("system",), "system.law", "bodies without a pair potential",
                         'write pair = "4*((1/r)^12 - (1/r)^6)"')  # fmt: skip
        elif "coordinates" not in system:
            self.add(("system",), "system.coordinates", "the system has no coordinates",
                     'write coordinates = ["q"]')  # fmt: skip
        if not law and "particles" not in system:
            self.add(
                ("system",),
                "system.law",
                "the system has no law of motion",
                'write lagrangian = "m*q\'^2/2 - k*q^2/2", or mass and potential',
            )
        if "lagrangian" in system and "potential" in system:
            self.add(("system", "potential"), "system.law", "a Lagrangian and a potential",
                     "keep one of them: mass and potential mean T - V")  # fmt: skip
        if "lagrangian" in system and "mass" in system:
            self.add(("system", "mass"), "system.law", "a Lagrangian holds its masses itself",
                     "delete mass, or give mass and potential instead of lagrangian")  # fmt: skip
        for name in ("pair", "external", "cutoff", "box", "species"):
            if name in system and "particles" not in system:
                self.add(("system", name), "system.law", f"{name} without particles",
                         "write particles = 32")  # fmt: skip
        mass = system.get("mass")
        if "particles" in system and self.check.reading.kind == "om":
            from actionrun.spec.tables import species

            species.sense(self, system)
            self._positive_masses(mass)
            self._constraints(system.get("constraints"))
            return
        if isinstance(mass, dict) and (not mass or "particles" in system):
            self.add(("system", "mass"), "system.law", "a table of masses without a coordinate",
                     "write mass = 1.0")  # fmt: skip
            mass = None
        for name in mass if isinstance(mass, dict) else ():
            self._coordinate(("system", "mass", name), name)
        self._positive_masses(mass)
        self._constraints(system.get("constraints"))

    def _positive_masses(self, mass: Any) -> None:
        names = [("system", "mass", name) for name in mass] if isinstance(mass, dict) else []
        for key in names or [("system", "mass")]:
            number = self.check.number(key)
            if number is not None and number <= 0:
                self.add(key, "value.range", "a mass is greater than 0")

    def _constraints(self, constraints: Any) -> None:
        from actionrun.spec.expressions.name_resolution import uses
        from actionrun.spec.expressions.syntax_tree import Relation

        for index in range(len(constraints) if isinstance(constraints, list) else 0):
            key = ("system", "constraints", index)
            leaf = self.check.reading.expressions.get(key)
            if leaf is None or key in self.check.odd:
                continue
            names = {*uses(leaf.tree)}
            if not isinstance(leaf.tree, Relation):
                self.add(key, "expression.relation", "a constraint has two sides",
                         "write an equation (x^2 + y^2 = l^2) or a bound (c1 > 0)")  # fmt: skip
            elif leaf.tree.op == "=" and not names & {*self.coordinates, *self.check.define}:
                self.add(
                    key,
                    "system.constraint",
                    "this equation holds no coordinate",
                    "fix a coefficient in its table, c = { range = [0, 1], fixed = 0.5 }; or give "
                    'it by others in [define], c3 = "c1*c2/4", and not in [coefficients]',
                )
            elif leaf.tree.op != "=" and not names & {*self.check.coefficients, *self.check.define}:
                self.add(key, "system.constraint", "this inequality holds no coefficient",
                         "inequalities bound [coefficients], e.g. c1 > 0")  # fmt: skip

    def _coordinate(self, key: Key, name: str) -> bool:
        if name in self.coordinates or self.check.names.open:
            return True
        close = nearest(name, self.coordinates)
        known = " ".join(self.coordinates)
        hint = None if close else f"the coordinates are {known}" if known else "it has none"
        self.found.append(
            (
                key,
                ExpressionFault(
                    "name.coordinate",
                    f"there is no coordinate {name[:60]}",
                    Span(-1, -1),
                    hint,
                    close,
                ),
            )
        )
        return False

    def start(self) -> None:
        start = self.raw.get("start")
        if start is None:
            misspelt = any(nearest(name, ["start"]) for name in self.raw)
            if (
                self.raw["study"] == "family"
                and "data" not in self.raw
                and not (self.broken or misspelt)
            ):
                self.add(
                    ("start",),
                    "key.missing",
                    "the table [start] is missing",
                    "add [start] with position and velocity (or momentum), or [data]",
                )
            return
        if not isinstance(start, dict):
            return
        speeds = [name for name in ("velocity", "momentum") if name in start]
        if len(speeds) == 2:
            self.add(("start", "momentum"), "start.speed", "a velocity and a momentum",
                     "keep one of them: each follows from the other")  # fmt: skip
        elif not speeds and not self.broken and "position" in start and "data" not in self.raw:
            self.add(("start",), "key.missing", '"velocity" or "momentum" is missing in [start]',
                     f"write velocity = {self._example()}")  # fmt: skip
        for part in ("position", *speeds):
            given = start.get(part)
            if isinstance(given, dict):
                self.by_coordinate(("start", part), given)

    def by_coordinate(self, key: Key, given: dict[str, Any]) -> None:
        """A table that says something of every coordinate."""
        known = [self._coordinate((*key, name), name) for name in given]
        for name in self.coordinates:
            if name not in given and not self.broken and all(known):
                self.add(key, "start.missing", f"{key[-1]} of {name} is missing",
                         f"write {key[-1]} = {self._example()}")  # fmt: skip
        for name, item in given.items():
            if self.check.names.count and key[0] == "start":
                from actionrun.spec.tables import per_body as many

                many.start(self, (*key, name), item)
            else:
                self._numbers((*key, name), item)

    def _example(self) -> str:
        each = [
            f"{name} = [{', '.join(['0.0'] * min(size, 4))}]"
            if self.check.reading.vectors
            else f"{name} = 0.0"
            for name, size in self.coordinates.items()
        ]
        return "{ " + ", ".join(each) + " }"

    def _numbers(self, key: Key, item: Any) -> None:
        """Evaluate, and where two numbers are a range, see that they are in order."""
        if not isinstance(item, list):
            self.check.number(key)
            return
        scalar_range = not self.check.reading.vectors and len(item) == 2
        if scalar_range and not any(isinstance(one, list | dict) for one in item):
            self.range(key)
            return
        for index, one in enumerate(item):
            self._numbers((*key, index), one) if not isinstance(one, list) else self.range(
                (*key, index)
            )

    def range(self, key: Key, low_key: Key | None = None) -> tuple[float, float] | None:
        low, high = self.check.number((*key, 0)), self.check.number((*key, 1))
        if low is None or high is None:
            return None
        if low >= high:
            same = low == high
            self.add(
                key,
                "value.range",
                "low and high are equal" if same else "low is not below high",
                "a known number is { fixed = 1.0 }"
                if same and key[0] == "coefficients"
                else "write [low, high]",
            )
            return None
        return low, high

    def integrator(self) -> None:
        table = self.check.table("integrator")
        if not table:
            return
        dt = self.check.number(("integrator", "dt"))
        if dt is not None and dt <= 0:
            self.add(("integrator", "dt"), "value.range", "dt is greater than 0",
                     "a motion backwards in time starts from the reversed velocity")  # fmt: skip
        if "steps" not in table and "data" not in self.raw and not self.broken:
            self.add(("integrator",), "key.missing", '"steps" is missing in [integrator]',
                     "write steps = 1000")  # fmt: skip

    def exact(self) -> None:
        for name, item in self.check.table("exact").items():
            key = ("exact", name)
            if not self._coordinate(key, name) or name not in self.coordinates:
                continue
            size = self.coordinates[name]
            if self.check.reading.vectors and not (isinstance(item, list) and len(item) == size):
                self.add(
                    key,
                    "start.shape",
                    f"{name} has {size} component{'s' * (size > 1)}",
                    f"write {name} = [{', '.join([chr(34) + '...' + chr(34)] * min(size, 4))}]",
                )
            elif not self.check.reading.vectors and isinstance(item, list):
                self.add(key, "start.shape", f"{name} is a scalar", f'write {name} = "..."')

    def file(self, key: Key, file: str) -> None:
        """A file of the study lies below its folder."""
        from actionrun.spec.text.files import outside

        if outside(self.check.source.folder, file):
            way = ", or give it with --data FILE" if key[0] == "data" else ""
            self.add(key, "data.path", "a path that leaves the study's folder",
                     f"put the file below the study's folder{way}")  # fmt: skip


def forgiven_names(text: str, raw: dict[str, Any], kind: str, broken: bool) -> Iterable[str]:
    """Names that a line in error or a misspelt table may have declared: one fault is enough."""
    from actionrun.spec.kinds.registry import model_of

    model = model_of(kind)
    fields = model.model_fields if model is not None else {}
    for name, table in raw.items():
        if isinstance(table, dict) and name not in fields:
            yield from table
    if broken:
        yield "?"
        for match in re.finditer(r"^\s*([A-Za-z_]\w*)\s*[=:]", text, re.M):
            yield match.group(1)
