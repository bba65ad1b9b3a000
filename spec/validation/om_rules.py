"""What an om study has to agree on across its tables, and the units of its path and ends."""

from __future__ import annotations

from typing import Any, NamedTuple

from actionrun.spec.kinds.om import Ends, file_and_frame
from actionrun.spec.tables.common import field_keys
from actionrun.spec.text.span import Key
from actionrun.spec.units.quantities import dimension_power, dimension_product
from actionrun.spec.units.unit_table import LENGTH, TEMPERATURE

from .rule_context import RuleContext
from .sample_context import EndStructure, SampleContext
from .unit_context import UnitContext


def check_tables(context: RuleContext) -> None:
    """What makes no sense in the tables of an om study."""
    ends = context.table("ends")
    if ends:
        _ends(context, ends)
    duration = context.number(("path", "duration"))
    if duration is not None and duration <= 0:
        context.add(("path", "duration"), "value.range", "the duration is greater than 0")
    _thermal(context, context.table("path"))
    heat = context.number(("refine", "temperature"))
    if heat is not None and heat <= 0:
        context.add(("refine", "temperature"), "value.range", "temperature is greater than 0")
    path, raw = context.table("path"), context.raw
    if "network" in raw and path.get("basis") not in (None, "network"):
        context.add(("path", "basis"), "path.basis", "a [network] and another basis",
                    'delete [network], or write basis = "network"')  # fmt: skip


def _thermal(context: RuleContext, path: dict[str, Any]) -> None:
    """Noise has a temperature and a friction, and Newton's motion has none."""
    dynamics = path.get("dynamics", "newton")
    if dynamics not in ("overdamped", "langevin"):
        for name in ("temperature", "friction"):
            if name in path and dynamics == "newton":
                context.add(("path", name), "path.dynamics", f"Newton's motion has no {name}",
                            'write dynamics = "overdamped" or dynamics = "langevin"')  # fmt: skip
        if path.get("duration") == "free" and dynamics == "newton":
            context.add(("path", "duration"), "path.duration",
                        "Newton's motion joins two places in any time",
                        "write duration = 0.5")  # fmt: skip
        return
    for name, example in (("temperature", "0.2"), ("friction", "1.0")):
        if name not in path and not context.broken:
            context.add(("path",), "key.missing",
                        f'"{name}" is missing in [path], which {dynamics} dynamics need',
                        f"write {name} = {example}")  # fmt: skip
    heat, friction = context.number(("path", "temperature")), context.number(("path", "friction"))
    if heat is not None and heat < 0:
        context.add(("path", "temperature"), "value.range", "the temperature is at least 0",
                    "0 is the limit of weak noise")  # fmt: skip
    if friction is not None and friction <= 0:
        context.add(("path", "friction"), "value.range", "the friction is greater than 0",
                    "write friction = 1.0")  # fmt: skip
    if path.get("duration") == "free" and heat is not None and heat > 0:
        context.add(
            ("path", "duration"), "path.duration",
            "at a temperature no duration is the best: the action falls without end while the "
            "path rests in a well",
            "write temperature = 0.0, or a duration",
        )  # fmt: skip


def _velocities(context: RuleContext, ends: dict[str, Any]) -> None:
    """Velocities at both ends or at none, where there is inertia."""
    names = ("start_velocity", "end_velocity")
    given = [name for name in names if name in ends]
    for name in given:
        if context.table("path").get("dynamics") != "langevin":
            context.add(("ends", name), "ends.given",
                        "no velocity is given at the ends of this path",
                        'write dynamics = "langevin" in [path], or leave it out')  # fmt: skip
        elif isinstance(ends[name], dict):
            context.by_coordinate(("ends", name), ends[name])
    if len(given) == 1 and not context.broken:
        other = names[given[0] == names[0]]
        context.add(("ends", given[0]), "ends.given", f"{other} is missing beside it",
                    f"write {other} = {context.example()}, or leave out both")  # fmt: skip


