"""Settings of a family: all that its study says beside the law, complete and in base units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from actionrun.spec import Expression
from actionrun.spec.tables.learning import Network, Refine, Training


@dataclass(frozen=True)
class CoefficientRange:
    """An unknown: its range; whether its logarithm is drawn evenly; the share of systems of
    training that are without it."""

    low: float
    high: float
    log: bool
    zero: float


@dataclass(frozen=True)
class StartRanges:
    """Ranges (n,) of positions and of the speeds beside them, velocities or momenta; of no width
    where a number is given."""

    q_low: np.ndarray
    q_high: np.ndarray
    rate_low: np.ndarray
    rate_high: np.ndarray
    by_velocity: bool


@dataclass(frozen=True)
class MeasuredFormula:
    """What a column shows that is no coordinate; `period`: it is known up to multiples, 0 for
    none."""

    name: str
    formula: Expression
    period: float


@dataclass(frozen=True)
class MeasuredColumns:
    """Columns of measured motions: `formulas`, the `periods` of those that are wrapped, the names
    of inputs and of numbers by trial, how inputs go between their samples."""

    formulas: tuple[MeasuredFormula, ...] = ()
    periods: Mapping[str, float] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    constants: tuple[str, ...] = ()
    between: Literal["hold", "linear", "cubic"] = "linear"


@dataclass(frozen=True)
class Settings:
    """`steps` of a motion of training, 0 where its data say how many; `variables` that a network
    reads, and those `seen`, in the data where there are any, which may hide a coordinate; `noise`
    over the size of every variable, None where it is not given; `coefficients` as the system has
    them, `cases` and `systems` the named and the unseen members of the test; `start`, None where a
    fit estimates some of it; `scoring`: last layers of the network that step through the
    integrator."""

    seed: int
    r: int
    h: float
    steps: int
    every: int
    variables: tuple[str, ...]
    seen: tuple[str, ...]
    hides_positions: bool
    noise: float | None
    coefficients: tuple[CoefficientRange, ...]
    inequalities: tuple[Expression, ...]
    cases: tuple[Mapping[str, float], ...]
    systems: int
    start: StartRanges | None
    network: Network
    training: Training
    refine: Refine
    scoring: int
    columns: MeasuredColumns

    @property
    def refines(self) -> bool:
        return self.refine.method != "none"

    @property
    def iterations(self) -> int:
        """Of a refinement, at most."""
        return self.refine.iterations if self.refines else 0
