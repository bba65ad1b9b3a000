"""The force form of the GGL step: the unknowns are the forces. For P = M v with a constant M.

With v0 = M^-1 p the equations of `variational` are, in the coefficients of `quadrature.Rule`,

    V_i = v0 + h sum_j impulse_ij M^-1 F_j,
    Q_i = q + h c_i v0 + h^2 sum_j twice_ij M^-1 F_j,    F_j = F(Q_j, V_j, t_j),
    q' = q + h v0 + h^2 sum_j b_j (1 - c_j) M^-1 F_j,    p' = p + h sum_j b_j F_j.

The force at the last node enters p' alone, so that an iteration of the fixed point is one
evaluation of the force at r + 1 nodes between two small products side by side. Components are
arrays of their own (`Rows`), since XLA computes what stands in a stack once for every entry of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.compensated import Pair, two_product, two_sum, weighted_sums
from jaxtyping import Array, Float

from .mechanics import DiscreteMechanics, Parameters
from .nodal import nodals
from .quadrature import Rule

Rows = tuple[jax.Array, ...]  # of each component (node, *batch), or (*batch)

MOST = 8  # components: more would make a long program
MAX_ITERATIONS = 60  # before a step counts as not converged
SURE = 1 / 4096  # of a rounding: what an iteration may still change where it is spared; what is
# left is not random, and at 1/128 the energy of a pendulum drifts by it


class StepStart(NamedTuple):
    """A step's beginning: q and v0 with what lies below their last digits, and M^-1 as
    `GGL.preconditioner` gives it. `careful`: nothing is left to a rounding that is not random."""

    q: Rows
    v: Rows
    q_low: Rows
    v_low: Rows
    t: jax.Array
    h: jax.Array
    theta: Parameters
    minv: jax.Array
    careful: bool = False

    @property
    def tail(self) -> int:
        """Axes of the batch."""
        return self.q[0].ndim

    def kicks(self, F: Rows) -> Rows:
        """h M^-1 F."""
        return tuple(self.h * x for x in mass_product(self.minv, F, self.tail))


class StepEnd(NamedTuple):
    """Increments of q and p (n, *batch), what lies below their last digits, and the forces at all
    nodes (n, s, *batch)."""

    dq: Float[Array, "n *batch"]
    dp: Float[Array, "n *batch"]
    low: tuple[jax.Array, jax.Array]
    F: Float[Array, "n s *batch"]


def start_step(
    q: Float[Array, "n *batch"],
    p: Float[Array, "n *batch"],
    t,
    h,
    theta: Parameters,
    minv,
    low=None,
) -> StepStart:
    """The start of a step from q, p (n, *batch), whose low parts are `low`."""
    q_low, p_low = (jnp.zeros_like(q), jnp.zeros_like(p)) if low is None else low
    v, v_low = (mass_product(minv, tuple(x), q.ndim - 1) for x in (p, p_low))
    careful = low is not None and q.dtype == jnp.float64
    if careful:
        v, lost = zip(*careful_mass_product(minv, tuple(p), q.ndim - 1), strict=True)
        v_low = tuple(a + b for a, b in zip(v_low, lost, strict=True))
    return StepStart(tuple(q), v, tuple(q_low), v_low, t, h, theta, minv, careful)


def mass_product(minv: jax.Array, rows: Rows, tail: int) -> Rows:
    """M^-1 times rows; M^-1 is (n, n, *batch) with `tail` axes of batch, or its diagonal."""
    if minv.ndim == 1 + tail:
        return tuple(m * x for m, x in zip(minv, rows, strict=True))
    products = ([m * x for m, x in zip(line, rows, strict=True)] for line in minv)
    return tuple(reduce(lambda a, b: a + b, terms) for terms in products)


def careful_mass_product(minv: jax.Array, rows: Rows, tail: int) -> list[Pair]:
    """The same with what it loses by rounding."""
    if minv.ndim == 1 + tail:
        return [two_product(m, x) for m, x in zip(minv, rows, strict=True)]
    products = []
    for line in minv:
        total = Pair(jnp.zeros_like(rows[0]), jnp.zeros_like(rows[0]))
        for m, x in zip(line, rows, strict=True):
            term = two_product(m, x)
            whole = two_sum(total.high, term.high)
            total = Pair(whole.high, total.low + (whole.low + term.low))
        products.append(total)
    return products


def over_nodes(matrices: Sequence[np.ndarray], rows: Rows) -> tuple[Rows, ...]:
    """Matrices (i, s) over the nodes of rows."""
    products = [[x[0] for x in nodals(matrices, row[None])] for row in rows]
    return tuple(zip(*products, strict=True))


def velocities(rule: Rule, at: StepStart, kicks: Rows) -> Rows:
    """V at all nodes, of kicks at all nodes but the last."""
    (turned,) = over_nodes([rule.impulse[:, :-1]], kicks)
    return tuple(v + (low + dv) for v, low, dv in zip(at.v, at.v_low, turned, strict=True))


def forces(
    mechanics: DiscreteMechanics, rule: Rule, at: StepStart, kicks: Rows, nodes: slice
) -> Rows:
    """F at some nodes, of kicks at all nodes but the last."""
    moves = over_nodes([rule.impulse[nodes, :-1], rule.twice[nodes, :-1]], kicks)
    return _nodal_forces(mechanics, rule, nodes, at, *moves)


def _nodal_forces(
    mechanics: DiscreteMechanics, rule: Rule, nodes: slice, at: StepStart, turned: Rows, bent: Rows
) -> Rows:
    """F at some nodes, where the kicks change V by `turned` and Q by h `bent`."""
    c = rule.nodes[nodes].reshape((-1,) + (1,) * at.tail).astype(turned[0].dtype)
    V = tuple(v + (low + dv) for v, low, dv in zip(at.v, at.v_low, turned, strict=True))
    q_low = at.q_low
    if at.careful:
        c_low = rule.nodes_low[nodes].reshape(c.shape)
        rows = zip(q_low, at.v, at.v_low, strict=True)
        q_low = tuple(low + at.h * (c_low * v + c * v_low) for low, v, v_low in rows)
    Q = tuple(q + (low + at.h * (c * v + d))
              for q, low, v, d in zip(at.q, q_low, at.v, bent, strict=True))  # fmt: skip
    Q, V = jax.lax.optimization_barrier((Q, V))  # computed once, not by every reader
    return mechanics.force_rows(Q, V, at.t + at.h * c, at.theta)


def finish_step(mechanics: DiscreteMechanics, rule: Rule, at: StepStart, F: Rows) -> StepEnd:
    """The step under forces F at all nodes but the last."""
    if at.careful:
        return _finish_carefully(mechanics, rule, at, F)
    h, kicks, dtype = at.h, at.kicks(F), F[0].dtype
    b, a = rule.weights.astype(dtype), rule.position_weights.astype(dtype)
    # what the weights lost by rounding is a bias that a long run would add up
    b_low = rule.weights - b + rule.weights_low
    a_low = rule.position_weights - a + rule.position_weights_low
    flights = [w[None, :-1] for w in (rule.impulse[-1], rule.twice[-1], a, a_low)]
    turned, bent, far, far_low = over_nodes(flights, kicks)
    hits, hits_low = over_nodes([w[None, :-1] for w in (b, b_low)], F)
    last = _nodal_forces(mechanics, rule, slice(-1, None), at, turned, bent)
    last = jax.lax.optimization_barrier(last)

    def hit(early: Rows, w: np.ndarray) -> jax.Array:
        end = w[-1].astype(dtype)
        return h * jnp.stack([d[0] + end * f[0] for d, f in zip(early, last, strict=True)])

    def flight(v: Rows, d: Rows) -> jax.Array:
        return h * jnp.stack([v + x[0] for v, x in zip(v, d, strict=True)])

    whole = jnp.stack([jnp.concatenate(pair) for pair in zip(F, last, strict=True)])
    low = flight(at.v_low, far_low), hit(hits_low, b_low)
    return StepEnd(flight(at.v, far), hit(hits, b), low, whole)


def _finish_carefully(mechanics: DiscreteMechanics, rule: Rule, at: StepStart, F: Rows) -> StepEnd:
    """The same, increments to twice the digits: what rounding takes of them is no random walk but a
    bias, by which the energy of a long run drifts."""
    h, kicks = at.h, at.kicks(F)
    turned, bent = over_nodes([w[None, :-1] for w in (rule.impulse[-1], rule.twice[-1])], kicks)
    last = _nodal_forces(mechanics, rule, slice(-1, None), at, turned, bent)
    whole = jax.lax.optimization_barrier(
        tuple(jnp.concatenate(pair) for pair in zip(F, last, strict=True))
    )
    b = rule.weights, rule.weights_low
    a = rule.position_weights, rule.position_weights_low
    hits, far = zip(*(weighted_sums((b, a), f) for f in whole), strict=True)
    dp = [_scaled(h, x) for x in hits]
    bent_ = careful_mass_product(at.minv, tuple(x.high for x in far), at.tail)
    below = mass_product(at.minv, tuple(x.low for x in far), at.tail)
    dq = []
    for v, v_low, x, low in zip(at.v, at.v_low, bent_, below, strict=True):
        flight = _scaled(h, Pair(v, v_low))
        turn = _scaled(h, _scaled(h, Pair(x.high, x.low + low)))
        total = two_sum(flight.high, turn.high)
        dq.append(Pair(total.high, total.low + (flight.low + turn.low)))
    (q, q_low), (p, p_low) = ((jnp.stack(x) for x in zip(*d, strict=True)) for d in (dq, dp))
    return StepEnd(q, p, (q_low, p_low), jnp.stack(whole))


def _scaled(h: jax.Array, x: Pair) -> Pair:
    product = two_product(h, x.high)
    return Pair(product.high, product.low + h * x.low)


def fixed_point(
    mechanics: DiscreteMechanics, rule: Rule, at: StepStart, F: Rows
) -> tuple[Rows, jax.Array, jax.Array]:
    """Forces at all nodes but the last from a guess F, the iterations, the last change.

    A change is that of the kicks relative to the velocities; large: not converged. Iterations end
    when a change is far below round-off, when the next one is sure to be, or when it no
    longer halves once it is small: never at a loose tolerance.
    """
    number = jnp.finfo(F[0].dtype)
    joint = mechanics.joint or not at.tail  # else motions of a batch, each with its own scale

    def largest(rows: Rows, axis: int | None) -> jax.Array:
        size = reduce(jnp.maximum, [jnp.abs(x) for x in rows])
        return jnp.max(size) if joint else size if axis is None else jnp.max(size, axis)

    # all changes are relative, as products of small motions underflow; near rest they do so as well
    speed = largest(at.v, None) + number.tiny / number.eps
    # near rest, positions are rounded more coarsely than velocities
    coarse = 8 * number.eps * largest(at.q, None) / jnp.abs(at.h) if joint else 0.0
    slack = 1e3 * len(rule.nodes) * number.eps

    def body(s):
        _, kicks, iterations, previous, _ = s
        new = forces(mechanics, rule, at, kicks, slice(0, -1))
        kicked = at.kicks(new)
        unit = 1 / (speed + largest(kicked, 0))
        change = largest(tuple(a - b for a, b in zip(kicked, kicks, strict=True)), 0) * unit
        small = slack + coarse * unit
        if not joint:
            small, change = jnp.max(small), jnp.max(change)
        # of the first iteration `previous` is NaN, and decides nothing
        left = SURE * number.eps * (previous - change)
        sure = (2 * change < previous) & (change * change <= left)
        stalled = (2 * change > previous) & (change < small)
        done = (change <= SURE * number.eps) | sure | stalled | ~jnp.isfinite(change)
        return new, kicked, iterations + 1, change, done

    none = jnp.asarray(jnp.nan, F[0].dtype)
    begin = (F, at.kicks(F), jnp.asarray(0), none, jnp.asarray(False))
    end = jax.lax.while_loop(lambda s: ~s[4] & (s[2] < MAX_ITERATIONS), body, begin)
    return end[0], end[2], end[3]
