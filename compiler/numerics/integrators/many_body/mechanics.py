"""Mechanics of many bodies: forces, momenta and energies as sums whose program does not grow.

Arrays are (components, ..., bodies): the bodies come last, as a batch does in `variational`, so
that a step of the integrator is the same code. One row of a square of pairs is a force; nothing of
(components x bodies)^2 is ever made.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from actionrun.compiler.numerics.integrators.mechanics import Parameters
from jaxtyping import Array, Float

from .flattened import FlattenedMechanics
from .sums import SumKernel, split_parameters


class ManyBodyMechanics(eqx.Module):
    """The mechanics of `count` bodies of some components each (see `DiscreteMechanics`); theta
    holds numbers, then lists (bodies,). Masses are constant and diagonal. `pushes` is the part of K
    in the forces, apart.
    """

    components: int = eqx.field(static=True)
    count: int = eqx.field(static=True)
    scalars: int = eqx.field(static=True)  # numbers in theta before the lists
    positional: bool = eqx.field(static=True)
    momentum_is_mass_times_velocity: bool = eqx.field(static=True)
    forces: tuple[SumKernel, ...]
    pushes: tuple[SumKernel, ...]
    momenta: tuple[SumKernel, ...]
    masses: tuple[SumKernel, ...]
    energies: tuple[SumKernel, ...]

    linear = False
    constant_mass = True
    joint = True

    @property
    def n(self) -> int:
        return self.components * self.count

    @property
    def flattened(self) -> FlattenedMechanics:
        return FlattenedMechanics(self)

    def fold(self, x: Float[Array, " n"]) -> Float[Array, "components bodies"]:
        return x.reshape((self.components, self.count))

    def flat(self, x: Float[Array, "components ... bodies"]) -> Float[Array, "n ..."]:
        return jnp.moveaxis(x, -1, 1).reshape((self.n, *x.shape[1:-1]))

    def _gathered(self, terms: tuple[SumKernel, ...], q, v, t, theta) -> tuple[jax.Array, ...]:
        rows: list[jax.Array | None] = [None] * self.components
        parameters = split_parameters(theta, self.scalars)
        for term in terms:
            for of, share in term.shares(q, v, t, *parameters):
                before = rows[of]
                rows[of] = share if before is None else before + share
        none = jnp.zeros(q[0].shape, q[0].dtype)
        return tuple(none if row is None else row for row in rows)

    def force_rows(self, q, v, t, theta: Parameters) -> tuple[jax.Array, ...]:
        return self._gathered(self.forces, q, v, t, theta)

    def force(self, q, v, t, theta) -> Float[Array, "components ... bodies"]:
        return jnp.stack(self.force_rows(q, v, t, theta))

    def push(self, q, v, t, theta) -> Float[Array, "components ... bodies"]:
        """The part of the force that comes from K."""
        return jnp.stack(self._gathered(self.pushes, q, v, t, theta))

    def momentum(self, q, v, t, theta) -> Float[Array, "components ... bodies"]:
        return jnp.stack(self._gathered(self.momenta, q, v, t, theta))

    def masses_of(self, q, v, t, theta) -> Float[Array, "components ... bodies"]:
        """The diagonal of dP/dv."""
        return jnp.stack(self._gathered(self.masses, q, v, t, theta))

    def inverse_mass(self, q, v, t, theta) -> Float[Array, "components ... bodies"]:
        return 1 / self.masses_of(q, v, t, theta)

    def solve_mass(self, q, v, t, theta, rhs) -> Float[Array, "components ... bodies"]:
        return rhs / self.masses_of(q, v, t, theta)

    def energy(self, q, v, t, theta) -> Float[Array, "..."]:
        total = jnp.zeros(q.shape[1:-1], q.dtype)
        for term in self.energies:
            total = total + term.total(q, v, t, *split_parameters(theta, self.scalars))
        return total

    def velocity(
        self, q, p, t, theta, minv=None, near=None
    ) -> Float[Array, "components ... bodies"]:
        rest = jnp.zeros_like(q)
        rhs = p
        if not self.momentum_is_mass_times_velocity:
            rhs = p - self.momentum(q, rest, t, theta)
        return rhs / self.masses_of(q, rest, t, theta) if minv is None else rhs * minv
