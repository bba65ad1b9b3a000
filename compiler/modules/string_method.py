"""A short string between two configurations, to find where to look for saddles.

Images on the straight line are shaken a little (bodies that change places would meet), overlaps
are pushed apart, then every image moves by the part of its force across the string, with a capped
step, and the images are spread evenly again (E, Ren and Vanden-Eijnden, J. Chem. Phys. 126, 164103,
2007).

Shapes: ends (dim, N), images (dim, N, P).
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp

from .landscape import Landscape

ITERATIONS = 200
CLEARINGS = 80  # of overlaps
NEAREST = 0.9  # distance of neighbours below which two bodies overlap
CAP = 0.1  # longest step of a body, in distances of neighbours
SHAKE = 0.02  # of interior images, in distances of neighbours


@eqx.filter_jit
def string(
    landscape: Landscape, q: jax.Array, p: jax.Array, images: int, length: jax.Array,
    stiffness: jax.Array,
) -> tuple[jax.Array, jax.Array]:  # fmt: skip
    """The images of a string from q to p, ends included, and their energies (P,).

    `length` is the distance of neighbours, `stiffness` the largest eigenvalue of the Hessian at
    a minimum: steps are forces over it.
    """
    s = jnp.linspace(0, 1, images)
    line = q[..., None] * (1 - s) + p[..., None] * s
    shake = jax.random.normal(jax.random.key(0), line.shape, line.dtype)
    inside = (s > 0) & (s < 1)
    path = line + jnp.where(inside, SHAKE * length * shake, 0)
    path = jax.lax.fori_loop(0, CLEARINGS, lambda _, x: _cleared(x, inside, length), path)

    def body(_, path):
        forces = landscape.forces(path)
        along = jnp.roll(path, -1, axis=2) - jnp.roll(path, 1, axis=2)
        along = along / jnp.sqrt(jnp.sum(along**2, axis=(0, 1)) + 1e-300)
        forces = forces - jnp.sum(forces * along, axis=(0, 1)) * along
        step = forces / stiffness
        longest = jnp.sqrt(jnp.max(jnp.sum(step**2, axis=0), axis=0))
        step = step * jnp.minimum(1, CAP * length / (longest + 1e-300))
        step = jnp.where(inside & jnp.isfinite(longest), step, 0)
        return _even(path + step)

    path = jax.lax.fori_loop(0, ITERATIONS, body, path)
    return path, landscape.energy(path)


def _cleared(path: jax.Array, inside: jax.Array, length: jax.Array) -> jax.Array:
    """Bodies of interior images that are too near to each other, moved apart."""
    d = path[:, :, None] - path[:, None, :]
    r = jnp.sqrt(jnp.sum(d * d, axis=0) + 1e-12 * length**2)
    lack = jnp.maximum(NEAREST * length - r, 0) / r
    return path + jnp.where(inside, 0.25 * jnp.sum(lack * d, axis=2), 0)


def _even(path: jax.Array) -> jax.Array:
    """The images at even distances along their polygon."""
    hops = jnp.sqrt(jnp.sum((path[..., 1:] - path[..., :-1]) ** 2, axis=(0, 1)))
    along = jnp.concatenate([jnp.zeros(1), jnp.cumsum(hops)])
    wanted = jnp.linspace(0, 1, path.shape[2]) * along[-1]
    k = jnp.clip(jnp.searchsorted(along, wanted, side="right") - 1, 0, path.shape[2] - 2)
    share = (wanted - along[k]) / jnp.maximum(hops[k], 1e-300)
    moved = path[..., k] * (1 - share) + path[..., k + 1] * share
    return moved.at[..., 0].set(path[..., 0]).at[..., -1].set(path[..., -1])
