"""Explicit Runge-Kutta methods on the equations of motion solved for the acceleration.

What most codes use, to compare with: dq/dt = v, dv/dt = a(q, v, t), with a constant step. A method
is its tableau of coefficients (Hairer, Norsett and Wanner, Solving ODEs I, II.1), so that all of
them run through the same compiled loop.
"""

from __future__ import annotations

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
from actionrun.compiler.numerics.array_types import ArrayFunction
from actionrun.compiler.numerics.integrators.many_body.flattened import Flat
from actionrun.compiler.numerics.integrators.many_body.mechanics import Summed
from actionrun.compiler.numerics.linalg import solve

from .constrained import Constraints, multipliers
from .mechanics import Clock, Mechanics


@dataclass(frozen=True)
class Tableau:
    """Coefficients of an explicit method: `below[i]` are those of stage i + 1."""

    name: str
    order: int
    below: tuple[tuple[float, ...], ...]
    weights: tuple[float, ...]

    @property
    def stages(self) -> int:
        """Evaluations of the acceleration in a step."""
        return len(self.weights)


RK2 = Tableau("rk2", 2, ((1 / 2,),), (0.0, 1.0))  # the midpoint rule
RK4 = Tableau("rk4", 4, ((1 / 2,), (0.0, 1 / 2), (0.0, 0.0, 1.0)), (1 / 6, 1 / 3, 1 / 3, 1 / 6))
OWN = {method.name: method for method in (RK2, RK4)}


class Motion(eqx.Module):
    """The first-order system of a problem. `pulls` is F - dP/dq v - dP/dt, lowered."""

    mechanics: Mechanics
    pulls: ArrayFunction

    def acceleration(self, q, v, t, theta):
        """a (n,) with dP/dv a = F - dP/dq v - dP/dt."""
        pull = jnp.stack([jnp.asarray(x, q.dtype) for x in self.pulls(*q, *v, t, *theta)])
        return solve(self.mechanics.mass(q, v, t, theta), pull[:, None])[:, 0]

    def energies(self, y, t, theta):
        """Energies (rows,) of y (rows, 2, n) at t (rows,)."""
        return self.mechanics.energy(y[:, 0].T, y[:, 1].T, t, theta[:, None])

    def rate(self, y, t, theta):
        """d(q, v)/dt of y (2, n)."""
        return jnp.stack([y[1], self.acceleration(y[0], y[1], t, theta)])


class OnSurface(eqx.Module):
    """A motion under holonomic constraints phi: M a = pulls + G^T lambda with the multipliers that
    keep d2phi/dt2 at zero. Nothing holds phi itself: with the errors of the steps it drifts
    (Hairer and Wanner, Solving ODEs II, VII.2)."""

    motion: Motion
    mechanics: Mechanics | Flat
    constraints: Constraints

    def acceleration(self, q, v, t, theta):
        weights = multipliers(self.mechanics, self.constraints, q, v, t, theta)
        pull = self.constraints.pull(q, t, theta, weights)
        push = solve(self.mechanics.mass(q, v, t, theta), pull[:, None])[:, 0]
        return self.motion.acceleration(q, v, t, theta) + push

    def energies(self, y, t, theta):
        return self.motion.energies(y, t, theta)

    def rate(self, y, t, theta):
        return jnp.stack([y[1], self.acceleration(y[0], y[1], t, theta)])


class MotionOfMany(Motion):
    """The same of many bodies, whose mass is constant and diagonal; y is (2, components x bodies).

    What of dP/dt is not a mass times an acceleration is the derivative of P along the motion.
    """

    mechanics: Summed  # pyright: ignore[reportIncompatibleVariableOverride]
    pulls: None = None  # pyright: ignore[reportIncompatibleVariableOverride]

    def _folded(self, x):
        return x.reshape((*x.shape[:-1], self.mechanics.n, -1))

    def acceleration(self, q, v, t, theta):
        m = self.mechanics
        place, speed = self._folded(q), self._folded(v)
        pull = m.force(place, speed, t, theta)
        if not m.bare:
            t = jnp.asarray(t, q.dtype)
            pull = pull - jax.jvp(lambda q, t: m.momentum(q, speed, t, theta), (place, t),
                                  (speed, jnp.ones_like(t)))[1]  # fmt: skip
        return (pull / m.mass(place, speed, t, theta)).ravel()

    def energies(self, y, t, theta):
        def of(row):
            (q, v), t = row
            return self.mechanics.energy(self._folded(q), self._folded(v), t, theta)

        return jax.lax.map(of, (y, t))  # a row at a time: of pairs, each is a square of bodies


class Slowed(eqx.Module):
    """A motion in steps of s, dt = g(q) ds; y (2, n + 1) holds t behind q, and 0 behind v."""

    motion: Motion | OnSurface
    clock: Clock

    def energies(self, y, t, theta):
        return self.motion.energies(y[:, :, :-1], y[:, 0, -1], theta)

    def rate(self, y, t, theta):
        """d(q, t, v)/ds."""
        q, v, t = y[0, :-1], y[1, :-1], y[0, -1]
        a = self.motion.acceleration(q, v, t, theta)
        return self.clock.rate(q, theta)[0] * jnp.stack([jnp.append(v, 1), jnp.append(a, 0)])


Course = Motion | OnSurface | Slowed


def _stepped(motion: Course, method: Tableau, y, t, h, theta):
    """One step of a method from y (2, n)."""
    rates = [motion.rate(y, t, theta)]
    for row in method.below:
        stage = y + h * _combined(row, rates)
        rates.append(motion.rate(stage, t + h * sum(row), theta))
    return y + h * _combined(method.weights, rates)


def _combined(coefficients, rates):
    terms = [c * k for c, k in zip(coefficients, rates, strict=True) if c]
    return sum(terms[1:], terms[0])


@eqx.filter_jit
def rows(motion: Course, method: Tableau, y, first, h, theta, count, every, capacity: int):
    """`count` rows (capacity, 2, n), one after each `every` steps from step number `first`.

    `first`, `count` and `every` are dynamic. Returns the last state as well.
    """

    def row(k, carry):
        y, kept = carry

        def step(j, y):
            return _stepped(motion, method, y, h * (first + k * every + j), h, theta)

        y = jax.lax.fori_loop(0, every, step, y)
        return y, kept.at[k].set(y)

    kept = jnp.zeros((capacity, *y.shape), y.dtype)
    return jax.lax.fori_loop(0, count, row, (y, kept))
