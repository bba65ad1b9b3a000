"""Products of a constant matrix with what stands at the nodes of a step."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np

UNROLLED_NODES = 24


def nodal(matrix: np.ndarray, values: jax.Array) -> jax.Array:
    """matrix (i, s) over the node axis of values (n, s, *batch); constants are folded in."""
    return nodals((matrix,), values)[0]


def nodals(matrices: Sequence[np.ndarray], values: jax.Array) -> tuple[jax.Array, ...]:
    """Several matrices (i, s) over the node axis of values (n, s, *batch), in one go.

    The value is a sum over columns, which fuses best; its derivative is a sum of products, whose
    transpose fuses too (that of slices is a pile of pads).
    """
    whole = np.concatenate(matrices).astype(values.dtype)
    ends = np.cumsum([0, *map(len, matrices)]).tolist()
    ones = (1,) * (values.ndim - 2)

    def product(x):
        if whole.shape[1] > UNROLLED_NODES:
            total = jnp.einsum("ij,nj...->ni...", jnp.asarray(whole), x)
        else:
            total = None
            for j in range(whole.shape[1]):  # by `lax`, which is traced in half the time
                column = jax.lax.slice_in_dim(x, j, j + 1, axis=1)
                term = jax.lax.mul(whole[:, j].reshape((1, -1, *ones)), column)
                total = term if total is None else jax.lax.add(total, term)
        assert total is not None
        if len(ends) == 2:
            return (total,)
        return tuple(jax.lax.slice_in_dim(total, a, b, axis=1) for a, b in pairwise(ends))

    # a batch is never transposed, and XLA 0.10 crashed on a vmapped sum of this form
    if ones or whole.shape[1] > UNROLLED_NODES:
        return product(values)
    alone = jax.custom_jvp(product)

    @alone.defjvp
    def _(primals, tangents):
        parts = [whole[a:b] for a, b in pairwise(ends)]
        moved = tuple(jnp.sum(part[None] * tangents[0][:, None], axis=2) for part in parts)
        return alone(*primals), moved

    return alone(values)
