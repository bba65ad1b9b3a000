"""What many-body systems have to agree on: dimension of space, masses, cutoff and box."""

from __future__ import annotations

from typing import Any

from actionrun.spec.units.quantities import dimension_power, dimension_product
from actionrun.spec.units.unit_table import LENGTH, NONE

from .rule_context import RuleContext
from .unit_context import UnitContext


def check_particles(context: RuleContext, system: dict[str, Any]) -> None:
    """What makes no sense in a [system] with particles."""
    if "coordinates" in system:
        context.add(("system", "coordinates"), "system.coordinates", "coordinates and particles",
                    "bodies have the coordinates of space: leave coordinates out")  # fmt: skip
    if "dimension" not in system and not context.broken:
        context.add(("system",), "key.missing", '"dimension" is missing in [system]',
                    "write dimension = 3")  # fmt: skip
    for name in ("pair", "external") if "potential" in system else ():
        if name in system:
            context.add(("system", name), "system.law", f"a potential and {name}",
                        "keep one of them: potential holds sum(i<j, ...) over pairs and "
                        "sum(i, ...) over bodies")  # fmt: skip
    box = system.get("box")
    if isinstance(box, dict) and len({"density", "length"} & {*box}) != 1 and not context.broken:
        context.add(("system", "box"), "system.box", "a box has a density or a length",
                    'write box = { density = 0.8 } or box = { length = "10*sigma" }')  # fmt: skip
    numbers: dict[str, float | None] = {}
    for name, key in (("cutoff", ("system", "cutoff")), ("density", ("system", "box", "density")),
                      ("length", ("system", "box", "length"))):  # fmt: skip
        numbers[name] = number = context.number(key)
        if number is not None and number <= 0:
            context.add(key, "value.range", f"the {name} is greater than 0")
            numbers[name] = None
    cutoff, edge = numbers["cutoff"], numbers["length"] or _edge(system, numbers["density"])
    if cutoff and edge and edge < 2 * cutoff * (1 - 1e-9):
        context.add(
            ("system", "cutoff"), "system.box",
            f"the box has an edge of {edge:.6g}, less than twice the cutoff of {cutoff:.6g}",
            f"take more particles, or a cutoff of at most {edge / 2:.6g}: "
            "an atom must not see two images of another",
        )  # fmt: skip


def _edge(system: dict[str, Any], density: float | None) -> float | None:
    """The edge of a cubic box of that density."""
    count, size = system.get("particles"), system.get("dimension")
    if not density or not isinstance(count, int) or not isinstance(size, int) or size < 1:
        return None
    return (count / density) ** (1 / size)


def check_particle_units(context: UnitContext) -> None:
    """Units of a many-body system."""
    state, expect, value = context.state, context.expect, context.values.get
    length = LENGTH if state.units.used[0] else NONE
    expect(context.expressions.get(("system", "external")), context.energy,
           "the external potential, like that of a pair,")  # fmt: skip
    expect(value(("system", "cutoff")), length, "the cutoff")
    expect(value(("system", "box", "length")), length, "the edge of the box")
    size = context.given("system").get("dimension")
    if isinstance(size, int) and 1 <= size <= 3:
        expect(value(("system", "box", "density")), dimension_power(length, -size),
               "the density, particles in a volume,")  # fmt: skip
    if context.energy is None:
        return
    speed = dimension_product(length, state.units.time, -1)
    wanted = dimension_product(context.energy, dimension_power(speed, 2), -1)
    if context.given("system").get("mass") is None and wanted != NONE:
        law = "potential" if "potential" in context.given("system") else "pair"
        state.blame(("system", law), "unit.mixed",
                    "the mass is not given, and a default of 1 has no unit",
                    f'write mass = "1 {state.units.label(wanted)}"')  # fmt: skip
    expect(value(("system", "mass")), wanted, "the mass")
    given = context.given("system").get("mass")
    for name in given if isinstance(given, dict) else ():
        expect(value(("system", "mass", name)), wanted, f"the mass of {name}")
