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
from actionrun.compiler.numerics.array_types import ArrayFunction
from actionrun.compiler.numerics.integrators.many_body.mechanics import Bodies, Term

from .mechanics import Clock, Mechanics
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


class Plain(eqx.Module):
    """What the path of a step is a path of: here positions alone. `events` (optional) are functions
    of (q, v, t, theta) whose zeros are looked for."""

    mechanics: Mechanics
    events: ArrayFunction | None

    @property
    def size(self) -> int:
        """Degrees of freedom."""
        return self.mechanics.n

    def followed(self, r: int, q, V, h, theta):
        """Nodal rates (steps, k, s) of all that a path holds, of steps from q (steps, ...)."""
        return V

    def at(self, x, dx, t):
        """q, v (n, ...) and t where a path is at x with the rates dx; t as the steps count it."""
        return x, dx, t

    def ends(self, q, p, t, theta):
        """q, v (n, ...) and t of states."""
        return q, self.mechanics.velocity(q, p, t, theta[:, None]), t

    def values(self, q, v, t, theta):
        """The events (m, ...) of states (n, ...)."""
        assert self.events is not None
        values = self.events(*q, *v, t, *theta[:, None])
        return jnp.stack([jnp.broadcast_to(jnp.asarray(x, q.dtype), t.shape) for x in values])


class Slowed(Plain):
    """Positions and physical time, of steps of a transformed time: states are (q, t), (p, -E).

    Time is on a path like any coordinate, with the rate dt/ds; `mechanics` are those by time t.
    """

    clock: Clock

    def followed(self, r: int, q, V, h, theta):
        x, there = q[:, :-1].T[:, None], jnp.moveaxis(V, 0, -1)  # (n, 1, steps), (n, s, steps)
        Q = x + h * jnp.einsum("ij,njk->nik", jnp.asarray(rule(r).integrate), there)
        theta = theta if isinstance(theta, tuple) else theta[:, None, None]
        rate = self.clock.rate(Q, theta)  # (1, s, steps)
        return jnp.concatenate([V, jnp.moveaxis(rate, -1, 0)], axis=1)

    def at(self, x, dx, t):
        return x[:-1], dx[:-1] / dx[-1], x[-1]

    def ends(self, q, p, t, theta):
        return super().ends(q[:-1], p[:-1], q[-1], theta)


class Many(eqx.Module):
    """Positions of many bodies, (components x bodies, ...); each event is a sum of terms."""

    stepper: Bodies
    events: tuple[tuple[Term, ...], ...]

    followed = Plain.followed
    at = Plain.at

    @property
    def size(self) -> int:
        return self.stepper.mechanics.n * self.stepper.count

    def _folded(self, x):
        """(n, k) as (components, k, bodies)."""
        return jnp.moveaxis(self.stepper.folded(x.T), 0, 1)

    def ends(self, q, p, t, theta):
        v = self.stepper.mechanics.velocity(self._folded(q), self._folded(p), t[:, None], theta)
        return q, jnp.moveaxis(v, 1, 2).reshape(q.shape), t

    def values(self, q, v, t, theta):
        scalars = self.stepper.mechanics.scalars
        at = self._folded(q), self._folded(v), t[:, None], theta[:scalars], theta[scalars:]
        totals = [sum(term.total(*at) for term in terms) for terms in self.events]
        return jnp.stack([jnp.broadcast_to(x, t.shape) for x in totals])


class SlowedMany(Many):
    """The same of many bodies in steps of a transformed time."""

    clock: Clock

    followed = Slowed.followed
    at = Slowed.at

    def ends(self, q, p, t, theta):
        return super().ends(q[:-1], p[:-1], q[-1], theta)


class Dense(eqx.Module):
    """Paths of the steps of a method with r interior points."""

    of: Plain | Many
    r: int = eqx.field(static=True)

    @property
    def grid(self) -> np.ndarray:
        """Points of a step at which events are looked at, both ends included."""
        return rule(max(self.r, FEWEST)).nodes

    def coefficients(self, q, V, h, theta):
        """Legendre coefficients (k, r + 1, steps) of the rates of paths from q (steps, k), of nodal
        velocities V (steps, n, s)."""
        rates = self.of.followed(self.r, q, V, h, theta)
        return jnp.einsum("js,kns->njk", jnp.asarray(rule(self.r).coefficients, V.dtype), rates)

    def state(self, q, w, h, s, t=None):
        """q, v (n, ...) and t at s of steps from q (k, ...) at t."""
        return self.of.at(*state(self.r, q, w, h, s), None if t is None else t + h * s)


@eqx.filter_jit
def survey(dense: Dense, q, p, t, V, h, theta):
    """Events (m, steps, points) of each step at `dense.grid`, and the coefficients of the paths.

    q, p are (steps + 1, n), t (steps + 1,). At the ends of steps events are of the states, not of
    the polynomials, so that two steps agree about the point that they share.
    """
    w = dense.coefficients(q[:-1], V, h, theta)
    ends = dense.of.values(*dense.of.ends(q.T, p.T, t, theta), theta)
    points = [ends[:, :-1]]
    for s in dense.grid[1:-1]:
        there = dense.state(q[:-1].T, w, h, jnp.full(len(V), s, q.dtype), t[:-1])
        points.append(dense.of.values(*there, theta))
    return jnp.stack([*points, ends[:, 1:]], axis=-1), w


@eqx.filter_jit
def coefficients(dense: Dense, q, V, h, theta):
    return dense.coefficients(q, V, h, theta)


@eqx.filter_jit
def states(dense: Dense, q, w, h, s):
    """Positions and velocities (n, k) at s (k,) of k steps."""
    return dense.state(q, w, h, s)[:2]


@eqx.filter_jit
def reached(dense: Dense, q, w, h, times):
    """Where (k,) on each of k steps its physical time is `times` (k,): by bisection, since it
    grows."""

    def halved(_, bracket):
        low, high = bracket
        s = (low + high) / 2
        early = dense.state(q, w, h, s)[2] < times
        return jnp.where(early, s, low), jnp.where(early, high, s)

    low, high = jnp.zeros_like(times), jnp.ones_like(times)
    return jax.lax.fori_loop(0, BISECTIONS, halved, (low, high))[1]


@eqx.filter_jit
def roots(dense: Dense, which, rising, q, w, t, low, high, h, theta):
    """Where event `which` (k,) crosses zero between low and high (k,) of a step from q at t.

    By bisection, since it cannot fail: the crossing is between the two ends by their signs, and
    where the polynomial itself does not cross (its end differs from the state there by the error
    of the method) the end of the bracket is the answer. Returns q, v, t there.
    """

    def halved(_, bracket):
        low, high = bracket
        s = (low + high) / 2
        values = dense.of.values(*dense.state(q, w, h, s, t), theta)
        above = jnp.take_along_axis(values, which[None], axis=0)[0] >= 0
        beyond = above == rising
        return jnp.where(beyond, low, s), jnp.where(beyond, s, high)

    low, high = jax.lax.fori_loop(0, BISECTIONS, halved, (low, high))
    return dense.state(q, w, h, (low + high) / 2, t)
