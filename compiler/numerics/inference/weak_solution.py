"""The weak form solved, not searched: where the law is linear in coefficients these follow at once.

For others (a drive's frequency, an exponent) the linear ones are eliminated (variable projection:
Golub and Pereyra, SIAM J. Numer. Anal. 10, 413, 1973). Noise of the positions biases the normal
equations; how much is seen when noise is added once more, and taken off (SIMEX: Cook and
Stefanski, J. Am. Stat. Assoc. 89, 1314, 1994).
"""

from __future__ import annotations

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.integrators.shooting import BatchIntegrator
from jaxtyping import Array, Bool, Float
from scipy.optimize import lsq_linear

from .weak_form import WeakForm, weak_terms

CHUNK = 32  # draws of the other coefficients in one call
RIDGE = 1e-15  # of scaled normal equations: so that none is singular
LEAST_EIGENVALUE = 1e-12  # of corrected normal equations: below it the correction went too far


@eqx.filter_jit
def weak_rows(
    ggl: BatchIntegrator, weak: WeakForm, fixed: Float[Array, " parameters"], c: jax.Array
) -> Float[Array, "rows batch"]:
    """Weak residuals (rows, batch) of coefficients c (k, batch), in units of their noise."""
    constants = jnp.broadcast_to(fixed[:, None], (*fixed.shape, *c.shape[1:]))
    theta = jnp.concatenate([constants, c])
    pull, push = weak_terms(ggl, weak, theta)
    rows = (pull + push).reshape((-1, *c.shape[1:]))
    kq, kv, kt, kp = weak.known
    if not kp.shape[1]:
        return rows
    P = ggl.mechanics.momentum(kq, kv, kt[:, None], weak.known_theta(theta))
    known = (P - kp) * weak.known_precision[:, None, None]
    return jnp.concatenate([rows, known.reshape((-1, *c.shape[1:]))])


Rows = Callable[[np.ndarray], np.ndarray]  # coefficients (k, lanes) to residuals (rows, lanes)


def linear_design(
    rows: Rows, linear: Bool[np.ndarray, " k"], others: Float[np.ndarray, "k draws"]
) -> Float[np.ndarray, "draws rows columns"]:
    """[A | b] of rows = A c + b in the linear coefficients, at values of the others (the linear
    ones' are not looked at)."""
    index = np.flatnonzero(linear)
    columns, (k, draws) = len(index) + 1, others.shape
    at = np.where(linear[:, None], 0.0, others)
    lanes = np.repeat(at[:, :, None], columns, axis=2)
    for column, i in enumerate(index):
        lanes[i, :, column] = 1.0
    values = rows(lanes.reshape(k, -1)).reshape(-1, draws, columns).swapaxes(0, 1)
    values = np.asarray(values).copy()
    values[..., :-1] -= values[..., -1:]
    return values


def bounded_solution(
    normal: Float[np.ndarray, "columns columns"], low: np.ndarray, high: np.ndarray
) -> Float[np.ndarray, " columns-1"] | None:
    """The minimum of |A c + b|^2 within bounds, from [A | b]^T [A | b]; None where it says
    nothing. Where b is nothing beside A, the direction that A is least in, as large as the bounds
    let it be."""
    n = len(normal) - 1
    scale = np.sqrt(np.where(np.diag(normal) > 0, np.diag(normal), 1))
    matrix = normal / np.outer(scale, scale)
    width = np.maximum(np.abs(low), np.abs(high))
    if not np.isfinite(matrix).all():
        return None
    if np.sqrt(normal[n, n]) <= 1e-9 * np.max(np.sqrt(np.diag(normal)[:n]) * width, initial=0.0):
        return _homogeneous(matrix[:n, :n], scale[:n], low, high)
    values, vectors = np.linalg.eigh(matrix)
    if values[-1] <= 0:
        return None
    root = np.sqrt(np.maximum(values, 0))[:, None] * vectors.T
    found = lsq_linear(root[:, :n], -root[:, n], (low * scale[:n] / scale[n],
                       high * scale[:n] / scale[n]), method="bvls", tol=1e-14)  # fmt: skip
    return np.clip(found.x * scale[n] / scale[:n], low, high)


def bounded_solutions(
    normals: Float[np.ndarray, "draws columns columns"], low: np.ndarray, high: np.ndarray
) -> list[Float[np.ndarray, " columns-1"] | None]:
    """`bounded_solution` of each, those that lie within their bounds all at once."""
    n = normals.shape[1] - 1
    diagonal = np.einsum("dii->di", normals)
    scale = np.sqrt(np.where(diagonal > 0, diagonal, 1))
    matrix = normals / (scale[:, :, None] * scale[:, None, :])
    width = np.maximum(np.abs(low), np.abs(high))
    sound = np.isfinite(matrix).all(axis=(1, 2))
    most = np.max(np.sqrt(np.maximum(diagonal[:, :n], 0)) * width, axis=1, initial=0.0)
    sound &= np.sqrt(np.maximum(diagonal[:, n], 0)) > 1e-9 * most
    inner = np.where(sound[:, None, None], matrix[:, :n, :n], np.eye(n))
    right = np.where(sound[:, None], -matrix[:, :n, n], 0.0)
    values = np.linalg.solve(inner + RIDGE * np.eye(n), right[..., None])[..., 0]
    values = values * scale[:, n:] / scale[:, :n]
    inside = sound & ((values >= low) & (values <= high)).all(axis=1)
    return [
        value if fine else bounded_solution(normal, low, high)
        for value, fine, normal in zip(values, inside, normals, strict=True)
    ]


