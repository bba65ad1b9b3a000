"""One step of the Galerkin-Gauss-Lobatto nonconservative variational integrator.

The action over [t, t + h] is taken by the Lobatto rule with r + 2 nodes of a path of degree r + 1
(Tsang, Galley, Stein and Turner, Astrophys. J. Lett. 809, L9, 2015; Roberts, section 2). Written
with the velocity V of the path, a polynomial of degree r, and the coefficients of
`quadrature.Rule`, the discrete Euler-Lagrange equations are

    q_i = q + h sum_j integrate_ij V_j,
    project[P(q_i, V_i, t_i)] = p + h sum_j impulse_ij F(q_j, V_j, t_j),
    q' = q + h sum_j b_j V_j,    p' = p + h sum_j b_j F_j,

of order 2r + 2. In this integral form the equations are conditioned like the motion itself, at any
r. Letters: q positions, p discrete momenta, v velocities, t time, h step, V nodal velocities.
Arrays are (dof, node, *batch): the batch comes last, so that every operation is contiguous over it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from actionrun.compiler.numerics.linalg import ONCE, inverse, solve

from . import newton_krylov as krylov
from .force_form import MOST, PASSES, begun, ended, forces, iterated, velocities
from .mechanics import Clock, Mechanics, times
from .nodal import nodal
from .quadrature import Rule, rule

if TYPE_CHECKING:
    from actionrun.compiler.numerics.integrators.many_body.flattened import Flat
    from actionrun.compiler.numerics.integrators.many_body.mechanics import Summed


class Step(NamedTuple):
    """Result of a step: the new state, passes taken, last relative change.

    `seed` is what the next step is guessed from: the nodal velocities, or the nodal forces of a
    `GGL` that is kicked; (n, r + 2, *batch) either way.
    """

    q: jax.Array
    p: jax.Array
    dq: jax.Array  # q' - q before rounding into q
    dp: jax.Array
    seed: jax.Array
    passes: jax.Array
    change: jax.Array
    fine: tuple[jax.Array, jax.Array] | None = None  # the part of dq, dp below their last digit


class GGL(eqx.Module):
    """The integrator for one problem and one r. Parameters, h and t are arguments (leaves)."""

    mechanics: Mechanics | Summed | Flat
    r: int = eqx.field(static=True)
    clock: Clock | None = None

    @property
    def rule(self) -> Rule:
        return rule(self.r)

    @property
    def kicked(self) -> bool:
        """Whether forces are the unknowns of a step (see `kicked`): where P = M v."""
        return self.mechanics.bare and self.clock is None and self.mechanics.n <= MOST

    @property
    def explicit(self) -> bool:
        """Whether a step needs no iteration: Stoermer-Verlet."""
        return self.r == 0 and self.mechanics.positional

    def instant(self, t, theta):
        """Time and constants at the beginning of a step."""
        return (t, theta) if self.clock is None else (t[0], (*theta, t[1]))

    def nodes(self, q, t, h, theta, V, q_low=None):
        """Positions, times and constants at the nodes of a step with nodal velocities V."""
        low = 0.0 if q_low is None else q_low[:, None]
        Q = q[:, None] + (low + h * nodal(self.rule.integrate, V))
        if self.clock is None:
            nodes = jnp.asarray(self.rule.nodes, V.dtype)
            return Q, t + h * nodes.reshape((-1,) + (1,) * (V.ndim - 2)), theta
        T = t[0] + h * nodal(self.rule.integrate, self.clock.rate(Q, theta))[0]
        power = self.clock.power(Q, V, T, theta)
        return Q, T, (*theta, t[1] + h * nodal(self.rule.impulse, power)[0])

    @property
    def linear(self) -> bool:
        """Whether a step is an affine map of the state."""
        return self.mechanics.linear

    def placed(self, q, p, t, theta) -> tuple[jax.Array, jax.Array]:
        """A start q, p (n, *batch) moved to where a motion may start: here, anywhere."""
        return q, p

    def off(self, q, t, theta) -> jax.Array:
        """How far q (n, ...) lies off each holonomic constraint, (m, ...): here there is none."""
        return jnp.zeros((0, *q.shape[1:]), q.dtype)

    def departure(self, q, p, t, theta, span) -> jax.Array:
        """How far a start lies off the surface and leaves it in a time `span`, (2m, *batch)."""
        return jnp.zeros((0, *q.shape[1:]), q.dtype)

    def balance(self, q, v, t, theta) -> tuple[jax.Array, jax.Array]:
        """F and P (n, ...) with dP/dt = F along motions, forces of constraint left out."""
        m = self.mechanics
        return m.force(q, v, t, theta), m.momentum(q, v, t, theta)

    def time(self, q, t):
        """Physical time at positions q and time t of the steps: for steps of s, another."""
        return t

    def energies(self, q, p, t, theta, minv=None, V=None):
        """Energy and kinetic part of it; nodal velocities V of a step that ended here help."""
        m = self.mechanics
        v = m.velocity(q, p, t, theta, minv, None if V is None else V[:, -1])
        # L is kinetic minus potential; what v does to the energy is the kinetic part of it
        energy = m.energy(q, v, t, theta)
        if m.bare:
            return energy, jnp.abs(jnp.sum(p * v, axis=(0, -1) if m.bodies else 0)) / 2
        return energy, jnp.abs(energy - m.energy(q, jnp.zeros_like(v), t, theta))

    def violation(self, q, t, theta) -> jax.Array:
        """|phi| and its scale for every holonomic constraint, (2, m): here there is none."""
        return jnp.zeros((2, 0), q.dtype)

    def guess(self, q, p, t, theta) -> jax.Array:
        """A seed for the first step: the initial velocity, or force, at every node."""
        t, theta = self.instant(t, theta)
        x = self.mechanics.velocity(q, p, t, theta)
        x = self.mechanics.force(q, x, t, theta) if self.kicked else x
        return jnp.repeat(x[:, None], self.r + 2, axis=1)

    def extrapolated(self, seed, far: bool = False) -> jax.Array:
        """The polynomial of the last step's seed, continued over the next step.

        `far`: for Newton on steps so long that the forces' polynomial runs away: the last force.
        """
        if self.kicked and far:
            return jnp.repeat(seed[:, -1:], self.r + 2, axis=1)
        return nodal(self.rule.foresee if self.kicked else self.rule.extrapolate, seed)

    def velocities(self, p, t, h, theta, seed) -> jax.Array:
        """Nodal velocities of a step from momenta p with that seed."""
        if not self.kicked:
            return seed
        minv = self.preconditioner(jnp.zeros_like(p), p, t, theta)
        at = begun(jnp.zeros_like(p), p, t, h, theta, minv)
        kicks = at.kicks(tuple(seed[:, :-1]))
        return jnp.stack(velocities(self.rule, at, kicks))

    def _finish(self, q, p, t, h, theta, V, passes, change, low=None) -> Step:
        Q, T, theta = self.nodes(q, t, h, theta, V, None if low is None else low[0])
        F = self.mechanics.force(Q, V, T, theta)
        weights = self.rule.weights
        b = weights[None].astype(V.dtype)
        dq, dp = h * nodal(b, V)[:, 0], h * nodal(b, F)[:, 0]
        seed = F if self.kicked else V
        if low is None:
            return Step(q + dq, p + dp, dq, dp, seed, passes, change)
        # what the weights lost by rounding is a bias that a long run would add up
        rest = weights[None] - b.astype(weights.dtype) + self.rule.weights_low[None]
        fine = h * nodal(rest, V)[:, 0], h * nodal(rest, F)[:, 0]
        return Step(q + dq, p + dp, dq, dp, seed, passes, change, fine)

    # -- fixed point -----------------------------------------------------------------------------

    def preconditioner(self, q, p, t, theta) -> jax.Array:
        """Inverse kinetic matrix (n, n, *batch), constant over a run where the mass is; its
        diagonal (n, *batch) where it has no more."""
        t, theta = self.instant(t, theta)
        m = self.mechanics
        v = p if m.constant_mass else m.velocity(q, p, t, theta)  # of a constant, whatever v is
        return m.inverse_mass(q, v, t, theta)

    def _pass(self, q, p, t, h, theta, minv, V, low=None):
        m, tail = self.mechanics, V.ndim - 2
        q_low, p_low = (None, 0.0) if low is None else (low[0], low[1][:, None])
        Q, T, theta = self.nodes(q, t, h, theta, V, q_low)
        target = p[:, None] + (p_low + h * nodal(self.rule.impulse, m.force(Q, V, T, theta)))
        if m.bare:
            return times(minv, target, tail)
        lack = nodal(self.rule.project, target - m.momentum(Q, V, T, theta))
        if m.constant_mass:
            return V + times(minv, lack, tail)
        return V + nodal(self.rule.project, m.lifted(Q, V, T, theta, lack))

    def fixed_point(self, q, p, t, h, theta, minv, seed, low=None) -> Step:
        """A step by preconditioned fixed-point passes from a seed.

        `low` are the parts of q and p that did not fit into them (compensated summation).

        Stops when a change is at round-off, or no longer halves once it is small: never at a loose
        tolerance. `change` is the last change relative to the velocities; large: not converged.
        """
        if self.kicked:
            return self._kicked(q, p, t, h, theta, minv, seed, low)
        if self.explicit:
            V, none = self._pass(q, p, t, h, theta, minv, seed, low), jnp.zeros((), seed.dtype)
            return self._finish(q, p, t, h, theta, V, jnp.asarray(1), none, low)
        eps, tiny = jnp.finfo(seed.dtype).eps, jnp.finfo(seed.dtype).tiny

        def unfinished(s):
            return ~s[3] & (s[1] < PASSES)

        def body(s):
            old, passes, previous, _ = s
            new = self._pass(q, p, t, h, theta, minv, old, low)
            # bodies move together, and one may rest; the motions of a batch have nothing in common
            of = None if self.mechanics.bodies else (0, 1)
            scale = jnp.max(jnp.abs(new), axis=of) + tiny / eps
            change = jnp.max(jnp.max(jnp.abs(new - old), axis=of) / scale)
            small = 1e3 * (self.r + 2) * eps
            if self.mechanics.bodies:  # near rest, places are rounded more coarsely than velocities
                small = small + 8 * eps * jnp.max(jnp.abs(q)) / (jnp.abs(h) * scale)
            stalled = (change > 0.5 * previous) & (change < small)
            lost = ~jnp.isfinite(change)
            return new, passes + 1, change, (change <= eps) | stalled | lost

        start = (seed, jnp.asarray(0), jnp.asarray(jnp.inf, seed.dtype), jnp.asarray(False))
        V, passes, change, _ = jax.lax.while_loop(unfinished, body, start)
        return self._finish(q, p, t, h, theta, V, passes, change, low)

    def _kicked(self, q, p, t, h, theta, minv, seed, low) -> Step:
        at = begun(q, p, t, h, theta, minv, low)
        F, passes, change = tuple(seed[:, :-1]), jnp.asarray(1), jnp.zeros((), seed.dtype)
        if self.explicit:
            F = forces(self.mechanics, self.rule, at, at.kicks(F), slice(0, -1))
        else:
            F, passes, change = iterated(self.mechanics, self.rule, at, F)
        end = ended(self.mechanics, self.rule, at, F)
        fine = None if low is None else end.fine
        return Step(q + end.dq, p + end.dp, end.dq, end.dp, end.F, passes, change, fine)

    def unknowns(self, seed) -> jax.Array:
        """What the passes of a step are over: of forces, all but the last node's."""
        return seed[:, :-1] if self.kicked else seed

    def passed(self, q, p, t, h, theta, x) -> jax.Array:
        """Unknowns x after one more pass: a step solves x = passed(x). Differentiable there."""
        minv = self.preconditioner(q, p, t, theta)
        if not self.kicked:  # the preconditioner leaves no trace in the solution
            return self._pass(q, p, t, h, theta, jax.lax.stop_gradient(minv), x)
        at = begun(q, p, t, h, theta, minv)
        kicks = at.kicks(tuple(x))
        return jnp.stack(forces(self.mechanics, self.rule, at, kicks, slice(0, -1)))

    def ends(self, q, p, t, h, theta, x) -> tuple[jax.Array, jax.Array]:
        """q', p' of a step with unknowns x. Differentiable."""
        if self.kicked:
            at = begun(q, p, t, h, theta, self.preconditioner(q, p, t, theta))
            end = ended(self.mechanics, self.rule, at, tuple(x))
            return q + end.dq, p + end.dp
        none = jnp.zeros((), x.dtype)
        done = self._finish(q, p, t, h, theta, x, jnp.asarray(0), none)
        return done.q, done.p

    # -- Newton ----------------------------------------------------------------------------------

    def residual(self, q, p, t, h, theta, w) -> jax.Array:
        """Legendre coefficients (n, r + 1, *batch) of the momentum balance; w those of V."""
        m = self.mechanics
        V = nodal(self.rule.modes, w)
        Q, T, theta = self.nodes(q, t, h, theta, V)
        target = p[:, None] + h * nodal(self.rule.impulse, m.force(Q, V, T, theta))
        return nodal(self.rule.coefficients, m.momentum(Q, V, T, theta) - target)

    def jacobian(self, q, p, t, h, theta, w) -> jax.Array:
        """d residual / d w as (N, N, *batch) with N = n (r + 1)."""
        size = w.shape[0] * w.shape[1]
        basis = jnp.eye(size, dtype=w.dtype).reshape((size, *w.shape[:2]) + (1,) * (w.ndim - 2))

        def column(e):
            direction = jnp.broadcast_to(e, w.shape)
            return jax.jvp(lambda x: self.residual(q, p, t, h, theta, x), (w,), (direction,))[1]

        columns = jax.vmap(column, out_axes=1)(basis).swapaxes(1, 2)  # (n, r + 1, N, *batch)
        return columns.reshape((size, size, *w.shape[2:]))

    def newton(self, q, p, t, h, theta, seed, iterations: int) -> Step:
        """A step by `iterations` Newton iterations from a seed, differentiable.

        The last iteration carries the derivative: at a solution, w - J^-1 residual(w) with J and w
        held fixed has the derivative of the implicit function, forward and backward. Of bodies it
        goes on until it is at rest, without a matrix and without a derivative.
        """
        if not isinstance(self.mechanics, Mechanics):
            V, passes, change = krylov.found(self, q, p, t, h, theta, seed)
            return self._finish(q, p, t, h, theta, V, passes, change)
        held = jax.lax.stop_gradient((q, p, t, h, theta))
        V = self.velocities(held[1], *held[2:], seed)
        w = jax.lax.stop_gradient(nodal(self.rule.coefficients, V))
        shape, flat = w.shape, (-1, 1, *w.shape[2:])

        def iterate(_, w):
            J = self.jacobian(*held, w)
            return w - solve(J, self.residual(*held, w).reshape(flat)).reshape(shape)

        if iterations > 1:
            w = jax.lax.fori_loop(0, iterations - 1, iterate, w)
        J = jax.lax.stop_gradient(self.jacobian(*held, w))
        change = solve(J, self.residual(q, p, t, h, theta, w).reshape(flat)).reshape(shape)
        w = w - change
        size = jnp.max(jnp.abs(w), axis=(0, 1)) + jnp.finfo(w.dtype).tiny
        relative = jnp.max(jnp.abs(change), axis=(0, 1)) / size
        V = nodal(self.rule.modes, w)
        return self._finish(q, p, t, h, theta, V, jnp.asarray(iterations), relative)

    # -- linear ----------------------------------------------------------------------------------

    def affine(self, h, theta, batch: tuple[int, ...] = (), dtype=jnp.float64):
        """The step of a quadratic Lagrangian as a map: z' = z + D z + d with z = (q, p).

        Returns D (2n, 2n, *batch) and d (2n, *batch); differentiable in theta and h.
        """
        n, t = self.mechanics.n, jnp.zeros((), dtype)
        # the motions from rest at the origin, and from each unit of z: a batch before the others
        start = jnp.concatenate([jnp.zeros((2 * n, 1), dtype), jnp.eye(2 * n, dtype=dtype)], axis=1)
        start = start.reshape((*start.shape, *(1,) * len(batch)))
        start = jnp.broadcast_to(start, (2 * n, 2 * n + 1, *batch))
        _, done = self.responses(h, theta, start[:n], start[n:], t)
        ends = jnp.concatenate([done.dq, done.dp])
        return ends[:, 1:] - ends[:, :1], ends[:, 0]

    def responses(self, h, theta, q, p, t) -> tuple[jax.Array, Step]:
        """Nodal velocities and steps of a quadratic Lagrangian from q, p (n, motions, *batch)."""
        batch = q.shape[2:]
        still = jnp.zeros((len(q), self.r + 1, *batch), q.dtype)
        held, rest = jax.lax.stop_gradient((h, theta)), jnp.zeros((len(q), *batch), q.dtype)
        # the inverse steers alone, as in `newton`; LAPACK would take longer to compile than to run
        J = inverse(self.jacobian(rest, rest, t, *held, still), ONCE)

        def lacking(q, p, h, theta, w):
            lack = self.residual(q, p, t, h, theta, w).reshape((len(J), *w.shape[2:]))
            return jnp.sum(J[:, :, None] * lack[None], axis=1).reshape(w.shape)

        w = jnp.zeros((len(q), self.r + 1, *q.shape[1:]), q.dtype)
        for _ in range(2):
            w = w - lacking(*jax.lax.stop_gradient((q, p)), *held, w)
        w = w - lacking(q, p, h, theta, w)  # carries the derivative
        V = nodal(self.rule.modes, w)
        return V, self._finish(q, p, t, h, theta, V, jnp.asarray(1), jnp.zeros((), q.dtype))
