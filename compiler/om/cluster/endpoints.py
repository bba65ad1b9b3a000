"""Endpoints of a cluster's transformation: relaxed, classified, aligned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.errors import study_error
from actionrun.compiler.numerics.molecular.alignment import (
    AlignedStructure,
    matching_order,
    nearest_alignments,
)
from actionrun.compiler.numerics.molecular.minimization import QuenchResult, quench
from actionrun.compiler.numerics.molecular.potential_energy import PotentialEnergy
from actionrun.compiler.numerics.molecular.stationary_points import (
    StationaryPoint,
    newton_step,
    stationary_point,
)
from actionrun.compiler.om.particle_system import particle_system
from actionrun.compiler.om.path_problem import PathProblem
from actionrun.compiler.om.structures import GivenStructure, given_ends

NEAR = 1e-3  # Newton's step, over the distance of neighbours, of a structure that is stationary
SAME = 1e-3  # distance, over that of neighbours, below which two structures are one
STARTS = 1000  # rotations from which alignments are looked for
TOLERANCE = 1e-6  # largest component of a quenched gradient, in energies a body over that distance
CAP = 0.35  # longest step of a quench, all bodies together, in distances of neighbours
SMALLEST, LARGEST = 0.2, 20.0  # distances of neighbours that a search's steps are made for
MOST = 3000  # evaluations of a quench


@dataclass(frozen=True)
class Endpoint:
    """One end: what the file gave, the configuration that is used, and what it is.

    `moved` is how far relaxing it went (the norm over all bodies), 0 where it was stationary.
    """

    given: np.ndarray
    point: StationaryPoint
    moved: float

    @property
    def q(self) -> np.ndarray:
        return self.point.q

    @property
    def is_minimum(self) -> bool:
        return self.point.negative == 0


@dataclass(frozen=True)
class Endpoints:
    """Both ends; `aligned` are copies of the end near the start, the nearest first; `apart` the
    distance as the files have them. `length` is the distance of neighbours."""

    start: Endpoint
    end: Endpoint
    aligned: tuple[AlignedStructure, ...]
    apart: float
    species: tuple[str, ...]
    length: float

    @property
    def scale(self) -> float:
        """The unit of energies: that of the ends, a body."""
        n = self.start.q.shape[1]
        return max(abs(self.end.point.energy), abs(self.start.point.energy)) / n

    @property
    def floor(self) -> float:
        """No way between the ends is lower than the higher one."""
        return max(self.start.point.energy, self.end.point.energy)

    @property
    def pair(self) -> np.ndarray:
        """Start and nearest copy of the end (dim, N, 2)."""
        return np.stack([self.start.q, self.aligned[0].q], axis=2)


def given_structures(
    problem: PathProblem, observations: Mapping[str, np.ndarray]
) -> tuple[PathProblem, GivenStructure, GivenStructure]:
    """The ends as the files give them, the end's bodies in the order of the start's species, and
    the setting with its bodies in that order."""
    study = problem.study
    start, end = given_ends(study, problem.system, observations)
    order = matching_order(start.species, end.species)
    end = GivenStructure(end.q[:, order], None, start.species)
    if study.system.species is not None:
        problem = replace(problem, system=particle_system(study, start.species))
    return problem, start, end


def endpoints(problem: PathProblem, start: GivenStructure, end: GivenStructure) -> Endpoints:
    """The ends, relaxed where a barrier is asked for, and aligned where that is.

    Raises Faults for a structure that does not relax, and for two copies of one.
    """
    study, potential = problem.study, problem.system.potential
    barrier, free = study.refine.barrier, potential.moves_freely
    both = []
    for name, one in (("start", start), ("end", end)):
        try:
            both.append(_end(problem, one.q, relaxed=barrier))
        except FloatingPointError:
            raise study_error(
                study, ("ends", name), "ends.relax",
                "this structure could not be relaxed: it falls apart or its forces are not finite",
                "take a structure nearer to a minimum; are its units those of the study?",
            ) from None  # fmt: skip
    first, last = both
    count = max(1, study.refine.alignments)
    apart = float(np.linalg.norm(last.q - first.q))
    length = float(np.median(_neighbours(first.q)))
    if barrier and not SMALLEST <= length <= LARGEST:
        raise study_error(
            study, ("ends", "start"), "ends.scale",
            f"neighbours are {length:.3g} apart: the steps of the search are made for distances "
            f"from {SMALLEST:g} to {LARGEST:g}", "write lengths in another unit, such as angstrom",
        )  # fmt: skip
    search = nearest_alignments(
        first.q, last.q, start.species, count=count, starts=STARTS, seed=study.seed, turned=free
    )
    if search[0].distance < SAME * length and (barrier or study.ends.align):
        raise study_error(
            study, ("ends", "end"), "ends.same",
            "start and end are copies of one structure: turned, mirrored and relabelled they are "
            f"{search[0].distance:.1e} apart", "name two different minima in [ends]",
        )  # fmt: skip
    aligned = tuple(search) if study.ends.align else (AlignedStructure(last.q, apart),)
    return Endpoints(first, last, aligned, apart, start.species, length)


def _end(problem: PathProblem, q: np.ndarray, *, relaxed: bool) -> Endpoint:
    potential = problem.system.potential
    free = potential.moves_freely
    length = float(np.median(_neighbours(q)))
    step = newton_step(potential, q, free)
    stationary = float(np.max(np.abs(step))) < NEAR * length
    if not relaxed or stationary:
        point = stationary_point(potential, q, free, steps=0 if not relaxed else 30)
        return Endpoint(q, point, 0.0)
    force = float(np.max(np.abs(point_energy(potential, q)))) / q.shape[1] / length
    settled = quenched_structures(potential, q[..., None], length, force)
    if not bool(settled.converged[0]):
        raise FloatingPointError("not relaxed")
    point = stationary_point(potential, np.asarray(settled.q)[..., 0], free)
    if float(np.median(_neighbours(point.q))) > 2 * length:
        raise FloatingPointError("fell apart")
    return Endpoint(q, point, float(np.linalg.norm(point.q - q)))


def point_energy(potential: PotentialEnergy, q: np.ndarray) -> np.ndarray:
    return np.asarray(potential.energy(jnp.asarray(q)[..., None]))


def quenched_structures(
    potential: PotentialEnergy, q: np.ndarray, length: float, force: float
) -> QuenchResult:
    """The minima below q (dim, N, B): gradients to TOLERANCE times `force`, steps of at most CAP
    times `length`."""
    # As arrays, so that other numbers do not compile again.
    limits: tuple[Any, ...] = tuple(jnp.asarray(x) for x in (TOLERANCE * force, MOST, CAP * length))
    return jax.tree.map(np.asarray, quench(potential, jnp.asarray(q), *limits))


def _neighbours(q: np.ndarray) -> np.ndarray:
    """The distance of each body to its nearest (N,)."""
    n = q.shape[1]
    if n < 2:
        return np.array([max(float(np.linalg.norm(q)), 1.0)])
    d = np.linalg.norm(q[:, :, None] - q[:, None, :], axis=0)
    return np.min(d + np.where(np.eye(n) > 0, np.inf, 0.0), axis=1)
