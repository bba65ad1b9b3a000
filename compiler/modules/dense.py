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

from ..lower import Lowered
from .mechanics import Mechanics
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


class Dense(eqx.Module):
    """Paths of the steps of a method with r interior points; `events` (optional) are functions of
    (q, v, t, theta) whose zeros are looked for."""

    mechanics: Mechanics
    r: int = eqx.field(static=True)
    events: Lowered | None

    @property
    def grid(self) -> np.ndarray:
        """Points of a step at which events are looked at, both ends included."""
        return rule(max(self.r, FEWEST)).nodes

    def coefficients(self, V):
        """Legendre coefficients (n, r + 1, steps) of nodal velocities V (steps, n, s)."""
        return jnp.einsum("js,kns->njk", jnp.asarray(rule(self.r).coefficients, V.dtype), V)

    def values(self, q, v, t, theta):
        """The events (m, ...) of states (n, ...)."""
        assert self.events is not None
        values = self.events(*q, *v, t, *theta[:, None])
        return jnp.stack([jnp.broadcast_to(jnp.asarray(x, q.dtype), t.shape) for x in values])


@eqx.filter_jit
def survey(dense: Dense, q, p, t, V, h, theta):
    """Events (m, steps, points) of each step at `dense.grid`, and the coefficients of the paths.

    q, p are (steps + 1, n), t (steps + 1,). At the ends of steps events are of the states, not of
    the polynomials, so that two steps agree about the point that they share.
    """
    w = dense.coefficients(V)
    v = dense.mechanics.velocity(q.T, p.T, t, theta[:, None])
    ends = dense.values(q.T, v, t, theta)
    points = [ends[:, :-1]]
    for s in dense.grid[1:-1]:
        there = state(dense.r, q[:-1].T, w, h, jnp.full(len(V), s, q.dtype))
        points.append(dense.values(*there, t[:-1] + h * s, theta))
    return jnp.stack([*points, ends[:, 1:]], axis=-1), w


@eqx.filter_jit
def coefficients(dense: Dense, V):
    return dense.coefficients(V)


@eqx.filter_jit
def states(dense: Dense, q, w, h, s):
    """Positions and velocities (n, k) at s (k,) of k steps."""
    return state(dense.r, q, w, h, s)


@eqx.filter_jit
def roots(dense: Dense, which, rising, q, w, t, low, high, h, theta):
    """Where event `which` (k,) crosses zero between low and high (k,) of a step from q at t.

    By bisection, since it cannot fail: the crossing is between the two ends by their signs, and
    where the polynomial itself does not cross (its end differs from the state there by the error
    of the method) the end of the bracket is the answer. Returns s, and q, v there.
    """

    def halved(_, bracket):
        low, high = bracket
        s = (low + high) / 2
        values = dense.values(*state(dense.r, q, w, h, s), t + h * s, theta)
        above = jnp.take_along_axis(values, which[None], axis=0)[0] >= 0
        beyond = above == rising
        return jnp.where(beyond, low, s), jnp.where(beyond, s, high)

    low, high = jax.lax.fori_loop(0, BISECTIONS, halved, (low, high))
    s = (low + high) / 2
    return s, *state(dense.r, q, w, h, s)
