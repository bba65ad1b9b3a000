"""Settings of an om study, complete and in base units: what travels on from its door."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import sympy as sp
from actionrun.compiler.symbolic.vocabulary import Vocabulary
from actionrun.spec.kinds.om import Loss, Path, PathNetwork, PathTraining, Saddles
from actionrun.spec.tables.system import System
from actionrun.spec.units.energy_unit import EnergyUnit
from actionrun.spec.units.quantities import Units
from actionrun.spec.validation.om_rules import BoxVectors

from .interactions import Number


@dataclass(frozen=True)
class SystemSettings:
    """What moves: the formulas and names of the table `system`, with the numbers of parameters
    `theta`, masses (None: 1; by species, or by coordinate), the species of each body, cut-off
    and where it begins (None: there itself, since the law vanishes), box (`edge` that of a cube),
    and the periods of coordinates."""

    system: System
    words: Vocabulary
    theta: Mapping[sp.Symbol, Number]
    mass: float | Mapping[str, float] | None
    species: tuple[str, ...] | None
    cutoff: float | None
    switch: float | None
    box: BoxVectors | None
    edge: float | None
    periods: Mapping[str, float]
    boltzmann: float


@dataclass(frozen=True)
class ReferenceSettings:
    """The molecular dynamics run that gives the ends."""

    dt: float
    equilibration: float
    temperature: float


@dataclass(frozen=True)
class ThermalSettings:
    """Langevin dynamics: "overdamped" or "langevin"; k_B times the temperature as an energy of the
    study (of a mole, where its energies are), and the friction, drag over velocity."""

    dynamics: Literal["overdamped", "langevin"]
    heat: float
    friction: float


@dataclass(frozen=True)
class Settings:
    """The path between two states. `reference` is None where the ends are given; `duration` inf
    where it is free; `thermal` None for Newton's motion; `temperature` is that of rates;
    `per_mole`: energies are those of a mole."""

    moving: SystemSettings
    seed: int
    path: Path
    duration: float
    given: tuple[str, ...]
    align: tuple[str, ...]
    reference: ReferenceSettings | None
    thermal: ThermalSettings | None
    loss: Loss
    network: PathNetwork | None
    training: PathTraining
    refine: Saddles
    temperature: float | None
    units: Units
    energy_unit: EnergyUnit
    per_mole: bool

    def heat(self, temperature: float) -> float:
        """k_B times a temperature as an energy of the study, of a mole where its energies are."""
        amount = self.units.constant("N_A") if self.per_mole else 1.0
        return self.moving.boltzmann * temperature * amount

    @property
    def many(self) -> bool:
        """Whether bodies move, and not coordinates."""
        return self.moving.system.particles is not None

    @property
    def frozen(self) -> tuple[int, ...]:
        """Numbers of the bodies that are held, from 1."""
        return self.moving.system.frozen

    @property
    def transforms(self) -> bool:
        """Whether one end is turned, or taken over barriers, to the other."""
        return self.reference is None and bool(self.refine.barrier or self.align)
