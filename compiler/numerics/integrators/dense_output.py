"""The polynomial of a step between its ends: the motion at any time, and crossings of zero.

The path of a step has degree r + 1 in the positions and r in the velocities. Inside the step its
positions are accurate to order r + 2 and its velocities to order r + 1 (at the ends of a step the
method is of order 2r + 2): with r interior points this is the dense output of a collocation method
(Hairer, Lubich and Wanner, Geometric Numerical Integration, II.1.2).
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .mechanics import FlatMechanics, Parameters, StateFunctions, TimeTransform
from .quadrature import rule

BISECTIONS = 60  # of [0, 1]: below the spacing of floats near 1
FEWEST = 6  # interior points of a step at which events are looked at, at least
BATCH = 256  # of roots or outputs that are computed together


def state(r: int, q, w, h, s):
    """Positions and velocities (n, ...) at s in [0, 1] of steps from q (n, ...).

    `w` are the Legendre coefficients (n, r + 1, ...) of the velocity of each step.
    """
    x = 2 * s - 1
    before, here = -jnp.ones_like(x), jnp.ones_like(x)  # P_-1 such that P_1 - P_-1 integrates P_0
    v, dq = jnp.zeros_like(q), jnp.zeros_like(q)
    for k in range(r + 1):
        after = x if k == 0 else ((2 * k + 1) * x * here - k * before) / (k + 1)
        v = v + w[:, k] * here
        dq = dq + w[:, k] * ((after - before) / (2 * (2 * k + 1)))
        before, here = here, after
    return q + h * dq, v


class StepPaths(eqx.Module):
    """Paths of the steps of a method with r interior points; `events` (optional) are functions
    whose zeros are looked for.

    Where steps are of a transformed time, states are (q, t), (p, -E): physical time is on a path
    like any coordinate, with the rate dt/ds. `mechanics` and `events` are of physical velocities.
    """

    mechanics: FlatMechanics
    r: int = eqx.field(static=True)
    events: StateFunctions | None
    clock: TimeTransform | None

    @property
    def size(self) -> int:
        """Degrees of freedom."""
        return self.mechanics.n

    @property
    def grid(self) -> np.ndarray:
        """Points of a step at which events are looked at, both ends included."""
        return rule(max(self.r, FEWEST)).nodes

    def coefficients(
        self, q: Float[Array, "steps k"], V: Float[Array, "steps n s"], h, theta: Parameters
    ) -> Float[Array, "k modes steps"]:
        """Legendre coefficients of the rates of paths from q, of nodal velocities V."""
        rates = V
        if self.clock is not None:
            x, there = q[:, :-1].T[:, None], jnp.moveaxis(V, 0, -1)  # (n, 1, steps), (n, s, steps)
            Q = x + h * jnp.einsum("ij,njk->nik", jnp.asarray(rule(self.r).integrate), there)
            rate = self.clock.rate(Q, self.mechanics.over_batch(theta, 2))  # (1, s, steps)
            rates = jnp.concatenate([V, jnp.moveaxis(rate, -1, 0)], axis=1)
        return jnp.einsum("js,kns->njk", jnp.asarray(rule(self.r).coefficients, V.dtype), rates)

    def state(self, q, w, h, s, t=None):
        """q, v (n, ...) and t at s of steps from q (k, ...) at t."""
        x, dx = state(self.r, q, w, h, s)
        if self.clock is None:
            return x, dx, None if t is None else t + h * s
        return x[:-1], dx[:-1] / dx[-1], x[-1]

    def at_ends(self, q, p, t, theta: Parameters):
        """q, v (n, ...) and t of the states (k, ...) between steps."""
        if self.clock is not None:
            q, p, t = q[:-1], p[:-1], q[-1]
        return q, self.mechanics.velocity(q, p, t, self.mechanics.over_batch(theta)), t

    def event_values(self, q, v, t, theta: Parameters) -> Float[Array, "m ..."]:
        if self.events is None:
            return jnp.zeros((0, *q.shape[1:]), q.dtype)
        return self.events(q, v, t, self.mechanics.over_batch(theta))


@eqx.filter_jit
def survey(paths: StepPaths, q, p, t, V, h, theta):
    """Events (m, steps, points) of each step at `paths.grid`, and the coefficients of the paths.

    q, p are (steps + 1, n), t (steps + 1,). At the ends of steps events are of the states, not of
    the polynomials, so that two steps agree about the point that they share.
    """
    w = paths.coefficients(q[:-1], V, h, theta)
    ends = paths.event_values(*paths.at_ends(q.T, p.T, t, theta), theta)
    points = [ends[:, :-1]]
    for s in paths.grid[1:-1]:
        there = paths.state(q[:-1].T, w, h, jnp.full(len(V), s, q.dtype), t[:-1])
        points.append(paths.event_values(*there, theta))
    return jnp.stack([*points, ends[:, 1:]], axis=-1), w


@eqx.filter_jit
def coefficients(paths: StepPaths, q, V, h, theta):
    return paths.coefficients(q, V, h, theta)


@eqx.filter_jit
def states(paths: StepPaths, q, w, h, s):
    """Positions and velocities (n, k) at s (k,) of k steps."""
    return paths.state(q, w, h, s)[:2]


@eqx.filter_jit
def step_fractions(paths: StepPaths, q, w, h, times):
    """Where (k,) on each of k steps its physical time is `times` (k,): by bisection, since it
    grows."""

    def halved(_, bracket):
        low, high = bracket
        s = (low + high) / 2
        early = paths.state(q, w, h, s)[2] < times
        return jnp.where(early, s, low), jnp.where(early, high, s)

    low, high = jnp.zeros_like(times), jnp.ones_like(times)
    return jax.lax.fori_loop(0, BISECTIONS, halved, (low, high))[1]


@eqx.filter_jit
def roots(paths: StepPaths, which, rising, q, w, t, low, high, h, theta):
    """Where event `which` (k,) crosses zero between low and high (k,) of a step from q at t.

    By bisection, since it cannot fail: the crossing is between the two ends by their signs, and
    where the polynomial itself does not cross (its end differs from the state there by the error
    of the method) the end of the bracket is the answer. Returns q, v, t there.
    """

    def halved(_, bracket):
        low, high = bracket
        s = (low + high) / 2
        values = paths.event_values(*paths.state(q, w, h, s, t), theta)
        above = jnp.take_along_axis(values, which[None], axis=0)[0] >= 0
        beyond = above == rising
        return jnp.where(beyond, low, s), jnp.where(beyond, s, high)

    low, high = jax.lax.fori_loop(0, BISECTIONS, halved, (low, high))
    return paths.state(q, w, h, (low + high) / 2, t)
