"""Steps of a transformed time s, dt = g(q) ds: short where g is small.

The transformed Lagrangian g (L(q, q'/g, t) + E) has the motions of energy E of the Lagrangian L
(Poincare's transformation; Hairer, Lubich and Wanner, Geometric Numerical Integration, VIII.2.1;
for L = T - V it is T(q')/g - g (V - E)). With nonconservative forces, or where L holds t, the
energy changes and is carried: time t is one more degree of freedom, whose momentum is -E. Its
velocity g and its force -dE/ds follow from the others, so that a step has no more unknowns for it.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from actionrun.compiler.numerics.integrators.many_body.flattened import Flat

from .constrained import Constrained
from .mechanics import Clock, Mechanics
from .nodal import nodal
from .quadrature import Rule
from .variational import GGL, Step


class Transformed(eqx.Module):
    """The integrator of states q = (q, t), p = (p, -E) in steps of s.

    `inner` integrates the transformed Lagrangian with its clock; `mechanics` is that of L itself,
    and of the velocities by physical time.
    """

    inner: GGL | Constrained
    mechanics: Mechanics | Flat

    @property
    def r(self) -> int:
        return self.inner.r

    @property
    def rule(self) -> Rule:
        return self.inner.rule

    @property
    def clock(self) -> Clock:
        ggl = self.inner.ggl if isinstance(self.inner, Constrained) else self.inner
        assert ggl.clock is not None
        return ggl.clock

    @property
    def explicit(self) -> bool:
        return False

    def time(self, q, t):
        return q[-1]

    def energies(self, q, p, t, theta, minv=None, V=None):
        """Physical energy and its kinetic part; V, of velocities by s, is of no use for it."""
        m, t = self.mechanics, q[-1]
        v = m.velocity(q[:-1], p[:-1], t, theta)
        energy = m.energy(q[:-1], v, t, theta)
        return energy, jnp.abs(energy - m.energy(q[:-1], jnp.zeros_like(v), t, theta))

    def violation(self, q, t, theta) -> jax.Array:
        return self.inner.violation(q[:-1], q[-1], theta)

    def guess(self, q, p, t, theta) -> jax.Array:
        return self.inner.guess(q[:-1], p[:-1], (q[-1], -p[-1]), theta)

    def extrapolated(self, seed, far: bool = False) -> jax.Array:
        return self.inner.extrapolated(seed, far)

    def velocities(self, p, t, h, theta, seed) -> jax.Array:
        return seed

    def preconditioner(self, q, p, t, theta) -> jax.Array:
        return self.inner.preconditioner(q[:-1], p[:-1], (q[-1], -p[-1]), theta)

    def fixed_point(self, q, p, t, h, theta, minv, seed, low=None) -> Step:
        assert isinstance(self.inner, GGL)
        reading, low = (q[-1], -p[-1]), None if low is None else tuple(x[:-1] for x in low)
        done = self.inner.fixed_point(q[:-1], p[:-1], reading, h, theta, minv, seed, low)
        return self._with_time(q, p, h, theta, done)

    def newton(self, q, p, t, h, theta, seed, iterations: int) -> Step:
        done = self.inner.newton(q[:-1], p[:-1], (q[-1], -p[-1]), h, theta, seed, iterations)
        return self._with_time(q, p, h, theta, done)

    def _with_time(self, q, p, h, theta, done: Step) -> Step:
        """The step with the increments of t and -E. Time that does not grow is no convergence."""
        ggl = self.inner.ggl if isinstance(self.inner, Constrained) else self.inner
        assert ggl.clock is not None
        t = (q[-1], -p[-1])
        V = done.seed[: len(q) - 1]
        Q, T, _ = ggl.nodes(q[:-1], t, h, theta, V)
        rates = jnp.concatenate([ggl.clock.rate(Q, theta), -ggl.clock.power(Q, V, T, theta)])
        tick, fine = (
            h * nodal(b[None], rates)[:, 0] for b in (ggl.rule.weights, ggl.rule.weights_low)
        )
        dq, dp = jnp.append(done.dq, tick[0]), jnp.append(done.dp, tick[1])
        if done.fine is not None:
            fine = jnp.append(done.fine[0], fine[0]), jnp.append(done.fine[1], fine[1])
            done = done._replace(fine=fine)
        change = jnp.where(jnp.all(rates[0] > 0), done.change, jnp.inf)
        return done._replace(q=q + dq, p=p + dp, dq=dq, dp=dp, change=change)
