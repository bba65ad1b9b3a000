"""Derivatives of what a trajectory adds up to, by the adjoint of the iteration.

A step's unknowns solve x = pass(x, start, theta). Their derivative needs no unrolling: the
cotangent solves the transposed fixed point, which contracts as fast as the forward one. Only every
sqrt(N)-th state is kept; the steps between are taken again on the way back (Griewank, Optim.
Methods Softw. 1, 35, 1992), so memory grows with the root of the number of steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from actionrun.compiler.numerics.integrators import force_form
from actionrun.compiler.numerics.integrators.variational import GGL
from actionrun.compiler.numerics.linalg import apply

HEADSTART = 4  # passes that the forward iteration saves by its guess
KEPT_BYTES = 2**21  # trajectories up to this size are kept whole, which saves taking them again

Running = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def step(ggl: GGL, q, p, t, h, theta, guess):
    """(q', p', seed, passes) of one step; the guess of the seed carries no derivative."""
    return _forward(ggl, q, p, t, h, theta, guess)[0]


def _forward(ggl: GGL, q, p, t, h, theta, guess):
    minv = ggl.preconditioner(q, p, t, theta)
    done = ggl.fixed_point(q, p, t, h, theta, minv, guess)
    return (done.q, done.p, done.seed, done.iterations), (
        q,
        p,
        t,
        h,
        theta,
        done.seed,
        done.iterations,
    )


def _backward(ggl: GGL, kept, wanted):
    q, p, t, h, theta, seed, passes = kept
    of_q, of_p, of_seed, _ = wanted
    x = _unknowns(ggl, seed)
    _, pull_ends = jax.vjp(partial(_ends, ggl), q, p, t, h, theta, x)
    *direct, source = pull_ends((of_q, of_p))
    source = source + _unknowns(ggl, of_seed)
    _, pull_pass = jax.vjp(partial(_iterated, ggl), q, p, t, h, theta, x)

    def twice(_, x):
        return source + pull_pass(source + pull_pass(x)[-1])[-1]

    # the transposed map contracts like the forward one, which began from a good guess
    adjoint = jax.lax.fori_loop(0, (passes + HEADSTART) // 2, twice, source)
    *through, _ = pull_pass(adjoint)
    return (*(a + b for a, b in zip(direct, through, strict=True)), jnp.zeros_like(seed))


step.defvjp(_forward, _backward)


def _unknowns(ggl: GGL, seed) -> jax.Array:
    """What the iterations of a step are over: of forces, all but the last node's."""
    return seed[:, :-1] if ggl.force_form else seed


def _iterated(ggl: GGL, q, p, t, h, theta, x) -> jax.Array:
    """Unknowns x after one more iteration: a step solves x = iterated(x)."""
    minv = ggl.preconditioner(q, p, t, theta)
    if not ggl.force_form:  # the preconditioner leaves no trace in the solution
        return ggl.iterate(q, p, t, h, theta, jax.lax.stop_gradient(minv), x)
    at = force_form.start_step(q, p, t, h, theta, minv)
    kicks = at.kicks(tuple(x))
    return jnp.stack(force_form.forces(ggl.mechanics, ggl.rule, at, kicks, slice(0, -1)))


def _ends(ggl: GGL, q, p, t, h, theta, x) -> tuple[jax.Array, jax.Array]:
    """q', p' of a step with unknowns x."""
    if ggl.force_form:
        at = force_form.start_step(q, p, t, h, theta, ggl.preconditioner(q, p, t, theta))
        end = force_form.finish_step(ggl.mechanics, ggl.rule, at, tuple(x))
        return q + end.dq, p + end.dp
    none = jnp.zeros((), x.dtype)
    done = ggl.finish(q, p, t, h, theta, x, jnp.asarray(0), none)
    return done.q, done.p


def total(ggl: GGL, running: Running, theta, q, p, t0, h, steps: int) -> jax.Array:
    """The sum of running(q_n, p_n, t_n) over n = 1..steps, differentiable in reverse mode.

    theta (k,), q, p (n,); running returns a scalar. Differentiate by theta, q, p, t0 and h with
    `jax.grad`; memory is that of 2 sqrt(steps) states, or 2 MiB for short runs. A
    quadratic Lagrangian is one linear map.
    """
    size = q.dtype.itemsize * len(q) * (ggl.r + 6)
    few = steps * size <= KEPT_BYTES
    length = max(1, steps if few else math.isqrt(steps))
    whole, rest = divmod(steps, length)
    prepared = ggl.affine(h, theta, dtype=q.dtype) if ggl.mechanics.linear else None
    seed = None if prepared else jax.lax.stop_gradient(ggl.guess(q, p, t0, theta))

    def one(carry, k):
        q, p, seed, value = carry
        t = t0 + h * k
        if prepared:
            z = jnp.concatenate([q, p])
            z = z + apply(prepared[0], z) + prepared[1]
            q, p = z[: len(q)], z[len(q) :]
        else:
            guess = jax.lax.stop_gradient(ggl.extrapolated(seed))
            q, p, seed, _ = step(ggl, q, p, t, h, theta, guess)
        return (q, p, seed, value + running(q, p, t + h)), None

    def segment(carry, first):
        return jax.lax.scan(one, carry, first + jnp.arange(length))

    segment = segment if few else jax.checkpoint(segment)

    carry = (q, p, seed, jnp.zeros((), q.dtype))
    carry, _ = jax.lax.scan(segment, carry, length * jnp.arange(whole))
    if rest:
        carry, _ = jax.lax.scan(one, carry, whole * length + jnp.arange(rest))
    return carry[3]
