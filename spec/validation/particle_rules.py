"""What many-body systems have to agree on: dimension of space, masses, cutoff and box."""

from __future__ import annotations

import itertools
from math import prod as product
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
    sizes = {"density", "length", "cell"}
    if isinstance(box, dict) and len(sizes & {*box}) != 1 and not context.broken:
        context.add(("system", "box"), "system.box", "a box has a density, a length or a cell",
                    'write box = { density = 0.8 }, box = { length = "10*sigma" } or '
                    "box = { cell = [[9.0, 0.0], [0.0, 8.0]] }")  # fmt: skip
    if isinstance(box, dict):
        _check_box(context, system, box)
    _check_frozen(context, system)
    numbers: dict[str, float | None] = {}
    for name, key in (("cutoff", ("system", "cutoff")), ("density", ("system", "box", "density")),
                      ("length", ("system", "box", "length"))):  # fmt: skip
        numbers[name] = number = context.number(key)
        if number is not None and number <= 0:
            context.add(key, "value.range", f"the {name} is greater than 0")
            numbers[name] = None
    _check_switch(context, system, numbers["cutoff"])
    cutoff, edge = numbers["cutoff"], numbers["length"] or _edge(system, numbers["density"])
    if cutoff and edge and edge < 2 * cutoff * (1 - 1e-9):
        context.add(
            ("system", "cutoff"), "system.box",
            f"the box has an edge of {edge:.6g}, less than twice the cutoff of {cutoff:.6g}",
            f"take more particles, or a cutoff of at most {edge / 2:.6g}: "
            "an atom must not see two images of another",
        )  # fmt: skip


def _check_switch(context: RuleContext, system: dict[str, Any], cutoff: float | None) -> None:
    """A switch lies before the cut-off, or at it."""
    switch = context.number(("system", "switch"))
    if "switch" in system and "cutoff" not in system:
        context.add(("system", "switch"), "system.law", "a switch without a cutoff",
                    "write cutoff = 2.5, or delete switch")  # fmt: skip
    elif switch is not None and not 0 < switch <= (cutoff or switch):
        context.add(("system", "switch"), "value.range",
                    "the switch is greater than 0, and at most the cutoff",
                    "leave it out for 0.9 of the cutoff")  # fmt: skip


def _check_box(context: RuleContext, system: dict[str, Any], box: dict[str, Any]) -> None:
    """A cell of the dimension of space that has a volume; periodic along one vector at least."""
    size, cell, periodic = system.get("dimension"), box.get("cell"), box.get("periodic")
    if isinstance(periodic, list) and (len(periodic) != size or not any(periodic)):
        context.add(("system", "box", "periodic"), "system.box",
                    f"a box in {size} dimensions is periodic along one to {size} vectors",
                    f"write periodic = [{', '.join(['true'] * (size or 3))}]")  # fmt: skip
    if not isinstance(cell, list):
        return
    if len(cell) != size:
        context.add(("system", "box", "cell"), "system.box",
                    f"a cell of {len(cell)} vectors in {size} dimensions",
                    f"write {size} vectors of {size} numbers each")  # fmt: skip
        return
    rows = [[context.number(("system", "box", "cell", i, j)) for j in range(len(cell))]
            for i in range(len(cell))]  # fmt: skip
    known = [[x for x in row if x is not None] for row in rows]
    if any(len(row) < len(cell) for row in known):
        return
    lengths = [sum(x * x for x in row) ** 0.5 for row in known]
    if not abs(determinant(known)) > 1e-9 * product(lengths):
        context.add(("system", "box", "cell"), "system.box", "the cell has no volume",
                    "no vector lies in the plane of the others")  # fmt: skip
        return
    cutoff, shortest = context.number(("system", "cutoff")), _shortest(known, periodic)
    if cutoff is not None and cutoff > 0 and shortest < 2 * cutoff * (1 - 1e-9):
        context.add(
            ("system", "cutoff"), "system.box",
            f"the shortest vector of the lattice is {shortest:.6g}, less than twice the cutoff of "
            f"{cutoff:.6g}",
            f"take more particles, or a cutoff of at most {shortest / 2:.6g}: "
            "an atom must not see two images of another",
        )  # fmt: skip


def determinant(rows: list[list[float]]) -> float:
    """Of a matrix of one to three rows."""
    if len(rows) == 1:
        return rows[0][0]
    return sum(
        (-1) ** k * rows[0][k] * determinant([row[:k] + row[k + 1 :] for row in rows[1:]])
        for k in range(len(rows))
    )


def _shortest(cell: list[list[float]], periodic: Any) -> float:
    """The shortest vector of the lattice that the periodic vectors of a cell make; of a cell that
    is skewed less than fourfold."""
    flags = periodic if isinstance(periodic, list) else [True] * len(cell)
    each = [range(-4, 5) if flag else (0,) for flag in flags]
    sums = (
        [sum(n * row[k] for n, row in zip(turn, cell, strict=True)) for k in range(len(cell))]
        for turn in itertools.product(*each)
        if any(turn)
    )
    return min(sum(x * x for x in one) ** 0.5 for one in sums)


def _check_frozen(context: RuleContext, system: dict[str, Any]) -> None:
    """Frozen bodies are bodies, each named once, and one at least is free."""
    frozen, count = system.get("frozen"), system.get("particles")
    if not isinstance(frozen, list) or not isinstance(count, int):
        return
    for index, number in enumerate(frozen):
        if type(number) is int and not 1 <= number <= count:
            context.add(("system", "frozen", index), "system.frozen", f"there is no body {number}",
                        f"bodies have the numbers 1 to {count}")  # fmt: skip
        elif number in frozen[:index]:
            context.add(("system", "frozen", index), "system.frozen", f"{number} stands twice")
    if len({*frozen}) >= count:
        context.add(("system", "frozen"), "system.frozen", "no body is free to move",
                    "leave one at least out")  # fmt: skip


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
    expect(value(("system", "switch")), length, "the switch")
    expect(value(("system", "box", "length")), length, "the edge of the box")
    for leaf in context.leaves(
        ("system", "box", "cell"), context.given("system", "box").get("cell")
    ):
        expect(leaf, length, "a component of the cell")
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
