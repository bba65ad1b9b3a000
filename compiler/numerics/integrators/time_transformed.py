"""Steps of a transformed time s, dt = g(q) ds: short where g is small.

The transformed Lagrangian g (L(q, q'/g, t) + E) has the motions of energy E of the Lagrangian L
(Poincare's transformation; Hairer, Lubich and Wanner, Geometric Numerical Integration, VIII.2.1;
for L = T - V it is T(q')/g - g (V - E)). With nonconservative forces, or where L holds t, the
energy changes and is carried: time t is one more degree of freedom, whose momentum is -E. Its
velocity g and its force -dE/ds follow from the others, so that a step has no more unknowns for it.
"""

from __future__ import annotations

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp

from .constrained import Constrained, Constraints
from .mechanics import FlatMechanics, Parameters, TimeTransform
from .nodal import nodal
from .quadrature import Rule
from .steps import Step, StepInput
from .variational import GGL


class Transformed(eqx.Module):
    """The integrator of states q = (q, t), p = (p, -E) in steps of s.

    `inner` integrates the transformed Lagrangian by `clock`; `mechanics` is that of L itself, and
    of the velocities by physical time.
    """

    inner: GGL | Constrained
    mechanics: FlatMechanics
    clock: TimeTransform

    explicit = False
    linear = False

    @property
    def r(self) -> int:
        return self.inner.r

    @property
    def rule(self) -> Rule:
        return self.inner.rule

    @property
    def surface(self) -> Constraints | None:
        return self.inner.surface

    def with_r(self, r: int) -> Transformed:
        return replace(self, inner=self.inner.with_r(r))

    def time(self, q, t):
        return q[-1]

    def energies(self, q, p, t, theta: Parameters, minv=None, V=None):
        """Physical energy and its kinetic part; V, of velocities by s, is of no use for it."""
        m, t = self.mechanics, q[-1]
        v = m.velocity(q[:-1], p[:-1], t, theta)
        energy = m.energy(q[:-1], v, t, theta)
        return energy, jnp.abs(energy - m.energy(q[:-1], jnp.zeros_like(v), t, theta))

    def violation(self, q, t, theta: Parameters) -> jax.Array:
        return self.inner.violation(q[:-1], q[-1], theta)

    def guess(self, q, p, t, theta: Parameters) -> jax.Array:
        return self.inner.guess(q[:-1], p[:-1], (q[-1], -p[-1]), theta)

    def extrapolated(self, seed, far: bool = False) -> jax.Array:
        return self.inner.extrapolated(seed, far)

    def velocities(self, p, t, h, theta: Parameters, seed) -> jax.Array:
        return seed

    def preconditioner(self, q, p, t, theta: Parameters) -> jax.Array:
        return self.inner.preconditioner(q[:-1], p[:-1], (q[-1], -p[-1]), theta)

    def step(self, at: StepInput, newton: bool) -> Step:
        """A step with the increments of t and -E. Time that does not grow is no convergence."""
        q, p, h, theta = at.q, at.p, at.h, at.theta
        low = None if at.low is None else (at.low[0][:-1], at.low[1][:-1])
        t = (q[-1], -p[-1])
        done = self.inner.step(at._replace(q=q[:-1], p=p[:-1], t=t, low=low), newton)
        V, rule = done.seed[: len(q) - 1], self.rule
        Q, T, _ = self.inner.nodes(q[:-1], t, h, theta, V)
        rates = jnp.concatenate([self.clock.rate(Q, theta), -self.clock.power(Q, V, T, theta)])
        tick, below = (h * nodal(b[None], rates)[:, 0] for b in (rule.weights, rule.weights_low))
        dq, dp = jnp.append(done.dq, tick[0]), jnp.append(done.dp, tick[1])
        if done.low is not None:
            below = jnp.append(done.low[0], below[0]), jnp.append(done.low[1], below[1])
            done = done._replace(low=below)
        change = jnp.where(jnp.all(rates[0] > 0), done.change, jnp.inf)
        return done._replace(q=q + dq, p=p + dp, dq=dq, dp=dp, change=change)
