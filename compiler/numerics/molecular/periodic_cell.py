"""Periodic cells and the minimum image, also of skewed cells.

A cell is its edge where it is a cube (the usual case, and the cheapest), else its vectors. These
are first reduced (Semaev, LNCS 2146, 181, 2001: of reduced vectors the nearest image is among the
neighbours of the rounded one). Where nothing acts beyond half the least height of the reduced cell
rounding alone is exact.
"""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.array_types import AnyArray
from jaxtyping import Float

ROUNDS = 1000  # of a reduction; a few are usual


class PeriodicCell(NamedTuple):
    """Reduced vectors (K, dim) along which space repeats, the duals (K, dim) that give a
    displacement's shares of them, and shifts (S, dim) that are tried after rounding (S may be
    0)."""

    vectors: jax.Array
    duals: jax.Array
    shifts: jax.Array


Cell = PeriodicCell | jax.Array | float | None  # None: no box; a number: the edge of a cube


def reduced(vectors: Float[np.ndarray, "k dim"]) -> Float[np.ndarray, "k dim"]:
    """A Minkowski-reduced basis of the lattice of up to three vectors."""
    b = np.array(vectors, dtype=float)
    for _ in range(ROUNDS):
        b = b[np.argsort(np.sum(b * b, axis=1), kind="stable")]
        before = b.copy()
        for k in range(1, len(b)):
            share = np.linalg.lstsq(b[:k].T, b[k], rcond=None)[0]
            near = [b[k] - (np.floor(share) + turn) @ b[:k] for turn in product((0, 1), repeat=k)]
            best = min(near, key=lambda x: float(x @ x))
            if best @ best < (1 - 1e-12) * (b[k] @ b[k]):
                b[k] = best
        if np.array_equal(b, before):
            break
    return b


def periodic_cell(
    vectors: Float[np.ndarray, "dim dim"], periodic: tuple[bool, ...], cutoff: float | None
) -> PeriodicCell | jax.Array:
    """The cell of these vectors, a row each, that repeats along those that are `periodic`; nothing
    acts beyond `cutoff` (None: everything does)."""
    whole = np.asarray(vectors, dtype=float)
    edge = whole[0, 0]
    if all(periodic) and edge > 0 and np.array_equal(whole, edge * np.eye(len(whole))):
        return jnp.asarray(edge)
    kept = reduced(whole[np.flatnonzero(periodic)])
    duals = np.linalg.pinv(kept).T
    heights = 1 / np.linalg.norm(duals, axis=1)
    square = np.allclose(kept @ kept.T, np.diag(np.sum(kept * kept, axis=1)), rtol=0,
                         atol=1e-12 * np.max(kept) ** 2)  # fmt: skip
    exact = square or (cutoff is not None and cutoff <= 0.5 * float(np.min(heights)))
    turns = [] if exact else [t for t in product((-1, 0, 1), repeat=len(kept)) if any(t)]
    shifts = np.array(turns, dtype=float).reshape(-1, len(kept)) @ kept
    return PeriodicCell(*map(jnp.asarray, (kept, duals, shifts)))


def minimum_image(d: Float[AnyArray, "dim ..."], cell: Cell) -> Float[AnyArray, "dim ..."]:
    """Differences of coordinates (dim, ...) by the nearest image in a periodic box; of NumPy
    arrays too."""
    if cell is None:
        return d
    xp: Any = np if isinstance(d, np.ndarray) else jnp
    if not isinstance(cell, PeriodicCell):
        return d - xp.asarray(cell) * xp.round(d * (1 / xp.asarray(cell)))
    vectors, duals, shifts = (xp.asarray(x) for x in cell)
    shares = xp.round(xp.tensordot(duals, d, axes=(1, 0)))
    d = d - xp.tensordot(vectors, shares, axes=(0, 0))
    best, size = d, xp.sum(d * d, axis=0)
    for k in range(len(shifts)):
        trial = d + shifts[k].reshape((-1,) + (1,) * (d.ndim - 1))
        far = xp.sum(trial * trial, axis=0)
        nearer = far < size
        best, size = xp.where(nearer, trial, best), xp.where(nearer, far, size)
    return best


def nearest_distances(q: Float[np.ndarray, "dim n"], cell: Cell = None) -> Float[np.ndarray, " n"]:
    """The distance of each body to its nearest."""
    d = np.linalg.norm(minimum_image(q[:, :, None] - q[:, None, :], cell), axis=0)
    return np.min(np.where(np.eye(q.shape[1]) > 0, np.inf, d), axis=1)


def scaled_cell(cell: Cell, factor: float) -> Cell:
    """The cell in a unit of length that is `factor` times larger."""
    if not isinstance(cell, PeriodicCell):
        return None if cell is None else cell / factor
    return PeriodicCell(cell.vectors / factor, cell.duals * factor, cell.shifts / factor)


def lattice_vectors(cell: Cell, dim: int) -> Float[np.ndarray, "k dim"]:
    """The vectors (K, dim) along which space repeats; none without a box."""
    if cell is None:
        return np.zeros((0, dim))
    return np.asarray(cell.vectors) if isinstance(cell, PeriodicCell) else float(cell) * np.eye(dim)
