"""Steps of the GGL integrator on a surface: holonomic constraints phi(q, t) = 0.

The discrete action gains h b_i lambda_i phi(q_i, t_i) at every node of the step, so that nodal
forces become F_i + G_i^T lambda_i with G = dphi/dq. The nodes after the first lie on the surface;
the multiplier of the last node sets the velocity tangent to it at the end of the step:

    phi(q_i, t_i) = 0, i = 1 .. r + 1,    G(q') v(q', p') + dphi/dt = 0.

For a constant mass these are the partitioned Lobatto IIIA-IIIB methods of Jay (SIAM J. Numer. Anal.
33, 368, 1996), of order 2r + 2; r = 0 is RATTLE. Letters as in `variational`; m constraints.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
from actionrun.compiler.numerics.array_types import ArrayFunction
from actionrun.compiler.numerics.linalg import solve
from jaxtyping import Array, Float

from .mechanics import FlatMechanics, Parameters, TimeTransform, stacked
from .nodal import nodal
from .quadrature import Rule
from .steps import Step, StepInput
from .variational import BATCH_ITERATIONS, GGL

MAX_ITERATIONS = 30  # of Newton, before a step counts as not converged
PROJECTIONS = 12  # Gauss-Newton iterations that bring a start to the surface from afar
COARSE_ITERATIONS = 3  # of a step of a batch in single precision
OWN = 64  # unknowns of a step up to which LAPACK is slower, where a batch goes through at once
SMALL = 1e-10  # a change of the places below this that no longer halves is at round-off


class Constraints(Protocol):
    """m holonomic constraints phi of q (n, ...), t and theta."""

    @property
    def m(self) -> int: ...

    def value(self, q, t, theta: Parameters) -> jax.Array:
        """phi, (m, ...)."""
        ...

    def size(self, q, t, theta: Parameters) -> jax.Array:
        """Sums of the sizes of the terms of phi, (m, ...); 1 for a single term."""
        ...

    def gradient(self, q, t, theta: Parameters) -> jax.Array:
        """G = dphi/dq, (m, n, ...)."""
        ...

    def pull(self, q, t, theta: Parameters, weights) -> jax.Array:
        """G^T weights (n, ...), the forces of multipliers `weights` (m, ...)."""
        ...

    def rate(self, q, v, t, theta: Parameters) -> jax.Array:
        """dphi/dt along a motion, (m, ...)."""
        ...


class CoordinateConstraints(eqx.Module):
    """Constraints of named coordinates as array functions of (q, t, theta) (see `Constraints`)."""

    m: int = eqx.field(static=True)
    values: ArrayFunction
    gradients: ArrayFunction
    drifts: ArrayFunction
    sizes: ArrayFunction

    def value(self, q, t, theta) -> Float[Array, "m ..."]:
        return _at(self.values, q, t, theta)

    def size(self, q, t, theta) -> Float[Array, "m ..."]:
        return _at(self.sizes, q, t, theta)

    def gradient(self, q, t, theta) -> Float[Array, "m n ..."]:
        rows = _at(self.gradients, q, t, theta)
        return rows.reshape((self.m, len(q), *rows.shape[1:]))

    def pull(self, q, t, theta, weights) -> Float[Array, "n ..."]:
        return jnp.sum(self.gradient(q, t, theta) * weights[:, None], axis=0)

    def rate(self, q, v, t, theta) -> Float[Array, "m ..."]:
        moved = jnp.sum(self.gradient(q, t, theta) * v, axis=1)
        return moved + _at(self.drifts, q, t, theta)


def _at(functions: ArrayFunction, q, t, theta) -> jax.Array:
    """Constraints do not hold the energy that a time transform puts behind the constants."""
    return stacked(functions(*(*q, t, *theta)[: functions.arity]), q)


def multipliers(
    mechanics: FlatMechanics, constraints: Constraints, q, v, t, theta: Parameters
) -> Float[Array, "m ..."]:
    """The multipliers (m, ...) of a motion at q, v: those that keep d2phi/dt2 at zero.

    The forces of constraint on the coordinates are G^T lambda. No step enters: along a discrete
    motion they are as exact as its positions and momenta.
    """
    t = jnp.broadcast_to(t, q.shape[1:])
    ones = jnp.ones_like(t)
    mass, G = mechanics.mass(q, v, t, theta), constraints.gradient(q, t, theta)
    along = (v, jnp.zeros_like(v), ones)  # of (q, v, t), without acceleration

    def momentum(q, v, t):
        return mechanics.momentum(q, v, t, theta)

    def rate(q, v, t):
        return constraints.rate(q, v, t, theta)

    pull = mechanics.force(q, v, t, theta) - jax.jvp(momentum, (q, v, t), along)[1]
    bend = jax.jvp(rate, (q, v, t), along)[1]
    freely = jnp.sum(G * solve(mass, pull[:, None])[:, 0], axis=1) + bend
    return -solve(_stiffness(mass, G), freely[:, None])[:, 0]


def _stiffness(mass, G) -> jax.Array:
    """G M^-1 G^T, (m, m, ...)."""
    moved = solve(mass, jnp.swapaxes(G, 0, 1))
    return _product(G, moved)


def _product(A, B) -> jax.Array:
    """A (m, n, ...) times B (n, k, ...), column by column: as one sum over axis 1 of a batch in
    single precision, from some 17 000 lanes on, XLA (jaxlib 0.10.2) compiles wrong numbers."""
    total = A[:, 0][:, None] * B[0]
    for j in range(1, len(B)):
        total = total + A[:, j][:, None] * B[j]
    return total


def _normal(G, rhs) -> jax.Array:
    """G^T (G G^T)^-1 rhs, (n, ...), for rhs (m, ...)."""
    square = _product(G, jnp.swapaxes(G, 0, 1))
    return jnp.sum(G * solve(square, rhs[:, None])[:, 0][:, None], axis=0)


class Constrained(eqx.Module):
    """The integrator on the surface. Seeds hold n nodal velocities, then m multipliers."""

    ggl: GGL
    surface: Constraints

    explicit = False
    linear = False

    @property
    def mechanics(self) -> FlatMechanics:
        return self.ggl.mechanics.flattened

    @property
    def r(self) -> int:
        return self.ggl.r

    @property
    def rule(self) -> Rule:
        return self.ggl.rule

    @property
    def clock(self) -> TimeTransform | None:
        return self.ggl.clock

    def with_r(self, r: int) -> Constrained:
        return replace(self, ggl=self.ggl.with_r(r))

    def nodes(self, q, t, h, theta: Parameters, V):
        return self.ggl.nodes(q, t, h, theta, V)

    def project_to_constraints(self, q, p, t, theta: Parameters) -> tuple[jax.Array, jax.Array]:
        """A start q, p (n, *batch) moved to the surface along the gradients of the constraints
        (Gauss-Newton), its momentum by forces of constraint until the velocity is tangent."""

        def nearer(_, q):
            G = self.surface.gradient(q, t, theta)
            return q - _normal(G, self.surface.value(q, t, theta))

        q = jax.lax.fori_loop(0, PROJECTIONS, nearer, q)
        return q, p + self.tangent(q, p, t, theta)[0]

    def constraint_residual(self, q, t, theta: Parameters) -> Float[Array, "m ..."]:
        """phi at q (n, ...) over the size of its terms."""
        size = jax.lax.stop_gradient(self.surface.size(q, t, theta))
        return self.surface.value(q, t, theta) / jnp.where(size > 0, size, 1)

    def initial_constraint_residual(
        self, q, p, t, theta: Parameters, span
    ) -> Float[Array, "2m *batch"]:
        """phi of a start, and its rate times `span`, over the size of its terms."""
        size = jax.lax.stop_gradient(self.surface.size(q, t, theta))
        v = self.mechanics.velocity(q, p, t, theta)
        rate = self.surface.rate(q, v, t, theta) * span
        residual = self.constraint_residual(q, t, theta)
        return jnp.concatenate([residual, rate / jnp.where(size > 0, size, 1)])

    def balance(self, q, v, t, theta) -> tuple[jax.Array, jax.Array]:
        """F and P (n, ...) with dP/dt = F along motions, whatever the forces of constraint are.

        These push along the gradients of the constraints. With the projector N = 1 - G^T (G G^T)^-1
        G, which takes that direction out, d(N P)/dt = N F + N' P.
        """
        t = jnp.broadcast_to(t, q.shape[1:])
        F, P = self.ggl.balance(q, v, t, theta)
        shape = jnp.broadcast_shapes(F.shape, P.shape)
        F, P = jnp.broadcast_to(F, shape), jnp.broadcast_to(P, shape)

        def along(q, t, x):
            G = self.surface.gradient(q, t, theta)
            G = jnp.broadcast_to(G, (len(G), *shape))
            return x - _normal(G, jnp.sum(G * x, axis=1))

        moved = jax.jvp(lambda q, t: along(q, t, P), (q, t), (v, jnp.ones_like(t)))
        return along(q, t, F) + moved[1], moved[0]

    def time(self, q, t):
        return t

    def energies(self, q, p, t, theta, minv=None, V=None):
        return self.ggl.energies(q, p, t, theta, minv, None if V is None else V[: len(q)])

    def violation(self, q, t, theta) -> jax.Array:
        """|phi| and the scale of phi, (2, m)."""
        phi, size = self.surface.value(q, t, theta), self.surface.size(q, t, theta)
        return jnp.stack([jnp.abs(phi), size])

    def guess(self, q, p, t, theta) -> jax.Array:
        """Velocity and multipliers of the start at every node."""
        t, constants = self.ggl.instant(t, theta)
        v = self.mechanics.velocity(q, p, t, constants)
        forces = multipliers(self.mechanics, self.surface, q, v, t, constants)
        rows = jnp.concatenate([v, forces])
        return jnp.repeat(rows[:, None], self.r + 2, axis=1)

    def extrapolated(self, seed, far: bool = False) -> jax.Array:
        return nodal(self.rule.extrapolate, seed)

    def velocities(self, p, t, h, theta, seed) -> jax.Array:
        return seed

    def preconditioner(self, q, p, t, theta) -> jax.Array:
        return self.ggl.preconditioner(q, p, t, theta)

    def step(self, at: StepInput, newton: bool) -> Step:
        """A step of a march, which is one of Newton whatever was asked for."""
        return self.newton(at.q, at.p, at.t, at.h, at.theta, at.seed)

    def newton(self, q, p, t, h, theta: Parameters, seed) -> Step:
        """A step by Newton from a seed, until a change is at round-off.

        `change` is the last one relative to the positions; infinite where it did not come to rest.
        """
        n, rule = len(q), self.rule
        z = jnp.concatenate([nodal(rule.coefficients, seed[:n]), h * seed[n:, :-1]])
        eps = jnp.finfo(z.dtype).eps

        def unfinished(s):
            return ~s[4] & (s[1] < MAX_ITERATIONS)

        def body(s):
            z, taken, previous, _, _ = s
            residual = self._residual(q, p, t, h, theta, z)
            J = self._jacobian(q, p, t, h, theta, z)
            dz = solve(J, residual.reshape((-1, 1))).reshape(z.shape)
            z = z - dz
            size, change = jnp.max(jnp.abs(z[:n])), jnp.max(jnp.abs(dz[:n]))
            places = h * change / (jnp.max(jnp.abs(q)) + h * size + jnp.finfo(z.dtype).tiny)
            change = change / (size + jnp.finfo(z.dtype).tiny)
            # positions on a surface are rounded: velocities may never come closer than eps q / h
            stalled = (change > 0.5 * previous) & (jnp.abs(places) < SMALL)
            lost = ~jnp.isfinite(change)
            return z, taken + 1, change, places, (change <= eps) | stalled | lost

        start = (z, jnp.asarray(0), *jnp.full((2,), jnp.inf, z.dtype), jnp.asarray(False))
        z, taken, _, places, done = jax.lax.while_loop(unfinished, body, start)
        return self._finish(q, p, t, h, theta, z, taken, jnp.where(done, jnp.abs(places), jnp.inf))

    def implicit(self, q, p, t, h, theta: Parameters, seed, contracts: bool) -> Step:
        """Steps of a batch by Newton iterations from seeds (n + m, r + 2, *batch).

        Differentiable: the last iteration carries the derivative, as in `GGL.newton`. A step of
        length zero stays where it is. `change` is the last one of each lane relative to its
        velocities.
        """
        iterations = BATCH_ITERATIONS if q.dtype == jnp.float64 else COARSE_ITERATIONS
        still = h == 0
        h = jnp.where(still, jnp.maximum(jnp.max(jnp.abs(h)), jnp.finfo(q.dtype).tiny), h)
        at, n = jax.lax.stop_gradient((q, p, t, h, theta)), len(q)
        z = jnp.concatenate([nodal(self.rule.coefficients, seed[:n]), h * seed[n:, :-1]])
        z = jax.lax.stop_gradient(z)
        flat = (-1, 1, *z.shape[2:])

        def iterate(_, z):
            residual = self._residual(*at, z).reshape(flat)
            return z - solve(self._jacobian(*at, z), residual, OWN).reshape(z.shape)

        z = jax.lax.fori_loop(0, iterations - 1, iterate, z)
        J = jax.lax.stop_gradient(self._jacobian(*at, z))
        residual = self._residual(q, p, t, h, theta, z).reshape(flat)
        dz = solve(J, residual, OWN).reshape(z.shape)
        z = z - dz
        size = jnp.max(jnp.abs(z[:n]), axis=(0, 1)) + jnp.finfo(z.dtype).tiny
        change = jnp.where(still, 0, jnp.max(jnp.abs(dz[:n]), axis=(0, 1)) / size)
        done = self._finish(q, p, t, h, theta, z, jnp.asarray(iterations), change)
        return done._replace(q=jnp.where(still, q, done.q), p=jnp.where(still, p, done.p))

    def _nodal(self, q, t, h, theta, z):
        """V, Q, T, constants and forces (with those of constraint, but for the last node's)."""
        rule, n = self.rule, len(q)
        V = nodal(rule.modes, z[:n])
        Q, T, constants = self.ggl.nodes(q, t, h, theta, V)
        push = self.surface.pull(Q[:, :-1], T[:-1], theta, z[n:] / h)
        F = self.mechanics.force(Q, V, T, constants)
        return V, Q, T, constants, F.at[:, :-1].add(push)

    def _residual(self, q, p, t, h, theta, z) -> jax.Array:
        """(n + m, r + 1): momentum balance by Legendre coefficients, phi / h at later nodes.

        z (n + m, r + 1) holds the coefficients of V, and h lambda at all nodes but the last.
        """
        rule = self.rule
        V, Q, T, constants, F = self._nodal(q, t, h, theta, z)
        target = p[:, None] + h * nodal(rule.impulse, F)
        balance = nodal(rule.coefficients, self.mechanics.momentum(Q, V, T, constants) - target)
        off = self.surface.value(Q[:, 1:], T[1:], theta)
        return jnp.concatenate([balance, off / h])

    def _jacobian(self, q, p, t, h, theta, z) -> jax.Array:
        """d residual / d z as (N, N, *batch) with N = (n + m) (r + 1)."""
        size = z.shape[0] * z.shape[1]
        basis = jnp.eye(size, dtype=z.dtype).reshape((size, *z.shape[:2]) + (1,) * (z.ndim - 2))

        def column(e):
            e = jnp.broadcast_to(e, z.shape)
            return jax.jvp(lambda z: self._residual(q, p, t, h, theta, z), (z,), (e,))[1]

        columns = jax.vmap(column, out_axes=1)(basis).swapaxes(1, 2)
        return columns.reshape((size, size, *z.shape[2:]))

    def _finish(self, q, p, t, h, theta, z, iterations, change) -> Step:
        b, n = self.rule.weights[None].astype(z.dtype), len(q)
        V, _, T, constants, F = self._nodal(q, t, h, theta, z)
        dq, dp = h * nodal(b, V)[:, 0], h * nodal(b, F)[:, 0]
        end, last = T[-1], constants
        if self.ggl.clock is not None:  # the energy behind the constants has a value at every node
            last = (*constants[:-1], constants[-1][-1])
        push, weight = self.tangent(q + dq, p + dp, end, last, V[:, -1])
        forces = jnp.concatenate([z[n:] / h, (weight / (h * b[0, -1]))[:, None]], axis=1)
        dp = dp + push
        V = jnp.concatenate([V, forces])
        return Step(q + dq, p + dp, dq, dp, V, iterations, change)

    def tangent(self, q, p, t, theta, near=None) -> tuple[jax.Array, jax.Array]:
        """G^T mu (n,) and mu (m,): the momentum to add so that the velocity is tangent."""
        m, G = self.mechanics, self.surface.gradient(q, t, theta)
        weight = jnp.zeros((self.surface.m, *q.shape[1:]), q.dtype)

        def nearer(_, weight):
            v = m.velocity(q, p + jnp.sum(G * weight[:, None], axis=0), t, theta, near=near)
            stiffness = _stiffness(m.mass(q, v, t, theta), G)
            rate = self.surface.rate(q, v, t, theta)
            return weight - solve(stiffness, rate[:, None])[:, 0]

        if m.affine_momentum:  # exact at once; once more for round-off
            weight = nearer(1, nearer(0, weight))
        else:  # as a loop: six copies of Newton's method would take minutes to compile
            weight = jax.lax.fori_loop(0, 6, nearer, weight)
        return jnp.sum(G * weight[:, None], axis=0), weight
