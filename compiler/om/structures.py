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
from actionrun.compiler.numerics.molecular.neighbor_list import minimum_image
from actionrun.compiler.numerics.molecular.pair_potential import PairPotential
from actionrun.spec import Study
from actionrun.spec.units.atomic_units import atomic

from .particle_system import ParticleSystem

STEEP = 1000  # energy of two bodies that overlap, over that of others
WALL = 8  # energy at half the distance over it: steeper than 1/r^3


@dataclass(frozen=True)
class GivenStructure:
    """What the files of [ends] give: q (dim, N), v (dim, N) where there are velocities, names."""

    q: np.ndarray
    v: np.ndarray | None
    species: tuple[str, ...]


def given_ends(
    study: Study, bodies: ParticleSystem, observations: Mapping[str, np.ndarray]
) -> tuple[GivenStructure, GivenStructure]:
    """Start and end from the structures that the runtime has read.

    Raises Faults for atoms that overlap.
    """
    return _given(study, bodies, observations, "start"), _given(study, bodies, observations, "end")


def _given(
    study: Study, bodies: ParticleSystem, observations: Mapping[str, np.ndarray], name: str
) -> GivenStructure:
    where = ("ends", name)
    q = np.asarray(observations[name], dtype=float).T
    velocities = observations.get(f"{name}_velocities")
    pair = overlapping_pair(bodies, q)
    if pair is not None:
        i, j, distance = pair
        raise study_error(
            study, where, "ends.overlap",
            f"atoms {i + 1} and {j + 1} overlap: they are {distance:.4g} apart",
            "correct the structure, or relax it first; are its units those of the study?",
        )  # fmt: skip
    species = tuple(map(str, observations[f"{name}_species"]))
    return GivenStructure(
        q, None if velocities is None else np.asarray(velocities, dtype=float).T, species
    )


def overlapping_pair(bodies: ParticleSystem, q: np.ndarray) -> tuple[int, int, float] | None:
    """Two bodies of q (dim, N) that overlap, and their distance; None where there are none.

    The two that are nearest overlap where their energy is not finite, or where they are on a wall
    far above the depth of the well and the energy of pairs as far apart as the loneliest one.
    """
    terms, n = bodies.potential.terms, q.shape[1]
    pairs = next((term for term in terms if isinstance(term, PairPotential)), None)
    if pairs is None or n < 2:
        return None
    nearest, partner = (np.asarray(x) for x in _nearest(jnp.asarray(q), bodies.edge))
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
def _nearest(q: jax.Array, edge) -> tuple[jax.Array, jax.Array]:
    def row(i):
        d = minimum_image(q - q[:, i, None], edge)
        s = jnp.sum(d * d, axis=0).at[i].set(jnp.inf)
        j = jnp.argmin(s)
        return jnp.sqrt(s[j]), j

    return jax.lax.map(row, jnp.arange(q.shape[1]))


def trajectory(
    study: Study,
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
    u and eV where the study has units."""
    scale, n = atomic(study.units), q.shape[1]
    masses = np.broadcast_to(bodies.mass[0, :, 0], (n,))
    names = species or bodies.species or ("X",) * n

    def rows(x: np.ndarray) -> np.ndarray:
        return np.moveaxis(np.asarray(x), -1, 0).swapaxes(1, 2)

    return Trajectory(
        positions=rows(q) * scale.length,
        species=tuple(names),
        times=None if times is None else np.asarray(times) * scale.time,
        velocities=None if v is None else rows(v) * (scale.length / scale.time),
        momenta=None if v is None else rows(v) * masses[:, None] * scale.momentum,
        masses=masses * scale.mass,
        energies=None if energies is None else np.asarray(energies) * scale.energy,
        edge=None if bodies.edge is None else bodies.edge * scale.length,
        labels=tuple(labels),
        units=scale.units,
    )
