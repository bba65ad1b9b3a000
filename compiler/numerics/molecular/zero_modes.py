"""Zero modes of a free cluster: its motions as a whole, which cost no energy.

Shapes: q (dim, N, B) configurations; dim + dim (dim - 1)/2 such motions.
"""

from __future__ import annotations

import jax.numpy as jnp
from actionrun.compiler.numerics.array_types import Positions
from jaxtyping import Array, Float

STILL = 1e-9  # a rotation's share of a displacement that is none


def rigid_body_modes(q: Positions) -> Float[Array, "z dim n t"]:
    """Orthonormal translations and rotations (Z, dim, N, B) of configurations.

    A rotation that moves nothing (of a row of atoms about itself) is a zero vector.
    """
    dim, n = q.shape[:2]
    centred = q - jnp.mean(q, axis=1, keepdims=True)
    result = [
        jnp.broadcast_to(jnp.zeros((dim, 1, 1)).at[k].set(n**-0.5), q.shape) for k in range(dim)
    ]
    planes = [(a, b) for a in range(dim) for b in range(a)]
    for a, b in planes:
        turn = jnp.zeros_like(q).at[a].set(-centred[b]).at[b].set(centred[a])
        size = jnp.sum(turn * turn, axis=(0, 1))
        for other in result[dim:]:
            turn = turn - jnp.sum(turn * other, axis=(0, 1)) * other
        left = jnp.sum(turn * turn, axis=(0, 1))
        inverse = jnp.where(left > STILL * size, 1 / jnp.sqrt(jnp.where(left > 0, left, 1)), 0)
        result.append(turn * inverse)
    return jnp.stack(result)


def project_out_zero_modes(zero: Float[Array, "z dim n t"], v: Positions) -> Positions:
    """v (dim, N, B) without its part in the modes `zero` (Z, dim, N, B)."""
    return v - jnp.einsum("zdnb,zb->dnb", zero, jnp.einsum("zdnb,dnb->zb", zero, v))
