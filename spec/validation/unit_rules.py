"""The units stage: the dimension of every name, and whether every formula and value agrees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from actionrun.spec.expressions.errors import ExpressionFault
from actionrun.spec.expressions.name_resolution import FIXED
from actionrun.spec.kinds.registry import Kind
from actionrun.spec.tables.columns import tabular
from actionrun.spec.tables.events import setting_target
from actionrun.spec.tables.observables import OBSERVABLES, short_columns
from actionrun.spec.text.span import Key
from actionrun.spec.units.quantities import dimension_power, dimension_product
from actionrun.spec.units.unit_table import LENGTH, NONE, Dimension

from .check_state import CheckState
from .particle_rules import check_particle_units
from .unit_context import UnitContext


def check_all_units(state: CheckState, kind: Kind) -> None:
    """Fill `state.dimensions` and keep every mismatch, from the leaves up."""
    context = UnitContext(state)
    constant_dimensions(context)
    coefficient_dimensions(context)
    driven_dimensions(context)
    many_body_dimensions(context)
    kind.apply("column_dimensions", context)
    coordinate_dimensions(context)
    definition_dimensions(context)
    check_laws(context)
    check_start_units(context)
    check_times(context)
    check_data_columns(context)
    check_observables(context)
    check_cases(context)
    kind.apply("check_units", context)
    derived_dimensions(context)


def constant_dimensions(context: UnitContext) -> None:
    """Of [parameters], and of definitions that hold nothing but constants."""
    state = context.state
    for name in state.sequence:
        if name in state.parameters:
            context.known[name] = context.of(context.values.get(("parameters", name)))
            given = state.table("parameters").get(name)  # one for each body or pair of species
            entries = given if isinstance(given, dict | list) else []
            _one_dimension(context, name, ("parameters", name), entries, f"an entry of {name}")
        elif state.names.contents.get(name, FIXED) <= FIXED:
            context.known[name] = context.of(context.expressions.get(("define", name)))


def coefficient_dimensions(context: UnitContext) -> None:
    """Of [coefficients]: both ends of a range have the same."""
    for name, item in context.state.table("coefficients").items():
        context.known[name] = None
        _one_dimension(context, name, ("coefficients", name), item, f"the other end of {name}")


def _one_dimension(context: UnitContext, name: str, key: Key, item: Any, what: str) -> None:
    """The first leaf at a key that has a dimension gives that of a name, and the others agree."""
    for leaf in context.leaves(key, item):
        if context.known[name] is None:
            context.known[name] = context.of(leaf)
        else:
            context.expect(leaf, context.known[name], what)


def driven_dimensions(context: UnitContext) -> None:
    """Of inputs and of numbers by trial."""
    for table in ("inputs", "constants"):
        for name, item in context.given("data", table).items():
            context.known[name] = None
            _one_dimension(context, name, ("data", table, name), item, f"another trial of {name}")
    for name, item in context.given("inputs", "columns").items():
        key = ("inputs", "columns", name)
        if name == "t":
            context.expect(context.state.reading.columns.get(key), context.state.units.time,
                           "the time")  # fmt: skip
            continue
        context.known[name] = None
        _one_dimension(context, name, key, item, name)


def many_body_dimensions(context: UnitContext) -> None:
    """Names that a many-body system knows, and the time step of a map."""
    if context.state.names.step:
        context.known["dt"] = context.state.units.time
    if context.state.names.bodies:
        length = LENGTH if context.state.units.used[0] else NONE
        context.known |= {name: length for name in "rxyz" if name not in context.known}


def coordinate_dimensions(context: UnitContext) -> None:
    """The dimension of a coordinate is that of its start, its column, or its velocity's. Where
    these disagree, the one that the law agrees with counts, and the others are told."""
    context.known |= dict.fromkeys(context.coordinate_names)
    for name in context.coordinate_names:
        options = [*dict.fromkeys(_options(context, name))]
        if not options and context.state.reading.kind in ("om", "pnn"):
            options = [LENGTH, NONE] if context.state.units.used[0] else [NONE]
        context.known[name] = options[0] if options else None
        for option in options if len(options) > 1 else ():
            if _law_agrees(context, {name: option}):
                context.known[name] = option
                break
    if context.state.names.count and len(context.coordinate_names) == 1:
        context.known.setdefault("r", None)
        if "r" not in context.coordinate_names:  # r[i,j] is the distance in the one coordinate
            context.known["r"] = context.known[context.coordinate_names[0]]


def _options(context: UnitContext, name: str) -> Iterator[Dimension]:
    """What start and columns say of the dimension of a coordinate."""
    time = context.state.units.time
    places: list[tuple[tuple[str, str, str], int]] = []
    for one in OBSERVABLES.values():
        if one.rate is not None:
            short = [one.key] if one.prefix and len(context.coordinate_names) == 1 else []
            columns = [("data", "columns", key) for key in (one.column(name), *short)]
            start = [("start", one.state, name)] if one.state else []
            places += [(key, one.rate) for key in (*start, *columns)]
    for key, rate in places:
        item = context.given(*key[:-1]).get(key[-1])
        for leaf in context.leaves(key, item) if item is not None else ():
            if (dimension := context.of(leaf)) is not None:
                yield dimension_product(dimension, time, rate)


def _law_agrees(context: UnitContext, trial: dict[str, Dimension]) -> bool:
    """Whether every formula of the system has one dimension with these of coordinates."""
    dimensions = context.state.dimensional
    names: dict[str, Dimension | None] = {**context.known, **trial}
    dimensions.names = names
    try:
        for name in context.state.sequence:
            if name in context.state.define and name not in context.known:
                tree = context.state.define[name]
                names[name] = dimensions.of(tree) if tree is not None else None
        for key, one in context.expressions.items():
            if key[0] == "system":
                dimensions.of(one.tree)
    except ExpressionFault:
        return False
    return True


def definition_dimensions(context: UnitContext) -> None:
    """Of [define], each after what it uses."""
    for name in context.state.sequence:
        if name in context.state.define and name not in context.known:
            context.known[name] = context.of(context.expressions.get(("define", name)))


def check_laws(context: UnitContext) -> None:
    """The law of motion has one dimension, and masses, K and exact solutions agree with it."""
    expression = context.expressions.get
    lagrangian = expression(("system", "lagrangian"))
    potential = expression(("system", "potential"))
    pair = expression(("system", "pair"))
    context.energy = context.of(lagrangian or potential or pair)
    if "particles" in context.given("system") and not context.state.names.count:
        check_particle_units(context)
    context.expect(expression(("system", "nonconservative")), context.energy,
                   "the nonconservative K, like the Lagrangian,")  # fmt: skip
    if potential is not None and lagrangian is None:
        _masses(context)
    for key, one in context.expressions.items():
        if key[:2] in (("system", "constraints"), ("system", "pair"), ("system", "external")):
            context.of(one)
    for name, item in context.given("exact").items():
        for leaf in context.leaves(("exact", name), item):
            context.expect(leaf, context.known.get(name), f"the coordinate {name}")


def _masses(context: UnitContext) -> None:
    """Where a potential is given: a mass times the square of a velocity is an energy."""
    given = context.given("system").get("mass")
    if given is None and context.given("path").get("dynamics") == "overdamped":
        return  # nothing has an inertia
    for name in context.coordinate_names:
        speed = context.velocity(name)
        if speed is None or context.energy is None:
            continue
        wanted = dimension_product(context.energy, dimension_power(speed, 2), -1)
        if given is None and wanted != NONE:
            label = context.state.units.label(wanted)
            context.state.blame(("system", "potential"), "unit.mixed",
                                f"the mass of {name} is not given, and a default of 1 has no unit",
                                f'write mass = "1 {label}"')  # fmt: skip
            return
        item = given.get(name) if isinstance(given, dict) else given
        key = ("system", "mass", name) if isinstance(given, dict) else ("system", "mass")
        for leaf in context.leaves(key, item):
            context.expect(leaf, wanted, f"the mass of {name}")


def check_start_units(context: UnitContext) -> None:
    """Positions, velocities and momenta."""
    for one in OBSERVABLES.values():
        part = one.state or ""
        for name, item in context.given("start", part).items() if part else ():
            for leaf in context.leaves(("start", part, name), item):
                context.expect(leaf, one.dimension(context, name), f"the {part} of {name}")
                if (std := context.values.get((*leaf.path, "std"))) is not None:
                    context.expect(std, one.dimension(context, name), f"a deviation of {name}")


def check_times(context: UnitContext) -> None:
    """Steps and times of output; events and terms of a loss have any dimension, but one."""
    wanted: Dimension | None = context.state.units.time
    transform = context.expressions.get(("integrator", "time_transform"))
    what = "dt"
    if transform is not None:
        rate = context.of(transform)
        wanted = None if rate is None else dimension_product(context.state.units.time, rate, -1)
        what = "dt, which the time transform multiplies,"
    context.expect(context.values.get(("integrator", "dt")), wanted, what)
    context.expect(context.values.get(("integrator", "duration")), context.state.units.time,
                   "the duration")  # fmt: skip
    context.expect(context.values.get(("data", "rate")),
                   dimension_power(context.state.units.time, -1), "the rate of rows")  # fmt: skip
    for key, leaf in context.values.items():
        if key[0] == "output":
            context.expect(leaf, context.state.units.time, "a time of output")
        elif key[:2] == ("analysis", "reach"):
            of = OBSERVABLES["velocity" if key[2] == "velocity" else "q"]
            context.expect(leaf, of.dimension(context, str(key[3])), f"the {key[2]} to be reached")
        elif key[0] == "events":
            context.expect(leaf, context.state.units.time, "the time after which an event counts")
    reading = context.state.reading
    for key, leaf in context.expressions.items():
        if key[0] == "events" and key[2:3] == ("set",):
            target = setting_target(str(key[3]), reading.coordinates, reading.vectors)
            if target is not None:
                name, _, moving = target
                wanted = OBSERVABLES["velocity" if moving else "q"].dimension(context, name)
                context.expect(leaf, wanted, f"what {key[3]} is set to")
        elif key[0] in ("events", "analysis") or key[:2] == ("loss", "terms"):
            context.of(leaf)


def check_data_columns(context: UnitContext) -> None:
    """Columns of a measured motion."""
    if tabular(context.state.raw):
        return
    short = short_columns(context.coordinate_names)
    for key, item in context.given("data", "columns").items():
        name = short.get(key, key)
        wanted: Dimension | None = None
        if name == "t":
            wanted = context.state.units.time
        elif name in context.known:
            wanted = context.known[name]
        else:
            for one in OBSERVABLES.values():
                if one.prefix and name.startswith(one.prefix):
                    wanted = one.dimension(context, name.removeprefix(one.prefix))
        for leaf in context.leaves(("data", "columns", key), item):
            context.expect(leaf, wanted, "the time" if name == "t" else f"the column of {name}")


def check_observables(context: UnitContext) -> None:
    """An observable has the dimension of its column, and so has its period."""
    for name, one in context.given("data", "observables").items():
        key = ("data", "observables", name)
        formula = context.expressions.get((*key, "is"))
        dimension = context.of(formula) if formula is not None else context.known.get(name)
        context.expect(context.state.reading.columns.get((*key, "column")), dimension,
                       f"the column of {name}")  # fmt: skip
        context.expect(context.values.get((*key, "wrap")), dimension, f"the period of {name}")
        if formula is not None and isinstance(one, dict):
            context.known.setdefault(name, dimension)


def check_cases(context: UnitContext) -> None:
    """Coefficients of test cases."""
    cases = context.given("test").get("cases")
    for index, case in enumerate(cases if isinstance(cases, list) else []):
        for name in case if isinstance(case, dict) else ():
            leaf = context.values.get(("test", "cases", index, name))
            context.expect(leaf, context.known.get(name), f"the coefficient {name}")


def derived_dimensions(context: UnitContext) -> None:
    """What `study.unit` knows beyond declared names."""
    context.known.setdefault("t", context.state.units.time)
    context.known.setdefault("lagrangian", context.energy)
    for name in context.coordinate_names:
        for one in OBSERVABLES.values():
            context.known.setdefault(one.quantity.format(name), one.dimension(context, name))
        context.known.setdefault(f"force_{name}", context.conjugate(context.known.get(name)))
    for key, one in context.expressions.items():
        if key[:2] == ("system", "constraints"):
            name = f"multiplier_{int(key[2]) + 1}"
            context.known.setdefault(name, context.conjugate(context.of(one)))
