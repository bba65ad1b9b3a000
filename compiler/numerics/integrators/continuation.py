"""Continuation of a motion from the end of a step into it, at the order of the method.

A step as long as it takes from the nearer end of a step to a point inside it is of the order of the
method, whatever the mechanics, the constraints or the clock are: its error is below that of the
step itself. The polynomial of the step (`dense_output`) is where its iteration begins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from .dense_output import StepPaths, path_state
from .mechanics import Parameters
from .steps import StepInput
from .time_marching import CONVERGED, Integrator
from .variational import GGL

BATCH = 512  # points that one call computes
ROUNDS = 6  # of secant steps
AT_REST = 1e-9  # of a step: a last correction below this is linear to rounding
NEWTON = 2  # iterations to a time of the clock
NOTHING = 1e-13  # of a step: so near to its end a point is the end itself


class StepEnds(NamedTuple):
    """Of B steps: q, p (k, B) and t (B,) where each begins and ends, and the Legendre coefficients
    w (k, modes, B) of the rates of its path."""

    q: np.ndarray
    p: np.ndarray
    t: np.ndarray
    q_end: np.ndarray
    p_end: np.ndarray
    w: np.ndarray


class Zeros(NamedTuple):
    """Zeros of events (B,): s, rising or falling by `slope` (by time), q, v (n, B), t (B,), and
    whether each is found to rounding."""

    s: np.ndarray
    slope: np.ndarray
    q: np.ndarray
    v: np.ndarray
    t: np.ndarray
    sound: np.ndarray


class PhysicalState(NamedTuple):
    """q, v (n, B) and t (B,), and whether the step there converged (B,)."""

    q: jax.Array
    v: jax.Array
    t: jax.Array
    sound: jax.Array


class Continuation(eqx.Module):
    """States inside the steps of an integrator; `newton`: by Newton's method."""

    paths: StepPaths
    integrator: Integrator
    newton: bool = eqx.field(static=True)

    def state(
        self, of: StepEnds, s: Float[Array, " B"], forward, count, h, theta: Parameters
    ) -> PhysicalState:
        """At s in [0, 1] of each of the first `count` steps: from its beginning where `forward`
        (B,), else from its end."""
        span = jnp.where(forward, s, s - 1)
        near = jnp.abs(span) < NOTHING
        length = h * jnp.where(near, jnp.where(forward, 0.5, -0.5), span)
        q = jnp.where(forward, of.q, of.q_end)
        p = jnp.where(forward, of.p, of.p_end)
        t = jnp.where(forward, of.t, of.t + h)
        # nodes of the short step on the path of the long one
        c = jnp.asarray(self.integrator.rule.nodes)[:, None]
        nodes = jnp.where(forward, 0.0, 1.0) + length / h * c
        wide = of.w[:, :, None]
        x, dx = path_state(jnp.broadcast_to(of.q[:, None], (len(of.q), *nodes.shape)), wide, h,
                           nodes)  # fmt: skip
        size = q.dtype
        at = q, p, t.astype(size), length.astype(size)
        end_q, end_p, change = self._ends(at, x.astype(size), dx.astype(size), count, theta)
        q, p = jnp.where(near, q, end_q), jnp.where(near, p, end_p)
        q, v, t = self.paths.at_ends(q, p, t + jnp.where(near, 0.0, length), theta)
        finite = jnp.all(jnp.isfinite(q) & jnp.isfinite(v), axis=0)
        return PhysicalState(q, v, t, near | ((change <= CONVERGED[size.name]) & finite))

    def _ends(self, at: tuple[jax.Array, ...], x, dx, count, theta: Parameters):
        """q, p (k, B) after steps from q, p, t of a length, whose nodes are near x, dx (k, s, B),
        and last changes.

        One after the other, so that none depends on who is beside it; a batch is no faster here.
        """
        g, dtype = self.integrator, at[0].dtype
        theta = jax.tree.map(lambda a: jnp.asarray(a, dtype), theta)

        def one(lane):
            q, p, t, h, x, dx = lane
            seed = g.guess(q, p, t, theta)
            if isinstance(g, GGL) and not g.mechanics.joint:
                times = t + h * jnp.asarray(g.rule.nodes, dtype)
                seed = g.mechanics.force(x, dx, times, theta) if g.force_form else dx
            minv = g.preconditioner(q, p, t, theta)
            done = g.step(StepInput(q, p, t, h, theta, minv, seed, None), self.newton)
            return done.q, done.p, done.change

        lanes = tuple(jnp.moveaxis(y, -1, 0) for y in (*at, x, dx))
        blank = (*lanes[:2], jnp.zeros_like(at[3]))

        def put(k, rows):
            done = one(tuple(x[k] for x in lanes))
            return tuple(row.at[k].set(x) for row, x in zip(rows, done, strict=True))

        q, p, change = jax.lax.fori_loop(0, count, put, blank)
        return q.T, p.T, change


class Sample(NamedTuple):
    """Events (B,), and the states there: q, v (n, B), t (B,), and whether these are sound."""

    g: np.ndarray
    q: np.ndarray
    v: np.ndarray
    t: np.ndarray
    sound: np.ndarray