def _ends(context: RuleContext, ends: dict[str, Any]) -> None:
    _velocities(context, ends)
    given = [name for name in ("start", "end") if name in ends]
    if "from" in ends:
        for name in given:
            context.add(("ends", name), "ends.twice", "the reference run gives this end",
                        'delete it, or delete from = "md"')  # fmt: skip
        for name, example in (("temperature", "temperature = 0.81"),
                              ("md", "md = { dt = 0.001, equilibration = 20.0 }")):  # fmt: skip
            if name not in ends and not context.broken:
                context.add(("ends",), "key.missing", f'"{name}" is missing in [ends]',
                            f"write {example}")  # fmt: skip
    elif len(given) < 2 and not context.broken and {*ends} <= {*field_keys(Ends)}:
        missing = "end" if given == ["start"] else "start"
        context.add(("ends",), "key.missing", f'"{missing}" is missing in [ends]',
                    'write start = "a.xyz" and end = "b.xyz", or from = "md"')  # fmt: skip
    for name in given:
        end = ends[name]
        if isinstance(end, str):
            context.file(("ends", name), file_and_frame(end)[0])
            if "particles" not in context.table("system") and not context.broken:
                context.add(("ends", name), "ends.shape", "a structure of atoms, without particles",
                            "write start = { q = 0.0 } for coordinates")  # fmt: skip
        elif isinstance(end, dict) and "particles" in context.table("system"):
            context.add(("ends", name), "ends.shape", "a table, where bodies have a structure",
                        f'write {name} = "structures/{name}.xyz"')  # fmt: skip
        elif isinstance(end, dict):
            context.by_coordinate(("ends", name), end)
    for key in (("ends", "temperature"), ("ends", "md", "dt"), ("ends", "md", "equilibration")):
        number = context.number(key)
        if number is not None and (number < 0 or (number == 0 and key[-1] == "dt")):
            context.add(key, "value.range", f"{key[-1]} is greater than 0")
    if ends.get("align") and not given:
        context.add(("ends", "align"), "ends.align", "ends of one run are aligned already",
                    "leave out align")  # fmt: skip


def check_units(context: UnitContext) -> None:
    """Units of an om study: lengths, times, the temperature of the reference run."""
    expect, value = context.expect, context.values.get
    time = context.state.units.time
    expect(value(("path", "duration")), time, "the duration")
    expect(value(("path", "temperature")), TEMPERATURE, "the temperature")
    for name in context.coordinate_names:
        speed = context.velocity(name)
        if context.energy is not None and speed is not None:
            power = dimension_product(context.energy, time, -1)
            wanted = dimension_product(power, dimension_power(speed, 2), -1)
            expect(value(("path", "friction")), wanted, f"the friction of {name}")
    for name in ("dt", "equilibration"):
        expect(value(("ends", "md", name)), time, f"{name} of the reference run")
    for name, item in context.given("system", "periods").items():
        for leaf in context.leaves(("system", "periods", name), item):
            expect(leaf, context.known.get(name), f"the period of {name}")
    expect(value(("refine", "temperature")), TEMPERATURE, "[refine] temperature")
    expect(value(("ends", "temperature")), TEMPERATURE, "[ends] temperature")
    for end in ("start", "end"):
        for name, item in context.given("ends", end).items():
            for leaf in context.leaves(("ends", end, name), item):
                expect(leaf, context.known.get(name), f"the position of {name}")
        for name, item in context.given("ends", f"{end}_velocity").items():
            for leaf in context.leaves(("ends", f"{end}_velocity", name), item):
                expect(leaf, context.velocity(name), f"the velocity of {name}")


def check_samples(context: SampleContext) -> None:
    """Structures that are those of the study: their species, their cell, their velocities."""
    if not context.ends:
        return
    system = context.study.system
    order = context.ends["start"].species
    if system.species and sorted(order) != sorted(
        name for name, count in system.species.items() for _ in range(count)
    ):
        there = " ".join(f"{name}{order.count(name)}" for name in sorted({*order}))
        wanted = " ".join(f"{name}{count}" for name, count in sorted(system.species.items()))
        context.add(("system", "species"), "species.count",
                    f"the structures have {there}, and the study {wanted}",
                    "write the species and numbers of the structures")  # fmt: skip
    _check_frozen(context)
    for name, end in context.ends.items():
        _check_cell(context, ("ends", name), end)
        if "velocities" in context.study.ends.given and not end.velocities:
            context.add(
                ("ends", name), "ends.velocities",
                "the structure has no velocities (a column velo)",
                'write given = ["positions"] in [ends], or add Properties=...:velo:R:3 to the file',
            )  # fmt: skip


