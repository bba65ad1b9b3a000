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

from typing import TYPE_CHECKING, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..lower import Lowered
from .linear import inverse, solve
from .quadrature import Rule, rule

if TYPE_CHECKING:
    from .summed import Summed

PASSES = 60  # of the fixed point, before a step counts as not converged
UNROLLED_NODES = 24


class Mechanics(eqx.Module):
    """A problem as array functions of (q, v, t, theta): force, momentum, mass.

    q, v are (n, ...), theta (k, ...) with axes that broadcast against those of q after the first.
    """

    n: int = eqx.field(static=True)
    linear: bool = eqx.field(static=True)
    positional: bool = eqx.field(static=True)
    constant_mass: bool = eqx.field(static=True)
    affine_momentum: bool = eqx.field(static=True)
    forces: Lowered
    momenta: Lowered
    masses: Lowered
    energies: Lowered

    bodies: ClassVar[bool] = False  # the axis behind the nodes is a batch, of motions on their own

    def force(self, q, v, t, theta):
        return self._stack(self.forces(*q, *v, t, *theta), q)

    def momentum(self, q, v, t, theta):
        return self._stack(self.momenta(*q, *v, t, *theta), q)

    def energy(self, q, v, t, theta):
        return self._stack(self.energies(*q, *v, t, *theta), q)[0]

    def mass(self, q, v, t, theta):
        """dP/dv, shape (n, n, ...)."""
        rows = self._stack(self.masses(*q, *v, t, *theta), q)
        return rows.reshape((self.n, self.n, *rows.shape[1:]))

    def velocity(self, q, p, t, theta, minv=None, near=None):
        """The velocities that belong to momenta p: the inverse of `momentum` in v.

        Exact at once where P is affine in v (`minv`, the inverse of a constant mass, may be given).
        Else by Newton: a few passes from `near`, or damped ones from rest, each halved until the
        lack of momentum is finite and smaller, as a relativistic momentum needs.
        """
        rest = jnp.zeros_like(q)
        if self.affine_momentum:
            lack = (p - self.momentum(q, rest, t, theta))[:, None]
            if self.constant_mass and minv is not None:
                return _times_vector(minv, lack)[:, 0]
            return solve(self.mass(q, rest, t, theta), lack)[:, 0]

        def lacking(v):
            return p - self.momentum(q, v, t, theta)

        def newton(_, v):
            return v + solve(self.mass(q, v, t, theta), lacking(v)[:, None])[:, 0]

        def damped(_, v):
            size, new = jnp.max(jnp.abs(lacking(v)), axis=0), newton(0, v)
            for _ in range(5):
                worse = ~(jnp.max(jnp.abs(lacking(new)), axis=0) <= size)
                new = jnp.where(worse, (v + new) / 2, new)
            return new

        if near is not None:
            return jax.lax.fori_loop(0, 4, newton, near)
        return jax.lax.fori_loop(0, 30, damped, rest)

    def _stack(self, values, like):
        return stacked(values, like)


class Clock(eqx.Module):
    """Physical time of a motion whose steps are of s, dt = g(q) ds, and its energy E.

    A step with a clock takes the pair (t, E) for its time, and E as the last of its constants.
    """

    rates: Lowered  # g of (q, theta)
    powers: Lowered  # dE/ds of (q, dq/ds, t, theta): 0 where the energy is conserved

    def rate(self, q, theta):
        return stacked(self.rates(*q, *theta), q)

    def power(self, q, v, t, theta):
        return stacked(self.powers(*q, *v, t, *theta), q)


def stacked(values, like: jax.Array) -> jax.Array:
    """Values (numbers or arrays) as one array (len(values), ...), broadcast against like[0]."""
    shape = jnp.broadcast_shapes(like.shape[1:], *(jnp.shape(x) for x in values))
    return jnp.stack([jnp.broadcast_to(jnp.asarray(x, like.dtype), shape) for x in values])


class Step(NamedTuple):
    """Result of a step: the new state, nodal velocities, passes taken, last relative change."""

    q: jax.Array
    p: jax.Array
    dq: jax.Array  # q' - q before rounding into q
    dp: jax.Array
    V: jax.Array
    passes: jax.Array
    change: jax.Array
    fine: tuple[jax.Array, jax.Array] | None = None  # the part of dq, dp below their last digit


