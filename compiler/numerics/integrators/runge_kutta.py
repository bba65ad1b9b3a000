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
from jaxtyping import Array, Float

from .constrained import Constraints, multipliers
from .mechanics import FlatMechanics, Parameters, TimeTransform


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


class EquationsOfMotion(eqx.Module):
    """The first-order system of a problem, on a surface of holonomic constraints where there is
    one.

    `pulls` is F - dP/dq v - dP/dt as a function of (q, v, t, theta); where it is not given, the
    derivative of P along the motion takes its place. Of constraints phi, M a = pulls + G^T lambda
    with the multipliers that keep d2phi/dt2 at zero. Nothing holds phi itself: with the errors of
    the steps it drifts (Hairer and Wanner, Solving ODEs II, VII.2).
    """

    mechanics: FlatMechanics
    pulls: ArrayFunction | None = None
    surface: Constraints | None = None

    def acceleration(self, q, v, t, theta: Parameters) -> Float[Array, " n"]:
        """a with dP/dv a = F - dP/dq v - dP/dt + G^T lambda."""
        m = self.mechanics
        a = m.solve_mass(q, v, t, theta, self._pull(q, v, t, theta))
        if self.surface is None:
            return a
        weights = multipliers(m, self.surface, q, v, t, theta)
        pull = self.surface.pull(q, t, theta, weights)
        return a + m.solve_mass(q, v, t, theta, pull)

    def _pull(self, q, v, t, theta) -> jax.Array:
        m = self.mechanics
        if self.pulls is not None:
            return jnp.stack([jnp.asarray(x, q.dtype) for x in self.pulls(*q, *v, t, *theta)])
        force = m.force(q, v, t, theta)
        if m.momentum_is_mass_times_velocity:
            return force
        t = jnp.asarray(t, q.dtype)
        along = jax.jvp(lambda q, t: m.momentum(q, v, t, theta), (q, t), (v, jnp.ones_like(t)))
        return force - along[1]

    def energies(self, y: Float[Array, "rows 2 n"], t, theta) -> Float[Array, " rows"]:
        return self.mechanics.energy_rows(y[:, 0], y[:, 1], t, theta)

    def rate(self, y: Float[Array, "2 n"], t, theta: Parameters) -> Float[Array, "2 n"]:
        """d(q, v)/dt."""
        return jnp.stack([y[1], self.acceleration(y[0], y[1], t, theta)])


class TimeTransformedEquations(eqx.Module):
    """The same in steps of s, dt = g(q) ds; y (2, n + 1) holds t behind q, and 0 behind v."""

    motion: EquationsOfMotion
    clock: TimeTransform

    def energies(self, y: Float[Array, "rows 2 m"], t, theta) -> Float[Array, " rows"]:
        return self.motion.energies(y[:, :, :-1], y[:, 0, -1], theta)

    def rate(self, y: Float[Array, "2 m"], t, theta: Parameters) -> Float[Array, "2 m"]:
        """d(q, t, v)/ds."""
        q, v, t = y[0, :-1], y[1, :-1], y[0, -1]
        a = self.motion.acceleration(q, v, t, theta)
        return self.clock.rate(q, theta)[0] * jnp.stack([jnp.append(v, 1), jnp.append(a, 0)])


Equations = EquationsOfMotion | TimeTransformedEquations


def _stepped(motion: Equations, method: Tableau, y, t, h, theta):
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
def rows(
    motion: Equations,
    method: Tableau,
    y: Float[Array, "2 n"],
    first,
    h,
    theta,
    count,
    every,
    capacity: int,
) -> tuple[Float[Array, "2 n"], Float[Array, "capacity 2 n"]]:
    """The last state, and `count` rows, one after each `every` steps from step number `first`.

    `first`, `count` and `every` are dynamic.
    """

    def row(k, carry):
        y, kept = carry

        def step(j, y):
            return _stepped(motion, method, y, h * (first + k * every + j), h, theta)

        y = jax.lax.fori_loop(0, every, step, y)
        return y, kept.at[k].set(y)

    kept = jnp.zeros((capacity, *y.shape), y.dtype)
    return jax.lax.fori_loop(0, count, row, (y, kept))
