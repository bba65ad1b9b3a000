"""The laws of a problem as array functions: what an integrator calls."""

from __future__ import annotations

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from actionrun.compiler.numerics.array_types import ArrayFunction
from actionrun.compiler.numerics.linalg import inverse, solve


class Mechanics(eqx.Module):
    """A problem as array functions of (q, v, t, theta): force, momentum, mass.

    q, v are (n, ...), theta (k, ...) with axes that broadcast against those of q after the first.
    """

    n: int = eqx.field(static=True)
    linear: bool = eqx.field(static=True)
    positional: bool = eqx.field(static=True)
    constant_mass: bool = eqx.field(static=True)
    diagonal_mass: bool = eqx.field(static=True)  # and constant
    bare: bool = eqx.field(static=True)  # P = M v with a constant M
    affine_momentum: bool = eqx.field(static=True)
    forces: ArrayFunction
    momenta: ArrayFunction
    masses: ArrayFunction
    energies: ArrayFunction

    bodies: ClassVar[bool] = False  # the axis behind the nodes is a batch, of motions on their own

    def force(self, q, v, t, theta):
        return self._stack(self.forces(*q, *v, t, *theta), q)

    def force_rows(self, q, v, t, theta) -> tuple[jax.Array, ...]:
        """The forces (...) on every component, of q and v as tuples of components."""
        values = self.forces(*q, *v, t, *theta)
        shape = jnp.broadcast_shapes(q[0].shape, *(jnp.shape(x) for x in values))
        return tuple(jnp.broadcast_to(jnp.asarray(x, q[0].dtype), shape) for x in values)

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

        Exact at once where P is affine in v (`minv` as of `inverse_mass`, where that is constant).
        Else by Newton: a few passes from `near`, or damped ones from rest, each halved until the
        lack of momentum is finite and smaller, as a relativistic momentum needs.
        """
        rest = jnp.zeros_like(q)
        if self.affine_momentum:
            lack = p if self.bare else p - self.momentum(q, rest, t, theta)
            if self.constant_mass and minv is not None:
                return times(minv, lack, lack.ndim - 1)
            mass = self.mass(q, rest, t, theta)
            if self.diagonal_mass:
                return lack / jnp.stack([mass[k, k] for k in range(self.n)])
            return solve(mass, lack[:, None])[:, 0]

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

    def inverse_mass(self, q, v, t, theta):
        """(dP/dv)^-1 (n, n, ...), or its diagonal (n, ...) where the mass is constant and has no
        more."""
        mass = self.mass(q, v, t, theta)
        if self.diagonal_mass:
            return 1 / jnp.stack([mass[k, k] for k in range(self.n)])
        return inverse(mass)

    def lifted(self, q, v, t, theta, lack):
        """The x with dP/dv x = lack (n, ...)."""
        return solve(self.mass(q, v, t, theta), lack[:, None])[:, 0]

    def _stack(self, values, like):
        return stacked(values, like)


class Clock(eqx.Module):
    """Physical time of a motion whose steps are of s, dt = g(q) ds, and its energy E.

    A step with a clock takes the pair (t, E) for its time, and E as the last of its constants.
    """

    rates: ArrayFunction  # g of (q, theta)
    powers: ArrayFunction  # dE/ds of (q, dq/ds, t, theta): 0 where the energy is conserved

    def rate(self, q, theta):
        return stacked(self.rates(*q, *theta), q)

    def power(self, q, v, t, theta):
        return stacked(self.powers(*q, *v, t, *theta), q)


def stacked(values, like: jax.Array) -> jax.Array:
    """Values (numbers or arrays) as one array (len(values), ...), broadcast against like[0]."""
    shape = jnp.broadcast_shapes(like.shape[1:], *(jnp.shape(x) for x in values))
    return jnp.stack([jnp.broadcast_to(jnp.asarray(x, like.dtype), shape) for x in values])


def times(matrix, vectors, tail: int) -> jax.Array:
    """A matrix (n, m, *batch), or its diagonal (n, *batch), times vectors (m, ..., *batch) with
    `tail` axes of batch."""
    between = (slice(None),) + (None,) * (vectors.ndim - 1 - tail)
    if matrix.ndim == 1 + tail:
        return matrix[between] * vectors
    total = matrix[:, 0][between] * vectors[0]
    for j in range(1, matrix.shape[1]):
        total = total + matrix[:, j][between] * vectors[j]
    return total
