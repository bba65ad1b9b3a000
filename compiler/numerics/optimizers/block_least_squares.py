"""Levenberg-Marquardt for least squares with shared and local unknowns, by block elimination.

The shared unknowns c stand in every block of residuals, the local ones s in one alone (the initial
state of a trial, or of a segment of it); the normal equations are an arrow, and the local unknowns
are eliminated block by block, so that time and memory are linear in the blocks (Bock, in Modelling
of Chemical Reaction Systems, Springer Series in Chemical Physics 18, 102, 1981: condensing). Where
blocks are linked, the end of one to the start of the next, the arrow's shaft is block tridiagonal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.linalg import solve
from jaxtyping import Array, Bool, Float, Int

from .inequality_constraints import (
    allowed_cost,
    ended_on,
    feasible_start,
    feasible_step,
    value_and_jacobian,
)
from .levenberg_marquardt import ROUNDING, Progress, outward


class Unknowns(NamedTuple):
    """Shared ones (k, lanes), and local ones (m, segments, trials, lanes)."""

    shared: Float[Array, "k lanes"]
    local: Float[Array, "m segments trials lanes"]


class Prior(NamedTuple):
    """A normal prior of the shared unknowns; a precision of zero is none."""

    mean: Float[Array, " k"]
    precision: Float[Array, " k"]


class BlockResiduals(NamedTuple):
    """Residuals of blocks. `values(x)` of x (k + m, segments * trials, lanes): rows (rows, segments
    * trials, lanes), of which the last 2 `state` are the state at a block's end and at its start,
    which the end of the block before it must meet where `linked` (segments - 1, trials);
    `stiffness` weighs how well. Without links `state` is 0."""

    values: Callable[[jax.Array], jax.Array]
    state: int = 0
    linked: jax.Array | None = None
    stiffness: jax.Array | float = 1.0


class NormalEquations(NamedTuple):
    """J^T J and J^T r in blocks: shared (k, k, lanes); across (m, k, segments, trials, lanes);
    local (m, m, segments, trials, lanes); next (m, m, segments - 1, trials, lanes), from a segment
    to the next; and the gradients."""

    shared: jax.Array
    across: jax.Array
    local: jax.Array
    next: jax.Array
    shared_gradient: jax.Array
    local_gradient: jax.Array


class BlockFit(NamedTuple):
    """Solutions; cost (lanes,) with the priors' part; the normal equations there; shared unknowns
    at a bound (k, lanes); whether each converged; slopes of active inequalities (m, k, lanes)."""

    unknowns: Unknowns
    cost: Float[Array, " lanes"]
    normal: NormalEquations
    at_bound: Bool[Array, "k lanes"]
    iterations: Int[Array, ""]
    converged: Bool[Array, " lanes"]
    active_normals: Float[Array, "i k lanes"] | None = None


def joined(x: Unknowns) -> Float[Array, "k+m blocks lanes"]:
    """The unknowns of each block, a column a block."""
    k, lanes = x.shared.shape
    m, blocks = x.local.shape[0], x.local.shape[1] * x.local.shape[2]
    shared = jnp.broadcast_to(x.shared[:, None], (k, blocks, lanes))
    return jnp.concatenate([shared, x.local.reshape((m, blocks, lanes))])


def normal_equations(
    blocks: BlockResiduals, x: Unknowns, prior: Prior | None
) -> tuple[Float[Array, " lanes"], NormalEquations]:
    """The cost and the normal equations at x."""
    k, lanes = x.shared.shape
    m, segments, trials, _ = x.local.shape
    out, J = value_and_jacobian(blocks.values, joined(x))
    out = out.reshape((-1, segments, trials, lanes))
    J = J.reshape((len(out), k + m, segments, trials, lanes))
    rows = len(out) - 2 * blocks.state
    r, Jc, Js = out[:rows], J[:rows, :k], J[:rows, k:]
    cost = jnp.sum(r * r, axis=(0, 1, 2))
    shared = jnp.einsum("ria...,rja...->ij...", Jc, Jc).sum(axis=2)
    across = jnp.einsum("ria...,rja...->ija...", Js, Jc)
    local = jnp.einsum("ria...,rja...->ija...", Js, Js)
    shared_gradient = jnp.einsum("ria...,ra...->i...", Jc, r).sum(axis=1)
    local_gradient = jnp.einsum("ria...,ra...->ia...", Js, r)
    following = jnp.zeros((m, m, segments - 1, trials, lanes), out.dtype)
    if blocks.state and segments > 1 and blocks.linked is not None:
        e = blocks.state
        weight = (blocks.stiffness * blocks.linked)[None, :, :, None]
        end, start = out[rows : rows + e, :-1], out[rows + e :, 1:]
        gap = (end - start) * weight
        of_end = J[rows : rows + e, :, :-1] * weight[None]
        of_start = -J[rows + e :, :, 1:] * weight[None]
        Gc = of_end[:, :k] + of_start[:, :k]
        G0, G1 = of_end[:, k:], of_start[:, k:]
        cost = cost + jnp.sum(gap * gap, axis=(0, 1, 2))
        shared = shared + jnp.einsum("ria...,rja...->ij...", Gc, Gc).sum(axis=2)
        shared_gradient = shared_gradient + jnp.einsum("ria...,ra...->i...", Gc, gap).sum(axis=1)
        product = "ria...,rja...->ija..."
        across = across.at[:, :, :-1].add(jnp.einsum(product, G0, Gc))
        across = across.at[:, :, 1:].add(jnp.einsum(product, G1, Gc))
        local = local.at[:, :, :-1].add(jnp.einsum(product, G0, G0))
        local = local.at[:, :, 1:].add(jnp.einsum(product, G1, G1))
        following = jnp.einsum(product, G0, G1)
        local_gradient = local_gradient.at[:, :-1].add(jnp.einsum("ria...,ra...->ia...", G0, gap))
        local_gradient = local_gradient.at[:, 1:].add(jnp.einsum("ria...,ra...->ia...", G1, gap))
    if prior is not None:
        off, tight = x.shared - prior.mean[:, None], prior.precision[:, None]
        cost = cost + jnp.sum(tight * off**2, axis=0)
        shared = shared + jnp.eye(k)[..., None] * tight[:, None]
        shared_gradient = shared_gradient + tight * off
    return cost, NormalEquations(shared, across, local, following, shared_gradient, local_gradient)


class Elimination(NamedTuple):
    """The local unknowns eliminated: `reduced` (k, k, lanes) and `right` (k, lanes) of the shared
    ones; what back substitution needs: D^-1 [across | right] (m, k + 1, segments, trials, lanes)
    and D^-1 next."""

    reduced: jax.Array
    right: jax.Array
    solved: jax.Array
    onward: jax.Array


def eliminate(normal: NormalEquations) -> Elimination:
    """Block Gaussian elimination of the local unknowns, from the first segment to the last."""
    k, m = normal.shared.shape[0], normal.local.shape[0]
    segments = normal.local.shape[2]
    side = jnp.concatenate([normal.across, -normal.local_gradient[:, None]], axis=1)

    def forward(before, now):
        carried_matrix, carried_side = before
        local, side, following = now
        D, B = local - carried_matrix, side - carried_side
        done = solve(D, jnp.concatenate([B, following], axis=1))
        solved, onward = done[:, : k + 1], done[:, k + 1 :]
        matrix = jnp.einsum("ji...,jl...->il...", following, onward)
        carried = jnp.einsum("ji...,jl...->il...", following, solved)
        taken = jnp.einsum("ji...,jl...->il...", B, solved)
        return (matrix, carried), (solved, onward, taken)

    last = jnp.zeros((m, m, 1, *normal.local.shape[3:]), normal.local.dtype)
    following = jnp.concatenate([normal.next, last], axis=2)
    zero = (jnp.zeros_like(normal.local[:, :, 0]), jnp.zeros_like(side[:, :, 0]))
    each = tuple(jnp.moveaxis(a, 2, 0) for a in (normal.local, side, following))
    if segments == 1:
        _, results = forward(zero, tuple(a[0] for a in each))
        results = tuple(a[None] for a in results)
    else:
        _, results = jax.lax.scan(forward, zero, each)
    solved, onward, taken = results
    total = jnp.sum(taken, axis=(0, 3))
    return Elimination(
        normal.shared - total[:k, :k],
        -normal.shared_gradient - total[:k, k],
        jnp.moveaxis(solved, 0, 2),
        jnp.moveaxis(onward, 0, 2),
    )


def back_substituted(
    done: Elimination, shared: Float[Array, "k lanes"]
) -> Float[Array, "m segments trials lanes"]:
    """The local unknowns that belong to shared ones."""
    k = len(shared)
    alone = done.solved[:, k] - jnp.einsum("ijst...,j...->ist...", done.solved[:, :k], shared)

    def backward(after, now):
        alone, onward = now
        here = alone - jnp.einsum("ij...,j...->i...", onward, after)
        return here, here

    each = jnp.moveaxis(alone, 1, 0), jnp.moveaxis(done.onward, 2, 0)
    if len(each[0]) == 1:
        return alone
    _, local = jax.lax.scan(backward, jnp.zeros_like(alone[:, 0]), each, reverse=True)
    return jnp.moveaxis(local, 0, 1)


def block_least_squares(
    blocks: BlockResiduals,
    x: Unknowns,
    low: Float[Array, "k #lanes"],
    high: Float[Array, "k #lanes"],
    iterations: int | jax.Array,
    tolerance: float | jax.Array,
    prior: Prior | None = None,
    inequalities: Callable[[jax.Array], jax.Array] | None = None,
) -> BlockFit:
    """Minimise the sum of squares from x, the shared unknowns within [low, high] and, where there
    are `inequalities`, where these functions of them, (i, lanes), are not negative.

    Convergence, damping and bounds as `levenberg_marquardt` has them.
    """
    k, lanes = x.shared.shape
    low, high = (jnp.broadcast_to(e, (k, lanes)) for e in (low, high))
    dtype = x.shared.dtype
    tiny, eps = jnp.finfo(dtype).tiny, jnp.finfo(dtype).eps
    eye_k, eye_m = jnp.eye(k)[..., None], jnp.eye(x.local.shape[0])[..., None, None, None]

    def at(x):
        cost, normal = normal_equations(blocks, x, prior)
        return allowed_cost(inequalities, x.shared, cost), normal

    def stepped(x, normal, damping):
        free = ~outward(x.shared, normal.shared_gradient, low, high)
        scale, scale_s = scales(normal)
        scaled = in_units(normal, scale, scale_s, free)
        scaled = scaled._replace(
            shared=scaled.shared + eye_k * (damping + jnp.where(free, 0, 1)[:, None]),
            local=scaled.local + eye_m * damping,
        )
        done = eliminate(scaled)
        right = jnp.where(free, done.right, 0)
        reduced = jnp.where(free[:, None] & free[None], done.reduced, eye_k)
        c = feasible_step(inequalities, x.shared, scale, (reduced, right), free, (low, high))
        moved = jnp.where(free, (c - x.shared) * scale, 0)
        return Unknowns(c, x.local + back_substituted(done, moved) / scale_s)

    def body(state):
        x, trial, normal, before = state
        cost, new_normal = at(trial)
        of_shared, of_local = (
            jnp.max(jnp.abs(b - a) / (jnp.abs(a) + jnp.abs(b) + tiny), axis=axes, initial=0.0)
            for a, b, axes in ((x.shared, trial.shared, 0), (x.local, trial.local, (0, 1, 2)))
        )
        now, keep = before.after(cost, jnp.maximum(of_shared, of_local), tolerance, rounding)
        x, normal = jax.tree.map(
            lambda new, old: jnp.where(keep, new, old), (trial, new_normal), (x, normal)
        )
        return x, stepped(x, normal, now.damping), normal, now

    x = Unknowns(feasible_start(inequalities, x.shared, low, high), x.local)
    count_rows = jax.eval_shape(blocks.values, joined(x)).shape
    rounding = (ROUNDING * eps) ** 2 * count_rows[0] * count_rows[1]
    empty = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), jax.eval_shape(at, x)[1])
    x, _, normal, last = jax.lax.while_loop(
        lambda s: ~jnp.all(s[-1].done) & (s[-1].tried <= iterations), body,
        (x, x, empty, Progress.start((lanes,), dtype)),
    )  # fmt: skip
    at_bound = outward(x.shared, normal.shared_gradient, low, high)
    converged = last.done & jnp.isfinite(last.cost)
    fit = BlockFit(x, last.cost, normal, at_bound, last.tried - 1, converged)
    if inequalities is None:
        return fit
    free = ~at_bound
    scale, scale_s = scales(normal)
    done = eliminate(in_units(normal, scale, scale_s, free))
    reduced = jnp.where(free[:, None] & free[None], done.reduced, eye_k)
    system = reduced, jnp.where(free, done.right, 0)
    slopes, alone = ended_on(inequalities, x.shared, scale, system, free)
    return fit._replace(active_normals=slopes, at_bound=at_bound | alone)


def scales(
    normal: NormalEquations,
) -> tuple[Float[Array, "k lanes"], Float[Array, "m segments trials lanes"]]:
    """Marquardt's scales of the shared and the local unknowns: 1 where one has no effect."""
    diagonals = (jnp.einsum("ii...->i...", normal.shared), jnp.einsum("ii...->i...", normal.local))
    shared, local = (jnp.sqrt(jnp.where(d > 0, d, 1)) for d in diagonals)
    return shared, local


