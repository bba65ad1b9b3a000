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
    """Of m events on some steps: whether a zero is possible (m, steps), and values at the ends of
    the steps (m, steps + 1)."""

    possible: jax.Array
    at_ends: jax.Array


class EventSeries(NamedTuple):
    """Of m events on some steps: Chebyshev coefficients (m, points, steps), bounds on the error of
    them and of their slopes (m, steps); `w` (k, modes, steps) are the paths."""

    c: jax.Array
    error: jax.Array
    slope_error: jax.Array
    w: jax.Array


class PathEnds(NamedTuple):
    """q, v (n, ...) and t (...) of the states between steps."""

    q: jax.Array
    v: jax.Array
    t: jax.Array

    def of(self, chosen: slice) -> PathEnds:
        return PathEnds(self.q[..., chosen], self.v[..., chosen], self.t[..., chosen])


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
        self, begin: PathEnds, end: PathEnds, V: Float[Array, "n s steps"], h, theta: Parameters
    ) -> Float[Array, "k modes steps"]:
        """Legendre coefficients of the rates of the paths between ends, of nodal velocities V."""
        rates, before, after = V, begin.v, end.v
        if self.clock is not None:
            Q = begin.q[:, None] + h * nodal(rule(self.r).integrate, V)
            rate = self.clock.rate(Q, self.mechanics.over_batch(theta, 2))  # (1, s, steps)
            rates = jnp.concatenate([V, rate])
            over = self.mechanics.over_batch(theta)
            before, after = (
                jnp.concatenate([x.v * ticking, ticking])
                for x in (begin, end)
                for ticking in (self.clock.rate(x.q, over),)
            )
        w = nodal(rule(self.r).coefficients, rates)
        sign = (-1.0) ** np.arange(self.r + 2)
        after = after - jnp.sum(w, axis=1)
        before = before - jnp.sum(w * sign[:-1, None], axis=1)
        even, odd = after + sign[-1] * before, after - sign[-1] * before
        return jnp.concatenate([w, jnp.stack([even, odd], axis=1) / 2], axis=1)

    def at_ends(self, q, p, t, theta: Parameters) -> PathEnds:
        """The states (k, ...) between steps."""
        if self.clock is not None:
            q, p, t = q[:-1], p[:-1], q[-1]
        return PathEnds(q, self.mechanics.velocity(q, p, t, self.mechanics.over_batch(theta)), t)

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

    The steps are taken in parts that stay in a processor's cache, and little is kept of each: most
    have no zero.
    """
    whole = len(V)
    part = CACHED if whole % CACHED == 0 else whole
    m = jax.eval_shape(
        lambda: paths.event_values(*paths.at_ends(q.T, p.T, jnp.asarray(t), theta), theta)
    )

    def put(k, kept):
        possible, at_ends = kept
        first = k * part
        at_q, at_p, at_t = (jax.lax.dynamic_slice_in_dim(x, first, part + 1).T for x in (q, p, t))
        ends = paths.at_ends(at_q, at_p, at_t, theta)
        nodes = jnp.moveaxis(jax.lax.dynamic_slice_in_dim(V, first, part), 0, -1)
        values = paths.event_values(*ends, theta)
        begin, end = ends.of(slice(-1)), ends.of(slice(1, None))
        at = at_q[:, :-1], at_t[:-1], begin, end
        x = _series(paths, *at, values[:, :-1], values[:, 1:], nodes, h, theta)
        rest = jnp.sum(jnp.abs(x.c[:, 1:]), axis=1)
        here = ~(jnp.abs(x.c[:, 0]) - rest > x.error)
        return (jax.lax.dynamic_update_slice_in_dim(possible, here, first, axis=1),
                jax.lax.dynamic_update_slice_in_dim(at_ends, values, first, axis=1))  # fmt: skip

    blank = jnp.zeros((len(m), whole), bool), jnp.zeros((len(m), whole + 1), m.dtype)
    return Survey(*jax.lax.fori_loop(0, (count + part - 1) // part, put, blank))


def _series(
    paths: StepPaths, q, t, begin: PathEnds, end: PathEnds, first, last, V, h, theta
) -> EventSeries:
    """Of steps from q (k, steps), t; events are `first` and `last` (m, steps) at their ends."""
    w, table = paths.coefficients(begin, end, V, h, theta), basis(paths.count)

    def values(w, s):
        x, v, at = paths.along(q, w, h, t, s)
        if paths.size <= MANY:
            return paths.event_values(x, v, at, theta, axes=2)

        def point(state):  # one at a time: of pairs, each is a square of bodies
            return paths.event_values(state[0], state[1], state[2], theta)

        points = tuple(jnp.moveaxis(one, -2, 0) for one in (x, v, at))
        return jnp.moveaxis(jax.lax.map(point, points), 0, 1)

    inside = values(w, table.points[1:-1])
    known = jnp.concatenate([first[:, None], inside, last[:, None]], axis=1)
    c, count = nodal(table.fit, known), paths.count
    some = np.array([0, 1 + count // 3, 1 + 2 * count // 3, count - 2, count - 1])
    short = values(w[:, :-2], table.points[some])
    off = OFF * jnp.max(jnp.abs(short - known[:, some]), axis=1)
    tail = LEFT_OUT * jnp.sum(jnp.abs(c[:, -TAIL:]), axis=1)
    slope_error = 2 * (w.shape[1]) ** 2 * off + 2 * count**2 * tail
    return EventSeries(c, off + tail, slope_error, w)


class Steps(NamedTuple):
    """Steps by themselves: q, p (k, steps) and t (steps,) where they begin and end, and nodal
    velocities V (n, nodes, steps)."""

    q: np.ndarray
    p: np.ndarray
    t: np.ndarray
    q_end: np.ndarray
    p_end: np.ndarray
    t_end: np.ndarray
    V: np.ndarray


@eqx.filter_jit
def event_series(
    paths: StepPaths, of: Steps, first: Float[np.ndarray, "m steps"], last, h, theta
) -> EventSeries:
    """Of some steps; the events' values at their ends are those of the survey."""
    begin = paths.at_ends(of.q, of.p, of.t, theta)
    end = paths.at_ends(of.q_end, of.p_end, of.t_end, theta)
    return _series(paths, of.q, of.t, begin, end, first, last, of.V, h, theta)


@eqx.filter_jit
def coefficients(paths: StepPaths, of: Steps, h, theta) -> Float[Array, "k modes steps"]:
    """Of the rates of the paths of some steps."""
    begin = paths.at_ends(of.q, of.p, of.t, theta)
    end = paths.at_ends(of.q_end, of.p_end, of.t_end, theta)
    return paths.coefficients(begin, end, jnp.asarray(of.V), h, theta)


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