def nodal(matrix: np.ndarray, values: jax.Array) -> jax.Array:
    """matrix (i, s) over the node axis of values (n, s, *batch); constants are folded in.

    The value is a sum over columns, which fuses best; its derivative is a sum of products, whose
    transpose fuses too (that of slices is a pile of pads).
    """
    if matrix.shape[1] > UNROLLED_NODES:
        return jnp.einsum("ij,nj...->ni...", jnp.asarray(matrix, values.dtype), values)
    matrix = matrix.astype(values.dtype)
    ones = (None,) * (values.ndim - 2)

    def product(x):
        total = jnp.multiply(matrix[:, 0][(slice(None), *ones)], x[:, :1])
        for j in range(1, matrix.shape[1]):
            total = total + matrix[:, j][(slice(None), *ones)] * x[:, j : j + 1]
        return total

    if ones:  # a batch is never transposed, and XLA 0.10 crashed on a vmapped sum of this form
        return product(values)
    alone = jax.custom_jvp(product)

    @alone.defjvp
    def _(primals, tangents):
        return alone(*primals), jnp.sum(matrix[None] * tangents[0][:, None], axis=2)

    return alone(values)


class GGL(eqx.Module):
    """The integrator for one problem and one r. Parameters, h and t are arguments (leaves)."""

    mechanics: Mechanics | Summed
    r: int = eqx.field(static=True)
    clock: Clock | None = None

    @property
    def rule(self) -> Rule:
        return rule(self.r)

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

    def time(self, q, t):
        """Physical time at positions q and time t of the steps: for steps of s, another."""
        return t

    def energies(self, q, p, t, theta, minv=None, V=None):
        """Energy and kinetic part of it; nodal velocities V of a step that ended here help."""
        m = self.mechanics
        v = m.velocity(q, p, t, theta, minv, None if V is None else V[:, -1])
        # L is kinetic minus potential; what v does to the energy is the kinetic part of it
        energy = m.energy(q, v, t, theta)
        return energy, jnp.abs(energy - m.energy(q, jnp.zeros_like(v), t, theta))

    def violation(self, q, t, theta) -> jax.Array:
        """|phi| and its scale for every holonomic constraint, (2, m): here there is none."""
        return jnp.zeros((2, 0), q.dtype)

    def guess(self, q, p, t, theta) -> jax.Array:
        """Nodal velocities for the first step: the initial velocity at every node."""
        v = self.mechanics.velocity(q, p, *self.instant(t, theta))
        return jnp.repeat(v[:, None], self.r + 2, axis=1)

    def extrapolated(self, V) -> jax.Array:
        """The last step's velocity polynomial, continued over the next step."""
        return nodal(self.rule.extrapolate, V)

    def _finish(self, q, p, t, h, theta, V, passes, change, low=None) -> Step:
        Q, T, theta = self.nodes(q, t, h, theta, V, None if low is None else low[0])
        F = self.mechanics.force(Q, V, T, theta)
        weights = self.rule.weights
        b = weights[None].astype(V.dtype)
        dq, dp = h * nodal(b, V)[:, 0], h * nodal(b, F)[:, 0]
        if low is None:
            return Step(q + dq, p + dp, dq, dp, V, passes, change)
        # what the weights lost by rounding is a bias that a long run would add up
        rest = weights[None] - b.astype(weights.dtype) + self.rule.weights_low[None]
        fine = h * nodal(rest, V)[:, 0], h * nodal(rest, F)[:, 0]
        return Step(q + dq, p + dp, dq, dp, V, passes, change, fine)

    # -- fixed point -----------------------------------------------------------------------------

    def preconditioner(self, q, p, t, theta) -> jax.Array:
        """Inverse kinetic matrix (n, n, *batch), constant over a run where the mass is.

        Of many bodies its diagonal, (n, bodies).
        """
        t, theta = self.instant(t, theta)
        v = self.mechanics.velocity(q, p, t, theta)
        mass = self.mechanics.mass(q, v, t, theta)
        return 1 / mass if self.mechanics.bodies else inverse(mass)

    def _pass(self, q, p, t, h, theta, minv, V, low=None):
        m = self.mechanics
        times = _times_diagonal if m.bodies else _times_vector
        q_low, p_low = (None, 0.0) if low is None else (low[0], low[1][:, None])
        Q, T, theta = self.nodes(q, t, h, theta, V, q_low)
        target = p[:, None] + (p_low + h * nodal(self.rule.impulse, m.force(Q, V, T, theta)))
        if m.positional:
            return times(minv, target)
        lack = nodal(self.rule.project, target - m.momentum(Q, V, T, theta))
        if m.constant_mass:
            return V + times(minv, lack)
        at_nodes = solve(m.mass(Q, V, T, theta), lack[:, None])[:, 0]
        return V + nodal(self.rule.project, at_nodes)

    def fixed_point(self, q, p, t, h, theta, minv, V, low=None) -> Step:
        """A step by preconditioned fixed-point passes from the guess V.

        `low` are the parts of q and p that did not fit into them (compensated summation).

        Stops when a change is at round-off, or no longer halves once it is small: never at a loose
        tolerance. `change` is the last change relative to the velocities; large: not converged.
        """
        eps = jnp.finfo(V.dtype).eps

        def unfinished(s):
            return ~s[3] & (s[1] < PASSES)

        def body(s):
            old, passes, previous, _ = s
            new = self._pass(q, p, t, h, theta, minv, old, low)
            # bodies move together, and one may rest; the motions of a batch have nothing in common
            of = None if self.mechanics.bodies else (0, 1)
            scale = jnp.max(jnp.abs(new), axis=of) + jnp.finfo(V.dtype).tiny
            change = jnp.max(jnp.max(jnp.abs(new - old), axis=of) / scale)
            small = 1e3 * (self.r + 2) * eps
            if self.mechanics.bodies:  # near rest, places are rounded more coarsely than velocities
                small = small + 8 * eps * jnp.max(jnp.abs(q)) / (jnp.abs(h) * scale)
            stalled = (change > 0.5 * previous) & (change < small)
            lost = ~jnp.isfinite(change)
            return new, passes + 1, change, (change <= eps) | stalled | lost

        if self.explicit:
            V = self._pass(q, p, t, h, theta, minv, V, low)
            none = jnp.zeros((), V.dtype)
            return self._finish(q, p, t, h, theta, V, jnp.asarray(1), none, low)
        start = (V, jnp.asarray(0), jnp.asarray(jnp.inf, V.dtype), jnp.asarray(False))
        V, passes, change, _ = jax.lax.while_loop(unfinished, body, start)
        return self._finish(q, p, t, h, theta, V, passes, change, low)

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

    def newton(self, q, p, t, h, theta, V, iterations: int) -> Step:
        """A step by `iterations` Newton iterations from the guess V, differentiable.

        The last iteration carries the derivative: at a solution, w - J^-1 residual(w) with J and w
        held fixed has the derivative of the implicit function, forward and backward.
        """
        held = jax.lax.stop_gradient((q, p, t, h, theta))
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
        rest = jnp.zeros((n, *batch), dtype)
        still = jnp.zeros((n, self.r + 1, *batch), dtype)
        held = jax.lax.stop_gradient((h, theta))
        J = self.jacobian(rest, rest, t, *held, still)

        def lacking(q, p, h, theta, w):
            lack = self.residual(q, p, t, h, theta, w).reshape((-1, 1, *batch))
            x = solve(J, lack) if batch else jnp.linalg.solve(J, lack)
            return x.reshape(w.shape)

        def increment(z):
            q, p = z[:n], z[n:]
            w = -lacking(*jax.lax.stop_gradient((q, p)), *held, still)
            w = w - lacking(q, p, h, theta, w)  # refines, and carries the derivative
            V = nodal(self.rule.modes, w)
            zero = jnp.zeros((), dtype)
            done = self._finish(q, p, t, h, theta, V, jnp.asarray(1), zero)
            return jnp.concatenate([done.dq, done.dp])

        offset = increment(jnp.zeros((2 * n, *batch), dtype))
        eye = jnp.eye(2 * n, dtype=dtype).reshape((2 * n, 2 * n) + (1,) * len(batch))
        basis = jnp.broadcast_to(eye, (2 * n, 2 * n, *batch))
        columns = jax.vmap(increment, in_axes=1, out_axes=1)(basis)
        return columns - offset[:, None], offset


def _times_diagonal(diagonal: jax.Array, values: jax.Array) -> jax.Array:
    """diagonal (n, bodies) times values (n, s, bodies)."""
    return diagonal[:, None] * values


def _times_vector(matrix: jax.Array, values: jax.Array) -> jax.Array:
    """matrix (n, n, *batch) on the first axis of values (n, s, *batch)."""
    total = matrix[:, 0][:, None] * values[0][None]
    for j in range(1, matrix.shape[1]):
        total = total + matrix[:, j][:, None] * values[j][None]
    return total