def in_units(
    normal: NormalEquations,
    scale: Float[Array, "k lanes"],
    scale_s: Float[Array, "m segments trials lanes"],
    free: Bool[Array, "k lanes"],
) -> NormalEquations:
    """The normal equations in scaled unknowns; shared ones that are not `free` have no part in
    them, and local ones without effect stand alone."""
    both = jnp.where(free[:, None] & free[None], 1, 0) / (scale[:, None] * scale[None])
    wide, there = jnp.where(free, 1 / scale, 0), jnp.einsum("ii...->i...", normal.local) > 0
    alone = jnp.eye(len(scale_s))[..., None, None, None] * jnp.where(there, 0, 1)[:, None]
    local = normal.local / (scale_s[:, None] * scale_s[None]) + alone
    following = normal.next / (scale_s[:, None, :-1] * scale_s[None, :, 1:])
    return NormalEquations(
        normal.shared * both,
        normal.across * wide[None, :, None, None] / scale_s[:, None],
        local, following,
        normal.shared_gradient * wide,
        normal.local_gradient / scale_s,
    )  # fmt: skip


def best_lane(fit: BlockFit) -> BlockFit:
    """The lane of least cost, as a fit of one lane."""
    cost = np.asarray(fit.cost)
    return lane_of(fit, int(np.argmin(np.where(np.isfinite(cost), cost, np.inf))))


def lane_of(fit: BlockFit, lane: int) -> BlockFit:
    """One lane of a fit, as a fit of one lane."""
    return jax.tree.map(lambda a: np.asarray(a)[..., lane : lane + 1] if jnp.ndim(a) else a, fit)
