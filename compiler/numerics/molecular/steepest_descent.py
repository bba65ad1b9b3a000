"""Steepest-descent paths from a saddle: which two minima it joins.

dx/ds = -grad V is stiff. It is followed by the exponential Rosenbrock method exprb32 (Hochbruck,
Ostermann & Schweitzer, SIAM J. Numer. Anal. 47, 786, 2009), which is exact where the potential is
quadratic, with the modes of the Hessian at each step and its error estimate as step control.
Steepest descent keeps a symmetry and may end on another saddle; then it is left along the negative
mode, and that is told.

Shapes: q (dim, N) of one free cluster.
"""

from __future__ import annotations

from math import factorial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.array_types import Structure

from .potential_energy import PotentialEnergy
from .stationary_points import StationaryPoint, quadratic_expansion, stationary_point

PUSH = 0.01  # first displacement along the mode of descent
ERROR = 1e-3  # of a step, a length in 3N dimensions
LONGEST = 0.3  # step
NEAR = 0.02  # to the point where Newton's method would end
MOST = 1000  # steps
LEAVES = 5  # saddles on the way


class DescentPath(NamedTuple):
    """The minimum where it ended; its `course`, distances travelled and energies there (2, K), and
    its `track`, the places (dim, N, K); how often the descent ended on a saddle and was led off it;
    the length of its path; whether that is a minimum; steps taken."""

    point: StationaryPoint
    course: np.ndarray
    track: np.ndarray
    left: int
    length: float
    converged: bool
    steps: int


def descend_both_sides(
    potential: PotentialEnergy, q: Structure, mode: Structure
) -> tuple[DescentPath, DescentPath]:
    """The two minima below a saddle q, first along its `mode`, then against it."""
    return steepest_descent(potential, q, mode), steepest_descent(potential, q, -np.asarray(mode))


def steepest_descent(potential: PotentialEnergy, q: Structure, mode: Structure) -> DescentPath:
    """The minimum at the end of the path of steepest descent from q, led off it along `mode`."""
    unit = np.asarray(mode) / np.sqrt(np.sum(np.square(mode)))
    at, steps, left = np.asarray(q, dtype=float) + PUSH * unit, 0, 0
    course = [(0.0, float(quadratic_expansion(potential, jnp.asarray(q))[0]))]
    length, track = PUSH, [np.asarray(q, dtype=float)]
    while True:
        at, way, arrived = _followed(potential, at)
        course += [(length + far, energy) for far, energy, _ in way]
        track += [place for *_, place in way]
        length, steps = course[-1][0], steps + len(way) - 1
        there = stationary_point(potential, at)
        near = float(np.sqrt(np.sum((there.q - at) ** 2)))
        sound = arrived and there.gradient < 1e-6 and near < 10 * NEAR
        if there.negative == 0 or not sound or left == LEAVES:
            ok, length = sound and there.negative == 0, length + near
            course.append((length, there.energy))
            track.append(there.q)
            return DescentPath(
                there, np.array(course).T, np.stack(track, axis=2), left, length, ok, steps
            )
        side = 1.0 if np.sum(there.mode * (at - there.q)) >= 0 else -1.0
        at, left = there.q + side * PUSH * there.mode, left + 1


def _followed(
    potential: PotentialEnergy, q: np.ndarray
) -> tuple[np.ndarray, list[tuple[float, float, np.ndarray]], bool]:
    """Downhill from q to the doorstep of a stationary point; distances, energies and places on the
    way, from q on; whether it got there.

    The doorstep of a minimum is where Newton's step is short; of a saddle, where it is shorter
    still, and the path that is led away by a negative mode has not begun to leave.
    """
    length, h = 0.0, 1e-3
    energy, force, values, vectors = _local(potential, q)
    way = [(length, energy, q)]
    for _ in range(MOST):
        along = force @ vectors
        bent = np.abs(values) > 1e-6 * np.max(np.abs(values))
        newton = float(np.linalg.norm(along[bent] / values[bent]))
        falling = bool(np.any(values[bent] < 0))
        if newton < (1e-4 if falling else NEAR):
            return q, way, True
        while True:
            z = -h * values
            first = h * _phi1(z) * along
            size = float(np.linalg.norm(first))
            if not np.isfinite(size):  # a pole of the potential
                return q, way, False
            if size <= LONGEST:
                trial = q + (vectors @ first).reshape(q.shape)
                result = np.asarray(_forces(potential, trial))
                residual = (result - force) @ vectors + values * first
                correction = 2 * h * _phi3(z) * residual
                error = float(np.linalg.norm(correction))
                if error <= ERROR:
                    break
                h *= max(0.2, 0.9 * (ERROR / error) ** (1 / 3))
            else:
                h *= max(0.1, 0.9 * LONGEST / size)
        q = trial + (vectors @ correction).reshape(q.shape)
        length += size
        energy, force, values, vectors = _local(potential, q)
        way.append((length, energy, q))
        h *= min(5.0, 0.9 * (ERROR / max(error, 1e-12)) ** (1 / 3))
    return q, way, False


def _local(
    potential: PotentialEnergy, q: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """Energy, force (D,), curvatures (D,) and modes (D, D), a column each."""
    energy, force, values, vectors = _modes(potential, q)
    return float(energy), np.asarray(force), np.asarray(values), np.asarray(vectors)


@eqx.filter_jit
def _forces(potential: PotentialEnergy, q: np.ndarray) -> jax.Array:
    return potential.forces(jnp.asarray(q)[..., None]).ravel()


@eqx.filter_jit
def _modes(potential: PotentialEnergy, q: np.ndarray):
    energy, gradient, matrix = quadratic_expansion(potential, jnp.asarray(q))
    values, vectors = jnp.linalg.eigh((matrix + matrix.T) / 2)
    return energy, -gradient.ravel(), values, vectors


def _phi1(z: np.ndarray) -> np.ndarray:
    """(exp z - 1)/z."""
    z = np.minimum(z, 50.0)
    small = np.abs(z) < 1e-8
    return np.where(small, 1.0, np.expm1(z) / np.where(small, 1.0, z))


def _phi3(z: np.ndarray) -> np.ndarray:
    """(exp z - 1 - z - z^2/2)/z^3."""
    z = np.minimum(z, 50.0)
    small = np.abs(z) < 0.1
    safe = np.where(small, 1.0, z)
    series = sum(z**k / factorial(k + 3) for k in range(7))
    return np.where(small, series, (np.expm1(safe) - safe - safe**2 / 2) / safe**3)