def _homogeneous(matrix, scale, low, high) -> np.ndarray | None:
    direction = np.linalg.eigh(matrix)[1][:, 0] / scale
    best = None
    for sign in (1.0, -1.0):
        way = sign * direction
        ratios = np.concatenate([low / np.where(way != 0, way, np.inf),
                                 high / np.where(way != 0, way, np.inf)])  # fmt: skip
        for size in ratios[ratios > 0]:
            c = np.clip(size * way, low, high)
            off = float(np.sum((c - size * way) ** 2 / np.maximum(np.abs(c), 1e-150) ** 2))
            if best is None or off < best[0]:
                best = (off, c)
    return None if best is None else best[1]


def linear_solutions(
    designs: list[Float[np.ndarray, "rows columns"]], low: np.ndarray, high: np.ndarray
) -> list[np.ndarray]:
    """Coefficients from [A | b] of the data, first of `designs`, and with their noise added once
    more, the others: without the bias, and as they are."""
    normal = designs[0].T @ designs[0]
    solutions = []
    if designs[1:]:
        noisy = np.mean([d.T @ d for d in designs[1:]], axis=0)
        corrected = 2 * normal - noisy
        scale = np.sqrt(np.where(np.diag(normal) > 0, np.diag(normal), 1))
        if np.linalg.eigvalsh(corrected / np.outer(scale, scale))[0] > LEAST_EIGENVALUE:
            solutions.append(bounded_solution(corrected, low, high))
    solutions.append(bounded_solution(normal, low, high))
    return [c for c in solutions if c is not None]


def projected_draws(
    rows: Rows, linear: Bool[np.ndarray, " k"], draws: Float[np.ndarray, "k draws"],
    low: np.ndarray, high: np.ndarray,
) -> tuple[Float[np.ndarray, "k draws"], Float[np.ndarray, " draws"]]:  # fmt: skip
    """Draws of coefficients with the linear ones among them solved for, within bounds, and what
    each leaves of its own terms, relative."""
    index = np.flatnonzero(linear)
    solved, costs = draws.copy(), np.full(draws.shape[1], np.inf)
    ends = low[index], high[index]
    for first in range(0, draws.shape[1], CHUNK):
        part = draws[:, first : first + CHUNK]
        short = CHUNK - part.shape[1]
        part = np.concatenate([part, np.repeat(part[:, -1:], short, axis=1)], axis=1)
        designs = linear_design(rows, linear, part)[: CHUNK - short]
        finite = np.all(np.isfinite(designs), axis=(1, 2))
        designs = np.where(finite[:, None, None], designs, 0.0)
        found: list[np.ndarray | None] = [None] * len(designs)
        if len(index):
            found = bounded_solutions(np.einsum("dri,drj->dij", designs, designs), *ends)
        for lane, (design, c) in enumerate(zip(designs, found, strict=True)):
            if not finite[lane]:
                continue
            if len(index):
                if c is None:
                    continue
                solved[index, first + lane] = c
                terms = design[:, :-1] * c
            else:
                terms = np.zeros((len(design), 0))
            left = terms.sum(axis=1) + design[:, -1]
            own = np.sum(terms**2) + np.sum(design[:, -1] ** 2)
            costs[first + lane] = np.sum(left**2) / own if own > 0 else np.inf
    return solved, costs


def spectral_peaks(
    t: Float[np.ndarray, " samples"], x: Float[np.ndarray, " samples"], most: int
) -> Float[np.ndarray, " peaks"]:
    """Angular frequencies of the largest peaks of evenly sampled positions, largest first, each
    placed by a parabola through its neighbours."""
    x = (x - x.mean()) * np.hanning(len(x))
    size = 4 * len(x)
    power = np.abs(np.fft.rfft(x, size))
    omega = 2 * np.pi * np.fft.rfftfreq(size, float(np.mean(np.diff(t))))
    inner = np.flatnonzero((power[1:-1] > power[:-2]) & (power[1:-1] >= power[2:])) + 1
    inner = inner[np.argsort(-power[inner], kind="stable")][:most]
    a, b, c = power[inner - 1], power[inner], power[inner + 1]
    shift = 0.5 * (a - c) / np.where(a - 2 * b + c != 0, a - 2 * b + c, np.inf)
    return omega[inner] + shift * omega[1]
