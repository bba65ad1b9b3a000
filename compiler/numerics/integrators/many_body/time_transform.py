"""Many bodies in steps of s, dt = g ds, with one g of all positions (see `time_transformed`).

Of g (L(q, q'/g, t) + E) the momenta are those of L, and the forces g F - dg/dq (H - E) with the
energy H(q, q'/g, t) of L; so nothing but g itself has to be known beside the sums of L.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from actionrun.compiler.numerics.array_types import ArrayFunction
from jaxtyping import Array, Float

from .flattened import by_body
from .mechanics import ManyBodyMechanics
from .sums import KernelArgument, SumKernel, split_parameters


class Formula(eqx.Module):
    """One number of all bodies: a function of sums, of numbers of single bodies, and constants."""

    sums: tuple[SumKernel, ...]
    arguments: tuple[KernelArgument, ...] = eqx.field(static=True)
    values: ArrayFunction  # of the sums, the arguments, the constants
    scalars: int = eqx.field(static=True)

    def __call__(self, q, theta):
        """(...) of q (components, ..., bodies)."""
        numbers, lists = split_parameters(theta, self.scalars)
        none = jnp.zeros((), q.dtype)
        totals = [term.total(q, jnp.zeros_like(q), none, numbers, lists) for term in self.sums]
        sources = {"q": q, "list": lists}
        single = [sources[what][of][..., number - 1] for what, of, _, number in self.arguments]
        (value,) = self.values(*totals, *single, *numbers)
        return jnp.broadcast_to(jnp.asarray(value, q.dtype), q.shape[1:-1])


class TimeTransformedMechanics(eqx.Module):
    """The mechanics of g (L(q, q'/g, t) + E) of bodies; E is the last constant."""

    of: ManyBodyMechanics
    formula: Formula

    constant_mass = False
    momentum_is_mass_times_velocity = False

    @property
    def components(self) -> int:
        return self.of.components

    @property
    def count(self) -> int:
        return self.of.count

    def _rate(self, q, theta):
        return self.formula(q, theta[:-1])[..., None]

    def force(self, q, v, t, theta) -> Float[Array, "components ... bodies"]:
        rate, back = jax.vjp(lambda q: self._rate(q, theta), q)
        (slope,) = back(jnp.ones_like(rate))
        v, constants = v / rate, theta[:-1]
        off = (self.of.energy(q, v, t, constants) - theta[-1])[..., None]
        return rate * self.of.force(q, v, t, constants) - slope * off

    def momentum(self, q, v, t, theta) -> Float[Array, "components ... bodies"]:
        return self.of.momentum(q, v / self._rate(q, theta), t, theta[:-1])

    def masses_of(self, q, v, t, theta) -> Float[Array, "components ... bodies"]:
        """The diagonal of dP/d(q')."""
        return self.of.masses_of(q, v, t, theta[:-1]) / self._rate(q, theta)

    def energy(self, q, v, t, theta) -> Float[Array, "..."]:
        """The energy of L, of velocities by s."""
        return self.of.energy(q, v / self._rate(q, theta), t, theta[:-1])

    def velocity(
        self, q, p, t, theta, minv=None, near=None
    ) -> Float[Array, "components ... bodies"]:
        return self._rate(q, theta) * self.of.velocity(q, p, t, theta[:-1])


class ManyBodyTimeTransform(eqx.Module):
    """Physical time of many bodies, of q (n, ...) (see `TimeTransform`). `drifts` sum up to
    -dL/dt."""

    formula: Formula
    mechanics: ManyBodyMechanics
    drifts: tuple[SumKernel, ...]

    def rate(self, q, theta) -> Float[Array, "1 ..."]:
        return self.formula(by_body(q, self.mechanics.components), theta)[None]

    def power(self, q, v, t, theta) -> Float[Array, "1 ..."]:
        m, rate = self.mechanics, self.rate(q, theta)
        q, speed = by_body(q, m.components), by_body(v, m.components)
        t = t[..., None] if jnp.ndim(t) else t
        at = q, speed / rate[0][..., None], t
        power = jnp.sum(m.push(*at, theta) * speed, axis=(0, -1))
        for term in self.drifts:
            power = power + rate[0] * term.total(*at, *split_parameters(theta, m.scalars))
        return power[None]
