"""Many trajectories side by side, the batch last, without derivatives: for speed."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from actionrun.compiler.numerics.integrators.variational import GGL


class Many(NamedTuple):
    """States of a batch: q, p (n, batch), seeds (n, r + 2, batch) as in `Step`, the worst last
    relative change of an iteration so far (large: some step did not converge)."""

    q: jax.Array
    p: jax.Array
    seed: jax.Array
    worst: jax.Array


def started(ggl: GGL, theta, q, p, t) -> Many:
    """The states before the first step; theta (k, batch) or (k, 1), q, p (n, batch)."""
    return Many(q, p, ggl.guess(q, p, t, theta), jnp.zeros((), q.dtype))


@partial(eqx.filter_jit, donate="all-except-first")
def _advanced(fixed, x: Many) -> Many:
    ggl, theta, t0, h, first, steps = fixed
    minv = ggl.preconditioner(x.q, x.p, t0, theta)

    def step(k, x):
        t = t0 + h * (first + k)
        done = ggl.fixed_point(x.q, x.p, t, h, theta, minv, ggl.extrapolated(x.seed))
        return Many(done.q, done.p, done.seed, jnp.maximum(x.worst, done.change))

    return jax.lax.fori_loop(0, steps, step, x)


def advanced(ggl: GGL, theta, x: Many, t0, h, first: int, steps: int) -> Many:
    """The batch after `steps` more steps, the first of them number `first` (both dynamic)."""
    return _advanced((ggl, theta, jnp.asarray(t0), jnp.asarray(h), jnp.asarray(first),
                      jnp.asarray(steps)), x)  # fmt: skip
