"""Discrete mechanics: forces, momenta, masses and energy of a system as array functions.

`DiscreteMechanics` is all that the variational integrator asks of a system, `FlatMechanics` what
everything outside a step asks of it. `Mechanics` is both, for coordinates that are all named; of
many bodies see `many_body`.
"""

from __future__ import annotations

from typing import Any, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
from actionrun.compiler.numerics.array_types import ArrayFunction
from actionrun.compiler.numerics.linalg import inverse, solve
from jaxtyping import Array, Float

Parameters = Any  # (k, ...) of named coordinates; of bodies, numbers and then lists (bodies,)


class DiscreteMechanics(Protocol):
    """Array functions of (q, v, t, theta) as a step evaluates them.

    Arrays are (components, node, *tail), or (components, *tail). The tail is a batch of motions on
    their own, or where `joint` the bodies of one motion. `fold` brings positions (n, *batch) into
    this form, `flat` brings them back.
    """

    @property
    def n(self) -> int:
        """Degrees of freedom."""
        ...

    @property
    def components(self) -> int: ...

    @property
    def linear(self) -> bool:
        """Whether forces and momenta are affine in (q, v)."""
        ...

    @property
    def positional(self) -> bool:
        """Whether P = M v with a constant M and forces see positions only."""
        ...

    @property
    def constant_mass(self) -> bool: ...

    @property
    def momentum_is_mass_times_velocity(self) -> bool:
        """Whether P = M v with a constant M."""
        ...

    @property
    def joint(self) -> bool:
        """Whether the tail is the bodies of one motion: they converge together, and a matrix of all
        is never made."""
        ...

    @property
    def flattened(self) -> FlatMechanics:
        """The same system on arrays (n, ...)."""
        ...

    def fold(self, x: jax.Array) -> jax.Array: ...

    def flat(self, x: jax.Array) -> jax.Array: ...

    def force(self, q, v, t, theta: Parameters) -> jax.Array: ...

    def force_rows(self, q, v, t, theta: Parameters) -> tuple[jax.Array, ...]:
        """The forces (node, *tail) on every component, of q and v as tuples of components."""
        ...

    def momentum(self, q, v, t, theta: Parameters) -> jax.Array: ...

    def energy(self, q, v, t, theta: Parameters) -> jax.Array: ...

    def velocity(self, q, p, t, theta: Parameters, minv=None, near=None) -> jax.Array:
        """The velocities that belong to momenta p: the inverse of `momentum` in v."""
        ...

    def inverse_mass(self, q, v, t, theta: Parameters) -> jax.Array:
        """(dP/dv)^-1 (components, components, ...), or its diagonal where it has no more."""
        ...

    def solve_mass(self, q, v, t, theta: Parameters, rhs) -> jax.Array:
        """The x with dP/dv x = rhs (components, ...)."""
        ...


class FlatMechanics(DiscreteMechanics, Protocol):
    """Mechanics of positions (n, ...) that are not `joint`."""

    @property
    def affine_momentum(self) -> bool:
        """Whether P is affine in v, so that velocities follow without iteration."""
        ...

    def mass(self, q, v, t, theta: Parameters) -> jax.Array:
        """dP/dv, (n, n, ...)."""
        ...

    def over_batch(self, theta: Parameters, axes: int = 1) -> Parameters:
        """Parameters as they stand beside positions with some axes of batch."""
        ...

    def states(self, q, p, t, theta: Parameters) -> tuple[jax.Array, jax.Array]:
        """Velocities (rows, n) and energies (rows,) of rows q, p (rows, n) at t (rows,)."""
        ...

    def energy_rows(self, q, v, t, theta: Parameters) -> jax.Array:
        """Energies (rows,) of rows q, v (rows, n) at t (rows,)."""
        ...


