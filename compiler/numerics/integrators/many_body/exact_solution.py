"""The true motion of many bodies, where it is known."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from actionrun.compiler.numerics.array_types import ArrayFunction
from jaxtyping import Array, Float

from .sums import KernelArgument, split_parameters


class ManyBodyExactSolution(eqx.Module):
    """True positions (n,) of all bodies, component by component (see `ExactSolution`)."""

    count: int = eqx.field(static=True)
    scalars: int = eqx.field(static=True)
    arguments: tuple[KernelArgument, ...] = eqx.field(static=True)
    values: ArrayFunction

    def __call__(self, t, *theta) -> Float[Array, " n"]:
        numbers = jnp.arange(1, self.count + 1, dtype=jnp.asarray(t).dtype)
        scalars, lists = split_parameters(theta, self.scalars)
        arguments = []
        for what, of, letter, number in self.arguments:
            x = numbers if what == "number" else lists[of]
            arguments.append(x if letter else x[number - 1])
        values = self.values(*arguments, t, *scalars)
        return jnp.concatenate([jnp.broadcast_to(x, (self.count,)) for x in values])

    def states(self, t, theta) -> tuple[Float[Array, "rows n"], Float[Array, "rows n"]]:
        def state(t):
            return jax.jvp(lambda t: self(t, *theta), (t,), (jnp.ones_like(t),))

        return jax.lax.map(state, t)
