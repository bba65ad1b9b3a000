"""Products of a constant matrix with what stands at the nodes of a step."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

UNROLLED_NODES = 24


def nodal(
    matrix: Float[np.ndarray, "i s"], values: Float[Array, "n s *batch"]
) -> Float[Array, "n i *batch"]:
    """matrix (i, s) over the node axis of values (n, s, *batch); constants are folded in."""
    return nodals((matrix,), values)[0]


def nodals(
    matrices: Sequence[Float[np.ndarray, "i s"]], values: Float[Array, "n s *batch"]
) -> tuple[Float[Array, "n i *batch"], ...]:
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
            terms = [  # by `lax`, which is traced in half the time
                jax.lax.mul(
                    whole[:, j].reshape((1, -1, *ones)),
                    jax.lax.slice_in_dim(x, j, j + 1, axis=1),
                )
                for j in range(whole.shape[1])
            ]
            total = reduce(jax.lax.add, terms)
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
