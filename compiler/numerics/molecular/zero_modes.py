"""Zero modes: motions as a whole, which cost no energy.

Of a free cluster these are all rigid motions. A field, held bodies and a periodic cell leave some
of them or none: combinations of the generators of translations and rotations, found from what
must not change (the generators of a Lie algebra, in the kernel of its constraints).

Shapes: q (dim, N, B) configurations; Z = dim + dim (dim - 1)/2 rigid motions.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.array_types import Positions
from jaxtyping import Array, Float

KERNEL = 1e-7  # of the largest singular value: constraints that a motion breaks no more are kept
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
        result.append(_unit_beside(result[dim:], turn))
    return jnp.stack(result)


def _unit_beside(others: list[Array], one: Positions) -> Positions:
    """A displacement orthogonal to others, of length one; one that moves nothing is zero."""
    size = jnp.sum(one * one, axis=(0, 1))
    for other in others:
        one = one - jnp.sum(one * other, axis=(0, 1)) * other
    left = jnp.sum(one * one, axis=(0, 1))
    inverse = jnp.where(left > STILL * size, 1 / jnp.sqrt(jnp.where(left > 0, left, 1)), 0)
    return one * inverse


def project_out_zero_modes(zero: Float[Array, "z dim n t"], v: Positions) -> Positions:
    """v (dim, N, B) without its part in the modes `zero` (Z, dim, N, B)."""
    return v - jnp.einsum("zdnb,zb->dnb", zero, jnp.einsum("zdnb,dnb->zb", zero, v))


def generators(x: Float[np.ndarray, "dim *shape"]) -> Float[np.ndarray, "z dim *shape"]:
    """The rigid motions' displacements (Z, dim, ...) of places x (dim, ...): translations, then
    rotations about the origin, in the planes (a, b), b < a."""
    dim, rest = len(x), (1,) * (x.ndim - 1)
    result = [
        np.broadcast_to((np.arange(dim) == k).astype(float).reshape(dim, *rest), x.shape)
        for k in range(dim)
    ]
    for a in range(dim):
        for b in range(a):
            turn = np.zeros_like(x)
            turn[a], turn[b] = -x[b], x[a]
            result.append(turn)
    return np.stack(result)


def invariant_motions(
    dim: int,
    places: Float[np.ndarray, "dim p"],
    gradients: Float[np.ndarray, "dim p"],
    held: Float[np.ndarray, "dim f"],
    vectors: Float[np.ndarray, "k dim"],
) -> Float[np.ndarray, "m z"]:
    """Combinations (M, Z) of the generators that change neither a field with these `gradients` at
    `places`, nor bodies `held`, nor the directions of the `vectors` of a cell."""
    size = dim + dim * (dim - 1) // 2
    sizes = np.linalg.norm(gradients, axis=0)
    push = gradients / np.where(sizes > 0, sizes, 1)
    rows = [np.einsum("zdp,dp->pz", generators(places), push)]
    rows.append(generators(held).reshape(size, -1).T)
    turned = generators(vectors.T)
    turned[:dim] = 0  # a translation leaves a lattice as it is
    rows.append(turned.reshape(size, -1).T)
    matrix = np.concatenate([np.zeros((1, size)), *rows])
    _, values, right = np.linalg.svd(matrix)
    values = np.concatenate([values, np.zeros(size - len(values))])
    return right[values <= KERNEL * max(float(values[0]), 1e-300)]


def combined_modes(q: Positions, motions: Float[Array, "m z"]) -> Float[Array, "m dim n t"]:
    """Orthonormal displacements (M, dim, N, B) of configurations by combinations of the generators
    (M, Z); one that moves nothing is zero."""
    dim = len(q)
    if not len(motions):
        return jnp.zeros((0, *q.shape), q.dtype)
    unit = jnp.eye(dim)[:, :, None, None]
    each = [jnp.broadcast_to(unit[k], q.shape) for k in range(dim)]
    for a in range(dim):
        for b in range(a):
            each.append(jnp.zeros_like(q).at[a].set(-q[b]).at[b].set(q[a]))
    moved = jnp.tensordot(motions, jnp.stack(each), axes=(1, 0))
    result: list[Array] = []
    for one in moved:
        result.append(_unit_beside([*result, *result], one))  # twice, for round-off
    return jnp.stack(result)
