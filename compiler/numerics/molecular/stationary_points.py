"""Stationary points of one configuration by Newton's method, and the normal modes there.

The Hessian of a few hundred coordinates is dense: its columns are Hessian-vector products, of more
coordinates the potential's own blocks; its eigenvalues are LAPACK's. Motions of the whole
(translations, rotations) are no modes; they are found from the geometry, not from small
eigenvalues.

Shapes: configurations (dim, N), NumPy; D = dim N.
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.array_types import Structure
from jaxtyping import Array, Float

from .periodic_cell import nearest_distances
from .potential_energy import PotentialEnergy

STEPS = 30  # of Newton's method; four are usual
FLAT = 1e-7  # eigenvalues below this share of the largest are rounding, not curvature
FEW = 128  # coordinates up to which the columns of a Hessian are one batch of products
LONGEST = 0.1  # longest step of a body, in distances to its nearest


class StationaryPoint(NamedTuple):
    """A configuration q (dim, N), its energy, the largest component of its gradient, the
    eigenvalues of its Hessian without the motions of the whole, ascending, the lowest mode
    (dim, N), and how many eigenvalues are negative."""

    q: np.ndarray
    energy: float
    gradient: float
    values: np.ndarray
    mode: np.ndarray
    negative: int


@eqx.filter_jit
def _motions(potential: PotentialEnergy, q: Float[Array, "dim n"]) -> Float[Array, "z dim n"]:
    return potential.zero_modes(q[..., None])[..., 0]


def zero_modes(potential: PotentialEnergy, q: Structure) -> Float[np.ndarray, "d k"]:
    """Orthonormal motions of the whole (D, k) that cost no energy."""
    result = np.asarray(_motions(potential, jnp.asarray(q))).reshape(-1, q.size)
    return result[np.abs(result).max(axis=1) > 0].T


@eqx.filter_jit
def quadratic_expansion(
    potential: PotentialEnergy, q: Float[Array, "dim n"]
) -> tuple[Float[Array, ""], Float[Array, "dim n"], Float[Array, "d d"]]:
    """Energy, gradient (dim, N) and Hessian (D, D), symmetric but for rounding, at q (dim, N)."""
    dim, n = q.shape
    alone, size = q[..., None], dim * n
    if size > FEW:
        energy, forces = potential.energy_and_forces(alone)
        return energy[0], -forces[..., 0], potential.hessian(q)
    there = jnp.broadcast_to(alone, (dim, n, size))
    turned = potential.hessian_product(there, jnp.eye(size).reshape(dim, n, size))
    return (
        potential.energy(alone)[0],
        -potential.forces(alone)[..., 0],
        turned.reshape(size, size),
    )


def hessian(
    potential: PotentialEnergy, q: Structure
) -> tuple[float, Float[np.ndarray, " d"], Float[np.ndarray, "d d"]]:
    """Energy, gradient (D,) and Hessian (D, D) at q (dim, N)."""
    energy, gradient, matrix = (
        np.asarray(x) for x in quadratic_expansion(potential, jnp.asarray(q))
    )
    return float(energy), gradient.ravel(), (matrix + matrix.T) / 2


def newton_step(potential: PotentialEnergy, q: Structure) -> Structure:
    """What Newton's method would add to q (dim, N), without motions of the whole."""
    _, gradient, matrix = hessian(potential, q)
    return _step(gradient, matrix, zero_modes(potential, q))[0].reshape(q.shape)


def _step(gradient: np.ndarray, matrix: np.ndarray, rigid: np.ndarray):
    """Newton's step, and the modes without those of the whole."""
    if not np.isfinite(matrix).all():
        raise FloatingPointError("forces are not finite where a stationary point is looked for")
    inside = _complement(rigid)
    values, vectors = np.linalg.eigh(inside.T @ matrix @ inside)
    vectors = inside @ vectors
    floor = FLAT * np.max(np.abs(values))
    curved = np.where(np.abs(values) > floor, values, np.copysign(floor, values))
    return -vectors @ ((vectors.T @ gradient) / curved), values, vectors


def _complement(rigid: np.ndarray) -> np.ndarray:
    """Orthonormal directions (D, D - k) of all that is no motion of the whole."""
    size, k = rigid.shape
    return np.linalg.qr(np.concatenate([rigid, np.eye(size)], axis=1))[0][:, k:size]


def stationary_point(
    potential: PotentialEnergy, q: Structure, steps: int = STEPS
) -> StationaryPoint:
    """The stationary point that Newton's method finds from q (dim, N) near it, to rounding.

    Raises FloatingPointError where numbers leave the finite world.
    """
    best: StationaryPoint | None = None
    reach = LONGEST * _spacing(q)
    for _ in range(steps + 1):
        energy, gradient, matrix = hessian(potential, q)
        step, values, vectors = _step(gradient, matrix, zero_modes(potential, q))
        largest = float(np.max(np.abs(gradient)))
        if best is not None and largest >= best.gradient and best.gradient < 1e-6:
            break
        floor = FLAT * np.max(np.abs(values))
        mode, negative = vectors[:, 0].reshape(q.shape), int(np.sum(values < -floor))
        best = StationaryPoint(q, energy, largest, values, mode, negative)
        longest = float(np.max(np.linalg.norm(step.reshape(q.shape), axis=0)))
        if longest == 0:
            break
        q = q + step.reshape(q.shape) * min(1.0, reach / longest)
    assert best is not None
    return best


def _spacing(q: np.ndarray) -> float:
    """The shortest distance between two bodies; 1 where there is one body."""
    return float(np.min(nearest_distances(q))) if q.shape[1] > 1 else 1.0
