"""Many trajectories at once, through the GGL integrator, differentiable in everything.

Shapes: theta (k, *batch), q, p (n, *batch), results (samples, n, *batch). The batch comes last.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from actionrun.compiler.numerics.linalg import apply
from jaxtyping import Array, Float

from .constrained import Constrained
from .variational import GGL

BatchIntegrator = GGL | Constrained


class Motion(NamedTuple):
    """Sampled motions: positions and momenta (samples, n, *batch); `change`: the worst last
    relative change of the iteration, (*batch): large where a step did not converge."""

    q: jax.Array
    p: jax.Array
    change: jax.Array


def motions(
    integrator: BatchIntegrator, theta, q, p, h, steps: int, every: int = 1, contracts: bool = False
) -> Motion:
    """Motions over `steps` equal steps, kept every `every` steps, the start included, which is put
    on the surface where there are constraints.

    `contracts`: the fixed-point iteration is known to converge; cheaper, with the same result.
    """
    batch, dtype = q.shape[1:], q.dtype
    n = len(q)
    q, p = integrator.project_to_constraints(q, p, jnp.zeros((), dtype), theta)
    if isinstance(integrator, GGL) and integrator.linear:
        D, d = integrator.affine(h, theta, batch, dtype)

        def linear_step(z, _):
            for _ in range(every):
                z = z + apply(D, z) + d
            return z, z

        start = jnp.concatenate([q, p])
        _, zs = jax.lax.scan(linear_step, start, None, length=steps // every)
        zs = jnp.concatenate([start[None], zs])
        return Motion(zs[:, :n], zs[:, n:], jnp.zeros(batch, dtype))

    def step(carry, k):
        q, p, seed, worst = carry
        for j in range(every):
            t = h * (k * every + j)
            guess = integrator.extrapolated(seed, far=not contracts)
            done = integrator.implicit(q, p, t, h, theta, guess, contracts)
            q, p, seed = done.q, done.p, done.seed
            worst = jnp.maximum(worst, jax.lax.stop_gradient(done.change))
        return (q, p, seed, worst), (q, p)

    zero = jnp.zeros((), dtype)
    seed = jax.lax.stop_gradient(integrator.guess(q, p, zero, theta))
    start = (q, p, seed, jnp.zeros(batch, dtype))
    (_, _, _, worst), (qs, ps) = jax.lax.scan(step, start, jnp.arange(steps // every))
    return Motion(jnp.concatenate([q[None], qs]), jnp.concatenate([p[None], ps]), worst)


class Grid(NamedTuple):
    """Steps that land on given sample times: t, h (steps, trials), and where samples end.

    `sample` (samples, trials) is the number of steps taken before each sample. Trials that are
    shorter than others are filled up with steps of length zero. `driven`: constants (m, steps,
    trials) of the law that each step has of its own, behind those of theta, and `driven_samples`
    (m, samples, trials) at the samples.
    """

    t: jax.Array
    h: jax.Array
    sample: jax.Array
    driven: jax.Array | None = None
    driven_samples: jax.Array | None = None

    def theta_at_start(self, theta: jax.Array) -> jax.Array:
        """All constants (constants, *batch) at the first samples."""
        driven = self.driven_samples
        return theta if driven is None else with_driven(theta, driven[:, 0])

    def theta_at_samples(self, theta: jax.Array) -> jax.Array:
        """All constants at the samples, (constants, samples, *batch); where none is driven, theta
        (constants, *batch) as it is."""
        if self.driven_samples is None:
            return theta
        count = self.driven_samples.shape[1]
        theta = jnp.broadcast_to(theta[:, None], (len(theta), count, *theta.shape[1:]))
        return with_driven(theta, self.driven_samples)


def with_driven(
    theta: Float[Array, "k ..."], driven: Float[Array, "m ..."]
) -> Float[Array, "k+m ..."]:
    """Constants theta (k, *batch), or (k, rows, *batch), and behind them driven ones (m, trials),
    or (m, rows, trials); trials are the first axis of the batch."""
    driven = driven[(..., *(None,) * (theta.ndim - driven.ndim))]
    shape = (len(driven), *theta.shape[1:])
    return jnp.concatenate([theta, jnp.broadcast_to(driven.astype(theta.dtype), shape)])


def motions_on(
    integrator: BatchIntegrator, theta, q, p, grid: Grid, contracts: bool = False
) -> Motion:
    """Motions at the samples of a grid; the batch is (trials,) or (trials, more). The start is put
    on the surface where there are constraints."""
    extra = (None,) * (q.ndim - 2)
    dtype = q.dtype
    first = grid.theta_at_start(theta)
    q, p = integrator.project_to_constraints(q, p, grid.t[0][(..., *extra)], first)
    driven = None if grid.driven is None else grid.driven.swapaxes(0, 1)

    def step(carry, now):
        q, p, worst = carry
        t, h = (x[(..., *extra)] for x in now[:2])
        constants = theta if now[2] is None else with_driven(theta, now[2])
        seed = jax.lax.stop_gradient(integrator.guess(q, p, t, constants))
        done = integrator.implicit(q, p, t, h, constants, seed, contracts)
        worst = jnp.maximum(worst, jax.lax.stop_gradient(done.change))
        return (done.q, done.p, worst), (done.q, done.p)

    start = (q, p, jnp.zeros(q.shape[1:], dtype))
    (_, _, worst), (qs, ps) = jax.lax.scan(step, start, (grid.t, grid.h, driven))
    qs, ps = jnp.concatenate([q[None], qs]), jnp.concatenate([p[None], ps])
    index = grid.sample[(slice(None), None, slice(None), *extra)]
    index = jnp.broadcast_to(index, (grid.sample.shape[0], *q.shape))
    return Motion(
        jnp.take_along_axis(qs, index, axis=0), jnp.take_along_axis(ps, index, axis=0), worst
    )
