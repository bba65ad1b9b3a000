"""Stationary points of small clusters: normal modes, Newton's polish, who is who.

Shapes: q (dim, N, B) configurations of an open cluster; a landscape that sees neither where it is
nor how it is turned has dim + dim (dim - 1)/2 zero modes.
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .landscape import Landscape

NEGATIVE = 1e-6  # of the largest eigenvalue: below minus this a mode is one of descent
STILL = 1e-9  # a zero mode's share of a displacement that is no zero mode


class Modes(NamedTuple):
    """Eigenvalues (D,) of the Hessian, lowest first, and vectors (D, dim, N), without the D0 zero
    modes of a free cluster: D = dim N - D0. How many are negative."""

    values: np.ndarray
    vectors: np.ndarray
    negative: int


class Polished(NamedTuple):
    """q (dim, N), energy, largest component of the gradient, and the modes there."""

    q: np.ndarray
    energy: float
    gradient: float
    modes: Modes


def rigid(q: jax.Array) -> jax.Array:
    """Orthonormal translations and rotations (Z, dim, N, B) of configurations.

    A rotation that moves nothing (of a row of atoms about itself) is a zero vector.
    """
    dim, n = q.shape[:2]
    centred = q - jnp.mean(q, axis=1, keepdims=True)
    found = [
        jnp.broadcast_to(jnp.zeros((dim, 1, 1)).at[k].set(n**-0.5), q.shape) for k in range(dim)
    ]
    planes = [(a, b) for a in range(dim) for b in range(a)]
    for a, b in planes:
        turn = jnp.zeros_like(q).at[a].set(-centred[b]).at[b].set(centred[a])
        size = jnp.sum(turn * turn, axis=(0, 1))
        for other in found[dim:]:
            turn = turn - jnp.sum(turn * other, axis=(0, 1)) * other
        left = jnp.sum(turn * turn, axis=(0, 1))
        inverse = jnp.where(left > STILL * size, 1 / jnp.sqrt(jnp.where(left > 0, left, 1)), 0)
        found.append(turn * inverse)
    return jnp.stack(found)


def without(zero: jax.Array, v: jax.Array) -> jax.Array:
    """v (dim, N, B) without its part in the modes `zero` (Z, dim, N, B)."""
    return v - jnp.einsum("zdnb,zb->dnb", zero, jnp.einsum("zdnb,dnb->zb", zero, v))


@eqx.filter_jit
def hessian(landscape: Landscape, q: jax.Array) -> jax.Array:
    """The Hessian (dim N, dim N) of one configuration (dim, N)."""
    size = q.size
    basis = jnp.eye(size).reshape(*q.shape, size)
    columns = landscape.hessian_product(jnp.broadcast_to(q[..., None], basis.shape), basis)
    matrix = columns.reshape(size, size)
    return 0.5 * (matrix + matrix.T)


def modes(landscape: Landscape, q: np.ndarray) -> Modes:
    """The normal modes of one free cluster (dim, N), without masses."""
    matrix = np.asarray(hessian(landscape, jnp.asarray(q)))
    zero = np.asarray(_rigid(q[..., None]))[..., 0].reshape(-1, q.size)
    zero = zero[np.abs(zero).max(axis=1) > 0]
    lift = max(1.0, float(np.abs(matrix).max())) * 10  # zero modes go to the top, out of the way
    values, vectors = np.linalg.eigh(_projected(matrix, zero) + lift * zero.T @ zero)
    kept = q.size - len(zero)
    values, vectors = values[:kept], vectors[:, :kept]
    top = max(abs(values[0]), abs(values[-1])) if kept else 1.0
    negative = int(np.sum(values < -NEGATIVE * top))
    return Modes(values, vectors.T.reshape(kept, *q.shape), negative)


_rigid = jax.jit(rigid)


def _projected(matrix: np.ndarray, zero: np.ndarray) -> np.ndarray:
    keep = np.eye(len(matrix)) - zero.T @ zero
    return keep @ matrix @ keep


def polished(
    landscape: Landscape, q: np.ndarray, *, tolerance: float = 1e-10, most: int = 30
) -> Polished:
    """The stationary point of one free cluster (dim, N) by Newton's method, from close by.

    The steps keep to the modes' own signs, so a saddle stays one; they are at most 0.1 long. Ends
    when no component of the gradient exceeds `tolerance`, or when rounding lets none shrink.
    """
    q, best = np.asarray(q, dtype=float), np.inf
    found = None
    for _ in range(most):
        energy, forces = (np.asarray(x)[..., 0] for x in _evaluated(landscape, q[..., None]))
        size = float(np.max(np.abs(forces)))
        there = modes(landscape, q)
        if size < best:
            best, found = size, Polished(q, float(energy), size, there)
        if best <= tolerance or not size <= 2 * best:
            break
        along = np.einsum("mdn,dn->m", there.vectors, forces)
        step = np.einsum("m,mdn->dn", along / there.values, there.vectors)
        q = q + step * min(1.0, 0.1 / max(float(np.sqrt(np.sum(step**2))), 1e-300))
    assert found is not None
    return found


_evaluated = eqx.filter_jit(lambda landscape, q: landscape.energy_and_forces(q))


def invariants(q: jax.Array, weights: jax.Array | None = None) -> jax.Array:
    """Two numbers (2, B) of each configuration that see neither rotation nor inversion nor the
    order of atoms of one weight (N,): means over pairs of r^2 and of exp(-r/mean r).

    Two stationary points of one energy with the same two numbers are taken for one.
    """
    n = q.shape[1]
    w = jnp.ones(n) if weights is None else weights
    first, second = np.triu_indices(n, 1)
    d = q[:, first] - q[:, second]
    r = jnp.sqrt(jnp.sum(d * d, axis=0))
    share = (w[first] * w[second])[:, None]
    mean = jnp.mean(r, axis=0)
    return jnp.stack(
        [jnp.mean(share * r * r, axis=0), jnp.mean(share * jnp.exp(-r / mean), axis=0)]
    )
