"""Minimisation of many configurations at once by L-BFGS with a cap on the step.

As Wales' GMIN does it: no line search; a step that raises the energy is shortened, and none is
longer than the cap (J. Phys. Chem. A 101, 5111, 1997). Liu & Nocedal, Math. Program. 45, 503, 1989.

Shapes: q (dim, N, B), B configurations. What happens to one does not depend on the others, to the
last bit.
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp

from .landscape import Landscape

MEMORY = 4  # as GMIN; more costs more than it saves
RISE = 1e-10  # of the energy, relative, that counts as rounding


class Quenched(NamedTuple):
    """Minima q (dim, N, B), energy (B,), largest component of the gradient (B,), whether it is
    below the tolerance (B,), and iterations of each (B,)."""

    q: jax.Array
    energy: jax.Array
    gradient: jax.Array
    ok: jax.Array
    iterations: jax.Array


class Memory(NamedTuple):
    """The last steps s and changes of the gradient y, (MEMORY, dim, N, B), with rho = 1/(s.y)
    (MEMORY, B), zero where nothing was learned; the newest in row `at`; `scale` (B,) is s.y/y.y of
    the last that taught something, zero before."""

    s: jax.Array
    y: jax.Array
    rho: jax.Array
    scale: jax.Array
    at: jax.Array


def dot(a: jax.Array, b: jax.Array) -> jax.Array:
    """The product of configurations (..., dim, N, B): (..., B)."""
    return jnp.sum(a * b, axis=(-3, -2))


def remembered(like: jax.Array) -> Memory:
    """An empty memory."""
    none = jnp.zeros((MEMORY, *like.shape), like.dtype)
    rho = jnp.zeros((MEMORY, like.shape[-1]), like.dtype)
    return Memory(none, none, rho, rho[0], jnp.asarray(0))


def updated(memory: Memory, s: jax.Array, y: jax.Array, keep: jax.Array) -> Memory:
    """The memory with a step more, of which the configurations `keep` (B,) learn if it has a
    positive curvature."""
    sy, yy = dot(s, y), dot(y, y)
    keep = keep & (sy > 1e-14 * yy)
    inverse = 1 / jnp.where(keep, sy, 1)
    at = (memory.at + 1) % MEMORY
    put = jax.lax.dynamic_update_index_in_dim
    return Memory(
        put(memory.s, jnp.where(keep, s, 0), at, 0),
        put(memory.y, jnp.where(keep, y, 0), at, 0),
        put(memory.rho, jnp.where(keep, inverse, 0), at, 0),
        jnp.where(keep, sy / jnp.where(keep, yy, 1), memory.scale),
        at,
    )


def forgotten(memory: Memory, lanes: jax.Array) -> Memory:
    """The memory without what the configurations `lanes` (B,) have learned."""
    rho, scale = jnp.where(lanes, 0, memory.rho), jnp.where(lanes, 0, memory.scale)
    return memory._replace(rho=rho, scale=scale)


def direction(memory: Memory, gradient: jax.Array, scale: jax.Array) -> jax.Array:
    """-H g by the two loops; `scale` (B,) is H where nothing is known yet."""
    alphas, d = [], gradient
    rows = [(memory.at - k) % MEMORY for k in range(MEMORY)]
    for k in rows:
        alphas.append(memory.rho[k] * dot(memory.s[k], d))
        d = d - alphas[-1] * memory.y[k]
    d = jnp.where(memory.scale > 0, memory.scale, scale) * d
    for k, alpha in zip(reversed(rows), reversed(alphas), strict=True):
        d = d + (alpha - memory.rho[k] * dot(memory.y[k], d)) * memory.s[k]
    return -d


def capped(step: jax.Array, cap: jax.Array | float) -> jax.Array:
    """Steps of at most `cap` in length."""
    length = jnp.sqrt(dot(step, step))
    return step * jnp.minimum(1, cap / jnp.maximum(length, jnp.finfo(step.dtype).tiny))


@eqx.filter_jit
def quench(landscape: Landscape, q: jax.Array, tolerance=1e-6, most=2000, cap=0.4) -> Quenched:
    """The minimum below each configuration, by at most `most` evaluations of the forces.

    A configuration is done when no component of its gradient exceeds `tolerance`. `cap` is the
    longest step (a length in 3N dimensions).
    """
    energy, forces = landscape.energy_and_forces(q)
    g = -forces
    scale = jnp.minimum(1.0, 0.1 * cap / _size(g))
    start = (q, energy, g, remembered(q), jnp.ones_like(energy), _largest(g) <= tolerance,
             jnp.zeros(energy.shape, int), jnp.asarray(0))  # fmt: skip

    def body(x):
        q, energy, g, memory, shorter, done, taken, count = x
        step = direction(memory, g, scale)
        step = jnp.where(dot(step, g) > 0, -step, step)
        step = shorter * capped(step, cap)
        found, forces = landscape.energy_and_forces(q + step)
        change = -forces - g
        fine = found <= energy + RISE * jnp.abs(energy)  # False for a NaN
        moved = fine & ~done
        memory = updated(memory, step, change, moved)
        # a step that is shortened to nothing means that the memory misleads
        lost = shorter < 1e-4
        memory = forgotten(memory, lost & ~done)
        shorter = jnp.where(moved | lost, 1.0, jnp.where(done, shorter, 0.1 * shorter))
        q = jnp.where(moved, q + step, q)
        g = jnp.where(moved, g + change, g)
        energy = jnp.where(moved, found, energy)
        taken = taken + ~done
        return q, energy, g, memory, shorter, done | (_largest(g) <= tolerance), taken, count + 1

    end = jax.lax.while_loop(lambda x: ~jnp.all(x[5]) & (x[7] < most), body, start)
    q, energy, g, _, _, done, taken, _ = end
    return Quenched(q, energy, _largest(g), done, taken)


def _largest(g: jax.Array) -> jax.Array:
    return jnp.max(jnp.abs(g), axis=(0, 1))


def _size(g: jax.Array) -> jax.Array:
    return jnp.maximum(jnp.sqrt(dot(g, g)), jnp.finfo(g.dtype).tiny)
