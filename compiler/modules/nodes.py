"""Products of a constant matrix with what stands at the nodes of a step."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

UNROLLED_NODES = 24


def nodal(matrix: np.ndarray, values: jax.Array) -> jax.Array:
    """matrix (i, s) over the node axis of values (n, s, *batch); constants are folded in.

    The value is a sum over columns, which fuses best; its derivative is a sum of products, whose
    transpose fuses too (that of slices is a pile of pads).
    """
    if matrix.shape[1] > UNROLLED_NODES:
        return jnp.einsum("ij,nj...->ni...", jnp.asarray(matrix, values.dtype), values)
    matrix = matrix.astype(values.dtype)
    ones = (1,) * (values.ndim - 2)

    def product(x):
        total = None
        for j in range(matrix.shape[1]):  # by `lax`, which is traced in half the time
            column = jax.lax.slice_in_dim(x, j, j + 1, axis=1)
            term = jax.lax.mul(matrix[:, j].reshape((1, -1, *ones)), column)
            total = term if total is None else jax.lax.add(total, term)
        assert total is not None
        return total

    if ones:  # a batch is never transposed, and XLA 0.10 crashed on a vmapped sum of this form
        return product(values)
    alone = jax.custom_jvp(product)

    @alone.defjvp
    def _(primals, tangents):
        return alone(*primals), jnp.sum(matrix[None] * tangents[0][:, None], axis=2)

    return alone(values)
