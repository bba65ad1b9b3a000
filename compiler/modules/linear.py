"""Small dense algebra on arrays whose last axes are a batch.

LAPACK called in a loop body stops XLA from fusing it, and batched LAPACK on tiny matrices is two
orders of magnitude slower than straight elementwise code, so small systems are eliminated here.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

UNROLLED = 12  # beyond this size LAPACK is the better choice


def solve(matrix: jax.Array, right: jax.Array) -> jax.Array:
    """X with matrix X = right; matrix (n, n, *batch), right (n, m, *batch).

    Gaussian elimination with partial pivoting, unrolled over columns, for n <= 12; LAPACK beyond.
    A singular matrix gives non-finite numbers, as in LAPACK.
    """
    n = matrix.shape[0]
    if n == 1:
        return right / matrix
    if n > UNROLLED:
        front = jnp.moveaxis(matrix, (0, 1), (-2, -1))
        behind = jnp.moveaxis(right, (0, 1), (-2, -1))
        return jnp.moveaxis(jnp.linalg.solve(front, behind), (-2, -1), (0, 1))
    rows = jnp.concatenate([matrix, right], axis=1)
    for k in range(n):
        rows = _pivoted(rows, k)
        lead = rows[k] / rows[k, k]
        factors = rows[:, k].at[k].set(0)
        rows = (rows - factors[:, None] * lead[None]).at[k].set(lead)
    return rows[:, n:]


def _pivoted(rows: jax.Array, k: int) -> jax.Array:
    """Rows with the largest of column k, from row k down, swapped to row k; by selection only."""
    best = rows[k]
    chosen = jnp.full(rows.shape[2:], k)
    for i in range(k + 1, rows.shape[0]):
        better = jnp.abs(rows[i, k]) > jnp.abs(best[k])
        best = jnp.where(better, rows[i], best)
        chosen = jnp.where(better, i, chosen)
    old = rows[k]
    swapped = [jnp.where(chosen == i, old, rows[i]) for i in range(k + 1, rows.shape[0])]
    return jnp.stack([*rows[:k], best, *swapped])


def inverse(matrix: jax.Array) -> jax.Array:
    """Inverse of (n, n, *batch)."""
    n = matrix.shape[0]
    eye = jnp.eye(n, dtype=matrix.dtype).reshape((n, n) + (1,) * (matrix.ndim - 2))
    return solve(matrix, jnp.broadcast_to(eye, matrix.shape))


def apply(matrix: jax.Array, vector: jax.Array) -> jax.Array:
    """matrix (n, m, *batch) times vector (m, ..., *batch): sum over m, batch axes broadcast.

    Written as a sum over columns, which fuses where a dot would not.
    """
    total = matrix[:, 0] * vector[0]
    for j in range(1, matrix.shape[1]):
        total = total + matrix[:, j] * vector[j]
    return total
