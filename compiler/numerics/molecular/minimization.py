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
from actionrun.compiler.numerics.task_pool import worked

from .potential_energy import PotentialEnergy

MEMORY = 4  # as GMIN; more costs more than it saves
LANES = 64
STRIDE = 8  # steps between two looks at who is done
ENERGY_TOLERANCE = 1e-10  # of the energy, relative, that counts as rounding


class QuenchResult(NamedTuple):
    """Minima q (dim, N, B), energy (B,), largest component of the gradient (B,), whether it is
    below the tolerance (B,), and iterations of each (B,)."""

    q: jax.Array
    energy: jax.Array
    gradient: jax.Array
    ok: jax.Array
    iterations: jax.Array


class LBFGSHistory(NamedTuple):
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


def empty(like: jax.Array) -> LBFGSHistory:
    """An empty memory."""
    none = jnp.zeros((MEMORY, *like.shape), like.dtype)
    rho = jnp.zeros((MEMORY, like.shape[-1]), like.dtype)
    return LBFGSHistory(none, none, rho, rho[0], jnp.asarray(0))


def push(memory: LBFGSHistory, s: jax.Array, y: jax.Array, keep: jax.Array) -> LBFGSHistory:
    """The memory with a step more, of which the configurations `keep` (B,) learn if it has a
    positive curvature."""
    sy, yy = dot(s, y), dot(y, y)
    keep = keep & (sy > 1e-14 * yy)
    inverse = 1 / jnp.where(keep, sy, 1)
    at = (memory.at + 1) % MEMORY
    put = jax.lax.dynamic_update_index_in_dim
    return LBFGSHistory(
        put(memory.s, jnp.where(keep, s, 0), at, 0),
        put(memory.y, jnp.where(keep, y, 0), at, 0),
        put(memory.rho, jnp.where(keep, inverse, 0), at, 0),
        jnp.where(keep, sy / jnp.where(keep, yy, 1), memory.scale),
        at,
    )


def reset(memory: LBFGSHistory, lanes: jax.Array) -> LBFGSHistory:
    """The memory without what the configurations `lanes` (B,) have learned."""
    rho, scale = jnp.where(lanes, 0, memory.rho), jnp.where(lanes, 0, memory.scale)
    return memory._replace(rho=rho, scale=scale)


def two_loop_direction(memory: LBFGSHistory, gradient: jax.Array, scale: jax.Array) -> jax.Array:
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


class _Lanes(NamedTuple):
    q: jax.Array
    energy: jax.Array
    g: jax.Array
    memory: LBFGSHistory
    scale: jax.Array  # of the first step
    shorter: jax.Array  # share of the step that is tried
    taken: jax.Array
    done: jax.Array


@eqx.filter_jit
def quench(
    potential: PotentialEnergy, q: jax.Array, tolerance=1e-6, most=1000, cap=0.4, lanes: int = LANES
) -> QuenchResult:
    """The minimum below each configuration, by at most `most` evaluations of the forces.

    A configuration is done when no component of its gradient exceeds `tolerance`. `cap` is the
    longest step (a length in 3N dimensions). At most `lanes` are at work at once.
    """

    def begun(q):
        energy, forces = potential.energy_and_forces(q)
        scale = jnp.minimum(1.0, 0.1 * cap / _size(forces))
        taken = jnp.zeros(energy.shape, int)
        done = _largest(forces) <= tolerance
        one = jnp.ones_like(energy)
        return _Lanes(q, energy, -forces, empty(q), scale, one, taken, done)

    def step(x: _Lanes) -> _Lanes:
        step = two_loop_direction(x.memory, x.g, x.scale)
        step = jnp.where(dot(step, x.g) > 0, -step, step)
        step = x.shorter * capped(step, cap)
        found, forces = potential.energy_and_forces(x.q + step)
        change = -forces - x.g
        moved = (
            found <= x.energy + ENERGY_TOLERANCE * jnp.abs(x.energy)
        ) & ~x.done  # not for a NaN
        lost = (x.shorter < 1e-4) & ~x.done  # the memory misleads
        g = jnp.where(moved, x.g + change, x.g)
        taken = x.taken + ~x.done
        return _Lanes(
            q=jnp.where(moved, x.q + step, x.q),
            energy=jnp.where(moved, found, x.energy),
            g=g,
            memory=reset(push(x.memory, step, change, moved), lost),
            scale=x.scale,
            shorter=jnp.where(moved | lost, 1.0, jnp.where(x.done, x.shorter, 0.1 * x.shorter)),
            taken=taken,
            done=x.done | (_largest(g) <= tolerance) | (taken >= most),
        )

    def result(x: _Lanes) -> QuenchResult:
        gradient = _largest(x.g)
        return QuenchResult(x.q, x.energy, gradient, gradient <= tolerance, x.taken)

    return worked(q, lanes, begun, step, lambda x: x.done, result, STRIDE)


def _largest(g: jax.Array) -> jax.Array:
    return jnp.max(jnp.abs(g), axis=(0, 1))


def _size(g: jax.Array) -> jax.Array:
    return jnp.maximum(jnp.sqrt(dot(g, g)), jnp.finfo(g.dtype).tiny)
