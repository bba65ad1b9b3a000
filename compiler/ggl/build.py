"""From a ggl study to its program: an integration and its report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import numpy as np
from actionrun.compiler.ggl.comparison.propagators import InitialValueProblem
from actionrun.compiler.ggl.comparison.setup import Comparison
from actionrun.compiler.ggl.comparison.tableaux import tableaux
from actionrun.compiler.numerics.integrators.linear_map import Map, step_map
from actionrun.compiler.numerics.integrators.many_body.exact_solution import ManyBodyExactSolution
from actionrun.compiler.numerics.integrators.mechanics import (
    CoordinateExactSolution,
    ExactSolution,
    Mechanics,
)
from actionrun.compiler.numerics.integrators.runge_kutta import (
    Equations,
    EquationsOfMotion,
    TimeTransformedEquations,
)
from actionrun.compiler.numerics.integrators.time_marching import TimeMarcher
from actionrun.compiler.program import Reported
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem, lagrangian_system
from actionrun.compiler.symbolic.lowered_system import (
    arguments_of,
    components,
    many_body_mechanics,
    mechanics,
    parameters,
)
from actionrun.compiler.symbolic.lowering import lowered
from actionrun.compiler.symbolic.structure import equations_of_motion
from actionrun.compiler.symbolic.time_transform import transformed, transformed_bodies
from actionrun.spec import Expression
from actionrun.spec.expressions.errors import ExpressionFault
from actionrun.spec.kinds.ggl import Ggl
from actionrun.spec.tables.analysis import start_entry
from actionrun.spec.tables.events import setting_target
from actionrun.spec.tables.leaves import Value

from .acting_events import acting_events
from .charge_balance import charges, charges_of_bodies
from .dense_output import dense_output
from .integration import Integration
from .report import IntegrationReport
from .settings import (
    AnalysisSettings,
    Differential,
    EventSettings,
    InitialState,
    OutputTimes,
    PeriodicSettings,
    ReachSettings,
    Settings,
)
from .stepper import solver, stepper
from .supported import require_autonomous, require_inputs, require_room

FINE = 1e-3  # of a parameter: how far it is moved to see what follows from it
STENCIL = {-3: -1 / 60, -2: 3 / 20, -1: -3 / 4, 1: 3 / 4, 2: -3 / 20, 3: 1 / 60}


def build(
    study: Ggl, observations: Mapping[str, np.ndarray] | None = None
) -> Reported[Integration]:
    """The program of a ggl study. Raises Faults for what the mathematics forbids."""
    system = lagrangian_system(study, observations)
    theta, of = parameters(system), settings(study, system)
    require_inputs(system, of, observations)
    require_autonomous(system, of)
    step = None
    if system.body_count:
        arrays = bodies = many_body_mechanics(system)
        slowed = partial(transformed_bodies, system, bodies)
        balanced = partial(charges_of_bodies, system, bodies)
    else:
        arrays = few = mechanics(system)
        slowed, balanced = partial(transformed, system), partial(charges, system, few)
        step = partial(_step_map, few, theta)
    integrator, q, p = stepper(of, system, arrays, slowed, theta)
    h, kept, output = of.h, balanced(integrator), dense_output(of, system, integrator)
    way = solver(integrator, output is None)
    march = TimeMarcher(integrator, way, _exact(of, system), kept.balance, output is not None)
    require_room(of, system, q, p)
    kind = np.float32 if of.precision == "single" else np.float64
    # unlike `jnp.asarray`, this compiles nothing
    start = (theta, np.float64(h), np.asarray(q, kind), np.asarray(p, kind))
    theta, h_, q, p = jax.device_put(start)
    step = step if integrator.linear else None
    mapped = None
    if step is not None and way == "linear":
        mapped = partial(step, integrator.r, h, charges=kept.balance, dtype=q.dtype)
    acting = acting_events(of, system, output)
    run = Integration(of, system, march, theta, h_, q, p, of.steps, output, acting, mapped)
    comparison = _comparison(run, step) if of.methods else None
    return Reported(run, IntegrationReport(run, kept, comparison))


def settings(study: Ggl, system: LagrangianSystem) -> Settings:
    """The settings of a study. Raises Faults for numbers that have no value."""
    integrator, compare = study.integrator, study.compare
    exact: list[Expression] = []
    for name in system.words.slices if study.exact else ():
        given = study.exact[name]
        exact += given if isinstance(given, tuple) else (given,)
    return Settings(
        r=integrator.r,
        h=study.number(integrator.dt),
        steps=study.step_count,
        save_every=integrator.save_every,
        precision=integrator.precision,
        time_transform=integrator.time_transform,
        start=_start(study, system),
        exact=tuple(exact),
        events=_events(study, system),
        output=_output(study),
        methods=() if compare is None else compare.methods,
        analysis=_analysis(study, system),
        work_precision=compare is not None and compare.work_precision,
    )


def _start(study: Ggl, system: LagrangianSystem) -> InitialState:
    given = study.start

    def row(by_name) -> np.ndarray:
        if not system.body_count:
            return components(system, by_name, study.number)
        parts = [np.array(study.bodies(by_name[name])).T for name in system.words.slices]
        return np.concatenate(parts).ravel()

    q = row(given.position)
    if given.momentum is not None:
        return InitialState(q, row(given.momentum), "momentum")
    v = np.zeros(q.shape) if given.velocity is None else row(given.velocity)
    return InitialState(q, v, "velocity")


def _events(study: Ggl, system: LagrangianSystem) -> dict[str, EventSettings]:
    words, of, events = system.words, study.system.coordinates, {}
    for name, event in study.events.items():
        entries = {}
        for key, formula in event.set.items():
            target = setting_target(key, of, of.vectors)
            if target is None:
                continue  # the rules have refused it
            coordinate, component, moving = target
            entry = words.slices[coordinate].start + component + moving * system.n
            entries[entry] = formula
        sign = {"up": 1, "down": -1, "both": 0}[event.direction]
        after = -np.inf if event.after is None else study.number(event.after)
        events[name] = EventSettings(event.when, sign, after, event.stop, event.count, entries)
    return events


def _analysis(study: Ggl, system: LagrangianSystem) -> AnalysisSettings | None:
    of = study.analysis
    if of is None or not of.asked():
        return None

    def entries(names: tuple[str, ...]) -> tuple[Differential, ...]:
        return tuple(_differential(study, system, name) for name in dict.fromkeys(names))

    periodic = reach = None
    if (orbit := of.periodic) is not None:
        periodic = PeriodicSettings(orbit.section, orbit.returns, entries(orbit.free))
    if of.reach is not None:
        targets: dict[int, float] = {}
        for offset, part in ((0, of.reach.position), (system.n, of.reach.velocity)):
            for name, value in part.items():
                numbers = value if isinstance(value, tuple) else (value,)
                first = offset + system.words.slices[name].start
                targets |= {first + k: study.number(one) for k, one in enumerate(numbers)}
        reach = ReachSettings(targets, entries(of.reach.by))
    return AnalysisSettings(of.lyapunov or 0, of.megno, entries(of.sensitivity), of.monodromy,
                            periodic, reach, study.seed)  # fmt: skip


def _differential(study: Ggl, system: LagrangianSystem, name: str) -> Differential:
    """What changes with a parameter or an entry of the start."""
    coordinates, n = study.system.coordinates, system.n
    entry = start_entry(name, coordinates, coordinates.vectors)
    if name in study.parameters or entry is None:
        size = float(study.constant(name))
        step = FINE * (abs(size) or 1.0)
        rows = [w * _at(study, system, name, size + j * step) for j, w in STENCIL.items()]
        whole, k = np.sum(rows, axis=0) / step, len(system.values)
        unit = study.unit(name)
        return Differential(name, whole[:k], whole[k : k + n], whole[k + n :], size, unit)
    at = system.words.slices[entry.coordinate].start + entry.component
    one, still = np.eye(n)[at], np.zeros(n)
    moved = entry.table == "position"
    of = _start(study, system)
    size = (of.q if moved else of.speed)[at]
    what = {"position": "{}", "velocity": "{}'", "momentum": "pi_{}"}[entry.table]
    return Differential(name, np.zeros(len(system.values)), one if moved else still,
                        still if moved else one, float(size),
                        study.unit(what.format(entry.coordinate)))  # fmt: skip


def _at(study: Ggl, system: LagrangianSystem, name: str, x: float) -> np.ndarray:
    """Constants, positions and speeds of the start where a parameter is x, and what follows from
    it."""
    more = {name: x}
    formulas = {**study.parameters, **study.define}
    follow = {
        other: Value(one.text, tree=one.tree)
        for other, one in formulas.items()
        if isinstance(one, Value | Expression) and one.tree is not None and other != name
    }
    for _ in follow:  # as often as they may stand on each other
        before = dict(more)
        for other, value in follow.items():
            with suppress(ExpressionFault):  # of a definition that is no constant
                more[other] = study.number_given(value, more)
        if more == before:
            break
    theta = [more.get(str(symbol), value) for symbol, value in system.values.items()]
    speed = study.start.velocity or study.start.momentum
    q, v = (
        np.zeros(system.n)
        if given is None
        else components(system, given, lambda value: study.number_given(value, more))
        for given in (study.start.position, speed)
    )
    return np.concatenate([theta, q, v])


def _output(study: Ggl) -> OutputTimes:
    output = study.output
    if output is None:
        return OutputTimes()
    if output.every is not None:
        return OutputTimes(every=study.number(output.every))
    return OutputTimes(tuple(study.number(value) for value in output.times or ()))


def _step_map(
    arrays: Mechanics, theta: Any, r: int, h: float, charges=None, dtype=np.float64
) -> Map:
    return step_map(arrays, r, h, theta, charges, dtype)


def _comparison(run: Integration, step: Callable[[int, float], Map] | None) -> Comparison:
    integrator, clock, system = run.integrator, run.integrator.clock, run.system
    pulls = None  # that accelerate; of bodies no formula of them is known
    if not system.body_count:
        words, free = system.words, replace(system, holonomic=())
        arguments = [*words.q, *words.v, words.t, *system.constants]
        pulls = lowered([right for _, right in equations_of_motion(free)], arguments)
    motion: Equations = EquationsOfMotion(integrator.mechanics.flattened, pulls, integrator.surface)
    if clock is not None:
        motion = TimeTransformedEquations(motion, clock)
    problem = InitialValueProblem(
        system, integrator, motion, step, run.theta, run.q, run.p, run.settings.h
    )
    methods = tableaux(run.settings.methods, system.words)
    return Comparison(run.settings, problem, methods, run.total, run.march.exact)


def _exact(of: Settings, system: LagrangianSystem) -> ExactSolution | None:
    """The true positions; None where they are not known."""
    if not of.exact:
        return None
    words = system.words
    positions = [words.scalar(e, each=bool(system.body_count)) for e in of.exact]
    if not system.body_count:
        return CoordinateExactSolution(lowered(positions, [words.t, *system.constants]))
    symbols, places = arguments_of(system, positions)
    values = lowered(positions, [*symbols, words.t, *system.constants])
    return ManyBodyExactSolution(system.body_count, len(system.values), places, values)
