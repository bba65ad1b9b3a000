"""Results of a search in the study's own units, and not in those of the surface."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from actionrun.compiler.numerics.molecular.alignment import AlignedStructure
from actionrun.compiler.numerics.molecular.stationary_points import StationaryPoint
from actionrun.spec.units.energy_unit import EnergyUnit

from .endpoints import Endpoint, Endpoints
from .pathway import StationaryStructure


def in_study_units(
    unit: EnergyUnit, ends: Endpoints, chain: tuple[StationaryStructure, ...]
) -> tuple[Endpoints, tuple[StationaryStructure, ...]]:
    """Ends and chain with lengths in the study's unit and energies in the one it is told in."""
    length = float(ends.surface.length)
    energy = float(ends.surface.energy_unit) * unit.scale

    def point(one: StationaryPoint) -> StationaryPoint:
        return one._replace(
            q=one.q * length, energy=one.energy * energy, gradient=one.gradient * energy / length,
            values=one.values * energy / length**2,
        )  # fmt: skip

    def end(one: Endpoint) -> Endpoint:
        return Endpoint(one.given * length, point(one.point), one.moved * length)

    def copies(each: tuple[AlignedStructure, ...]) -> tuple[AlignedStructure, ...]:
        return tuple(AlignedStructure(x.q * length, x.distance * length) for x in each)

    def course(x: np.ndarray | None) -> np.ndarray | None:
        return None if x is None else x * np.array([[length], [energy]])

    told = replace(
        ends, start=end(ends.start), end=end(ends.end), aligned=copies(ends.aligned),
        near=copies(ends.near), apart=ends.apart * length, length=ends.length * length,
        scale=ends.scale * energy,
    )  # fmt: skip
    return told, tuple(
        replace(stop, point=point(stop.point), q=stop.q * length, along=stop.along * length,
                back=course(stop.back), on=course(stop.on),
                tracks=tuple(track * length for track in stop.tracks))
        for stop in chain
    )  # fmt: skip
