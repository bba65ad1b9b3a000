"""Linear stability: the GGL step's map of a harmonic oscillator, and the rates of a system.

Letters: x = h*omega, r interior points, P and F momentum and force, M = dP/dv.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import sympy as sp
from actionrun.compiler.numerics.integrators.quadrature import rule

from .evaluation import expanded, numbers
from .lagrangian_system import LagrangianSystem
from .structure import equations_of_motion

SCAN = ((10, 0.005), (60, 0.1), (200, 1.0))  # up to r, steps in x; narrower bands are not seen
ROUNDING = 1e-9  # by which |trace| may pass 2


def half_trace(x: np.ndarray, r: int) -> np.ndarray:
    """Half the trace of one step's map (q, p) -> (q', p') of H = (p^2 + q^2)/2, at steps x (n,).

    The map has determinant 1, so it is stable where this lies between -1 and 1.
    """
    ggl = rule(r)
    one, b = np.ones(r + 2), ggl.weights
    C, modes = ggl.coefficients, ggl.modes
    positions = ggl.integrate @ modes
    h = np.asarray(x, float)[:, None, None]
    matrix = np.eye(r + 1) + h**2 * (C @ ggl.impulse @ positions)
    right = np.stack([np.broadcast_to(-h[:, :, 0] * (C @ ggl.impulse @ one), (len(h), r + 1)),
                      np.broadcast_to(C @ one, (len(h), r + 1))], axis=-1)  # fmt: skip
    modal = np.linalg.solve(matrix, right)  # of the velocity, from q = 1 and from p = 1
    start = np.stack([one, np.zeros(r + 2)], axis=-1)
    Q = start + h * (positions @ modal)
    q_from_q = 1 + h[:, 0, 0] * (b @ modes @ modal)[:, 0]
    p_from_p = 1 - h[:, 0, 0] * (b @ Q)[:, 1]
    return (q_from_q + p_from_p) / 2


@lru_cache(maxsize=64)
def limit(r: int) -> float:
    """The h*omega up to which a harmonic oscillator's step is stable: 2 for r = 0, sqrt(8) for 1.

    Instability begins in narrow bands near multiples of pi, narrower for each r.
    """
    scan = next(step for most, step in SCAN if r <= most)
    end = 2.0 * (r + 2) + 4
    x = np.arange(scan, end, scan)
    beyond = np.flatnonzero(np.abs(half_trace(x, r)) > 1 + ROUNDING)
    if not len(beyond):
        return end
    high = x[beyond[0]]
    low = high - scan
    for _ in range(40):
        middle = (low + high) / 2
        unstable = abs(half_trace(np.array([middle]), r)[0]) > 1 + ROUNDING
        low, high = (low, middle) if unstable else (middle, high)
    return float(low)


def rates(mass: np.ndarray, damping: np.ndarray, stiffness: np.ndarray) -> np.ndarray:
    """The moduli of the eigenvalues of M x'' + D x' + S x = 0; each matrix (n, n), result (2n,)."""
    n = len(mass)
    below = -np.linalg.solve(mass, np.concatenate([stiffness, damping], axis=1))
    companion = np.concatenate([np.eye(n, 2 * n, n), below])
    return np.abs(np.linalg.eigvals(companion))


def fastest(system: LagrangianSystem, at: Mapping[sp.Symbol, Any], count: int) -> np.ndarray:
    """The largest rate of the motion linearised at `count` states, (count,): NaN where it has none.

    `at` has an array (count,) of t, every coordinate and velocity, and numbers of the constants.
    """
    words, n = system.words, system.n
    sides, at = equations_of_motion(system), dict(at)
    mass = numbers(list(system.mass), at).T.reshape(-1, n, n)
    mass = np.broadcast_to(mass, (count, n, n))
    force = np.broadcast_to(numbers([right for _, right in sides], at).T, (count, n))
    fast = np.full(count, np.nan)
    good = np.array(np.isfinite(mass).all((1, 2)) & np.isfinite(force).all(1))
    good[good] = np.linalg.cond(mass[good]) < 1e12
    if not good.any():
        return fast
    accelerations = np.zeros((n, count))
    accelerations[:, good] = np.linalg.solve(mass[good], force[good][..., None])[..., 0].T
    at |= dict(zip(words.a, accelerations, strict=True))
    lack = [left - right for left, right in sides]
    slopes = numbers([sp.diff(e, x) for e in lack for x in (*words.q, *words.v)], at)
    slopes = np.broadcast_to(slopes.T, (count, 2 * n * n)).reshape(count, n, 2 * n)
    for k in np.flatnonzero(good & np.isfinite(slopes).all((1, 2))):
        fast[k] = rates(mass[k], slopes[k, :, n:], slopes[k, :, :n]).max()
    return fast


class Linear(NamedTuple):
    """A linear system: P = mass v + tilt q, F = pull q + drag v; matrices (n, n)."""

    mass: np.ndarray
    tilt: np.ndarray
    pull: np.ndarray
    drag: np.ndarray

    @property
    def growth(self) -> float:
        """The largest real part of its rates: how fast the true motion grows."""
        n = len(self.mass)
        back = np.linalg.solve(self.mass, np.concatenate([self.pull, self.drag - self.tilt], 1))
        companion = np.concatenate([np.eye(n, 2 * n, n), back])
        return float(np.max(np.linalg.eigvals(companion).real))


def linear(system: LagrangianSystem) -> Linear:
    """The matrices of a problem whose P and F are affine in q and v and free of t."""
    n, words, at = system.n, system.words, system.values

    def matrix(rows, columns) -> np.ndarray:
        return numbers([expanded(sp.diff(e, x)) for e in rows for x in columns], at).reshape(n, n)

    momentum, force = system.momentum, system.force
    return Linear(
        matrix(momentum, words.v), matrix(momentum, words.q),
        matrix(force, words.q), matrix(force, words.v),
    )  # fmt: skip


def step_map(system: Linear, h: float, r: int) -> np.ndarray:
    """One step (q, p) -> (q', p') of a linear system as a matrix (2n, 2n), without its constants.

    The equations of `numerics.integrators.variational`, solved for the Legendre coefficients of the
    velocity.
    """
    mass, tilt, pull, drag = system
    ggl, n, eye = rule(r), len(mass), np.eye(len(mass))
    C, modes, b, one = ggl.coefficients, ggl.modes, ggl.weights, np.ones((r + 2, 1))
    reach = h * ggl.integrate @ modes  # positions from the modes of the velocity
    push = h * C @ ggl.impulse
    matrix = (
        np.kron(mass, C @ modes) + np.kron(tilt, C @ reach)
        - np.kron(pull, push @ reach) - np.kron(drag, push @ modes)
    )  # fmt: skip
    from_q = np.kron(pull, push @ one) - np.kron(tilt, C @ one)
    modal = np.linalg.solve(matrix, np.concatenate([from_q, np.kron(eye, C @ one)], axis=1))
    start = np.concatenate([np.kron(eye, one), np.zeros((n * (r + 2), n))], axis=1)
    Q, V = start + np.kron(eye, reach) @ modal, np.kron(eye, modes) @ modal
    sum_of = np.kron(eye, h * b[None])
    F = np.kron(pull, np.eye(r + 2)) @ Q + np.kron(drag, np.eye(r + 2)) @ V
    return np.eye(2 * n) + np.concatenate([sum_of @ V, sum_of @ F])
