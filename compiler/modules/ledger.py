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

from ..lower import Lowered
from .ggl import GGL, nodal
from .linear import solve


class Balance(NamedTuple):
    """Of every charge (m,): first and last value, flux since the start in two parts, the largest
    |value - start - flux| over all steps, and the largest size of the terms of the charge."""

    start: jax.Array
    value: jax.Array
    flux: jax.Array
    flux_low: jax.Array
    defect: jax.Array
    size: jax.Array


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
    charges: Lowered
    sizes: Lowered
    rates: Lowered | None
    pulls: Lowered | None

    def start(self, q, p, t, theta, energy) -> Balance:
        value, size = self._values(q, p, t, theta, energy)
        zero = jnp.zeros_like(value)
        return Balance(value, value, zero, zero, zero, size)

    def _values(self, q, p, t, theta, energy):
        """Charges and sizes (m,); `energy` is (energy, its kinetic part)."""
        n = self.n  # a transformed state holds time and -energy behind its n entries
        arguments = (*q[:n], *p[:n], t, *theta)
        values = [energy[0]] * self.energy + list(self.charges(*arguments))
        sizes = [energy[1]] * self.energy + list(self.sizes(*arguments))
        return tuple(jnp.stack([jnp.asarray(x, q.dtype) for x in part]) for part in (values, sizes))

    def entered(self, old: Balance, flux, q, p, t, theta, energy) -> Balance:
        """The balance after a step that ended at q, p, t with a flux (m,)."""
        value, size = self._values(q, p, t, theta, energy)
        y = flux + old.flux_low
        total = old.flux + y
        low = y - (total - old.flux)
        defect = jnp.abs((value - old.start) - total - low)
        return Balance(
            old.start, value, total, low,
            jnp.maximum(old.defect, defect), jnp.maximum(old.size, size),
        )  # fmt: skip

    def flux(self, q, V, t, h, theta) -> jax.Array:
        """What a step from q with nodal velocities V adds to each charge through K, (m,)."""
        count = self.energy + len(self.charges.results)
        if self.rates is None:
            return jnp.zeros((count,), q.dtype)
        rule, m = self.ggl.rule, self.ggl.mechanics
        V = V[: self.n]
        Q = q[:, None] + h * nodal(rule.integrate, V)
        T = t + h * jnp.asarray(rule.nodes, q.dtype)
        A = jnp.zeros_like(V)
        if self.pulls is not None:
            pull = jnp.stack([jnp.broadcast_to(x, T.shape) for x in self.pulls(*Q, *V, T, *theta)])
            shape = (self.n, self.n, *T.shape)
            A = solve(jnp.broadcast_to(m.mass(Q, V, T, theta), shape), pull[:, None])[:, 0]
        rates = self.rates(*Q, *V, *A, T, *theta)
        weights = jnp.asarray(rule.weights, q.dtype)
        return h * jnp.stack([jnp.sum(weights * jnp.broadcast_to(x, T.shape)) for x in rates])

    def form(self, h, theta, dtype) -> Form | None:
        """The flux of a step of a quadratic problem, whose nodes are an affine map of (q, p)."""
        if self.rates is None:
            return None
        n, zero = self.n, jnp.zeros((), dtype)
        still = jnp.zeros((n, self.ggl.r + 2), dtype)

        def nodes(z):
            return self.ggl.newton(z[:n], z[n:], zero, h, theta, still, 2).V

        def flux(z, V):
            return self.flux(z[:n], V, zero, h, theta)

        origin = jnp.zeros((2 * n,), dtype)
        first = nodes(origin)
        columns = jnp.stack([nodes(e) - first for e in jnp.eye(2 * n, dtype=dtype)], axis=-1)

        def whole(z):
            return flux(z, first + columns @ z)

        return Form(whole(origin), jax.jacfwd(whole)(origin), jax.hessian(whole)(origin))


def flux_of(form: Form, z: jax.Array) -> jax.Array:
    """The flux (m,) of a step from z (2n,)."""
    return form.value + jnp.sum((form.slope + jnp.sum(form.curve * z, axis=-1) / 2) * z, axis=-1)
