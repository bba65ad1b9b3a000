"""Hybrid eigenvector-following: saddles of clusters, many searches at once.

Uphill along the lowest mode of the Hessian, found by a few Lanczos steps without the zero modes,
and downhill by L-BFGS in all other directions (Munro & Wales, Phys. Rev. B 59, 3969, 1999; Kumeda,
Wales & Munro, Chem. Phys. Lett. 341, 185, 2001).

Shapes: q, mode (dim, N, B). What happens to one search does not depend on the others.
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

from .minimization import LANES, QuenchResult, quench
from .potential_energy import PotentialEnergy
from .zero_modes import project_out_zero_modes

LANCZOS = 4  # products with the Hessian a round
NOISE = 1e-12  # of a curvature: shorter vectors of Lanczos are rounding
DOWNHILL = 6  # steps of L-BFGS a round
UPHILL = 0.1  # longest step along the mode; longer ones leave the valley and find higher saddles
LEAST = 0.05  # shortest where the curvature is still positive
LOOSE = 1e-3  # of the gradient, where it is enough to know that a saddle is too high
SIDEWAYS = 0.2  # longest step of L-BFGS


class SaddleSearchResult(NamedTuple):
    """Where searches ended: q, mode (dim, N, B), energy, largest component of the gradient and
    curvature along the mode (B,), whether that is a saddle (B,), rounds taken (B,)."""

    q: jax.Array
    energy: jax.Array
    gradient: jax.Array
    converged: jax.Array
    mode: jax.Array
    curvature: jax.Array
    rounds: jax.Array


class _Search(NamedTuple):
    q: jax.Array
    energy: jax.Array
    g: jax.Array
    mode: jax.Array
    curvature: jax.Array
    memory: LBFGSHistory
    rounds: jax.Array
    done: jax.Array


@eqx.filter_jit
def eigenvector_following(
    potential: PotentialEnergy, q: Positions, mode: Positions, tolerance=1e-6, most=120,
    lanes: int = LANES, bar: jax.Array | float = jnp.inf,
) -> SaddleSearchResult:  # fmt: skip
    """Searches from q, first along `mode` (of any length), of at most `most` rounds each.

    A search is done where no component of the gradient exceeds `tolerance` and the curvature along
    the mode is negative. Whether other modes are too is for `stationary_points.stationary_point` to
    say. At most `lanes` searches are at work at once. A saddle above `bar`, an energy, is wanted no
    better than to LOOSE.
    """

    def arrived(x: _Search) -> jax.Array:
        enough = jnp.where(x.energy > bar + LOOSE, LOOSE, tolerance)
        return (_largest(x.g) <= enough) & (x.curvature < 0)

    def started(task):
        q, mode = task
        mode = _unit(project_out_zero_modes(potential.zero_modes(q), mode))
        energy, forces = potential.energy_and_forces(q)
        none = jnp.zeros(energy.shape, int)
        zero = jnp.zeros_like(energy)
        return _Search(q, energy, -forces, mode, zero, empty(q), none, none > 0)

    def step(x: _Search) -> _Search:
        new = _round(potential, x)
        rounds = x.rounds + 1
        small = arrived(new)
        lost = ~jnp.isfinite(new.energy) | (rounds >= most)
        return new._replace(rounds=rounds, done=small | lost)

    def result(x: _Search) -> SaddleSearchResult:
        return SaddleSearchResult(
            x.q, x.energy, _largest(x.g), arrived(x), x.mode, x.curvature, x.rounds
        )

    return run_batched((q, mode), lanes, started, step, lambda x: x.done, result)


def _largest(g: jax.Array) -> jax.Array:
    return jnp.max(jnp.abs(g), axis=(0, 1))


def _round(potential: PotentialEnergy, x: _Search) -> _Search:
    curvature, mode = _lowest(potential, x.q, x.mode)
    along = dot(x.g, mode)
    uphill = jnp.where(along < 0, -1.0, 1.0)
    size = jnp.abs(curvature)
    ratio = 2 * jnp.abs(along) / (size + jnp.sqrt(size**2 + 4 * along**2) + 1e-300)
    least = jnp.where(curvature > 0, LEAST, 0.0)
    q = x.q + uphill * jnp.clip(ratio, least, UPHILL) * mode
    energy, forces = potential.energy_and_forces(q)

    def across(g):
        return g - dot(g, mode) * mode

    memory = reset(x.memory, curvature > 0)
    scale = 0.1 * SIDEWAYS / jnp.maximum(jnp.sqrt(dot(forces, forces)), 0.1 * SIDEWAYS)

    def down(_, s):
        q, energy, g, memory, shorter = s
        slope = across(g)
        step = across(two_loop_direction(memory, slope, scale))
        step = jnp.where(dot(step, slope) > 0, -step, step)
        step = shorter * capped(step, SIDEWAYS)
        result, forces = potential.energy_and_forces(q + step)
        fine = result <= energy + 1e-9 * jnp.abs(energy)
        memory = push(memory, step, across(-forces - g), fine)
        shorter = jnp.where(fine, 1.0, 0.1 * shorter)
        return (
            jnp.where(fine, q + step, q), jnp.where(fine, result, energy),
            jnp.where(fine, -forces, g), memory, shorter,
        )  # fmt: skip

    start = (q, energy, -forces, memory, jnp.ones_like(energy))
    q, energy, g, memory, _ = jax.lax.fori_loop(0, DOWNHILL, down, start)
    return x._replace(q=q, energy=energy, g=g, mode=mode, curvature=curvature, memory=memory)


def _lowest(potential: PotentialEnergy, q: jax.Array, v: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The lowest Ritz value (B,) and vector of the Hessian after a few Lanczos steps from v."""
    zero = potential.zero_modes(q)
    steps = max(1, min(LANCZOS, q.shape[0] * q.shape[1] - len(zero)))
    basis, diagonal, beside = [v], [], []
    for k in range(steps):
        w = project_out_zero_modes(zero, potential.hessian_product(q, basis[k]))
        diagonal.append(dot(basis[k], w))
        if k:  # a direction that is none must not look soft
            stiff = jnp.abs(diagonal[0]) + diagonal[0] + 1
            diagonal[k] = jnp.where(beside[k - 1] > 0, diagonal[k], stiff)
        if k == steps - 1:
            break
        for other in basis:
            w = w - dot(other, w) * other
        size = jnp.sqrt(dot(w, w))
        beside.append(jnp.where(size > NOISE * jnp.abs(diagonal[0]), size, 0))
        basis.append(jnp.where(beside[-1] > 0, w / jnp.where(size > 0, size, 1), 0))
    matrix = jnp.zeros((q.shape[-1], steps, steps), q.dtype)
    for k in range(steps):
        matrix = matrix.at[:, k, k].set(diagonal[k])
        if k < steps - 1:
            matrix = matrix.at[:, k, k + 1].set(beside[k]).at[:, k + 1, k].set(beside[k])
    # a search that has left the finite world must not take the others with it
    values, vectors = jnp.linalg.eigh(jnp.where(jnp.isfinite(matrix), matrix, 0))
    result = jnp.einsum("kdnb,bk->dnb", jnp.stack(basis), vectors[:, :, 0])
    result = jnp.where(dot(result, v) < 0, -result, result)
    return values[:, 0], _unit(result)


