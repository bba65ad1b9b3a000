"""What a study's base units are in those of files of atoms: angstrom, fs, u, eV."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from .quantities import Units, unit


@dataclass(frozen=True)
class Atomic:
    """One base unit of length in angstrom, of time in fs, of mass in u, of energy in eV; of mass
    times velocity in sqrt(u*eV), as ASE has momenta. All 1 in reduced units."""

    length: float = 1.0
    time: float = 1.0
    mass: float = 1.0
    energy: float = 1.0
    momentum: float = 1.0
    units: str = "reduced"


def atomic(units: Units) -> Atomic:
    """The scales of a study's units."""
    if units.reduced:
        return Atomic()

    def scale(name: str) -> float:
        one = unit(name)
        return float(units.scale(one.dimension)) / float(one.factor)

    length, time, mass, energy = (scale(name) for name in ("angstrom", "fs", "u", "eV"))
    speed = float(unit("u").factor) * float(unit("angstrom/fs").factor) ** 2
    momentum = mass * length / time * sqrt(speed / float(unit("eV").factor))
    return Atomic(length, time, mass, energy, momentum, "angstrom fs u eV")
