"""From a ggl study to its program: an integration and its report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import numpy as np
from actionrun.compiler.findings import Findings
from actionrun.compiler.ggl.comparison.propagators import InitialValueProblem
from actionrun.compiler.ggl.comparison.setup import Comparison
from actionrun.compiler.ggl.comparison.tableaux import tableaux
from actionrun.compiler.numerics.array_types import ArrayFunction
from actionrun.compiler.numerics.integrators.linear_map import Map, step_map
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
from actionrun.compiler.numerics.integrators.time_marching import Integrator, TimeMarcher
from actionrun.compiler.program import Reported
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem, lagrangian_system
from actionrun.compiler.symbolic.lowered_system import (
    components,
    many_body_mechanics,
    mechanics,
    parameters,
)
from actionrun.compiler.symbolic.lowering import lowered
from actionrun.compiler.symbolic.structure import equations_of_motion
from actionrun.spec import Expression
from actionrun.spec.kinds.ggl import Ggl

from .charge_balance import SymmetryCharges, charges
from .dense_output import dense_output
from .integration import Integration
from .many_body import stepper as bodies
from .report import IntegrationReport
from .series import Series
from .settings import InitialState, OutputTimes, Settings
from .stability_check import with_step_check_of_bodies
from .stepper import solver, stepper
from .supported import require_inputs, require_room


@dataclass(frozen=True, eq=False)
class _Parts:
    """What of a program differs between few coordinates and many bodies.

    `step_map` makes the map of a step, of r, h and the type of its numbers; `pulls` the forces that
    accelerate, where they are known symbolically.
    """

    integrator: Integrator
    q: np.ndarray
    p: np.ndarray
    charges: SymmetryCharges
    exact: ExactSolution | None
    step_map: Callable[..., Map] | None
    pulls: Callable[[], ArrayFunction | None]
    body_check: Callable[[Integration, Series, Findings], Findings] | None


def build(
    study: Ggl, observations: Mapping[str, np.ndarray] | None = None
) -> Reported[Integration]:
    """The program of a ggl study. Raises Faults for what the mathematics forbids."""
    system = lagrangian_system(study, observations)
    theta, of = parameters(system), settings(study, system)
    require_inputs(system, of, observations)
    parts = (_of_bodies if system.body_count else _of_coordinates)(of, system, theta)
    integrator, h = parts.integrator, of.h
    output = dense_output(of, system, integrator)
    way = solver(integrator, output is None)
    march = TimeMarcher(integrator, way, parts.exact, parts.charges.balance, output is not None)
    require_room(of, system, parts.q, parts.p)
    kind = np.float32 if of.precision == "single" else np.float64
    # unlike `jnp.asarray`, this compiles nothing
    start = (theta, np.float64(h), np.asarray(parts.q, kind), np.asarray(parts.p, kind))
    theta, h_, q, p = jax.device_put(start)
    mapped = parts.step_map
    if mapped is not None and way == "linear":
        mapped = partial(mapped, integrator.r, h, charges=parts.charges.balance, dtype=q.dtype)
    else:
        mapped = None
    run = Integration(of, system, march, theta, h_, q, p, of.steps, output, mapped)
    comparison = _comparison(run, parts) if of.methods else None
    report = IntegrationReport(run, parts.charges, parts.body_check, comparison)
    return Reported(run, report)


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
        steps=integrator.steps or 0,
        save_every=integrator.save_every,
        precision=integrator.precision,
        time_transform=integrator.time_transform,
        start=_start(study, system),
        exact=tuple(exact),
        events=study.events,
        output=_output(study),
        methods=() if compare is None else compare.methods,
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


def _output(study: Ggl) -> OutputTimes:
    output = study.output
    if output is None:
        return OutputTimes()
    if output.every is not None:
        return OutputTimes(every=study.number(output.every))
    return OutputTimes(tuple(study.number(value) for value in output.times or ()))


def _of_coordinates(of: Settings, system: LagrangianSystem, theta: Any) -> _Parts:
    arrays = mechanics(system)
    integrator, q, p = stepper(of, system, arrays, theta)

    def pulls() -> ArrayFunction:
        words, free = system.words, replace(system, holonomic=())
        arguments = [*words.q, *words.v, words.t, *system.constants]
        return lowered([right for _, right in equations_of_motion(free)], arguments)

    return _Parts(
        integrator, q, p, charges(system, arrays, integrator), _exact(of, system),
        partial(_step_map, arrays, theta) if integrator.linear else None, pulls, None,
    )  # fmt: skip


def _step_map(
    arrays: Mechanics, theta: Any, r: int, h: float, charges=None, dtype=np.float64
) -> Map:
    return step_map(arrays, r, h, theta, charges, dtype)


def _of_bodies(of: Settings, system: LagrangianSystem, theta: Any) -> _Parts:
    arrays = many_body_mechanics(system)
    integrator, q, p = bodies.stepper(of, system, arrays, theta)

    def check(run: Integration, rows: Series, findings: Findings) -> Findings:
        return with_step_check_of_bodies(run, arrays, rows, findings)

    return _Parts(
        integrator, q, p, bodies.charges(system, arrays, integrator), bodies.exact(of, system),
        None, lambda: None, check,
    )  # fmt: skip


def _comparison(run: Integration, parts: _Parts) -> Comparison:
    integrator, clock = parts.integrator, parts.integrator.clock
    motion: Equations = EquationsOfMotion(
        integrator.mechanics.flattened, parts.pulls(), integrator.surface
    )
    if clock is not None:
        motion = TimeTransformedEquations(motion, clock)
    setting = InitialValueProblem(
        run.system, integrator, motion, parts.step_map, run.theta, run.q, run.p, run.settings.h
    )
    return Comparison(
        run.settings,
        setting,
        tableaux(run.settings.methods, run.system.words),
        run.total,
        parts.exact,
    )


def _exact(of: Settings, system: LagrangianSystem) -> ExactSolution | None:
    """The true positions; None where they are not known."""
    if not of.exact:
        return None
    words = system.words
    positions = [words.scalar(e) for e in of.exact]
    return CoordinateExactSolution(lowered(positions, [words.t, *system.constants]))
