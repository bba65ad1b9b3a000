"""Settings of an integration: all that a ggl study says of it, complete and in base units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from actionrun.spec import Expression
from actionrun.spec.kinds.ggl import MOST_TIMES

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
class EventSettings:
    """An event: the expression `when`, the sign of crossings that count (0: both), the time after
    which they do, whether it stops the run, how many crossings it acts at or after how many it
    stops (None: as many as come, the first one), and what it sets: a formula by entry of (q, v)."""

    when: Expression
    direction: int
    after: float
    stop: bool
    count: int | None
    set: Mapping[int, Expression]

    @property
    def acts(self) -> bool:
        return self.stop or bool(self.set)


@dataclass(frozen=True)
class Differential:
    """What changes with a name, to first order: constants (k,), positions (n,) and the speeds
    beside them (n,) of the start. `size` is that of its own number, `unit` its unit."""

    name: str
    theta: np.ndarray
    q: np.ndarray
    speed: np.ndarray
    size: float
    unit: str


@dataclass(frozen=True)
class PeriodicSettings:
    """A periodic orbit: where its period ends, after how many returns, and what is free."""

    section: Expression
    returns: int
    free: tuple[Differential, ...]


@dataclass(frozen=True)
class ReachSettings:
    """Numbers by entry of (q, v) at the end, and what they are reached by."""

    targets: Mapping[int, float]
    by: tuple[Differential, ...]


@dataclass(frozen=True)
class AnalysisSettings:
    """What is asked of a motion beside itself, and a seed."""

    lyapunov: int
    megno: bool
    sensitivity: tuple[Differential, ...]
    monodromy: bool
    periodic: PeriodicSettings | None
    reach: ReachSettings | None
    seed: int


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
    events: Mapping[str, EventSettings]
    output: OutputTimes
    methods: tuple[str, ...]
    analysis: AnalysisSettings | None
    work_precision: bool
