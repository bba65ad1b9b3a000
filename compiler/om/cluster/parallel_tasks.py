"""Tasks of the search for the lowest barrier that any process can do: strings, saddle searches.

A part depends on its arrays alone, to the last bit: not on the process, nor on what else is done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.molecular.alignment import Freedom, nearest_alignments
from actionrun.compiler.numerics.molecular.energy_surface import EnergySurface
from actionrun.compiler.numerics.molecular.saddle_search import (
    eigenvector_following,
    soft_direction,
)
from actionrun.compiler.numerics.molecular.stationary_points import (
    StationaryPoint,
    stationary_point,
)
from actionrun.compiler.numerics.molecular.steepest_descent import DescentPath, descend_both_sides
from actionrun.compiler.numerics.molecular.string_method import string
from actionrun.compiler.numerics.molecular.superposition import EnergySymmetry

LANES = 256  # searches of a part
ROUNDS = 90  # of a search; few that succeed take more
TURNS = 24  # rotations tried to lay one end of a string on the other
KICK = 0.25  # length of the push away from a minimum, in distances of neighbours
SOFTER = 40  # steps that make a push soft

Task = tuple[str, tuple[Any, ...]]  # a part's name and its arrays
Sharing = Callable[[Sequence[Task]], Sequence[Any]]


class SaddleDescent(NamedTuple):
    """A saddle, and what steepest descent finds on both its sides."""

    point: StationaryPoint
    downs: tuple[DescentPath, DescentPath]


class SearchTasks:
    """Tasks for one system. `length` is the distance of neighbours, `stiffness` the largest
    curvature at the ends."""

    def __init__(
        self,
        potential: EnergySurface,
        symmetry: EnergySymmetry,
        images: int,
        length: float,
        stiffness: float,
    ):
        self.potential, self.symmetry = potential, symmetry
        self.images = images
        self.length, self.stiffness = length, stiffness

    def do(self, name: str, arguments: tuple[Any, ...]) -> Any:
        match name:
            case "tops":
                return self.tops(*arguments)
            case "between":
                return self.between(*arguments)
            case "searched":
                return self.searched(*arguments)
            case "left":
                return self.left(*arguments)
        raise AssertionError(name)

    def tops(self, ends: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
        """The tops of strings between ends (K, 2, dim, N), the highest of each first: places and
        directions (dim, N, T)."""
        places, ways = [], []
        for q, p in ends:
            result = string(
                self.potential, jnp.asarray(q), jnp.asarray(p), self.images, jnp.asarray(steps),
                jnp.asarray(1 / self.stiffness),
            )  # fmt: skip
            energy = np.asarray(result.energy)
            tops = np.flatnonzero(np.asarray(result.top) & np.isfinite(energy))
            tops = tops[np.argsort(-energy[tops], kind="stable")]
            places.append(np.asarray(result.q)[..., tops])
            ways.append(np.asarray(result.tangent)[..., tops])
        none = np.zeros((*ends.shape[2:], 0))
        return np.concatenate([none, *places], axis=2), np.concatenate([none, *ways], axis=2)

    def between(
        self, ends: np.ndarray, again: np.ndarray, steps: int, seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """`tops` of strings from the first of each pair (K, 2, dim, N) to a near copy of the
        second: the nearest, or, where the pair was tried `again` (K,) times, the next ones."""
        pairs, freedom = ends.copy(), Freedom(inversion=self.symmetry.inversion)
        for pair, times in zip(pairs, again.tolist(), strict=True):
            near = nearest_alignments(
                pair[0], pair[1], self.symmetry.kinds, count=1 + times, starts=TURNS, seed=seed,
                freedom=freedom, symmetry=self.symmetry,
            )  # fmt: skip
            pair[1] = near[-1].q
        return self.tops(pairs, steps)

    def searched(
        self, q: np.ndarray, push: np.ndarray, size: np.ndarray, bar: float
    ) -> tuple[np.ndarray, ...]:
        """Searches from q (dim, N, B) along `push`; where `size` (B,) is not 0, first pushed along
        soft modes by it, in KICK of the distance of neighbours. Places, energies, whether each is a
        saddle, modes; those above `bar` are known no better than that."""
        soft = np.asarray(soft_direction(
            self.potential, jnp.asarray(q), jnp.asarray(push), jnp.asarray(1 / self.stiffness),
            jnp.asarray(SOFTER),
        ))  # fmt: skip
        kicked = q + np.where(size > 0, KICK * self.length * size * soft, 0)
        result = eigenvector_following(
            self.potential, jnp.asarray(kicked), jnp.asarray(np.where(size > 0, soft, push)),
            most=ROUNDS, bar=jnp.asarray(bar),
        )  # fmt: skip
        return tuple(
            np.asarray(x) for x in (result.q, result.energy, result.converged, result.mode)
        )

    def left(self, q: np.ndarray) -> SaddleDescent | None:
        """A saddle near q (dim, N), refined and left by steepest descent; None where that meets a
        pole of the potential."""
        try:
            point = stationary_point(self.potential, q)
            return SaddleDescent(point, descend_both_sides(self.potential, point.q, point.mode))
        except FloatingPointError:
            return None
