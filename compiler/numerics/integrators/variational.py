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

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
from actionrun.compiler.numerics.linalg import ONCE, inverse, solve
from jaxtyping import Array, Float

from . import force_form
from .mechanics import DiscreteMechanics, Parameters, TimeTransform, batched_product
from .newton_krylov import newton_gmres
from .nodal import nodal
from .quadrature import Rule, rule
from .steps import Step, StepInput

NEWTON_ITERATIONS = 8  # of a step of a march
BATCH_ITERATIONS = 5  # Newton iterations of a step of a batch; exact derivative at the solution


class GGL(eqx.Module):
    """The Galerkin-Gauss-Lobatto integrator of one system, with r interior points.

    States q, p are (n, *batch), of joint bodies (n,); seeds and nodal velocities are as the
    mechanics folds them. Parameters, h and t are arguments. Methods that take or give `Q`, `V`, or
    start with an underscore work on folded arrays.
    """

    mechanics: DiscreteMechanics
    r: int = eqx.field(static=True)
    clock: TimeTransform | None = None

    surface = None  # of constraints: here there are none

    @property
    def rule(self) -> Rule:
        return rule(self.r)

    @property
    def force_form(self) -> bool:
        """Whether forces are the unknowns of a step (see `force_form`): where P = M v."""
        m = self.mechanics
        few = m.components <= force_form.MOST
        return m.momentum_is_mass_times_velocity and self.clock is None and few

    @property
    def explicit(self) -> bool:
        """Whether a step needs no iteration: Stoermer-Verlet."""
        return self.r == 0 and self.mechanics.positional

    @property
    def linear(self) -> bool:
        """Whether a step is an affine map of the state."""
        return self.mechanics.linear

    def with_r(self, r: int) -> GGL:
        """The same with another number of interior points."""
        return replace(self, r=r)

    def instant(self, t, theta: Parameters):
        """Time and constants at the beginning of a step."""
        return (t, theta) if self.clock is None else (t[0], (*theta, t[1]))

    def nodes(self, q, t, h, theta: Parameters, V, q_low=None):
        """Positions, times and constants at the nodes of a step with nodal velocities V."""
        low = 0.0 if q_low is None else q_low[:, None]
        Q = q[:, None] + (low + h * nodal(self.rule.integrate, V))
        if self.clock is None:
            nodes = jnp.asarray(self.rule.nodes, V.dtype)
            return Q, t + h * nodes.reshape((-1,) + (1,) * (V.ndim - 2)), theta
        T = t[0] + h * nodal(self.rule.integrate, self.clock.rate(Q, theta))[0]
        power = self.clock.power(Q, V, T, theta)
        return Q, T, (*theta, t[1] + h * nodal(self.rule.impulse, power)[0])

    def project_to_constraints(self, q, p, t, theta: Parameters) -> tuple[jax.Array, jax.Array]:
        """A start q, p (n, *batch) moved to where a motion may start: here, anywhere."""
        return q, p

    def constraint_residual(self, q, t, theta: Parameters) -> Float[Array, "m ..."]:
        """How far q (n, ...) lies off each holonomic constraint: here there is none."""
        return jnp.zeros((0, *q.shape[1:]), q.dtype)

    def initial_constraint_residual(
        self, q, p, t, theta: Parameters, span
    ) -> Float[Array, "2m *batch"]:
        """How far a start lies off the surface and leaves it in a time `span`: not at all."""
        return jnp.zeros((0, *q.shape[1:]), q.dtype)

    def balance(self, q, v, t, theta: Parameters) -> tuple[jax.Array, jax.Array]:
        """F and P (n, ...) with dP/dt = F along motions, forces of constraint left out."""
        m = self.mechanics
        return m.force(q, v, t, theta), m.momentum(q, v, t, theta)

    def time(self, q, t):
        """Physical time at positions q and time t of the steps: for steps of s, another."""
        return t

    def energies(self, q, p, t, theta: Parameters, minv=None, V=None):
        """Energy and kinetic part of it; nodal velocities V of a step that ended here help."""
        m = self.mechanics
        q, p = m.fold(q), m.fold(p)
        v = m.velocity(q, p, t, theta, minv, None if V is None or m.joint else V[:, -1])
        # L is kinetic minus potential; what v does to the energy is the kinetic part of it
        energy = m.energy(q, v, t, theta)
        if m.momentum_is_mass_times_velocity:
            return energy, jnp.abs(jnp.sum(p * v, axis=(0, -1) if m.joint else 0)) / 2
        return energy, jnp.abs(energy - m.energy(q, jnp.zeros_like(v), t, theta))

    def violation(self, q, t, theta: Parameters) -> Float[Array, "2 m"]:
        """|phi| and its scale for every holonomic constraint: here there is none."""
        return jnp.zeros((2, 0), q.dtype)

    def guess(self, q, p, t, theta: Parameters) -> jax.Array:
        """A seed for the first step: the initial velocity, or force, at every node."""
        m = self.mechanics
        q, p = m.fold(q), m.fold(p)
        t, theta = self.instant(t, theta)
        x = m.velocity(q, p, t, theta)
        x = m.force(q, x, t, theta) if self.force_form else x
        return jnp.repeat(x[:, None], self.r + 2, axis=1)

    def extrapolated(self, seed, far: bool = False) -> jax.Array:
        """The polynomial of the last step's seed, continued over the next step.

        `far`: for Newton on steps so long that the forces' polynomial runs away: the last force.
        """
        if self.force_form and far:
            return jnp.repeat(seed[:, -1:], self.r + 2, axis=1)
        rule = self.rule
        return nodal(rule.extrapolate_forces if self.force_form else rule.extrapolate, seed)

    def velocities(self, p, t, h, theta: Parameters, seed) -> jax.Array:
        """Nodal velocities of a step from momenta p with that seed."""
        return self._velocities(self.mechanics.fold(p), t, h, theta, seed)

    def _velocities(self, p, t, h, theta, seed) -> jax.Array:
        if not self.force_form:
            return seed
        rest = jnp.zeros_like(p)
        minv = self._preconditioner(rest, p, t, theta)
        at = force_form.start_step(rest, p, t, h, theta, minv)
        kicks = at.kicks(tuple(seed[:, :-1]))
        return jnp.stack(force_form.velocities(self.rule, at, kicks))

    def finish(self, q, p, t, h, theta: Parameters, V, iterations, change, low=None) -> Step:
        """The step with nodal velocities V."""
        Q, T, theta = self.nodes(q, t, h, theta, V, None if low is None else low[0])
        F = self.mechanics.force(Q, V, T, theta)
        weights = self.rule.weights
        b = weights[None].astype(V.dtype)
        dq, dp = h * nodal(b, V)[:, 0], h * nodal(b, F)[:, 0]
        seed = F if self.force_form else V
        if low is None:
            return self._step(q, p, dq, dp, seed, iterations, change)
        # what the weights lost by rounding is a bias that a long run would add up
        rest = weights[None] - b.astype(weights.dtype) + self.rule.weights_low[None]
        below = h * nodal(rest, V)[:, 0], h * nodal(rest, F)[:, 0]
        return self._step(q, p, dq, dp, seed, iterations, change, below)

    def _step(self, q, p, dq, dp, seed, iterations, change, low=None) -> Step:
        flat = self.mechanics.flat
        q, p, dq, dp = flat(q + dq), flat(p + dp), flat(dq), flat(dp)
        low = None if low is None else (flat(low[0]), flat(low[1]))
        return Step(q, p, dq, dp, seed, iterations, change, low)

    def step(self, at: StepInput, newton: bool) -> Step:
        """A step of a march: by Newton, or by the fixed point."""
        if newton:
            return self.newton(at.q, at.p, at.t, at.h, at.theta, at.seed, NEWTON_ITERATIONS)
        return self.fixed_point(at.q, at.p, at.t, at.h, at.theta, at.minv, at.seed, at.low)

    # -- fixed point -----------------------------------------------------------------------------

    def preconditioner(self, q, p, t, theta: Parameters) -> jax.Array:
        """Inverse kinetic matrix (n, n, *batch), constant over a run where the mass is; its
        diagonal (n, *batch) where it has no more."""
        m = self.mechanics
        return self._preconditioner(m.fold(q), m.fold(p), t, theta)

    def _preconditioner(self, q, p, t, theta) -> jax.Array:
        t, theta = self.instant(t, theta)
        m = self.mechanics
        v = p if m.constant_mass else m.velocity(q, p, t, theta)  # of a constant, whatever v is
        return m.inverse_mass(q, v, t, theta)

    def iterate(self, q, p, t, h, theta: Parameters, minv, V, low=None) -> jax.Array:
        """Nodal velocities after one more iteration of the fixed point."""
        m, tail = self.mechanics, V.ndim - 2
        q_low, p_low = (None, 0.0) if low is None else (low[0], low[1][:, None])
        Q, T, theta = self.nodes(q, t, h, theta, V, q_low)
        target = p[:, None] + (p_low + h * nodal(self.rule.impulse, m.force(Q, V, T, theta)))
        if m.momentum_is_mass_times_velocity:
            return batched_product(minv, target, tail)
        rest = nodal(self.rule.project, target - m.momentum(Q, V, T, theta))
        if m.constant_mass:
            return V + batched_product(minv, rest, tail)
        return V + nodal(self.rule.project, m.solve_mass(Q, V, T, theta, rest))

    def fixed_point(self, q, p, t, h, theta: Parameters, minv, seed, low=None) -> Step:
        """A step by preconditioned fixed-point iterations from a seed.

        `low` are the parts of q and p that did not fit into them (compensated summation).

        Stops when a change is at round-off, or no longer halves once it is small: never at a loose
        tolerance. `change` is the last change relative to the velocities; large: not converged.
        """
        m = self.mechanics
        q, p = m.fold(q), m.fold(p)
        low = None if low is None else tuple(map(m.fold, low))
        if self.force_form:
            return self._in_force_form(q, p, t, h, theta, minv, seed, low)
        if self.explicit:
            V, none = self.iterate(q, p, t, h, theta, minv, seed, low), jnp.zeros((), seed.dtype)
            return self.finish(q, p, t, h, theta, V, jnp.asarray(1), none, low)
        eps, tiny = jnp.finfo(seed.dtype).eps, jnp.finfo(seed.dtype).tiny

        def unfinished(s):
            return ~s[3] & (s[1] < force_form.MAX_ITERATIONS)

        def body(s):
            old, iterations, previous, _ = s
            new = self.iterate(q, p, t, h, theta, minv, old, low)
            # bodies move together, and one may rest; the motions of a batch have nothing in common
            of = None if m.joint else (0, 1)
            scale = jnp.max(jnp.abs(new), axis=of) + tiny / eps
            change = jnp.max(jnp.max(jnp.abs(new - old), axis=of) / scale)
            small = 1e3 * (self.r + 2) * eps
            if m.joint:  # near rest, places are rounded more coarsely than velocities
                small = small + 8 * eps * jnp.max(jnp.abs(q)) / (jnp.abs(h) * scale)
            stalled = (change > 0.5 * previous) & (change < small)
            lost = ~jnp.isfinite(change)
            return new, iterations + 1, change, (change <= eps) | stalled | lost

        start = (seed, jnp.asarray(0), jnp.asarray(jnp.inf, seed.dtype), jnp.asarray(False))
        V, iterations, change, _ = jax.lax.while_loop(unfinished, body, start)
        return self.finish(q, p, t, h, theta, V, iterations, change, low)

    def _in_force_form(self, q, p, t, h, theta, minv, seed, low) -> Step:
        at = force_form.start_step(q, p, t, h, theta, minv, low)
        F, iterations, change = tuple(seed[:, :-1]), jnp.asarray(1), jnp.zeros((), seed.dtype)
        if self.explicit:
            F = force_form.forces(self.mechanics, self.rule, at, at.kicks(F), slice(0, -1))
        else:
            F, iterations, change = force_form.fixed_point(self.mechanics, self.rule, at, F)
        end = force_form.finish_step(self.mechanics, self.rule, at, F)
        below = None if low is None else end.low
        return self._step(q, p, end.dq, end.dp, end.F, iterations, change, below)

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

    def newton(self, q, p, t, h, theta: Parameters, seed, iterations: int) -> Step:
        """A step by `iterations` Newton iterations from a seed, differentiable.

        The last iteration carries the derivative: at a solution, w - J^-1 residual(w) with J and w
        fixed has the derivative of the implicit function, forward and backward. Of joint bodies it
        goes on until it is at rest, without a matrix and without a derivative.
        """
        m = self.mechanics
        q, p = m.fold(q), m.fold(p)
        if m.joint:
            return self._newton_krylov(q, p, t, h, theta, seed)
        at = jax.lax.stop_gradient((q, p, t, h, theta))
        V = self._velocities(at[1], *at[2:], seed)
        w = jax.lax.stop_gradient(nodal(self.rule.coefficients, V))
        shape, flat = w.shape, (-1, 1, *w.shape[2:])

        def iterate(_, w):
            J = self.jacobian(*at, w)
            return w - solve(J, self.residual(*at, w).reshape(flat)).reshape(shape)

        if iterations > 1:
            w = jax.lax.fori_loop(0, iterations - 1, iterate, w)
        J = jax.lax.stop_gradient(self.jacobian(*at, w))
        change = solve(J, self.residual(q, p, t, h, theta, w).reshape(flat)).reshape(shape)
        w = w - change
        size = jnp.max(jnp.abs(w), axis=(0, 1)) + jnp.finfo(w.dtype).tiny
        relative = jnp.max(jnp.abs(change), axis=(0, 1)) / size
        V = nodal(self.rule.modes, w)
        return self.finish(q, p, t, h, theta, V, jnp.asarray(iterations), relative)

    def _newton_krylov(self, q, p, t, h, theta, seed) -> Step:
        eps = jnp.finfo(seed.dtype).eps
        minv = self._preconditioner(q, p, t, theta)[:, None]
        V = self._velocities(p, t, h, theta, seed)

        def residual(w):
            return minv * self.residual(q, p, t, h, theta, w)

        def round_off(scale):
            return 1e3 * (self.r + 2) * eps + 8 * eps * jnp.max(jnp.abs(q)) / (jnp.abs(h) * scale)

        start = nodal(self.rule.coefficients, V)
        w, iterations, change = newton_gmres(residual, start, round_off)
        return self.finish(q, p, t, h, theta, nodal(self.rule.modes, w), iterations, change)

    def implicit(self, q, p, t, h, theta: Parameters, seed, contracts: bool) -> Step:
        """A differentiable step of a batch: where the fixed point `contracts`, by it and a Newton
        iteration, with the same result."""
        if self.linear or not contracts:
            iterations = 2 if self.linear else BATCH_ITERATIONS
            return self.newton(q, p, t, h, theta, seed, iterations)
        at = jax.lax.stop_gradient((q, p, t, h, theta))
        minv = self.preconditioner(at[0], at[1], at[2], at[4])
        close = self.fixed_point(*at, minv, jax.lax.stop_gradient(seed))
        return self.newton(q, p, t, h, theta, close.seed, 1)

    # -- linear ----------------------------------------------------------------------------------

    def affine(self, h, theta, batch: tuple[int, ...] = (), dtype=jnp.float64):
        """The step of a quadratic Lagrangian as a map: z' = z + D z + d, z = (q, p).

        Returns D (2n, 2n, *batch) and d (2n, *batch); differentiable in theta and h.
        """
        n, t = self.mechanics.components, jnp.zeros((), dtype)
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
        at, rest = jax.lax.stop_gradient((h, theta)), jnp.zeros((len(q), *batch), q.dtype)
        # the inverse steers alone, as in `newton`; LAPACK would take longer to compile than to run
        J = inverse(self.jacobian(rest, rest, t, *at, still), ONCE)

        def residual(q, p, h, theta, w):
            value = self.residual(q, p, t, h, theta, w).reshape((len(J), *w.shape[2:]))
            return jnp.sum(J[:, :, None] * value[None], axis=1).reshape(w.shape)

        w = jnp.zeros((len(q), self.r + 1, *q.shape[1:]), q.dtype)
        for _ in range(2):
            w = w - residual(*jax.lax.stop_gradient((q, p)), *at, w)
        w = w - residual(q, p, h, theta, w)  # carries the derivative
        V = nodal(self.rule.modes, w)
        return V, self.finish(q, p, t, h, theta, V, jnp.asarray(1), jnp.zeros((), q.dtype))
