"""Activation functions of neural networks, with the properties that exact rewriting relies on.

One table for every network of the house: encoders, paths and genomes. An activation is one row here
and, where a study may name it, its name in the study language. `product`, which genomes have
besides, multiplies the parts of a sum and so is no function of one number. A test compares `apply`
with `symbolic`, and each property that is declared here with random numbers: a wrong one would
merge networks that are not equal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp


@dataclass(frozen=True)
class Activation:
    """A function f of one number.

    `apply`: arrays to arrays of the same shape, elementwise. `symbolic`: the same for an expression
    of a module of symbols, SymPy, which is handed in. `zero_at_zero`: f(0) = 0. `passes_positive`:
    f(x) = x for x > 0. `homogeneous`: f(s x) = g(s) f(x) for s of either sign. `absorbs_scale`:
    f(s x) = g(s) f(x) + h(s) for s > 0, so that a trained scale before it says nothing new.
    `seeded`: searches of laws begin with sums of it.
    """

    name: str
    apply: Callable[[jax.Array], jax.Array]
    symbolic: Callable[[Any, Any], Any]
    zero_at_zero: bool = False
    passes_positive: bool = False
    homogeneous: bool = False
    absorbs_scale: bool = False
    seeded: bool = False

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.apply(x)


def _sqrt(x: jax.Array) -> jax.Array:
    """The root, with a slope of zero at zero: what stands there does not move the unit."""
    return jnp.where(x == 0, 0.0, jnp.sqrt(jnp.where(x == 0, 1.0, x)))


def _gelu(x: Any, s: Any) -> Any:
    """Hendrycks & Gimpel, arXiv 1606.08415, with their tanh."""
    return x * (1 + s.tanh(s.sqrt(2 / s.pi) * (x + s.Rational("0.044715") * x**3))) / 2


ACTIVATIONS = {
    one.name: one
    for one in (
        Activation(
            "linear", lambda x: x, lambda x, s: x,
            zero_at_zero=True, passes_positive=True, homogeneous=True, absorbs_scale=True,
            seeded=True,
        ),
        Activation(
            "square", lambda x: x * x, lambda x, s: x**2,
            zero_at_zero=True, homogeneous=True, absorbs_scale=True, seeded=True,
        ),
        Activation(
            "inverse", lambda x: 1 / x, lambda x, s: 1 / x,
            homogeneous=True, absorbs_scale=True, seeded=True,
        ),
        Activation(
            "cube", lambda x: x * x * x, lambda x, s: x**3,
            zero_at_zero=True, homogeneous=True, absorbs_scale=True, seeded=True,
        ),
        Activation(
            "sqrt", _sqrt, lambda x, s: s.sqrt(x),
            zero_at_zero=True, absorbs_scale=True, seeded=True,
        ),
        Activation(
            "log", jnp.log, lambda x, s: s.log(x),
            absorbs_scale=True, seeded=True,
        ),
        Activation("exp", jnp.exp, lambda x, s: s.exp(x), seeded=True),
        Activation("tanh", jnp.tanh, lambda x, s: s.tanh(x), zero_at_zero=True, seeded=True),
        Activation(
            "abs", jnp.abs, lambda x, s: s.Abs(x),
            zero_at_zero=True, passes_positive=True, homogeneous=True, absorbs_scale=True,
            seeded=True,
        ),
        Activation(
            "relu", lambda x: jnp.where(x <= 0, 0, x), lambda x, s: s.Max(x, 0),
            zero_at_zero=True, passes_positive=True, absorbs_scale=True,
        ),
        Activation(
            "elu", lambda x: jnp.where(x > 0, x, jnp.expm1(jnp.minimum(x, 0))),
            lambda x, s: s.Max(x, 0) + s.exp(s.Min(x, 0)) - 1,
            zero_at_zero=True, passes_positive=True,
        ),
        Activation("silu", jax.nn.silu, lambda x, s: x / (1 + s.exp(-x)), zero_at_zero=True),
        Activation("gelu", jax.nn.gelu, _gelu, zero_at_zero=True),
        Activation("asin", jnp.arcsin, lambda x, s: s.asin(x), zero_at_zero=True, seeded=True),
        Activation("acos", jnp.arccos, lambda x, s: s.acos(x), seeded=True),
        Activation("tan", jnp.tan, lambda x, s: s.tan(x), zero_at_zero=True),
        Activation("sinh", jnp.sinh, lambda x, s: s.sinh(x), zero_at_zero=True),
        Activation("cosh", jnp.cosh, lambda x, s: s.cosh(x)),
        Activation("sin", jnp.sin, lambda x, s: s.sin(x), zero_at_zero=True),
        Activation("cos", jnp.cos, lambda x, s: s.cos(x)),
        Activation("sigmoid", jax.nn.sigmoid, lambda x, s: 1 / (1 + s.exp(-x))),
        Activation("softplus", jax.nn.softplus, lambda x, s: s.log(1 + s.exp(x))),
    )
}  # fmt: skip
