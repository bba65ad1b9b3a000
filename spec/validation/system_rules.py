"""[system] and [start]: coordinates or bodies, one law of motion, constraints, a whole state."""

from __future__ import annotations

from functools import partial
from typing import Any

from actionrun.spec.expressions.name_resolution import uses
from actionrun.spec.expressions.syntax_tree import Relation
from actionrun.spec.text.source import nearest

from .particle_rules import check_particles
from .per_body_rules import check_bodies, start_numbers
from .rule_context import RuleContext
from .species_rules import check_species

LAWS = ("lagrangian", "potential", "pair")
OF_PARTICLES = ("pair", "external", "cutoff", "switch", "box", "species", "frozen")


def check_system(context: RuleContext) -> None:
    """What moves, and by one law."""
    system = context.table("system")
    if not system or context.broken:
        return
    if "particles" in system:
        _check_many(context, system)
    else:
        _check_few(context, system)
    if "lagrangian" in system and "potential" in system:
        context.add(("system", "potential"), "system.law", "a Lagrangian and a potential",
                    "keep one of them: mass and potential mean T - V")  # fmt: skip
    if "lagrangian" in system and "mass" in system:
        context.add(("system", "mass"), "system.law", "a Lagrangian holds its masses itself",
                    "delete mass, or give mass and potential instead of lagrangian")  # fmt: skip
    _check_masses(context, system)
    _check_periods(context, system)
    _check_constraints(context, system.get("constraints"))


def _has_law(system: dict[str, Any]) -> bool:
    """Whether there is a law of motion; under a misspelt key it is a fault of that key alone."""
    return any(nearest(str(key), LAWS) for key in system)


def _check_many(context: RuleContext, system: dict[str, Any]) -> None:
    of_coordinates = context.state.reading.kind == "ggl"
    (check_bodies if of_coordinates else check_particles)(context, system)
    if _has_law(system):
        return
    if of_coordinates:
        context.add(("system",), "system.law", "bodies without a law of motion",
                    "write lagrangian = \"sum(i, m*r[i]'^2/2) - sum(i<j, k*r[i,j]^2/2)\""
                    )  # fmt: skip
    else:
        context.add(("system",), "system.law", "bodies without a pair potential",
                    'write pair = "4*((1/r)^12 - (1/r)^6)"')  # fmt: skip


def _check_few(context: RuleContext, system: dict[str, Any]) -> None:
    if "coordinates" not in system:
        context.add(("system",), "system.coordinates", "the system has no coordinates",
                    'write coordinates = ["q"]')  # fmt: skip
    if not _has_law(system) and "library" not in context.raw:
        context.add(("system",), "system.law", "the system has no law of motion",
                    'write lagrangian = "m*q\'^2/2 - k*q^2/2", or mass and potential')  # fmt: skip
    for name in OF_PARTICLES:
        if name in system:
            context.add(("system", name), "system.law", f"{name} without particles",
                        "write particles = 32")  # fmt: skip


def _check_periods(context: RuleContext, system: dict[str, Any]) -> None:
    """Periods of coordinates in a study of a path; each is positive."""
    periods = system.get("periods")
    for name in periods if isinstance(periods, dict) else ():
        if "particles" in system or context.state.reading.kind != "om":
            context.add(("system", "periods"), "system.law", "periods belong to the coordinates of "
                        "a path between two states", "delete periods")  # fmt: skip
            return
        number = context.number(("system", "periods", name))
        known = context.coordinate(("system", "periods", name), name)
        if known and number is not None and number <= 0:
            context.add(("system", "periods", name), "value.range", "a period is greater than 0")


def _check_masses(context: RuleContext, system: dict[str, Any]) -> None:
    """Of a coordinate, or of a species; each is positive."""
    mass = system.get("mass")
    if "particles" in system and context.state.reading.kind == "om":
        check_species(context, system)
    else:
        if isinstance(mass, dict) and (not mass or "particles" in system):
            context.add(("system", "mass"), "system.law", "a table of masses without a coordinate",
                        "write mass = 1.0")  # fmt: skip
            mass = None
        for name in mass if isinstance(mass, dict) else ():
            context.coordinate(("system", "mass", name), name)
    names = [("system", "mass", name) for name in mass] if isinstance(mass, dict) else []
    for key in names or [("system", "mass")]:
        number = context.number(key)
        if number is not None and number <= 0:
            context.add(key, "value.range", "a mass is greater than 0")


def _check_constraints(context: RuleContext, constraints: Any) -> None:
    for index in range(len(constraints) if isinstance(constraints, list) else 0):
        key = ("system", "constraints", index)
        leaf = context.state.reading.expressions.get(key)
        if leaf is None or key in context.state.odd:
            continue
        names = {*uses(leaf.tree)}
        if not isinstance(leaf.tree, Relation):
            context.add(key, "expression.relation", "a constraint has two sides",
                        "write an equation (x^2 + y^2 = l^2) or a bound (c1 > 0)")  # fmt: skip
        elif leaf.tree.op == "=" and not names & {*context.coordinates, *context.state.define}:
            context.add(
                key, "system.constraint", "this equation holds no coordinate",
                "fix a coefficient in its table, c = { range = [0, 1], fixed = 0.5 }; or give "
                'it by others in [define], c3 = "c1*c2/4", and not in [coefficients]',
            )  # fmt: skip
        elif leaf.tree.op != "=" and not (
            names & {*context.state.coefficients, *context.state.define}
        ):
            context.add(key, "system.constraint", "this inequality holds no coefficient",
                        "inequalities bound [coefficients], e.g. c1 > 0")  # fmt: skip


def check_start(context: RuleContext) -> None:
    """A position and one of velocity and momentum, each of every coordinate."""
    start, data = context.raw.get("start"), "data" in context.raw
    if start is None:
        misspelt = any(nearest(name, ["start"]) for name in context.raw)
        if context.raw["study"] == "family" and not (data or context.broken or misspelt):
            context.add(("start",), "key.missing", "the table [start] is missing",
                        "add [start] with position and velocity (or momentum), or [data]"
                        )  # fmt: skip
        return
    if not isinstance(start, dict):
        return
    network = context.table("network")
    partial_start = data and context.raw["study"] == "family" and network.get("kind") == "none"
    if "position" not in start and not partial_start and not context.broken:
        context.add(("start",), "key.missing", '"position" is missing in [start]',
                    "write position = { q = 1.0 }")  # fmt: skip
    speeds = [name for name in ("velocity", "momentum") if name in start]
    if len(speeds) == 2:
        context.add(("start", "momentum"), "start.speed", "a velocity and a momentum",
                    "keep one of them: each follows from the other")  # fmt: skip
    elif not speeds and not context.broken and "position" in start and not data:
        context.add(("start",), "key.missing", '"velocity" or "momentum" is missing in [start]',
                    f"write velocity = {context.example()}")  # fmt: skip
    numbers = partial(start_numbers, context) if context.state.names.count else None
    for part in ("position", *speeds):
        if isinstance(given := start.get(part), dict):
            context.by_coordinate(("start", part), given, numbers, partial_start)
