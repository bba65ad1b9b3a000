"""Endpoints of a transformation: relaxed, classified, aligned, on the surface that is searched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.errors import study_error
from actionrun.compiler.numerics.molecular.alignment import (
    AlignedStructure,
    Freedom,
    nearest_alignments,
)
from actionrun.compiler.numerics.molecular.energy_surface import EnergySurface
from actionrun.compiler.numerics.molecular.minimization import QuenchResult, quench
from actionrun.compiler.numerics.molecular.periodic_cell import nearest_distances
from actionrun.compiler.numerics.molecular.potential_energy import PotentialEnergy
from actionrun.compiler.numerics.molecular.stationary_points import (
    FLAT,
    STEPS,
    StationaryPoint,
    newton_step,
    stationary_point,
    zero_modes,
)
from actionrun.compiler.numerics.molecular.superposition import EnergySymmetry
from actionrun.compiler.om.path_problem import PathProblem
from actionrun.compiler.om.structures import GivenStructure

from .surface import searched_surface

NEAR = 1e-3  # Newton's step, over the distance of neighbours, of a structure that is stationary
SAME = 1e-3  # distance, over that of neighbours, below which two structures are one
STARTS = 1000  # rotations from which alignments are looked for
TOLERANCE = 1e-6  # largest component of a quenched gradient, in energies a body over that distance
CAP = 0.35  # longest step of a quench, all bodies together, in distances of neighbours
MOST = 3000  # evaluations of a quench


@dataclass(frozen=True)
class Endpoint:
    """One end: what was given, the configuration that is used, and what it is.

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
    """Both ends, of the bodies that move, in the units of the `surface`; `aligned` are copies of
    the end near the start, the nearest first, by the symmetries that the study lists, and `near`
    those by motions that cost nothing besides; `apart` the distance as it was given. `length` is
    the distance of neighbours, `scale` the unit of energies. `listed` are the symmetries that make
    two structures one."""

    start: Endpoint
    end: Endpoint
    aligned: tuple[AlignedStructure, ...]
    near: tuple[AlignedStructure, ...]
    apart: float
    species: tuple[str, ...]
    length: float
    scale: float
    surface: EnergySurface
    symmetry: EnergySymmetry
    listed: Freedom

    @property
    def floor(self) -> float:
        """No way between the ends is lower than the higher one."""
        return max(self.start.point.energy, self.end.point.energy)

    @property
    def pair(self) -> np.ndarray:
        """Start and nearest copy of the end (dim, N, 2), in the study's unit."""
        return np.stack([self.start.q, self.aligned[0].q], axis=2) * float(self.surface.length)

    @property
    def labelled(self) -> bool:
        """Whether copies that the energy does not tell apart are told apart by the study."""
        several = len({*self.symmetry.kinds.tolist()}) < len(self.symmetry.kinds)
        return (self.symmetry.inversion and not self.listed.inversion) or (
            several and not self.listed.permutation
        )


def endpoints(problem: PathProblem, start: GivenStructure, end: GivenStructure) -> Endpoints:
    """The ends, relaxed where a barrier is asked for, and aligned where that is.

    Raises Faults for a structure that does not relax, and for two copies of one.
    """
    settings, barrier = problem.settings, problem.settings.refine.barrier
    found = searched_surface(problem, start, end)
    surface, symmetry, length = found.surface, found.symmetry, found.length
    both = []
    for name, one in (("start", start), ("end", end)):
        q = one.q / float(surface.length)
        if zero_modes(surface, q).shape[1] == q.size:
            raise study_error(
                problem.system.words, ("ends", name), "ends.flat",
                "the energy is the same wherever this end is: nothing acts on what moves",
                "write a potential that has minima, or leave out barrier and align",
            )  # fmt: skip
        try:
            both.append(_end(surface, q, length, found.scale, relaxed=barrier))
        except FloatingPointError:
            raise study_error(
                problem.system.words, ("ends", name), "ends.relax",
                "this structure could not be relaxed: it falls apart or its forces are not finite",
                "take a structure nearer to a minimum; are its units those of the study?",
            ) from None  # fmt: skip
        if barrier:
            _require_curved(problem, name, both[-1])
    first, last = both
    names = settings.align
    listed = Freedom("rotation" in names, "inversion" in names, "permutation" in names)
    if barrier or names:
        _require_different(problem, symmetry, listed, first, last, length)
    count = max(1, settings.refine.alignments)

    def copies(freedom: Freedom) -> tuple[AlignedStructure, ...]:
        return tuple(nearest_alignments(
            first.q, last.q, symmetry.kinds, count=count, starts=STARTS, seed=settings.seed,
            freedom=freedom, symmetry=symmetry,
        ))  # fmt: skip

    aligned = copies(listed)
    near = aligned if listed.motion or not barrier else copies(listed._replace(motion=True))
    return Endpoints(
        first, last, aligned, near, float(np.linalg.norm(last.q - first.q)), start.species, length,
        found.scale, surface, symmetry, listed,
    )  # fmt: skip


