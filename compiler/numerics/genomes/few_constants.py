"""Least squares of few constants: linear, and Gauss-Newton with Marquardt's damping."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float


def linear_least_squares(
    matrix: Float[np.ndarray, "rows constants"], aim: Float[np.ndarray, " rows"]
) -> Float[np.ndarray, " constants"] | None:
    """Constants (k,) for a matrix (rows, k) and an aim (rows,); None where these are no numbers."""
    if not (np.all(np.isfinite(matrix)) and np.all(np.isfinite(aim))) or len(matrix) == 0:
        return None
    length = np.maximum(np.linalg.norm(matrix, axis=0), 1e-300)
    return np.linalg.lstsq(matrix / length, aim, rcond=1e-14)[0] / length


def damped_gauss_newton(
    value: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    constants: Float[np.ndarray, " constants"],
    steps: int,
    rough: bool,
) -> tuple[Float[np.ndarray, " constants"], float]:
    """Constants (k,) and the sum of squares of residuals (rows,), which `value` gives with their
    Jacobian (rows, k); infinite where they are no numbers at the start. `rough` ends where a step
    gains a part in ten thousand (Marquardt, J. SIAM 11, 431, 1963)."""
    missed, slopes = value(constants)
    cost, damping = float(missed @ missed), 1e-3
    if not np.isfinite(cost):
        return constants, np.inf
    for _ in range(steps):
        if not np.all(np.isfinite(slopes)):
            break
        length = np.maximum(np.linalg.norm(slopes, axis=0), 1e-300)
        scaled = np.concatenate([slopes / length, np.sqrt(damping) * np.eye(len(length))])
        step = linear_least_squares(scaled, np.concatenate([-missed, np.zeros(len(length))]))
        if step is None:
            break
        trial = constants + step / length
        new, new_slopes = value(trial)
        new_cost = float(new @ new)
        if new_cost < cost:
            gain = 1 - new_cost / cost
            constants, missed, slopes, cost = trial, new, new_slopes, new_cost
            damping = max(damping / 10, 1e-14)
            if gain < 1e-12 or (rough and gain < 1e-4):
                break
        else:
            damping *= 10
            if damping > 1e8:
                break
    return constants, cost
