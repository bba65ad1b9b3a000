"""Settings of an integration: all that a ggl study says of it, complete and in base units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem
from actionrun.compiler.symbolic.lowered_system import components
from actionrun.spec import Expression
from actionrun.spec.kinds.ggl import MOST_TIMES, Ggl

NEAR = 1e-9  # of an interval of output: a last time so little behind the end still counts


@dataclass(frozen=True)
class InitialState:
    """Positions (n,) and the speeds beside them (n,): velocities or discrete momenta."""

    q: np.ndarray
    speed: np.ndarray
    given: Literal["velocity", "momentum"]


@dataclass(frozen=True)
class OutputTimes:
    """Times of [output]: those listed, and every so long from 0 on; neither where there is none."""

    listed: tuple[float, ...] = ()
    every: float = np.inf

    @property
    def asked(self) -> bool:
        return bool(self.listed) or bool(np.isfinite(self.every))

    def until(self, end: float) -> np.ndarray:
        """Sorted; `end` is infinity where a transformed time ends nobody knows when."""
        if np.isinf(self.every):
            return np.sort(np.array(self.listed, float))
        count = MOST_TIMES if end == np.inf else int(end / self.every + NEAR)
        return self.every * np.arange(count + 1)


@dataclass(frozen=True)
class Settings:
    """`h` is the step, of s where there is a `time_transform` dt = g ds. `exact` are the true
    positions by component, none where they are not known; `methods` those of [compare]."""

    r: int
    h: float
    steps: int
    save_every: int
    precision: Literal["double", "single"]
    time_transform: Expression | None
    start: InitialState
    exact: tuple[Expression, ...]
    events: Mapping[str, Expression]
    output: OutputTimes
    methods: tuple[str, ...]
    work_precision: bool


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