def _require_curved(problem: PathProblem, name: str, end: Endpoint) -> None:
    """Raises Faults where an end relaxed to a place that nothing holds."""
    values = np.abs(end.point.values)
    if np.min(values) > FLAT * np.max(values):
        return
    raise study_error(
        problem.system.words, ("ends", name), "ends.flat",
        "no minimum is near: the energy is flat where this end relaxes to"
        + (", as in an open valley or beside a part that turns freely" if end.moved else ""),
        "a barrier joins minima: close the valley far out by a weak spring, or hold what is loose",
    )  # fmt: skip


def _require_different(
    problem: PathProblem, symmetry: EnergySymmetry, listed: Freedom, first: Endpoint,
    last: Endpoint, length: float,
) -> None:  # fmt: skip
    """Raises Faults where start and end are one structure by the symmetries that are listed."""
    same = any(
        (one.sign == 1 or listed.inversion)
        and (listed.permutation or np.array_equal(one.order, np.arange(len(one.order))))
        for one in symmetry.superpositions(first.q, last.q, near=SAME * length)
    )
    if same:
        words = [word for word, flag in (("turned", symmetry.turns and listed.motion),
                 ("mirrored", listed.inversion and symmetry.inversion),
                 ("relabelled", listed.permutation)) if flag]  # fmt: skip
        how = f": {' and '.join(words)} they coincide" if words else ""
        raise study_error(
            problem.system.words, ("ends", "end"), "ends.same",
            f"start and end are copies of one structure{how}",
            "name two different minima in [ends]; copies that are told apart by their labels or "
            "their handedness are ends where align does not list permutation or inversion",
        )  # fmt: skip


def _end(
    surface: EnergySurface, q: np.ndarray, length: float, scale: float, *, relaxed: bool
) -> Endpoint:
    step = newton_step(surface, q)
    stationary = float(np.max(np.abs(step))) < NEAR * length
    if not relaxed or stationary:
        point = stationary_point(surface, q, steps=STEPS if relaxed else 0)
        return Endpoint(q, point, 0.0)
    settled = quenched_structures(surface, q[..., None], length, scale / length)
    if not bool(settled.converged[0]):
        raise FloatingPointError("not relaxed")
    point = stationary_point(surface, np.asarray(settled.q)[..., 0])
    if _fallen_apart(point.q, q):
        raise FloatingPointError("fell apart")
    return Endpoint(q, point, float(np.linalg.norm(point.q - q)))


def _fallen_apart(q: np.ndarray, before: np.ndarray) -> bool:
    """Whether bodies are twice as far from their neighbours as they were; never a single body."""
    if q.shape[1] < 2:
        return False
    far, was = (float(np.median(nearest_distances(x))) for x in (q, before))
    return far > 2 * was


def quenched_structures(
    potential: PotentialEnergy, q: np.ndarray, length: float, force: float
) -> QuenchResult:
    """The minima below q (dim, N, B): gradients to TOLERANCE times `force`, steps of at most CAP
    times `length`."""
    # As arrays, so that other numbers do not compile again.
    limits: tuple[Any, ...] = tuple(jnp.asarray(x) for x in (TOLERANCE * force, MOST, CAP * length))
    return jax.tree.map(np.asarray, quench(potential, jnp.asarray(q), *limits))
