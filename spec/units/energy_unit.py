"""The unit in which a study's energies are told: the one that its own parameters are written in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from .quantities import Unit, Units, known_unit, spelled
from .unit_table import ENERGY, Dimension


class EnergyUnit(NamedTuple):
    """A unit of energies: its label, and what a number in base units is multiplied by."""

    label: str = ""
    scale: float = 1.0


def energy_unit(
    units: Units, dimension: Dimension | None, written: Iterable[Unit | None]
) -> EnergyUnit:
    """The unit of an energy of this dimension (of a molecule, or of a mole): the first unit of
    energy in the quantities `written`, else the coherent one."""
    label = units.label(dimension)
    if dimension is None or not label or dimension[:3] != ENERGY[:3]:
        return EnergyUnit(label)
    for one in written:
        for symbol, power in one.parts if one else ():
            known = known_unit(symbol)
            if known is None or known[1].dimension != ENERGY or power != 1:
                continue
            rest = [(units.base[k], dimension[k]) for k in range(3, 6)]
            scale = float(units.scale(ENERGY)) / float(known[1].factor)
            return EnergyUnit(spelled([(symbol, 1), *rest]), scale)
    return EnergyUnit(label)