def _unit(v: jax.Array) -> jax.Array:
    return v / jnp.maximum(jnp.sqrt(dot(v, v)), 1e-300)


@eqx.filter_jit
def soft_direction(
    potential: PotentialEnergy, q: Positions, push: Positions, rate, steps
) -> Positions:
    """Directions `push` (dim, N, B) at minima q, made soft: unit vectors along (1 - rate H)^steps
    push, H the Hessian, without motions of the whole. 1 over the largest curvature is a good
    rate."""
    zero = potential.zero_modes(q)

    def step(_, p):
        return p - rate * potential.hessian_product(q, p)

    return _unit(
        project_out_zero_modes(
            zero, jax.lax.fori_loop(0, steps, step, project_out_zero_modes(zero, push))
        )
    )


def quench_both_sides(
    potential: PotentialEnergy,
    q: Positions,
    mode: Positions,
    push=0.1,
    tolerance=1e-6,
    most=1000,
    cap=0.4,
) -> tuple[QuenchResult, QuenchResult]:
    """Minima on both sides of saddles by L-BFGS, from `push` along the mode and against it.

    L-BFGS is not steepest descent: now and then this is another minimum than the one that the
    saddle joins (`steepest_descent` tells).
    """
    both = jnp.concatenate([q + push * mode, q - push * mode], axis=-1)
    result = quench(potential, both, tolerance, most, cap)
    count = q.shape[-1]
    first = jax.tree.map(lambda x: x[..., :count], result)
    second = jax.tree.map(lambda x: x[..., count:], result)
    return first, second
