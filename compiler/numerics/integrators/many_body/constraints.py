"""Holonomic constraints of many bodies as `constrained.Constraints`: sums over bodies, and one
constraint for every body i of a formula of i. Their gradients follow by differentiation.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from actionrun.compiler.numerics.integrators.constrained import Constraints

from .mechanics import Term

Terms = tuple[Term, ...]


class BodyConstraints(Constraints):
    """m constraints of q (n, ...), component by component. `values` and `sizes` hold the terms of
    each formula; `each` says whether it is one constraint for every body in its range."""

    values: tuple[Terms, ...]  # pyright: ignore[reportIncompatibleVariableOverride]
    gradients: None  # pyright: ignore[reportIncompatibleVariableOverride]
    drifts: None  # pyright: ignore[reportIncompatibleVariableOverride]
    sizes: tuple[Terms, ...]  # pyright: ignore[reportIncompatibleVariableOverride]
    each: tuple[bool, ...] = eqx.field(static=True)
    components: int = eqx.field(static=True)
    scalars: int = eqx.field(static=True)

    def _of(self, formulas: tuple[Terms, ...], q, t, theta):
        folded = jnp.moveaxis(q.reshape((self.components, -1, *q.shape[1:])), 1, -1)
        t = t[..., None] if jnp.ndim(t) else t
        at = folded, jnp.zeros_like(folded), t, theta[: self.scalars], theta[self.scalars :]
        rows = []
        for terms, each in zip(formulas, self.each, strict=True):
            if each:
                rows.append(jnp.moveaxis(terms[0].evaluated(*at)[0], -1, 0))
            else:
                totals = jnp.stack([term.total(*at) for term in terms])
                rows.append(jnp.sum(totals, axis=0)[None])
        return jnp.concatenate(rows)

    def value(self, q, t, theta):
        return self._of(self.values, q, t, theta)

    def size(self, q, t, theta):
        return self._of(self.sizes, q, t, theta)

    def gradient(self, q, t, theta):
        """G = dphi/dq, (m, n, ...); of q with one axis of batch at most."""
        slopes = jax.jacrev(lambda q, t: self.value(q, t, theta))
        t = jnp.broadcast_to(jnp.asarray(t, q.dtype), q.shape[1:])
        return slopes(q, t) if q.ndim == 1 else jax.vmap(slopes, (1, 0), 2)(q, t)

    def pull(self, q, t, theta, weights):
        return jax.vjp(lambda q: self.value(q, t, theta), q)[1](weights)[0]

    def rate(self, q, v, t, theta):
        t = jnp.broadcast_to(jnp.asarray(t, q.dtype), q.shape[1:])
        return jax.jvp(lambda q, t: self.value(q, t, theta), (q, t), (v, jnp.ones_like(t)))[1]
