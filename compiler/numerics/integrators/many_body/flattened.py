"""Many bodies as one system of n = components x bodies coordinates, component by component.

For all that knows nothing of bodies: constraints, transformed time, Newton with a matrix, rows.
"""

from __future__ import annotations

from typing import Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
from actionrun.compiler.numerics.integrators.mechanics import Parameters
from jaxtyping import Array, Float


class BodyMechanics(Protocol):
    """Mechanics on arrays (components, ..., bodies), with masses that are diagonal."""

    @property
    def components(self) -> int: ...

    @property
    def count(self) -> int: ...

    @property
    def constant_mass(self) -> bool: ...

    @property
    def momentum_is_mass_times_velocity(self) -> bool: ...

    def force(self, q, v, t, theta: Parameters) -> jax.Array: ...

    def momentum(self, q, v, t, theta: Parameters) -> jax.Array: ...

    def masses_of(self, q, v, t, theta: Parameters) -> jax.Array: ...

    def energy(self, q, v, t, theta: Parameters) -> jax.Array: ...

    def velocity(self, q, p, t, theta: Parameters, minv=None, near=None) -> jax.Array: ...


class FlattenedMechanics(eqx.Module):
    """Bodies as mechanics of q, v (n, ...) (see `FlatMechanics`)."""

    of: BodyMechanics

    linear = False
    positional = False
    affine_momentum = True
    joint = False

    @property
    def n(self) -> int:
        return self.of.components * self.of.count

    @property
    def components(self) -> int:
        return self.n

    @property
    def constant_mass(self) -> bool:
        return self.of.constant_mass

    @property
    def momentum_is_mass_times_velocity(self) -> bool:
        return self.of.momentum_is_mass_times_velocity

    @property
    def flattened(self) -> FlattenedMechanics:
        return self

    def fold(self, x):
        return x

    def flat(self, x):
        return x

    def by_body(self, x: Float[Array, "n ..."]) -> Float[Array, "components ... bodies"]:
        return by_body(x, self.of.components)

    def _flat(self, x: Float[Array, "components ... bodies"]) -> Float[Array, "n ..."]:
        return jnp.moveaxis(x, -1, 1).reshape((self.n, *x.shape[1:-1]))

    def _at(self, q, v, t, theta: Parameters):
        """The arguments of `of`: times (...) stand beside bodies."""
        t = t[..., None] if jnp.ndim(t) else t
        return self.by_body(q), self.by_body(v), t, theta

    def force(self, q, v, t, theta) -> Float[Array, "n ..."]:
        return self._flat(self.of.force(*self._at(q, v, t, theta)))

    def force_rows(self, q, v, t, theta) -> tuple[jax.Array, ...]:
        return tuple(self.force(jnp.stack(q), jnp.stack(v), t, theta))

    def momentum(self, q, v, t, theta) -> Float[Array, "n ..."]:
        return self._flat(self.of.momentum(*self._at(q, v, t, theta)))

    def energy(self, q, v, t, theta) -> Float[Array, "..."]:
        return self.of.energy(*self._at(q, v, t, theta))

    def masses_of(self, q, v, t, theta) -> Float[Array, "n ..."]:
        """The diagonal of dP/dv."""
        return self._flat(self.of.masses_of(*self._at(q, v, t, theta)))

    def mass(self, q, v, t, theta) -> Float[Array, "n n ..."]:
        eye = jnp.eye(self.n, dtype=q.dtype)
        return eye.reshape((*eye.shape, *(1,) * (q.ndim - 1))) * self.masses_of(q, v, t, theta)

    def inverse_mass(self, q, v, t, theta) -> Float[Array, "n ..."]:
        return 1 / self.masses_of(q, v, t, theta)

    def solve_mass(self, q, v, t, theta, rhs) -> Float[Array, "n ..."]:
        return rhs / self.masses_of(q, v, t, theta)

    def velocity(self, q, p, t, theta, minv=None, near=None) -> Float[Array, "n ..."]:
        return self._flat(self.of.velocity(*self._at(q, p, t, theta)))

    def over_batch(self, theta: Parameters, axes: int = 1) -> Parameters:
        return theta

    def states(self, q, p, t, theta) -> tuple[Float[Array, "rows n"], Float[Array, " rows"]]:
        def state(row):
            q, p, t = row
            v = self.velocity(q, p, t, theta)
            return v, self.energy(q, v, t, theta)

        return jax.lax.map(
            state, (q, p, t)
        )  # a row at a time: of pairs, each is a square of bodies

    def energy_rows(self, q, v, t, theta) -> Float[Array, " rows"]:
        def energy(row):
            q, v, t = row
            return self.energy(q, v, t, theta)

        return jax.lax.map(energy, (q, v, t))


def by_body(x: Float[Array, "n ..."], components: int) -> Float[Array, "components ... bodies"]:
    """Flat numbers with the bodies as last axis."""
    return jnp.moveaxis(x.reshape((components, -1, *x.shape[1:])), 1, -1)