class Mechanics(eqx.Module):
    """The mechanics of n named coordinates; q, v are (n, ...), theta (k, ...) with axes that
    broadcast against those of q after the first."""

    n: int = eqx.field(static=True)
    linear: bool = eqx.field(static=True)
    positional: bool = eqx.field(static=True)
    constant_mass: bool = eqx.field(static=True)
    diagonal_mass: bool = eqx.field(static=True)  # and constant
    momentum_is_mass_times_velocity: bool = eqx.field(static=True)
    affine_momentum: bool = eqx.field(static=True)
    forces: ArrayFunction
    momenta: ArrayFunction
    masses: ArrayFunction
    energies: ArrayFunction

    joint = False

    @property
    def components(self) -> int:
        return self.n

    @property
    def flattened(self) -> Mechanics:
        return self

    def fold(self, x):
        return x

    def flat(self, x):
        return x

    def force(self, q, v, t, theta) -> Float[Array, "n ..."]:
        return stacked(self.forces(*q, *v, t, *theta), q)

    def force_rows(self, q, v, t, theta) -> tuple[jax.Array, ...]:
        values = self.forces(*q, *v, t, *theta)
        shape = jnp.broadcast_shapes(q[0].shape, *(jnp.shape(x) for x in values))
        return tuple(jnp.broadcast_to(jnp.asarray(x, q[0].dtype), shape) for x in values)

    def momentum(self, q, v, t, theta) -> Float[Array, "n ..."]:
        return stacked(self.momenta(*q, *v, t, *theta), q)

    def energy(self, q, v, t, theta) -> Float[Array, "..."]:
        return stacked(self.energies(*q, *v, t, *theta), q)[0]

    def mass(self, q, v, t, theta) -> Float[Array, "n n ..."]:
        rows = stacked(self.masses(*q, *v, t, *theta), q)
        return rows.reshape((self.n, self.n, *rows.shape[1:]))

    def velocity(self, q, p, t, theta, minv=None, near=None) -> Float[Array, "n ..."]:
        """The velocities that belong to momenta p.

        Exact at once where P is affine in v (`minv` as of `inverse_mass`, where that is constant).
        Else by Newton: a few iterations from `near`, or damped ones from rest, each halved until
        the residual of the momentum is finite and smaller, as a relativistic momentum needs.
        """
        rest = jnp.zeros_like(q)
        if self.affine_momentum:
            rhs = p
            if not self.momentum_is_mass_times_velocity:
                rhs = p - self.momentum(q, rest, t, theta)
            if self.constant_mass and minv is not None:
                return batched_product(minv, rhs, rhs.ndim - 1)
            mass = self.mass(q, rest, t, theta)
            if self.diagonal_mass:
                return rhs / jnp.stack([mass[k, k] for k in range(self.n)])
            return solve(mass, rhs[:, None])[:, 0]

        def residual(v):
            return p - self.momentum(q, v, t, theta)

        def newton(_, v):
            return v + solve(self.mass(q, v, t, theta), residual(v)[:, None])[:, 0]

        def damped(_, v):
            size, new = jnp.max(jnp.abs(residual(v)), axis=0), newton(0, v)
            for _ in range(5):
                worse = ~(jnp.max(jnp.abs(residual(new)), axis=0) <= size)
                new = jnp.where(worse, (v + new) / 2, new)
            return new

        if near is not None:
            return jax.lax.fori_loop(0, 4, newton, near)
        return jax.lax.fori_loop(0, 30, damped, rest)

    def inverse_mass(self, q, v, t, theta) -> jax.Array:
        mass = self.mass(q, v, t, theta)
        if self.diagonal_mass:
            return 1 / jnp.stack([mass[k, k] for k in range(self.n)])
        return inverse(mass)

    def solve_mass(self, q, v, t, theta, rhs) -> Float[Array, "n ..."]:
        return solve(self.mass(q, v, t, theta), rhs[:, None])[:, 0]

    def over_batch(self, theta, axes: int = 1):
        return theta[(..., *(None,) * axes)]

    def states(self, q, p, t, theta) -> tuple[Float[Array, "rows n"], Float[Array, " rows"]]:
        theta = self.over_batch(theta)
        v = self.velocity(q.T, p.T, t, theta)
        return v.T, self.energy(q.T, v, t, theta)

    def energy_rows(self, q, v, t, theta) -> Float[Array, " rows"]:
        return self.energy(q.T, v.T, t, self.over_batch(theta))


