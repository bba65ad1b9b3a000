"""The surface that a barrier is looked for on: units in which searches have one size of step, and
the symmetry of the energy that fields, held bodies and cells leave."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.molecular.energy_surface import EnergySurface
from actionrun.compiler.numerics.molecular.many_body_potential import ManyBodyPotential
from actionrun.compiler.numerics.molecular.periodic_cell import (
    lattice_vectors,
    minimum_image,
    nearest_distances,
    scaled_cell,
)
from actionrun.compiler.numerics.molecular.superposition import EnergySymmetry
from actionrun.compiler.numerics.molecular.zero_modes import invariant_motions
from actionrun.compiler.om.path_problem import PathProblem
from actionrun.compiler.om.structures import GivenStructure

USUAL = 4.0  # energy of a body, in units of the surface, of a Lennard-Jones cluster
WAY = 4.0  # distances of neighbours between the ends, where there is one body
STRAIGHT = 41  # places on the straight way whose energies give a scale
PROBES = 24  # places at which a field is asked for its symmetry
MOST_TURNED = 6  # components of a space in which rotations are looked for


class SearchedSurface(NamedTuple):
    """The surface, its symmetry, the distance of neighbours and the energy of a body, both in
    its units."""

    surface: EnergySurface
    symmetry: EnergySymmetry
    length: float
    scale: float


def searched_surface(
    problem: PathProblem, start: GivenStructure, end: GivenStructure
) -> SearchedSurface:
    """The surface of the bodies that move, from their places at both ends (dim, M)."""
    system = problem.system
    whole, cell = system.whole(start.q), system.cell
    frozen = np.zeros(whole.shape[1], dtype=bool) if system.frozen is None else system.frozen
    way = minimum_image(end.q - start.q, cell)
    if whole.shape[1] > 1:
        length = float(np.median(nearest_distances(whole, cell)[~frozen]))
    else:
        length = float(np.linalg.norm(way)) / WAY or 1.0
    unit = 2.0 ** round(np.log2(length / 1.1))
    energy = _energy_scale(problem, start.q, way)
    energy_unit = 2.0 ** round(np.log2(energy / USUAL))
    motions = _motions(problem, start.q, way, unit)
    surface = EnergySurface.of(system.potential, whole, frozen, unit, energy_unit, motions)
    kinds = [*dict.fromkeys(start.species)]
    numbers = np.array([kinds.index(name) for name in start.species])
    if _numbered(problem, start.q, numbers):
        numbers = np.arange(len(numbers))
    alone = all(term.neighborhood is not None for term in system.potential.terms)
    inversion = alone and not frozen.any() and whole.shape[1] > 1
    symmetry = EnergySymmetry(numbers, motions, inversion, scaled_cell(cell, unit))
    return SearchedSurface(surface, symmetry, length / unit, energy / energy_unit)


def _numbered(problem: PathProblem, q: np.ndarray, kinds: np.ndarray) -> bool:
    """Whether equal bodies that change places change the energy: by a sum i<j<k that singles one
    of the three out."""
    system = problem.system
    if not any(isinstance(term, ManyBodyPotential) for term in system.potential.terms):
        return False
    draw = np.random.default_rng(0)
    spacing = float(np.median(nearest_distances(system.whole(q), system.cell)))
    near = q + 0.02 * spacing * draw.normal(size=q.shape)
    order = np.arange(len(kinds))
    for kind in {*kinds.tolist()}:
        order[kinds == kind] = draw.permutation(order[kinds == kind])
    both = jnp.asarray(np.stack([near, near[:, order]], axis=2))
    one, other = np.asarray(system.potential.energy(both))
    return bool(abs(one - other) > 1e-9 * max(abs(one), abs(other)))


def _energy_scale(problem: PathProblem, q: np.ndarray, way: np.ndarray) -> float:
    """The energy of a body at the ends where bodies act on each other alone; else the usual change
    of the energy along the straight way, since the zero of a field is anywhere."""
    potential = problem.system.potential
    line = q[..., None] + np.linspace(0, 1, STRAIGHT) * way[..., None]
    energy = np.asarray(potential.energy(jnp.asarray(line)))
    ends = np.abs(energy[[0, -1]])
    if potential.moves_freely and np.isfinite(ends).all() and np.max(ends) > 0:
        return float(np.max(ends)) / problem.system.whole(q).shape[1]
    change = np.abs(energy - np.min(energy[[0, -1]]))
    change = change[np.isfinite(change) & (change > 0)]
    return float(np.median(change)) if len(change) else 1.0


def _motions(
    problem: PathProblem, q: np.ndarray, way: np.ndarray, unit: float
) -> np.ndarray | None:
    """Rigid motions that cost nothing, as combinations of generators in the surface's unit of
    length; None: all."""
    system, dim = problem.system, len(q)
    fields = [term for term in system.potential.terms if term.neighborhood is None]
    held = np.zeros((dim, 0))
    if system.frozen is not None and system.places is not None:
        held = system.places[:, system.frozen]
    vectors = lattice_vectors(system.cell, dim)
    if not fields and not held.shape[1] and not len(vectors) and system.shape[1] > 1:
        return None
    draw = np.random.default_rng(0)
    some = draw.integers(0, q.shape[1], PROBES)
    near = q[:, some] + draw.uniform(0, 1, PROBES) * way[:, some]
    spread = 0.3 * max(float(np.linalg.norm(way)) / np.sqrt(q.shape[1]), unit)
    places = near + spread * draw.normal(size=near.shape)
    pushes = [np.asarray(-term.forces(jnp.asarray(places[:, None]), None))[:, 0] for term in fields]
    push = np.concatenate([np.zeros((dim, 0)), *pushes], axis=1)
    there = np.concatenate([np.zeros((dim, 0)), *[places for _ in pushes]], axis=1)
    known = np.isfinite(push).all(axis=0)
    result = invariant_motions(
        dim, there[:, known] / unit, push[:, known], held / unit, vectors / unit
    )
    if dim > MOST_TURNED:
        result = result[np.all(np.abs(result[:, dim:]) < 1e-9, axis=1)]
    return result
