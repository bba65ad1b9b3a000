"""Many bodies in steps of s, dt = g ds, with one g of all positions (see `transformed`).

Of g (L(q, q'/g, t) + E) the momenta are those of L, and the forces g F - dg/dq (H - E) with the
energy H(q, q'/g, t) of L; so nothing but g itself has to be known beside the sums of L.
"""

from __future__ import annotations

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from actionrun.compiler.numerics.array_types import ArrayFunction
from actionrun.compiler.numerics.integrators.mechanics import Clock

from .mechanics import Place, Summed, Term


class Formula(eqx.Module):
    """One number of all bodies: a function of sums, of numbers of single bodies, and constants."""

    sums: tuple[Term, ...]
    places: tuple[Place, ...] = eqx.field(static=True)
    values: ArrayFunction  # of the sums, the places, the constants
    scalars: int = eqx.field(static=True)

    def __call__(self, q, theta):
        """(...) of q (components, ..., bodies)."""
        numbers, lists = theta[: self.scalars], theta[self.scalars :]
        none = jnp.zeros((), q.dtype)
        totals = [term.total(q, jnp.zeros_like(q), none, numbers, lists) for term in self.sums]
        sources = {"q": q, "list": lists}
        places = [sources[what][of][..., number - 1] for what, of, _, number in self.places]
        (value,) = self.values(*totals, *places, *numbers)
        return jnp.broadcast_to(jnp.asarray(value, q.dtype), q.shape[1:-1])


class SlowBodies(eqx.Module):
    """The mechanics of g (L(q, q'/g, t) + E) of bodies, as `Summed`; E is the last constant."""

    of: Summed
    pace: Formula

    linear: ClassVar[bool] = False
    positional: ClassVar[bool] = False
    constant_mass: ClassVar[bool] = False
    bare: ClassVar[bool] = False

    @property
    def n(self) -> int:
        return self.of.n

    def _pace(self, q, theta):
        return self.pace(q, theta[:-1])[..., None]

    def force(self, q, v, t, theta):
        pace, back = jax.vjp(lambda q: self._pace(q, theta), q)
        (slope,) = back(jnp.ones_like(pace))
        v, constants = v / pace, theta[:-1]
        off = self.of.energy(q, v, t, constants)[..., None] - theta[-1]
        return pace * self.of.force(q, v, t, constants) - slope * off

    def momentum(self, q, v, t, theta):
        return self.of.momentum(q, v / self._pace(q, theta), t, theta[:-1])

    def mass(self, q, v, t, theta):
        """The diagonal of dP/d(q'), of the shape of q."""
        return self.of.mass(q, v, t, theta[:-1]) / self._pace(q, theta)

    def energy(self, q, v, t, theta):
        """The energy of L, of velocities by s."""
        return self.of.energy(q, v / self._pace(q, theta), t, theta[:-1])

    def velocity(self, q, p, t, theta, minv=None, near=None):
        return self._pace(q, theta) * self.of.velocity(q, p, t, theta[:-1])


class BodyClock(Clock):
    """Physical time of many bodies, of flat q (n, ...). `drifts` sum up to -dL/dt."""

    rates: Formula  # pyright: ignore[reportIncompatibleVariableOverride]
    powers: Summed  # pyright: ignore[reportIncompatibleVariableOverride]
    drifts: tuple[Term, ...]
    count: int = eqx.field(static=True)

    def _folded(self, x):
        return jnp.moveaxis(x.reshape((self.powers.n, self.count, *x.shape[1:])), 1, -1)

    def rate(self, q, theta):
        """dt/ds, (1, ...)."""
        return self.rates(self._folded(q), theta)[None]

    def power(self, q, v, t, theta):
        """dE/ds, (1, ...), of velocities v by s."""
        pace, q, speed = self.rate(q, theta), self._folded(q), self._folded(v)
        t = t[..., None] if jnp.ndim(t) else t
        at = q, speed / pace[0][..., None], t
        found = jnp.sum(self.powers.push(*at, theta) * speed, axis=(0, -1))
        scalars = self.powers.scalars
        for term in self.drifts:
            found = found + pace[0] * term.total(*at, theta[:scalars], theta[scalars:])
        return found[None]
