"""Neighbour lists of a set of images: for each body all that come near it in any of the images.

A full list (each pair stands in both rows) turns a sum over pairs into gathers alone; scattering
into rows is many times slower on a CPU. One list serves all images (times of a path), so that the
images are the contiguous axis of every loop.

Shapes: q (dim, N, T) coordinates of N bodies in T images, unwrapped; others (N, M).
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from actionrun.compiler.numerics.array_types import Positions
from jaxtyping import Array, Bool, Int

from .periodic_cell import Cell, minimum_image


class NeighborList(NamedTuple):
    """Row i of `others` holds `counts[i]` neighbours of body i, then i itself as padding.

    Valid while no body of any image is further than `margin` from its place in `reference`.
    `lost`: some body has more neighbours than the rows are long.
    """

    others: jax.Array  # (N, M) int32
    counts: jax.Array  # (N,) int32
    reference: jax.Array  # (dim, N, T)
    margin: jax.Array  # ()
    lost: jax.Array  # () bool


def all_neighbors(q: Positions) -> NeighborList:
    """The list that holds all others, which no motion outdates."""
    n = q.shape[1]
    others = jnp.arange(n - 1, dtype=jnp.int32)[None]
    rows = jnp.arange(n, dtype=jnp.int32)[:, None]
    index = others + (others >= rows)
    count = jnp.full((n,), n - 1, jnp.int32)
    return NeighborList(index, count, q, jnp.asarray(jnp.inf, q.dtype), jnp.asarray(False))


def neighbors_within(q: Positions, cell: Cell, reach, margin, capacity: int) -> NeighborList:
    """The bodies within `reach` of each body in any image, at most `capacity` a body.

    Columns are filled in the order of the bodies, so the list depends on the places alone.
    """
    n = q.shape[1]
    limit = reach * reach
    rows = jnp.arange(n)

    def column(j, s):
        index, count = s
        d = minimum_image(q - jax.lax.dynamic_slice_in_dim(q, j, 1, axis=1), cell)
        near = (jnp.min(jnp.sum(d * d, axis=0), axis=-1) < limit) & (rows != j)
        place = jnp.where(near, count, capacity)
        index = index.at[rows, place].set(j, mode="drop", unique_indices=True)
        return index, count + near

    own = jnp.broadcast_to(rows.astype(jnp.int32)[:, None], (n, capacity))
    start = (own, jnp.zeros((n,), jnp.int32))
    index, count = jax.lax.fori_loop(0, n, column, start)
    lost = jnp.any(count > capacity)
    margin = jnp.asarray(margin, q.dtype)
    return NeighborList(index, jnp.minimum(count, capacity), q, margin, lost)


def outdated(near: NeighborList, q: Positions) -> Bool[Array, ""]:
    """Whether some body of some image has moved further than the margin since the list."""
    moved = q - near.reference
    return jnp.max(jnp.sum(moved * moved, axis=0)) > near.margin * near.margin


def most_neighbors(q: Positions, cell: Cell, reach) -> Int[Array, ""]:
    """The largest number of neighbours of a body: how long the rows have to be."""
    n = q.shape[1]
    limit = reach * reach

    def row(i, most):
        d = minimum_image(q - jax.lax.dynamic_slice_in_dim(q, i, 1, axis=1), cell)
        near = jnp.min(jnp.sum(d * d, axis=0), axis=-1) < limit
        return jnp.maximum(most, jnp.sum(near) - 1)

    return jax.lax.fori_loop(0, n, row, jnp.asarray(0))
