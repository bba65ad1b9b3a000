"""Structures of files: the two ends that they give, and the trajectory that a path leaves
behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.errors import study_error
from actionrun.compiler.findings import Trajectory
from actionrun.compiler.numerics.molecular.pair_potential import PairPotential
from actionrun.compiler.numerics.molecular.periodic_cell import Cell, minimum_image
from actionrun.spec.units.atomic_units import atomic

from .particle_system import ParticleSystem
from .settings import Settings

STILL = 1e-5  # of its coordinates, that a held body may differ between the files
STEEP = 1000  # energy of two bodies that overlap, over that of others
WALL = 8  # energy at half the distance over it: steeper than 1/r^3


@dataclass(frozen=True)
class GivenStructure:
    """What [ends] gives: q (dim, N), v (dim, N) where there are velocities, names, and which bodies
    the file holds (N,), None where it does not say."""

    q: np.ndarray
    v: np.ndarray | None
    species: tuple[str, ...]
    frozen: np.ndarray | None = None

    def ordered(self, order: np.ndarray) -> GivenStructure:
        """With its bodies in another order."""
        names = tuple(self.species[k] for k in order)
        v, frozen = (None if x is None else x[..., order] for x in (self.v, self.frozen))
        return GivenStructure(self.q[:, order], v, names, frozen)


def given_ends(
    bodies: ParticleSystem, observations: Mapping[str, np.ndarray]
) -> tuple[GivenStructure, GivenStructure]:
    """Start and end from the structures that the runtime has read.

    Raises Faults for atoms that overlap.
    """
    return _given(bodies, observations, "start"), _given(bodies, observations, "end")


def _given(
    bodies: ParticleSystem, observations: Mapping[str, np.ndarray], name: str
) -> GivenStructure:
    where = ("ends", name)
    q = np.asarray(observations[name], dtype=float).T
    velocities = observations.get(f"{name}_velocities")
    pair = overlapping_pair(bodies, q)
    if pair is not None:
        i, j, distance = pair
        raise study_error(
            bodies.words, where, "ends.overlap",
            f"atoms {i + 1} and {j + 1} overlap: they are {distance:.4g} apart",
            "correct the structure, or relax it first; are its units those of the study?",
        )  # fmt: skip
    species = tuple(map(str, observations[f"{name}_species"]))
    return GivenStructure(
        q, None if velocities is None else np.asarray(velocities, dtype=float).T, species,
        observations.get(f"{name}_frozen"),
    )  # fmt: skip


def held_bodies(
    held: tuple[int, ...], system: ParticleSystem, start: GivenStructure, end: GivenStructure
) -> tuple[ParticleSystem, GivenStructure, GivenStructure]:
    """The system of the bodies that neither the files nor the numbers `held` (from 1) hold, and the
    ends of these.

    Raises Faults where a body that is held lies elsewhere at the end.
    """
    frozen = np.zeros(start.q.shape[1], dtype=bool)
    frozen[[number - 1 for number in held]] = True
    for one in (start, end):
        frozen |= False if one.frozen is None else one.frozen
    if not frozen.any():
        return system, start, end
    if frozen.all():
        raise study_error(system.words, ("ends", "start"), "ends.frozen", "no atom is free to move",
                          "leave one at least out of move_mask")  # fmt: skip
    way = minimum_image(end.q - start.q, system.cell)
    far = np.linalg.norm(way, axis=0) * frozen
    if np.max(far) > STILL * max(float(np.max(np.abs(start.q))), 1.0):
        k = int(np.argmax(far))
        raise study_error(
            system.words, ("ends", "end"), "ends.frozen",
            f"atom {k + 1} is held, and lies {far[k]:.4g} from its place at the start",
            "give both ends the same places of held atoms, or free it",
        )  # fmt: skip
    free = np.flatnonzero(~frozen)
    return system.held(frozen, start.q), start.ordered(free), end.ordered(free)


def overlapping_pair(bodies: ParticleSystem, q: np.ndarray) -> tuple[int, int, float] | None:
    """Two bodies of q (dim, N) that overlap, and their distance; None where there are none.

    The two that are nearest overlap where their energy is not finite, or where they are on a wall
    far above the depth of the well and the energy of pairs as far apart as the loneliest one.
    """
    terms, n = bodies.potential.terms, q.shape[1]
    pairs = next((term for term in terms if isinstance(term, PairPotential)), None)
    if pairs is None or n < 2:
        return None
    nearest, partner = (np.asarray(x) for x in _nearest(jnp.asarray(q), bodies.cell))
    i = int(np.argmin(nearest))
    j, distance = int(partner[i]), float(nearest[i])
    theta = pairs.between(i, j)
    usual = float(np.max(nearest))
    beyond = np.geomspace(1, 100, 400) * distance
    r = jnp.asarray(np.concatenate([[distance, distance / 2, usual], beyond]))
    energy, nearer, others, *well = np.asarray(pairs.energies(r, theta))
    level = max(-float(np.min(well)), abs(others) if usual > 1.5 * distance else 0.0)
    on_wall = nearer > WALL * energy > WALL * STEEP * level > 0
    return (i, j, distance) if on_wall or not np.isfinite(energy) else None


@jax.jit
def _nearest(q: jax.Array, cell: Cell) -> tuple[jax.Array, jax.Array]:
    def row(i):
        d = minimum_image(q - q[:, i, None], cell)
        s = jnp.sum(d * d, axis=0).at[i].set(jnp.inf)
        j = jnp.argmin(s)
        return jnp.sqrt(s[j]), j

    return jax.lax.map(row, jnp.arange(q.shape[1]))


def trajectory(
    settings: Settings,
    bodies: ParticleSystem,
    q: np.ndarray,
    *,
    times: np.ndarray | None = None,
    v: np.ndarray | None = None,
    energies: np.ndarray | None = None,
    species: Sequence[str] | None = None,
    labels: Sequence[str] = (),
) -> Trajectory:
    """q, v (dim, N, T) in the study's units as structures for trajectory.extxyz: in angstrom, fs,
    u and eV where the study has units; energies (T,) are told in the study's own unit."""
    scale = atomic(settings.units)
    q = bodies.whole(np.asarray(q))
    n = q.shape[1]
    v = None if v is None else bodies.whole_rates(np.asarray(v))
    masses = bodies.whole_mass
    if masses is None:
        masses = np.broadcast_to(bodies.mass[0, :, 0], (n,))
    names = species or bodies.species or ("X",) * n
    return Trajectory(
        positions=q.T * scale.length,
        species=tuple(names),
        times=None if times is None else np.asarray(times) * scale.time,
        velocities=None if v is None else v.T * (scale.length / scale.time),
        momenta=None if v is None else v.T * masses[:, None] * scale.momentum,
        masses=masses * scale.mass,
        energies=None
        if energies is None
        else (np.asarray(energies) * (scale.energy / settings.energy_unit.scale)),
        cell=None if bodies.box is None else np.array(bodies.box.cell) * scale.length,
        periodic=None if bodies.box is None else bodies.box.periodic,
        frozen=bodies.frozen,
        labels=tuple(labels),
        units=scale.units,
    )
