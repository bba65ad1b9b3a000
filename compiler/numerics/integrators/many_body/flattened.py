"""Many bodies as one system: the mechanics of `summed` on flat arrays (n, ...), component by
component, for integrators that know nothing of bodies (constraints, transformed time, Newton).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import equinox as eqx
import jax.numpy as jnp
from actionrun.compiler.numerics.integrators.mechanics import Mechanics
from actionrun.compiler.numerics.integrators.variational import GGL

from .mechanics import Bodies, Summed

if TYPE_CHECKING:
    from .time_transform import SlowBodies


class Flat(eqx.Module):
    """Bodies as `ggl.Mechanics`; q, v are (n, ...) with n = components x bodies."""

    of: Summed | SlowBodies
    count: int = eqx.field(static=True)

    linear: ClassVar[bool] = False
    positional: ClassVar[bool] = False
    diagonal_mass: ClassVar[bool] = True
    affine_momentum: ClassVar[bool] = True
    bodies: ClassVar[bool] = False

    @property
    def n(self) -> int:
        """Degrees of freedom."""
        return self.of.n * self.count

    @property
    def constant_mass(self) -> bool:
        return self.of.constant_mass

    @property
    def bare(self) -> bool:
        return self.of.bare

    def folded(self, x):
        """(n, ...) as (components, ..., bodies)."""
        return jnp.moveaxis(x.reshape((self.of.n, self.count, *x.shape[1:])), 1, -1)

    def flat(self, x):
        """(components, ..., bodies) as (n, ...)."""
        return jnp.moveaxis(x, -1, 1).reshape((self.n, *x.shape[1:-1]))

    def _at(self, t, theta):
        """Time (...), and an energy behind the constants, as they are wanted beside bodies."""
        t = t[..., None] if jnp.ndim(t) else t
        if isinstance(self.of, Summed):
            return t, theta
        return t, (*theta[:-1], theta[-1][..., None] if jnp.ndim(theta[-1]) else theta[-1])

    def force(self, q, v, t, theta):
        return self.flat(self.of.force(self.folded(q), self.folded(v), *self._at(t, theta)))

    def force_rows(self, q, v, t, theta):
        """The forces (...) on every component, of q and v as tuples of components."""
        return tuple(self.force(jnp.stack(q), jnp.stack(v), t, theta))

    def momentum(self, q, v, t, theta):
        return self.flat(self.of.momentum(self.folded(q), self.folded(v), *self._at(t, theta)))

    def energy(self, q, v, t, theta):
        return self.of.energy(self.folded(q), self.folded(v), *self._at(t, theta))

    def masses(self, q, v, t, theta):
        """The diagonal (n, ...) of dP/dv."""
        return self.flat(self.of.mass(self.folded(q), self.folded(v), *self._at(t, theta)))

    def mass(self, q, v, t, theta):
        """dP/dv (n, n, ...)."""
        eye = jnp.eye(self.n, dtype=q.dtype)
        return eye.reshape((*eye.shape, *(1,) * (q.ndim - 1))) * self.masses(q, v, t, theta)

    def inverse_mass(self, q, v, t, theta):
        """Its diagonal (n, ...)."""
        return 1 / self.masses(q, v, t, theta)

    def summed(self, x):
        """The sum of x (n, ...) over the degrees of freedom."""
        return jnp.sum(x, axis=0)

    def lifted(self, q, v, t, theta, lack):
        """The x with dP/dv x = lack (n, ...)."""
        return lack / self.masses(q, v, t, theta)

    def velocity(self, q, p, t, theta, minv=None, near=None):
        return self.flat(self.of.velocity(self.folded(q), self.folded(p), *self._at(t, theta)))


def bodies_of(mechanics: Mechanics | Summed | Flat, r: int, n: int) -> Bodies:
    """The plain integrator of bodies with n degrees of freedom, by which rows are read."""
    of = mechanics.of if isinstance(mechanics, Flat) else mechanics
    assert isinstance(of, Summed)
    return Bodies(GGL(of, r), n // of.n)
