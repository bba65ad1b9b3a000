"""Quenches: minimisation of many configurations at once by L-BFGS with a cap on the step.

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
from actionrun.compiler.numerics.array_types import Positions
from actionrun.compiler.numerics.optimizers.lbfgs import (
    LBFGSHistory,
    capped,
    dot,
    empty,
    push,
    reset,
    two_loop_direction,
)
from actionrun.compiler.numerics.task_pool import run_batched

from .potential_energy import PotentialEnergy

LANES = 64
STRIDE = 8  # steps between two looks at who is done
ENERGY_TOLERANCE = 1e-10  # of the energy, relative, that counts as rounding


class QuenchResult(NamedTuple):
    """Minima q (dim, N, B), energy (B,), largest component of the gradient (B,), whether it is
    below the tolerance (B,), and iterations of each (B,)."""

    q: jax.Array
    energy: jax.Array
    gradient: jax.Array
    converged: jax.Array
    iterations: jax.Array


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
    potential: PotentialEnergy, q: Positions, tolerance=1e-6, most=1000, cap=0.4, lanes: int = LANES
) -> QuenchResult:
    """The minimum below each configuration, by at most `most` evaluations of the forces.

    A configuration is done when no component of its gradient exceeds `tolerance`. `cap` is the
    longest step (a length in 3N dimensions). At most `lanes` are at work at once.
    """

    def started(q):
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
        energy, forces = potential.energy_and_forces(x.q + step)
        change = -forces - x.g
        moved = (
            energy <= x.energy + ENERGY_TOLERANCE * jnp.abs(x.energy)
        ) & ~x.done  # not for a NaN
        lost = (x.shorter < 1e-4) & ~x.done  # the memory misleads
        g = jnp.where(moved, x.g + change, x.g)
        taken = x.taken + ~x.done
        return _Lanes(
            q=jnp.where(moved, x.q + step, x.q),
            energy=jnp.where(moved, energy, x.energy),
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

    return run_batched(q, lanes, started, step, lambda x: x.done, result, STRIDE)


def _largest(g: jax.Array) -> jax.Array:
    return jnp.max(jnp.abs(g), axis=(0, 1))


def _size(g: jax.Array) -> jax.Array:
    return jnp.maximum(jnp.sqrt(dot(g, g)), jnp.finfo(g.dtype).tiny)