def box_edge(study: Any) -> float | None:
    """The edge of a study's cubic box in base units; None where there is none."""
    box = study.system.box
    if box is None:
        return None
    if box.cell is not None:
        return None
    if box.length is not None:
        return study.number(box.length)
    return (study.system.particles / study.number(box.density)) ** (1 / study.system.dimension)


class BoxVectors(NamedTuple):
    """A box: its vectors, and along which of them it repeats."""

    cell: tuple[tuple[float, ...], ...]
    periodic: tuple[bool, ...]


def box_vectors(study: Any) -> BoxVectors | None:
    """The box of a study in base units; None where there is none."""
    box, size = study.system.box, study.system.dimension
    if box is None:
        return None
    periodic = box.periodic or (True,) * size
    if box.cell is not None:
        return BoxVectors(tuple(tuple(map(study.number, row)) for row in box.cell), periodic)
    edge = box_edge(study) or 0.0
    rows = tuple(tuple(edge if i == j else 0.0 for j in range(size)) for i in range(size))
    return BoxVectors(rows, periodic)


def _check_cell(context: SampleContext, where: Key, end: EndStructure) -> None:
    """A structure's cell and pbc are those of the study's box, where it says anything of them."""
    ours, label = box_vectors(context.study), context.study.units.label(LENGTH)
    if end.periodic is None:
        return
    size = context.study.system.dimension
    periodic = end.periodic[:size]
    theirs = ", ".join(str(x).lower() for x in periodic)
    if not any(periodic):
        if ours is not None:
            context.add(where, "ends.box", "the structure has no periodic cell, and the study has "
                        "a box", "delete box in [system], or correct pbc in the file")  # fmt: skip
        return
    cell = end.cell or ()
    rows = tuple(row[:size] for row in cell[:size])
    numbers = [[f"{x:.10g} {label}".strip() for x in row] for row in rows]
    shown = "[" + ", ".join(
        "[" + ", ".join(f'"{x}"' if label else x for x in row) + "]" for row in numbers
    ) + "]"  # fmt: skip
    if ours is not None and ours.periodic == periodic:
        scale = max(abs(x) for row in ours.cell for x in row)
        if all(
            abs(a - b) <= 1e-6 * scale
            for k, (row, own) in enumerate(zip(rows, ours.cell, strict=True)) if periodic[k]
            for a, b in zip(row, own, strict=True)
        ):  # fmt: skip
            return
    cube = all(periodic) and all(
        abs(rows[i][j] - (rows[0][0] if i == j else 0)) <= 1e-9 * abs(rows[0][0])
        for i in range(size) for j in range(size)
    )  # fmt: skip
    hint = f"box = {{ cell = {shown}, periodic = [{theirs}] }}"
    if cube:
        edge = numbers[0][0]
        quoted = f'"{edge}"'
        hint = f"box = {{ length = {quoted if label else edge} }}"
    what = f"an edge of {numbers[0][0]}" if cube else f"the vectors {shown}"
    if ours is None:
        said = "the study has none"
    elif ours.periodic != periodic:
        said = f"periodic along {theirs}, the study's along " + ", ".join(
            str(x).lower() for x in ours.periodic
        )
    else:
        vectors = "; ".join(" ".join(f"{x:.10g}" for x in row) for row in ours.cell)
        edge = box_edge(context.study)
        said = f"the study's box {vectors if edge is None else f'{edge:.10g}'} {label}".strip()
    context.add(where, "ends.box", f"the structure's cell has {what}, {said}",
                f"write {hint} in [system]")  # fmt: skip


def _check_frozen(context: SampleContext) -> None:
    """Bodies that a file's move_mask holds are those that the study holds, where it says so."""
    ours = frozenset(n - 1 for n in context.study.system.frozen)
    masks = {name: end.frozen for name, end in context.ends.items() if end.frozen is not None}
    for name, mask in masks.items():
        if (ours and mask != ours) or mask != next(iter(masks.values())):
            numbers = ", ".join(str(k + 1) for k in sorted(mask))
            context.add(("ends", name), "ends.frozen",
                        f"move_mask of the structure holds the bodies {numbers or 'none'}, and "
                        "the study or the other end holds others",
                        f"write frozen = [{numbers}] in [system], or correct the file")  # fmt: skip