class TimeTransform(Protocol):
    """Physical time of a motion whose steps are of s, dt = g(q) ds, and its energy E.

    A step with a transform takes the pair (t, E) for its time, and E as the last of its constants.
    """

    def rate(self, q, theta: Parameters) -> jax.Array:
        """g = dt/ds, (1, ...) of q (n, ...)."""
        ...

    def power(self, q, v, t, theta: Parameters) -> jax.Array:
        """dE/ds, (1, ...), of velocities v by s: 0 where the energy is conserved."""
        ...


class CoordinateTimeTransform(eqx.Module):
    """The transform of a motion of named coordinates (see `TimeTransform`)."""

    rates: ArrayFunction  # g of (q, theta)
    powers: ArrayFunction  # dE/ds of (q, dq/ds, t, theta)

    def rate(self, q, theta) -> Float[Array, "1 ..."]:
        return stacked(self.rates(*q, *theta), q)

    def power(self, q, v, t, theta) -> Float[Array, "1 ..."]:
        return stacked(self.powers(*q, *v, t, *theta), q)


class StateFunctions(Protocol):
    """Numbers (m, ...) of states: of q, v (n, ...), t and theta."""

    def __call__(self, q, v, t, theta: Parameters) -> jax.Array: ...


class CoordinateFunctions(eqx.Module):
    """Numbers of the states of named coordinates (see `StateFunctions`)."""

    values: ArrayFunction

    def __call__(self, q, v, t, theta) -> Float[Array, "m ..."]:
        values = self.values(*q, *v, t, *theta)
        return jnp.stack([jnp.broadcast_to(jnp.asarray(x, q.dtype), t.shape) for x in values])


class ExactSolution(Protocol):
    """The true motion of a system, where it is known."""

    def __call__(self, t, *theta: Parameters) -> jax.Array:
        """Positions (n, ...) at t."""
        ...

    def states(self, t, theta: Parameters) -> tuple[jax.Array, jax.Array]:
        """Positions and velocities (rows, n) at t (rows,)."""
        ...


class CoordinateExactSolution(eqx.Module):
    """The true motion of named coordinates (see `ExactSolution`)."""

    positions: ArrayFunction  # of (t, theta)

    def __call__(self, t, *theta) -> Float[Array, "n ..."]:
        t = jnp.asarray(t)
        return jnp.stack([jnp.broadcast_to(x, t.shape) for x in self.positions(t, *theta)])

    def states(self, t, theta) -> tuple[Float[Array, "rows n"], Float[Array, "rows n"]]:
        q, v = jax.jvp(lambda t: self(t, *theta), (t,), (jnp.ones_like(t),))
        return q.T, v.T


def stacked(values, like: Float[Array, "n ..."]) -> Float[Array, "values ..."]:
    """Values (numbers or arrays) as one array (len(values), ...), broadcast against like[0]."""
    shape = jnp.broadcast_shapes(like.shape[1:], *(jnp.shape(x) for x in values))
    return jnp.stack([jnp.broadcast_to(jnp.asarray(x, like.dtype), shape) for x in values])


def batched_product(
    matrix: Float[Array, "n ..."], vectors: Float[Array, "m ..."], tail: int
) -> Float[Array, "n ..."]:
    """A matrix (n, m, *batch), or its diagonal (n, *batch), times vectors (m, ..., *batch) with
    `tail` axes of batch."""
    between = (slice(None),) + (None,) * (vectors.ndim - 1 - tail)
    if matrix.ndim == 1 + tail:
        return matrix[between] * vectors
    total = matrix[:, 0][between] * vectors[0]
    for j in range(1, matrix.shape[1]):
        total = total + matrix[:, j][between] * vectors[j]
    return total
