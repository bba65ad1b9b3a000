"""Small dense algebra on arrays whose last axes are a batch.

LAPACK called in a loop body stops XLA from fusing it, and batched LAPACK on tiny matrices is two
orders of magnitude slower than straight elementwise code, so small systems are eliminated here.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

UNROLLED = 3  # larger ones are eliminated by a loop, which compiles fast at any size
SMALL = 16  # beyond this size LAPACK is the better choice
ONCE = 256  # the same where a program solves but once: LAPACK takes a second to compile


def solve(
    matrix: Float[Array, "n n *batch"], right: Float[Array, "n m *batch"], small: int = SMALL
) -> Float[Array, "n m *batch"]:
    """X with matrix X = right; matrix (n, n, *batch), right (n, m, *batch).

    Gaussian elimination with partial pivoting for n <= `small`; LAPACK beyond. A singular matrix
    gives non-finite numbers, as in LAPACK.
    """
    n = matrix.shape[0]
    if n == 1:
        return right / matrix
    if n > small:
        front = jnp.moveaxis(matrix, (0, 1), (-2, -1))
        behind = jnp.moveaxis(right, (0, 1), (-2, -1))
        return jnp.moveaxis(jnp.linalg.solve(front, behind), (-2, -1), (0, 1))
    rows = jnp.concatenate([matrix, right], axis=1)
    if n <= UNROLLED:
        for k in range(n):
            rows = _eliminate(k, rows)
    else:
        rows = jax.lax.fori_loop(0, n, _eliminate, rows)
    return rows[:, n:]


def _eliminate(k, rows: jax.Array) -> jax.Array:
    """Rows (n, columns, *batch) after elimination of column k, its pivot row swapped in."""
    ones = (1,) * (rows.ndim - 2)
    index = jnp.arange(rows.shape[0]).reshape((-1, *ones))
    column = jax.lax.dynamic_index_in_dim(rows, k, 1, keepdims=False)
    size = jnp.where(index >= k, jnp.abs(column), -1)
    chosen = jnp.argmax(size, axis=0)
    is_pivot = (index == chosen)[:, None]
    pivot = jnp.sum(jnp.where(is_pivot, rows, 0), axis=0)
    here = jax.lax.dynamic_index_in_dim(rows, k, 0, keepdims=False)
    rows = jnp.where(is_pivot, here[None], rows)
    lead = pivot / jax.lax.dynamic_index_in_dim(pivot, k, 0)
    column = jax.lax.dynamic_index_in_dim(rows, k, 1)
    return jnp.where((index == k)[:, None], lead[None], rows - column * lead[None])


def inverse(matrix: Float[Array, "n n *batch"], small: int = SMALL) -> Float[Array, "n n *batch"]:
    """Inverse of (n, n, *batch); `small` as in `solve`."""
    n = matrix.shape[0]
    eye = jnp.eye(n, dtype=matrix.dtype).reshape((n, n) + (1,) * (matrix.ndim - 2))
    return solve(matrix, jnp.broadcast_to(eye, matrix.shape), small)


def apply(
    matrix: Float[Array, "n m *batch"], vector: Float[Array, "m *rest"]
) -> Float[Array, "n *rest"]:
    """matrix (n, m, *batch) times vector (m, ..., *batch): sum over m, batch axes broadcast.

    Written as a sum over columns, which fuses where a dot would not.
    """
    total = matrix[:, 0] * vector[0]
    for j in range(1, matrix.shape[1]):
        total = total + matrix[:, j] * vector[j]
    return total


def sum_of_squares(tree: Any) -> Float[Array, ""]:
    """The sum of squares of all numbers of a pytree."""
    return sum((jnp.vdot(x, x) for x in jax.tree.leaves(tree)), jnp.zeros(()))