@eqx.filter_jit
def _sampled(of: Continuation, ends: StepEnds, which, s, forward, count, h, theta):
    x = of.state(ends, s, forward, count, h, theta)
    g = of.paths.event_values(x.q, x.v, x.t, theta)
    g = jnp.take_along_axis(g, which[None], axis=0)[0] if len(g) else jnp.zeros_like(x.t)
    return g, *x


def samples(of: Continuation, ends: StepEnds, which, s, forward, h, theta) -> Sample:
    """Events `which` and states at s of any number of steps."""
    if not len(s):
        n, none = of.paths.size, np.zeros(0)
        return Sample(none, np.zeros((n, 0)), np.zeros((n, 0)), none, np.zeros(0, bool))
    h = jax.device_put(h)  # as arrays: Python numbers would be compiled in

    def of_part(count, ends, which, s, forward):
        return _sampled(of, ends, which, s, forward, count, h, theta)

    return Sample(*in_batches(of_part, (ends, which, s, forward)))


@eqx.filter_jit
def _followed(
    of: Continuation, ends: StepEnds, which, s, slope, low, high, forward, count, h, theta
):
    """One after the other, each as many times as it needs."""
    m, lanes = of.paths, (ends, which, s, slope, low, high, forward)
    lanes = jax.tree.map(lambda x: jnp.moveaxis(x, -1, 0), lanes)

    def one(ends, which, s, slope, low, high, forward):
        ends = StepEnds(*(x[..., None] for x in ends))

        def along(s):
            x, dx = path_state(ends.q, ends.w, h, s[None])
            rate = h if m.clock is None else h * dx[-1, 0]
            return m.physical(x, dx, ends.t + h * s), rate

        def secant(at):
            k, s, slope, before, _, _ = at
            x = of.state(ends, s[None], forward[None], 1, h, theta)
            g = jnp.take(m.event_values(x.q, x.v, x.t, theta)[:, 0], which)
            better = jnp.clip(s - g / slope, low, high)
            # what is left to go is followed along the path, which is exact over the last bit
            here, there = along(s), along(better)
            q, v, t = (a + (c - b) for a, b, c in zip(x[:3], here[0], there[0], strict=True))
            sound = x.sound[0] & (jnp.abs(better - s) <= AT_REST)
            new = (g - before[1]) / (s - before[0])
            use = ~sound & jnp.isfinite(new) & (new != 0)
            found = better, slope / there[1], q, v, t, sound
            return k + 1, better, jnp.where(use, new, slope), (s, g), found, sound

        def going(at):
            k, s, *_, sound = at
            return (k < ROUNDS) & ~sound & jnp.isfinite(s)

        nan = jnp.full_like(s, jnp.nan)
        first = secant((0, s, slope, (nan, nan), None, None))
        return jax.lax.while_loop(going, secant, first)[4]

    kind = jax.eval_shape(lambda: one(*jax.tree.map(lambda x: x[0], lanes)))
    blank = jax.tree.map(lambda x: jnp.zeros((len(s), *x.shape), x.dtype), kind)

    def put(k, rows):
        found = one(*jax.tree.map(lambda x: x[k], lanes))
        return jax.tree.map(lambda row, x: row.at[k].set(x), rows, found)

    s, slope, q, v, t, sound = jax.lax.fori_loop(0, count, put, blank)
    return s, slope, q[..., 0].T, v[..., 0].T, t[:, 0], sound


def zeros(
    of: Continuation,
    ends: StepEnds,
    which: Int[np.ndarray, " B"],
    s: Float[np.ndarray, " B"],
    slope: Float[np.ndarray, " B"],
    low: Float[np.ndarray, " B"],
    high: Float[np.ndarray, " B"],
    forward: Bool[np.ndarray, " B"],
    h: float,
    theta: Parameters,
) -> Zeros:
    """Zeros of events `which` near s, where they change by `slope`, in brackets, by secant steps on
    the motion itself; of any number of steps."""
    length = jax.device_put(h)

    def of_part(count, ends, which, s, slope, low, high, forward):
        near = s, slope, low, high
        return _followed(of, ends, which, *near, forward, count, length, theta)

    return Zeros(*in_batches(of_part, (ends, which, s, slope, low, high, forward)))


def in_batches(
    of_part: Callable[..., Sequence[jax.Array]], lanes: Sequence[Float[np.ndarray, "*any B"] | Any]
) -> list[np.ndarray]:
    """What a compiled function of a count and so many lanes says of any number of them (their last
    axis), so many at a time that one program serves all."""
    total, parts = jax.tree.leaves(lanes)[0].shape[-1], []
    for first in range(0, total, BATCH):
        index = np.minimum(np.arange(first, first + BATCH), total - 1)
        part = jax.tree.map(lambda x, index=index: x[..., index], lanes)
        count = min(BATCH, total - first)
        done = of_part(jax.device_put(count), *part)
        parts.append([np.asarray(x)[..., :count] for x in done])
    return [np.concatenate(x, axis=-1) for x in zip(*parts, strict=True)]


def at_times(of: Continuation, ends: StepEnds, s, forward, times, h, theta) -> Sample:
    """States at physical times (B,) of a transformed time, near s: Newton on the clock, whose rate
    is that of the path."""
    none = np.zeros(len(s), int)
    for _ in range(NEWTON):
        x = samples(of, ends, none, s, forward, h, theta)
        s = s - (x.t - times) / (h * path_state(ends.q, ends.w, h, s)[1][-1])
    return samples(of, ends, none, s, forward, h, theta)
