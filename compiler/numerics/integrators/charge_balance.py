"""Charges of symmetries and their balance, kept step by step in constant memory.

What a step adds to a charge is the integral of its rate of change through K, taken by the Lobatto
rule of the step at the step's own nodes. For the charges P . xi with an affine xi that is the
discrete Noether theorem (Marsden and West, Acta Numerica 10, 357, 2001; Roberts, section 2): they
balance to round-off, at any step. The energy balances to the order of the method.
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from actionrun.compiler.numerics.array_types import ArrayFunction
from actionrun.compiler.numerics.linalg import solve

from .nodal import nodal
from .variational import GGL


class Balance(NamedTuple):
    """Of every charge (m,): its first value, the flux since in two parts (None where there is no
    K), the largest |value - start - flux| over all steps, and of those linear in the momenta the
    largest size of their terms."""

    start: jax.Array
    flux: jax.Array | None
    flux_low: jax.Array | None
    defect: jax.Array
    size: jax.Array


def entered(old: Balance, values, flux, sizes) -> Balance:
    """The balance after a step to charges `values` (m,), of terms of those sizes, to which K has
    added a flux (m,)."""
    change, total, low = values - old.start, old.flux, old.flux_low
    if total is not None and low is not None:
        y = flux + low
        total = total + y
        low = y - (total - old.flux)
        change = (change - total) - low
    size = jnp.maximum(old.size, sizes)
    return Balance(old.start, total, low, jnp.maximum(old.defect, jnp.abs(change)), size)


class Form(NamedTuple):
    """A flux that is quadratic in z = (q, p): value + slope . z + z . curve z / 2, (m, ...)."""

    value: jax.Array
    slope: jax.Array
    curve: jax.Array


class Ledger(eqx.Module):
    """Charges of a problem: the energy (where `energy`) and those linear in the momenta.

    `charges` and `sizes` are functions of (q, p, t, theta); `rates`, of all charges, of
    (q, v, a, t, theta), None where there is no flux. `pulls` gives the accelerations where a rate
    needs them: dP/dv a = pulls(q, v, t, theta).
    """

    ggl: GGL
    n: int = eqx.field(static=True)
    energy: bool = eqx.field(static=True)
    charges: ArrayFunction
    sizes: ArrayFunction
    rates: ArrayFunction | None
    pulls: ArrayFunction | None

    def start(self, q, p, t, theta, energy) -> Balance:
        start, zero = self.values(q, p, t, theta, energy), jnp.zeros((self.count,), q.dtype)
        none = None if self.rates is None else zero
        return Balance(start, none, none, zero, self._sizes(q, p, t, theta))

    @property
    def count(self) -> int:
        return self.energy + self.charges.outputs

    def values(self, q, p, t, theta, energy):
        """Charges (m,) of a state with that energy."""
        n = self.n  # a transformed state holds time and -energy behind its n entries
        values = [energy] * self.energy + list(self.charges(*q[:n], *p[:n], t, *theta))
        return _stacked(values, q)

    def _sizes(self, q, p, t, theta):
        return _stacked(self.sizes(*q[: self.n], *p[: self.n], t, *theta), q)

    def entered(self, old: Balance, flux, q, p, t, theta, energy) -> Balance:
        """The balance after a step that ended at q, p, t with an energy and a flux (m,)."""
        values = self.values(q, p, t, theta, energy)
        return entered(old, values, flux, self._sizes(q, p, t, theta))

    def leapt(self, old: Balance, flux, q, p, t, theta, energy) -> Balance:
        """The balance after several steps that ended at q, p (n, steps), t (steps,), with energies
        (steps,) and fluxes (m, steps)."""
        n = self.n
        values = [energy] * self.energy + list(self.charges(*q[:n], *p[:n], t, *theta))
        change = jnp.stack([jnp.broadcast_to(x, t.shape) for x in values]) - old.start[:, None]
        before, total, low = old.flux, old.flux, old.flux_low
        if flux is not None and before is not None and low is not None:
            added = jnp.cumsum(flux, axis=1) + low[:, None]
            change = (change - before[:, None]) - added
            total = before + added[:, -1]
            low = added[:, -1] - (total - before)
        sizes = [
            jnp.max(jnp.broadcast_to(x, t.shape)) for x in self.sizes(*q[:n], *p[:n], t, *theta)
        ]
        size = jnp.maximum(old.size, _stacked(sizes, q))
        defect = jnp.maximum(old.defect, jnp.max(jnp.abs(change), axis=1))
        return Balance(old.start, total, low, defect, size)

    def flux(self, q, V, t, h, theta) -> jax.Array:
        """What a step from q with nodal velocities V adds to each charge through K, (m,)."""
        if self.rates is None:
            return jnp.zeros((self.count,), q.dtype)
        rule = self.ggl.rule
        V = V[: self.n]
        Q = q[: self.n, None] + h * nodal(rule.integrate, V)
        T, weights = t + h * jnp.asarray(rule.nodes, q.dtype), jnp.asarray(rule.weights, q.dtype)
        if self.ggl.clock is not None:  # steps are of s: rates and velocities by physical time
            pace = self.ggl.clock.rate(Q, theta)
            T = q[self.n] + h * nodal(rule.integrate, pace)[0]
            V, weights = V / pace, weights * pace[0]
        rates = self._rates(jnp.concatenate([Q, V]), jnp.zeros_like(V), T, theta)
        return h * jnp.stack([jnp.sum(weights * jnp.broadcast_to(x, T.shape)) for x in rates])

    def _rates(self, y, a, t, theta):
        assert self.rates is not None
        accelerations = a if self.pulls is None else self._accelerations(y, t, theta)
        return self.rates(*y, *accelerations, t, *theta)

    def _accelerations(self, y, t, theta):
        """a (n, ...) of y = (q, v) (2n, ...)."""
        assert self.pulls is not None
        m, n, shape = self.ggl.mechanics, self.n, y.shape[1:]
        pull = jnp.stack([jnp.broadcast_to(x, shape) for x in self.pulls(*y, t, *theta)])
        mass = jnp.broadcast_to(m.mass(y[:n], y[n:], t, theta), (n, n, *shape))
        return solve(mass, pull[:, None])[:, 0]


def _stacked(values, like) -> jax.Array:
    rows = [jnp.asarray(x, like.dtype) for x in values]
    return jnp.stack(rows) if rows else jnp.zeros((0,), like.dtype)


def flux_of(form: Form, z: jax.Array) -> jax.Array:
    """The flux (m,) of a step from z (2n,)."""
    return form.value + jnp.sum((form.slope + jnp.sum(form.curve * z, axis=-1) / 2) * z, axis=-1)
