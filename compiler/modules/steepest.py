"""Steepest descent from a saddle, dq/dt = -grad V, by a stiff integrator (SciPy's BDF with the
exact Hessian): which minima a saddle joins is defined by it. A minimiser that is quicker, such as
L-BFGS, may leave the basin and name others.

Steepest descent keeps the symmetry of the mode along which it left, so it may run into another
saddle; it is then left along that one's negative mode, and `branched` says so.

Shapes: configurations (dim, N), NumPy.
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from scipy.integrate import BDF

from .landscape import Landscape
from .stationary import FLAT, _complement, hessian, whole

PUSH = 0.01  # of a distance of neighbours, away from the saddle along its mode
ACCURACY = 1e-6  # of the integrator, relative and in distances of neighbours
CLOSE = 1e-2  # gradient, in its unit, from which the Hessian tells whether a minimum is near
STILL = 1e-7  # gradient, in its unit, at which the descent stands still
STEPS = 4000
BRANCHES = 4  # saddles that a descent may run into


class Descent(NamedTuple):
    """Where one side of a saddle leads: q (dim, N) within the quadratic reach of a minimum, whether
    it got there, whether it ran into a further saddle, and the way down (dim, N, K), saddle first.
    """

    q: np.ndarray
    ended: bool
    branched: bool
    way: np.ndarray


@eqx.filter_jit
def _slope(landscape: Landscape, q: jax.Array) -> jax.Array:
    return landscape.forces(q[..., None])[..., 0]


def descent(
    landscape: Landscape, q: np.ndarray, mode: np.ndarray, length: float, force: float,
    free: bool = True,
) -> tuple[Descent, Descent]:  # fmt: skip
    """Both sides of a saddle q whose negative mode is `mode`; `length` is a distance of neighbours
    and `force` the unit of gradients, an energy a body over that length."""
    step = PUSH * length * mode / np.linalg.norm(mode)
    down, up = (_down(landscape, q, sign * step, length, force, free) for sign in (1, -1))
    return down, up


def _down(landscape, q, push, length, force, free) -> Descent:
    shape, way, branched = q.shape, [q], False
    place = q + push

    def slope(_, x: np.ndarray) -> np.ndarray:
        return np.asarray(_slope(landscape, jnp.asarray(x.reshape(shape)))).ravel()

    def curvature(_, x: np.ndarray) -> np.ndarray:
        return -hessian(landscape, x.reshape(shape))[2]

    for _ in range(BRANCHES):
        run = BDF(slope, 0.0, place.ravel(), np.inf, rtol=ACCURACY, atol=ACCURACY * length,
                  jac=curvature)  # fmt: skip
        asked = np.inf
        for _ in range(STEPS):
            run.step()
            if run.status != "running" or not np.isfinite(run.y).all():
                return Descent(run.y.reshape(shape), False, branched, np.stack(way, axis=2))
            there = run.y.reshape(shape)
            way.append(there)
            largest = float(np.max(np.abs(slope(0.0, run.y)))) / force
            if largest < min(CLOSE, asked / 3):
                asked = largest
                lowest, vector = _lowest(landscape, there, free)
                if lowest > 0:
                    return Descent(there, True, branched, np.stack(way, axis=2))
                if largest < STILL:
                    break
        else:
            return Descent(there, False, branched, np.stack(way, axis=2))
        branched = True
        place = there + PUSH * length * vector
    return Descent(place, False, branched, np.stack(way, axis=2))


def _lowest(landscape: Landscape, q: np.ndarray, free: bool) -> tuple[float, np.ndarray]:
    """The lowest eigenvalue without motions of the whole, 0 where it is flat, and its mode."""
    _, _, matrix = hessian(landscape, q)
    inside = _complement(whole(q, free))
    values, vectors = np.linalg.eigh(inside.T @ matrix @ inside)
    value = float(values[0]) if abs(values[0]) > FLAT * np.max(np.abs(values)) else 0.0
    return value, (inside @ vectors[:, 0]).reshape(q.shape)
