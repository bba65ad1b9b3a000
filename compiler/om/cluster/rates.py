"""Harmonic transition-state theory: rates over the highest saddle (Vineyard, J. Phys. Chem. Solids
3, 121, 1957), with the orders of point groups in the open (Wales, Energy Landscapes, 2003, 7.1).

k = (h / h_s) (prod of the minimum's frequencies) / (prod of the saddle's real ones) exp(-dV/k_B T),
frequencies of the Hessian over masses; h, h_s are the orders of the point groups of minimum and
saddle, as groups of relabellings. Rotation and tunnelling are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from actionrun.compiler.numerics.molecular.stationary_points import (
    StationaryPoint,
    hessian,
    zero_modes,
)
from actionrun.compiler.om.path_problem import PathProblem
from actionrun.spec.units.unit_table import TEMPERATURE

from .endpoints import Endpoints
from .pathway import StationaryStructure


@dataclass(frozen=True)
class Rates:
    """Rates over the highest saddle, in one over the study's unit of time; `prefactors` are the
    rates without the exponential; `imaginary` the frequency along the saddle's negative mode."""

    temperature: float
    forward: float
    backward: float
    prefactors: tuple[float, float]
    imaginary: float


def rates(
    problem: PathProblem, ends: Endpoints, chain: tuple[StationaryStructure, ...]
) -> Rates | None:
    """The rates of a study that gives a temperature, between minima; `ends` and `chain` are in the
    surface's units."""
    temperature, tops = problem.settings.temperature, [stop for stop in chain if stop.is_saddle]
    if temperature is None or not tops or not (ends.start.is_minimum and ends.end.is_minimum):
        return None
    top = max(tops, key=lambda stop: stop.point.energy)
    if top.point.negative != 1:
        return None
    heat = problem.settings.heat(temperature)
    values, order = _modes(problem, ends, top.point)
    both, prefactors = [], []
    for end in (ends.start, ends.end):
        well, own = _modes(problem, ends, end.point)
        logs = np.sum(np.log(well)) / 2 - np.sum(np.log(values[1:])) / 2
        prefactors.append(float(own / order * np.exp(logs) / (2 * np.pi)))
        height = (top.point.energy - end.point.energy) * float(ends.surface.energy_unit)
        both.append(float(prefactors[-1] * np.exp(-height / heat)))
    imaginary = float(np.sqrt(-values[0]) / (2 * np.pi))
    return Rates(temperature, both[0], both[1], (prefactors[0], prefactors[1]), imaginary)


def _modes(problem: PathProblem, ends: Endpoints, point: StationaryPoint) -> tuple[np.ndarray, int]:
    """Squares of angular frequencies, ascending, without the motions of the whole, in the study's
    units; and the order of the point group."""
    surface = ends.surface
    matrix = hessian(surface, point.q)[2] * float(surface.energy_unit / surface.length**2)
    mass = np.broadcast_to(problem.system.mass[..., 0], point.q.shape).ravel()
    values = np.linalg.eigvalsh(matrix / np.sqrt(mass[:, None] * mass[None, :]))
    still = zero_modes(surface, point.q).shape[1]
    kept = np.sort(np.argsort(np.abs(values), kind="stable")[still:])
    return values[kept], max(1, len(ends.symmetry.superpositions(point.q, point.q)))


def temperature_label(problem: PathProblem) -> str:
    """The unit of temperatures."""
    return problem.settings.units.label(TEMPERATURE)
