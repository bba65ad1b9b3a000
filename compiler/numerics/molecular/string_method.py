"""Simplified string method between two structures (E, Ren & Vanden-Eijnden, J. Chem. Phys. 126,
164103, 2007).

A string of configurations is relaxed downhill: a capped
step of steepest descent for each image, then images at equal distances along the string. First,
atoms that come too close on the straight way are pushed apart.

Shapes: q (dim, N, M), images along the last axis; the two ends stay where they are.
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from actionrun.compiler.numerics.array_types import Positions
from actionrun.compiler.numerics.optimizers.lbfgs import capped, dot
from jaxtyping import Array, Float

from .potential_energy import PotentialEnergy

APART = 100  # steps that push atoms apart
ROOM = 0.9  # of the nearest distance at the ends, that atoms keep on the straight way
STEP = 0.1  # longest of an image, a length in dim N dimensions


class String(NamedTuple):
    """Images q (dim, N, M), their energies (M,), unit tangents (dim, N, M), place along the string
    (M,), a length, and whether an image is higher than both its neighbours (M,)."""

    q: jax.Array
    energy: jax.Array
    tangent: jax.Array
    place: jax.Array
    top: jax.Array


@eqx.filter_jit
def string(
    potential: PotentialEnergy,
    start: Float[Array, "dim n"],
    end: Float[Array, "dim n"],
    images: int,
    steps,
    rate,
) -> String:
    """The string from start to end (dim, N), aligned, after `steps` steps of `rate` times the force
    (at most 0.1 long; 1 over the largest curvature is a good rate)."""
    share = jnp.linspace(0, 1, images)
    q = start[..., None] + share * (end - start)[..., None]
    q = reparametrize(remove_overlaps(q))

    def step(_, q):
        moved = q + capped(rate * potential.forces(q), STEP)
        return reparametrize(q.at[..., 1:-1].set(moved[..., 1:-1]))

    q = jax.lax.fori_loop(0, steps, step, q)
    energy = potential.energy(q)
    place = jnp.concatenate([jnp.zeros(1), jnp.cumsum(_lengths(q))])
    ahead = jnp.concatenate([q[..., 1:], q[..., -1:]], axis=-1)
    back = jnp.concatenate([q[..., :1], q[..., :-1]], axis=-1)
    tangent = ahead - back
    tangent = tangent / jnp.maximum(jnp.sqrt(dot(tangent, tangent)), 1e-300)
    inner = energy[1:-1]
    top = (inner >= energy[:-2]) & (inner > energy[2:])
    top = jnp.concatenate([jnp.zeros(1, bool), top, jnp.zeros(1, bool)])
    return String(q, energy, tangent, place, top)


def reparametrize(q: Positions) -> Positions:
    """The images at equal distances along the broken line through them."""
    images = q.shape[-1]
    place = jnp.concatenate([jnp.zeros(1), jnp.cumsum(_lengths(q))])
    wanted = jnp.linspace(0, 1, images) * place[-1]
    k = jnp.clip(jnp.searchsorted(place, wanted, side="right") - 1, 0, images - 2)
    gap = place[k + 1] - place[k]
    share = jnp.where(gap > 0, (wanted - place[k]) / jnp.where(gap > 0, gap, 1), 0)
    moved = q[..., k] + share * (q[..., k + 1] - q[..., k])
    return moved.at[..., 0].set(q[..., 0]).at[..., -1].set(q[..., -1])


def remove_overlaps(q: Positions) -> Positions:
    """Images without atoms nearer than 0.9 of the nearest at the ends, as far as pushing each such
    pair apart along its line can do it. Atoms that coincide are told apart by their numbers."""
    _, n, images = q.shape
    if n < 2:
        return q
    eye = jnp.eye(n)[:, :, None]
    odd = jnp.arange(n, dtype=q.dtype)
    # a direction of each pair's own, the same for i and j but for its sign
    hint = jnp.sin(jnp.stack([(a + 1.3) * (odd[:, None] - odd[None]) for a in range(len(q))]))

    def pairs(q):
        d = q[:, :, None] - q[:, None]
        return d, jnp.sqrt(jnp.sum(d * d, axis=0)) + 1e9 * eye

    ends = pairs(q[..., jnp.asarray([0, -1])])[1]
    close = ROOM * jnp.min(ends)

    def push(_, q):
        d, r = pairs(q)
        d = d + 1e-3 * close * hint[..., None] * (r < 1e-3 * close)
        r = jnp.maximum(r, 1e-4 * close)
        return q.at[..., 1:-1].add(
            jnp.sum(0.25 * jnp.maximum(close - r, 0) / r * d, axis=2)[..., 1:-1]
        )

    return jax.lax.fori_loop(0, APART if images > 2 else 0, push, q)


def _lengths(q: jax.Array) -> jax.Array:
    d = jnp.diff(q, axis=-1)
    return jnp.sqrt(dot(d, d))
