"""The polynomial of a step between its ends, and where along it functions of the state may be zero.

The velocity of a step is a polynomial of degree r. Its next two Legendre modes follow from the
velocities of the states at both ends, as the end of a step is of order 2r + 2 and its polynomial is
not: with them positions are of order r + 3 inside, and paths are smooth from step to step. This is
where to look; states of the order of the method are those of `continuation`.
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .chebyshev import basis
from .mechanics import FlatMechanics, Parameters, StateFunctions, TimeTransform
from .nodal import nodal
from .quadrature import legendre, rule

BISECTIONS = 40  # of [0, 1]
FEWEST = 10  # points of a step at which events are looked at, at least
MORE = 7  # than r, points of a step
TAIL = 3  # last coefficients of a series, which tell what it leaves out
LEFT_OUT = 4.0  # times these, at most
CACHED = 64  # steps that are looked at at once
MANY = 24  # degrees of freedom: beyond it the points of a step are looked at one by one
OFF = 2.0  # a path is off by less than so many times its last two modes


class PathMatrices(NamedTuple):
    """Of points in [0, 1]: Legendre coefficients of the rate to rates and to their integrals."""

    rates: np.ndarray
    integrals: np.ndarray


def path_matrices(modes: int, s: Float[np.ndarray, " points"]) -> PathMatrices:
    """Matrices (points, modes) for a rate of that many modes."""
    p = legendre(2 * np.asarray(s, np.longdouble) - 1, modes)
    before = np.concatenate([-np.ones((1, len(s))), p[: modes - 1]])
    integrals = (p[1:] - before) / (2 * (2 * np.arange(modes) + 1))[:, None]
    return PathMatrices(p[:-1].T.astype(float), integrals.T.astype(float))


def path_state(
    q: Float[Array | np.ndarray, "k ..."], w: Float[Array | np.ndarray, "k modes ..."], h, s
):
    """Positions and rates at s (...) of steps from q with the Legendre coefficients w of their
    rates."""
    x = 2 * s - 1
    before, here = 0 * x - 1, 0 * x + 1  # P_-1 such that P_1 - P_-1 integrates P_0
    v = dq = 0 * q
    for k in range(w.shape[1]):
        after = x if k == 0 else ((2 * k + 1) * x * here - k * before) / (k + 1)
        v = v + w[:, k] * here
        dq = dq + w[:, k] * ((after - before) / (2 * (2 * k + 1)))
        before, here = here, after
    return q + h * dq, v


class Survey(NamedTuple):
    """Of m events on some steps: Chebyshev coefficients (m, points, steps), bounds on the error of
    them and of their slopes (m, steps), values at both ends of steps (m, steps), and whether a zero
    is possible (m, steps). `w` (k, modes, steps) are the paths."""

    c: jax.Array
    error: jax.Array
    slope_error: jax.Array
    first: jax.Array
    last: jax.Array
    possible: jax.Array
    w: jax.Array


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
    def count(self) -> int:
        """Points of a step at which events are looked at."""
        return max(self.r + MORE, FEWEST)

    def coefficients(
        self, q: Float[Array, "ends k"], p: Float[Array, "ends k"], t: Float[Array, " ends"],
        V: Float[Array, "steps n s"], h, theta: Parameters,
    ) -> tuple[Float[Array, "k modes steps"], tuple[jax.Array, jax.Array, jax.Array]]:  # fmt: skip
        """Legendre coefficients of the rates of the paths between ends, of nodal velocities V; and
        q, v (n, ends) and t there."""
        V = jnp.moveaxis(V, 0, -1)  # (n, s, steps)
        rates, (x, v, at) = V, self.at_ends(q.T, p.T, t, theta)
        ends = v
        if self.clock is not None:
            Q = x[:, None, :-1] + h * nodal(rule(self.r).integrate, V)
            rate = self.clock.rate(Q, self.mechanics.over_batch(theta, 2))  # (1, s, steps)
            rates = jnp.concatenate([V, rate])
            ticking = self.clock.rate(x, self.mechanics.over_batch(theta))
            ends = jnp.concatenate([v * ticking, ticking])
        w = nodal(rule(self.r).coefficients, rates)
        sign = (-1.0) ** np.arange(self.r + 2)
        here = ends[:, 1:] - jnp.sum(w, axis=1)
        before = ends[:, :-1] - jnp.sum(w * sign[:-1, None], axis=1)
        even, odd = here + sign[-1] * before, here - sign[-1] * before
        return jnp.concatenate([w, jnp.stack([even, odd], axis=1) / 2], axis=1), (x, v, at)

    def at_ends(self, q, p, t, theta: Parameters):
        """q, v (n, ...) and t of the states (k, ...) between steps."""
        if self.clock is not None:
            q, p, t = q[:-1], p[:-1], q[-1]
        return q, self.mechanics.velocity(q, p, t, self.mechanics.over_batch(theta)), t

    def physical(self, x, dx, t):
        """q, v (n, ...) and t of what is on a path and its rate."""
        if self.clock is None:
            return x, dx, t
        return x[:-1], dx[:-1] / dx[-1], x[-1]

    def along(self, q, w, h, t, s: np.ndarray):
        """q, v (n, points, steps) and t (points, steps) at the same points s of all steps."""
        rates, integrals = path_matrices(w.shape[1], s)
        x = q[:, None] + h * nodal(integrals, w)
        return self.physical(x, nodal(rates, w), t + h * s[:, None])

    def event_values(self, q, v, t, theta: Parameters, axes: int = 1) -> Float[Array, "m ..."]:
        if self.events is None:
            return jnp.zeros((0, *q.shape[1:]), q.dtype)
        return self.events(q, v, t, self.mechanics.over_batch(theta, axes))


@eqx.filter_jit
def survey(
    paths: StepPaths,
    q: Float[Array | np.ndarray, "rows k"],
    p: Float[Array | np.ndarray, "rows k"],
    t: Float[Array | np.ndarray, " rows"],
    V: Float[Array | np.ndarray, "steps k nodes"],
    count,
    h,
    theta,
) -> Survey:
    """Events along the first `count` of the steps, whose ends are the rows, steps + 1.

    The steps are taken in parts that stay in a processor's cache.
    """
    whole = len(V)
    part = CACHED if whole % CACHED == 0 else whole

    def one(k):
        q_, p_, t_ = (jax.lax.dynamic_slice_in_dim(x, k * part, part + 1) for x in (q, p, t))
        V_ = jax.lax.dynamic_slice_in_dim(V, k * part, part)
        return _survey(paths, q_, p_, t_, V_, h, theta)

    def put(k, rows):
        return jax.tree.map(lambda row, x: row.at[k].set(x), rows, one(k))

    blank = jax.tree.map(lambda x: jnp.zeros((whole // part, *x.shape), x.dtype),
                         jax.eval_shape(one, 0))  # fmt: skip
    rows = jax.lax.fori_loop(0, (count + part - 1) // part, put, blank)
    return Survey._make(jnp.moveaxis(x, 0, -2).reshape((*x.shape[1:-1], -1)) for x in rows)


def _survey(paths: StepPaths, q, p, t, V, h, theta) -> Survey:
    w, ends = paths.coefficients(q, p, t, V, h, theta)
    table, start = basis(paths.count), (q[:-1].T, t[:-1])
    at_ends = paths.event_values(*ends, theta)

    def values(w, s):
        x, v, at = paths.along(start[0], w, h, start[1], s)
        if paths.size <= MANY:
            return paths.event_values(x, v, at, theta, axes=2)

        def point(state):  # one at a time: of pairs, each is a square of bodies
            return paths.event_values(state[0], state[1], state[2], theta)

        points = tuple(jnp.moveaxis(one, -2, 0) for one in (x, v, at))
        return jnp.moveaxis(jax.lax.map(point, points), 0, 1)

    inside = values(w, table.points[1:-1])
    known = jnp.concatenate([at_ends[:, None, :-1], inside, at_ends[:, None, 1:]], axis=1)
    c, count = nodal(table.fit, known), paths.count
    some = np.array([0, 1 + count // 3, 1 + 2 * count // 3, count - 2, count - 1])
    short = values(w[:, :-2], table.points[some])
    off = OFF * jnp.max(jnp.abs(short - known[:, some]), axis=1)
    tail = LEFT_OUT * jnp.sum(jnp.abs(c[:, -TAIL:]), axis=1)
    rest = jnp.sum(jnp.abs(c[:, 1:]), axis=1)
    possible = ~(jnp.abs(c[:, 0]) - rest > off + tail)
    slope_error = 2 * (w.shape[1]) ** 2 * off + 2 * count**2 * tail
    return Survey(c, off + tail, slope_error, at_ends[:, :-1], at_ends[:, 1:], possible, w)


@eqx.filter_jit
def coefficients(paths: StepPaths, q, p, t, V, h, theta) -> Float[Array, "k modes steps"]:
    return paths.coefficients(q, p, t, V, h, theta)[0]


def step_fractions(
    q: Float[np.ndarray, "k steps"],
    w: Float[np.ndarray, "k modes steps"],
    h: float,
    times: Float[np.ndarray, " steps"],
) -> Float[np.ndarray, " steps"]:
    """Where (k,) on each of k steps its physical time is `times` (k,): by bisection, since it
    grows."""
    low, high = np.zeros(len(times)), np.ones(len(times))
    for _ in range(BISECTIONS):
        s = (low + high) / 2
        early = path_state(q[-1:], w[-1:], h, s)[0][-1] < times
        low, high = np.where(early, s, low), np.where(early, high, s)
    return high
