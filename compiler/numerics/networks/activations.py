"""Activation functions of neural networks, with the properties that exact rewriting relies on.

One table for every network of the house: encoders, paths and genomes. `product`, which genomes have
besides, multiplies the parts of a sum and so is no function of one number. The same functions as
SymPy expressions are `compiler/pnn/genome_expression.py`; a test compares both, and each property
that is declared here, on random numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp


@dataclass(frozen=True)
class Activation:
    """`apply`: arrays to arrays of the same shape, elementwise. `zero_at_zero`: f(0) = 0.
    `passes_positive`: f(x) = x for x > 0."""

    name: str
    apply: Callable[[jax.Array], jax.Array]
    zero_at_zero: bool = False
    passes_positive: bool = False

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.apply(x)


def _within(domain: jax.Array, function: Callable[[jax.Array], jax.Array], x: jax.Array):
    """function(x) on its domain, else NaN with a slope of zero: the unit is unfit, but does not
    spoil the slopes of those that did not choose it."""
    return jnp.where(domain, function(jnp.where(domain, x, 1.0)), jnp.nan)


ACTIVATIONS = {
    one.name: one
    for one in (
        Activation("linear", lambda x: x, zero_at_zero=True, passes_positive=True),
        Activation("relu", lambda x: jnp.where(x > 0, x, 0), True, True),
        Activation("elu", lambda x: jnp.where(x > 0, x, jnp.expm1(jnp.minimum(x, 0))), True, True),
        Activation("abs", jnp.abs, True, True),
        Activation("silu", jax.nn.silu, zero_at_zero=True),
        Activation("gelu", jax.nn.gelu, zero_at_zero=True),
        Activation("tanh", jnp.tanh, zero_at_zero=True),
        Activation("sin", jnp.sin, zero_at_zero=True),
        Activation("square", lambda x: x * x, zero_at_zero=True),
        Activation("cube", lambda x: x * x * x, zero_at_zero=True),
        Activation("sigmoid", jax.nn.sigmoid),
        Activation("softplus", jax.nn.softplus),
        Activation("exp", jnp.exp),
        Activation("cos", jnp.cos),
        Activation("inverse", lambda x: _within(x != 0, lambda y: 1 / y, x)),
        Activation("sqrt", lambda x: _within(x > 0, jnp.sqrt, x)),
        Activation("log", lambda x: _within(x > 0, jnp.log, x)),
    )
}
