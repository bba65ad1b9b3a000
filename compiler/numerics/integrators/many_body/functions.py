"""Numbers of states of many bodies, each a sum of terms."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .flattened import by_body
from .sums import SumKernel, split_parameters


class ManyBodyFunctions(eqx.Module):
    """Numbers of q, v (n, ...), component by component, and t (see `StateFunctions`)."""

    sums: tuple[tuple[SumKernel, ...], ...]
    components: int = eqx.field(static=True)
    scalars: int = eqx.field(static=True)

    def __call__(self, q, v, t, theta) -> Float[Array, "m ..."]:
        q, v = by_body(q, self.components), by_body(v, self.components)
        at = q, v, t[..., None], *split_parameters(theta, self.scalars)
        totals = [sum(term.total(*at) for term in terms) for terms in self.sums]
        return jnp.stack([jnp.broadcast_to(x, t.shape) for x in totals])
