"""Holonomic constraints of many bodies: sums over bodies, and one constraint for every body i of a
formula of i. Their gradients follow by differentiation.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .flattened import by_body
from .sums import SumKernel, split_parameters

Formula = tuple[SumKernel, ...]  # terms that are added up


class ManyBodyConstraints(eqx.Module):
    """m constraints of q (n, ...), component by component (see `Constraints`). `each` says whether
    a formula is one constraint for every body in its range."""

    m: int = eqx.field(static=True)
    values: tuple[Formula, ...]
    sizes: tuple[Formula, ...]
    each: tuple[bool, ...] = eqx.field(static=True)
    components: int = eqx.field(static=True)
    scalars: int = eqx.field(static=True)

    def _of(self, formulas: tuple[Formula, ...], q, t, theta):
        q = by_body(q, self.components)
        t = t[..., None] if jnp.ndim(t) else t
        at = q, jnp.zeros_like(q), t, *split_parameters(theta, self.scalars)
        rows = []
        for terms, each in zip(formulas, self.each, strict=True):
            if each:
                rows.append(jnp.moveaxis(terms[0].summands(*at)[0], -1, 0))
            else:
                totals = jnp.stack([term.total(*at) for term in terms])
                rows.append(jnp.sum(totals, axis=0)[None])
        return jnp.concatenate(rows)

    def value(self, q, t, theta) -> Float[Array, "m ..."]:
        return self._of(self.values, q, t, theta)

    def size(self, q, t, theta) -> Float[Array, "m ..."]:
        return self._of(self.sizes, q, t, theta)

    def gradient(self, q, t, theta) -> Float[Array, "m n ..."]:
        """G = dphi/dq; of q with one axis of batch at most."""
        slopes = jax.jacrev(lambda q, t: self.value(q, t, theta))
        t = jnp.broadcast_to(jnp.asarray(t, q.dtype), q.shape[1:])
        return slopes(q, t) if q.ndim == 1 else jax.vmap(slopes, (1, 0), 2)(q, t)

    def pull(self, q, t, theta, weights) -> Float[Array, "n ..."]:
        return jax.vjp(lambda q: self.value(q, t, theta), q)[1](weights)[0]

    def rate(self, q, v, t, theta) -> Float[Array, "m ..."]:
        t = jnp.broadcast_to(jnp.asarray(t, q.dtype), q.shape[1:])
        return jax.jvp(lambda q, t: self.value(q, t, theta), (q, t), (v, jnp.ones_like(t)))[1]
