"""Charges of many bodies, totals over bodies, and their balance."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from actionrun.compiler.numerics.integrators.charge_balance import ChargeBalance
from actionrun.compiler.numerics.integrators.mechanics import TimeTransform
from actionrun.compiler.numerics.integrators.nodal import nodal
from jaxtyping import Array, Float

from .flattened import by_body
from .mechanics import ManyBodyMechanics


class ManyBodyCharges(ChargeBalance):
    """Charges of many bodies: ("energy",), ("shift", a): the total momentum of component a, or
    ("turn", a, b): the total of q_a p_b - q_b p_a, over all pairs of components that it names.
    """

    mechanics: ManyBodyMechanics
    r: int = eqx.field(static=True)
    clock: TimeTransform | None
    charges: tuple[tuple[str, tuple[int, ...]], ...] = eqx.field(static=True)
    energy: bool = eqx.field(static=True)
    flows: bool = eqx.field(static=True)

    def _by_body(self, x: jax.Array) -> jax.Array:
        """Without the time, or the energy, that stands behind a transformed state."""
        return by_body(x[: self.mechanics.n], self.mechanics.components)

    def values(self, q, p, t, theta, energy) -> Float[Array, "m ..."]:
        q, p = self._by_body(q), self._by_body(p)
        rows = [
            energy if kind == "energy" else jnp.sum(_terms(kind, of, q, p), axis=-1)
            for kind, of in self.charges
        ]
        return jnp.stack([jnp.asarray(x, q.dtype) for x in rows])

    def sizes(self, q, p, t, theta) -> Float[Array, "k ..."]:
        q, p = self._by_body(q), self._by_body(p)
        rows = []
        for kind, of in self.charges:
            if kind == "shift":
                rows.append(jnp.sum(jnp.abs(p[of[0]]), axis=-1))
            elif kind == "turn":
                pairs = zip(of[::2], of[1::2], strict=True)
                rows.append(sum(jnp.sum(jnp.abs(q[a] * p[b]) + jnp.abs(q[b] * p[a]), axis=-1)
                                for a, b in pairs))  # fmt: skip
        return jnp.stack(rows) if rows else jnp.zeros((0, *q.shape[1:-1]), q.dtype)

    def flux(self, q, V, t, h, theta) -> Float[Array, " m"]:
        if not self.flows:
            return jnp.zeros((len(self.charges),), q.dtype)
        rule, m = self.rule, self.mechanics
        n, weights = m.n, jnp.asarray(rule.weights, q.dtype)
        T, rate = t + h * jnp.asarray(rule.nodes, q.dtype), None
        if self.clock is not None:  # steps are of s: rates and velocities by physical time
            rate = self.clock.rate(q[:n, None] + h * nodal(rule.integrate, V[:n]), theta)
            T = q[n] + h * nodal(rule.integrate, rate)[0]
            weights = weights * rate[0]
        if V.ndim == 2:  # flat, and multipliers behind
            V = by_body(V[:n], m.components)
        Q = m.fold(q[:n])[:, None] + h * nodal(rule.integrate, V)
        V = V if rate is None else V / rate[0][:, None]
        F = m.push(Q, V, T[:, None], theta)  # (components, s, bodies)
        rates = []
        for kind, of in self.charges:
            if kind == "energy":
                change = jnp.sum(V * F, axis=(0, 2))
            else:
                change = _terms(kind, of, Q, F).sum(axis=-1)
            rates.append(jnp.sum(weights * change))
        return h * jnp.stack(rates)


def _terms(
    kind: str,
    of: tuple[int, ...],
    q: Float[Array, "components ... bodies"],
    p: Float[Array, "components ... bodies"],
) -> Float[Array, "... bodies"]:
    """What each body adds to a charge."""
    if kind == "shift":
        return p[of[0]]
    pairs = zip(of[::2], of[1::2], strict=True)
    return jnp.stack([q[a] * p[b] - q[b] * p[a] for a, b in pairs]).sum(axis=0)
