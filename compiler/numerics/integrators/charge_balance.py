"""Charges of symmetries and their balance, kept step by step in constant memory.

What a step adds to a charge is the integral of its rate of change through K, taken by the Lobatto
rule of the step at the step's own nodes. For the charges P . xi with an affine xi that is the
discrete Noether theorem (Marsden and West, Acta Numerica 10, 357, 2001; Roberts, section 2): they
balance to round-off, at any step. The energy balances to the order of the method.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from actionrun.compiler.numerics.array_types import ArrayFunction
from jaxtyping import Array, Float

from .mechanics import FlatMechanics, Parameters, TimeTransform, stacked
from .nodal import nodal
from .quadrature import Rule, rule


class Balance(NamedTuple):
    """Of every charge (m,): its first value, the flux since in two parts (None where there is no
    K), the largest |value - start - flux| over all steps, and of those linear in the momenta the
    largest size of their terms."""

    start: jax.Array
    flux: jax.Array | None
    flux_low: jax.Array | None
    defect: jax.Array
    size: jax.Array


class Form(NamedTuple):
    """A flux that is quadratic in z = (q, p): value + slope . z + z . curve z / 2, (m, ...)."""

    value: jax.Array
    slope: jax.Array
    curve: jax.Array


class ChargeBalance(eqx.Module):
    """Charges of a system, the energy first where `energy`, and the balance of each."""

    r: eqx.AbstractVar[int]
    clock: eqx.AbstractVar[TimeTransform | None]  # where steps are of a transformed time
    energy: eqx.AbstractVar[bool]  # whether it is a charge
    flows: eqx.AbstractVar[bool]  # whether K changes charges

    @property
    def rule(self) -> Rule:
        return rule(self.r)

    @abstractmethod
    def values(self, q, p, t, theta: Parameters, energy) -> Float[Array, "m ..."]:
        """Charges of states q, p (n, ...) with that energy (...)."""

    @abstractmethod
    def sizes(self, q, p, t, theta: Parameters) -> Float[Array, "k ..."]:
        """Sizes of the terms of those charges that are linear in the momenta."""

    @abstractmethod
    def flux(self, q, V, t, h, theta: Parameters) -> Float[Array, " m"]:
        """What a step from q (n,) with nodal velocities V adds to each charge through K."""

    def start(self, q, p, t, theta: Parameters, energy) -> Balance:
        start = self.values(q, p, t, theta, energy)
        zero = jnp.zeros_like(start)
        flux = zero if self.flows else None
        return Balance(start, flux, flux, zero, self.sizes(q, p, t, theta))

    def accumulate(self, old: Balance, flux, q, p, t, theta: Parameters, energy) -> Balance:
        """The balance after a step that ended at q, p, t with an energy and a flux (m,)."""
        values = self.values(q, p, t, theta, energy)
        change, total, low = values - old.start, old.flux, old.flux_low
        if total is not None and low is not None:
            y = flux + low
            total = total + y
            low = y - (total - old.flux)
            change = (change - total) - low
        size = jnp.maximum(old.size, self.sizes(q, p, t, theta))
        return Balance(old.start, total, low, jnp.maximum(old.defect, jnp.abs(change)), size)

    def accumulate_steps(self, old: Balance, flux, q, p, t, theta: Parameters, energy) -> Balance:
        """The balance after several steps that ended at q, p (n, steps), t (steps,), with energies
        (steps,) and fluxes (m, steps)."""
        change = self.values(q, p, t, theta, energy) - old.start[:, None]
        before, total, low = old.flux, old.flux, old.flux_low
        if flux is not None and before is not None and low is not None:
            added = jnp.cumsum(flux, axis=1) + low[:, None]
            change = (change - before[:, None]) - added
            total = before + added[:, -1]
            low = added[:, -1] - (total - before)
        size = jnp.maximum(old.size, jnp.max(self.sizes(q, p, t, theta), axis=1))
        defect = jnp.maximum(old.defect, jnp.max(jnp.abs(change), axis=1))
        return Balance(old.start, total, low, defect, size)


class CoordinateCharges(ChargeBalance):
    """Charges of named coordinates: the energy, and those linear in the momenta.

    `charges` and `terms` (the sizes of their terms) are functions of (q, p, t, theta); `rates`, of
    all charges, of (q, v, a, t, theta), None where there is no flux. `pulls` gives the
    accelerations where a rate needs them: dP/dv a = pulls(q, v, t, theta).
    """

    mechanics: FlatMechanics
    r: int = eqx.field(static=True)
    clock: TimeTransform | None
    energy: bool = eqx.field(static=True)
    charges: ArrayFunction
    terms: ArrayFunction
    flows: bool = eqx.field(static=True)
    rates: ArrayFunction | None  # where K changes charges
    pulls: ArrayFunction | None

    def values(self, q, p, t, theta, energy) -> Float[Array, "m ..."]:
        n = self.mechanics.n  # a transformed state holds time and -energy behind its n entries
        values = [energy] * self.energy + list(self.charges(*q[:n], *p[:n], t, *theta))
        return _stacked(values, q)

    def sizes(self, q, p, t, theta) -> Float[Array, "k ..."]:
        n = self.mechanics.n
        return _stacked(self.terms(*q[:n], *p[:n], t, *theta), q)

    def flux(self, q, V, t, h, theta) -> Float[Array, " m"]:
        if self.rates is None:
            return jnp.zeros((self.energy + self.charges.outputs,), q.dtype)
        rule, n = self.rule, self.mechanics.n
        V = V[:n]
        Q = q[:n, None] + h * nodal(rule.integrate, V)
        T, weights = t + h * jnp.asarray(rule.nodes, q.dtype), jnp.asarray(rule.weights, q.dtype)
        if self.clock is not None:  # steps are of s: rates and velocities by physical time
            rate = self.clock.rate(Q, theta)
            T = q[n] + h * nodal(rule.integrate, rate)[0]
            V, weights = V / rate, weights * rate[0]
        a = jnp.zeros_like(V)
        if self.pulls is not None:
            pull = stacked(self.pulls(*Q, *V, T, *theta), Q)
            a = self.mechanics.solve_mass(Q, V, T, theta, pull)
        rates = self.rates(*Q, *V, *a, T, *theta)
        return h * jnp.stack([jnp.sum(weights * jnp.broadcast_to(x, T.shape)) for x in rates])


def _stacked(values, like: jax.Array) -> jax.Array:
    """Values (m, ...) of states like (n, ...)."""
    shape = like.shape[1:]
    rows = [jnp.broadcast_to(jnp.asarray(x, like.dtype), shape) for x in values]
    return jnp.stack(rows) if rows else jnp.zeros((0, *shape), like.dtype)


def flux_of(form: Form, z: Float[Array, " 2n"]) -> Float[Array, " m"]:
    """The flux (m,) of a step from z (2n,)."""
    slope = form.slope + jnp.sum(form.curve * z, axis=-1) / 2
    return form.value + jnp.sum(slope * z, axis=-1)
