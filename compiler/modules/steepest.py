"""True steepest descent from a saddle: which two minima it joins.

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

from .clusters import Modes, hessian, polished
from .landscape import Landscape

PUSH = 0.01  # first displacement along the mode of descent
ERROR = 1e-3  # of a step, a length in 3N dimensions
LONGEST = 0.3  # step
NEAR = 0.02  # to the point where Newton's method would end
MOST = 1000  # steps
LEAVES = 5  # saddles on the way


class Descent(NamedTuple):
    """The minimum q (dim, N), its energy, largest component of the gradient and modes; how often
    the descent ended on a saddle and was led off it; length of its path; whether it is a minimum;
    steps taken."""

    q: np.ndarray
    energy: float
    gradient: float
    modes: Modes
    left: int
    length: float
    ok: bool
    steps: int


def descents(landscape: Landscape, q: np.ndarray, mode: np.ndarray) -> tuple[Descent, Descent]:
    """The two minima below a saddle q, first along its `mode`, then against it."""
    return descent(landscape, q, mode), descent(landscape, q, -np.asarray(mode))


def descent(landscape: Landscape, q: np.ndarray, mode: np.ndarray) -> Descent:
    """The minimum at the end of the path of steepest descent from q, led off it along `mode`."""
    unit = np.asarray(mode) / np.sqrt(np.sum(np.square(mode)))
    at, length, steps, left = np.asarray(q, dtype=float) + PUSH * unit, PUSH, 0, 0
    while True:
        at, way, taken, arrived = _followed(landscape, at)
        length, steps = length + way, steps + taken
        there = polished(landscape, at)
        near = float(np.sqrt(np.sum((there.q - at) ** 2)))
        sound = arrived and there.gradient < 1e-6 and near < 10 * NEAR
        if there.modes.negative == 0 or not sound or left == LEAVES:
            ok = sound and there.modes.negative == 0
            return Descent(
                there.q, there.energy, there.gradient, there.modes, left, length + near, ok, steps
            )
        lowest = there.modes.vectors[0]
        side = 1.0 if np.sum(lowest * (at - there.q)) >= 0 else -1.0
        at, left = there.q + side * PUSH * lowest, left + 1


def _followed(landscape: Landscape, q: np.ndarray) -> tuple[np.ndarray, float, int, bool]:
    """Downhill from q to the doorstep of a stationary point; length, steps, whether it got there.

    The doorstep of a minimum is where Newton's step is short; of a saddle, where it is shorter
    still, and the path that is led away by a negative mode has not begun to leave.
    """
    length, h = 0.0, 1e-3
    force, values, vectors = _local(landscape, q)
    for step in range(MOST):
        along = force @ vectors
        bent = np.abs(values) > 1e-6 * np.max(np.abs(values))
        newton = float(np.linalg.norm(along[bent] / values[bent]))
        falling = bool(np.any(values[bent] < 0))
        if newton < (1e-4 if falling else NEAR):
            return q, length, step, True
        while True:
            z = -h * values
            first = h * _phi1(z) * along
            size = float(np.linalg.norm(first))
            if size <= LONGEST:
                trial = q + (vectors @ first).reshape(q.shape)
                found = np.asarray(_forces(landscape, trial))
                residual = (found - force) @ vectors + values * first
                correction = 2 * h * _phi3(z) * residual
                error = float(np.linalg.norm(correction))
                if error <= ERROR:
                    break
                h *= max(0.2, 0.9 * (ERROR / error) ** (1 / 3))
            else:
                h *= max(0.1, 0.9 * LONGEST / size)
        q = trial + (vectors @ correction).reshape(q.shape)
        length += size
        force, values, vectors = _local(landscape, q)
        h *= min(5.0, 0.9 * (ERROR / max(error, 1e-12)) ** (1 / 3))
    return q, length, MOST, False


def _local(landscape: Landscape, q: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Force (D,), curvatures (D,) and modes (D, D), a column each."""
    force, values, vectors = _modes(landscape, q)
    return np.asarray(force), np.asarray(values), np.asarray(vectors)


@eqx.filter_jit
def _forces(landscape: Landscape, q: np.ndarray) -> jax.Array:
    return landscape.forces(jnp.asarray(q)[..., None]).ravel()


@eqx.filter_jit
def _modes(landscape: Landscape, q: np.ndarray):
    values, vectors = jnp.linalg.eigh(hessian(landscape, jnp.asarray(q)))
    return landscape.forces(jnp.asarray(q)[..., None]).ravel(), values, vectors


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
