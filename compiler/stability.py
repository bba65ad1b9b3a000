"""How large a step may be: the GGL step's map of a harmonic oscillator, and the rates of a system.

Letters: x = h*omega, r interior points, P and F momentum and force, M = dP/dv.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .modules.quadrature import rule

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
