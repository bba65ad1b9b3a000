"""Activations that a study defines: functions of one number, x, out of its own formulas."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import sympy as sp
from actionrun.compiler.numerics.networks.activations import Activation
from actionrun.compiler.symbolic.lowering import Lowered, lowered
from actionrun.compiler.symbolic.vocabulary import Vocabulary, symbol
from actionrun.spec.kinds.pnn import OwnActivation, Search


def own_activations(search: Search, words: Vocabulary) -> tuple[Activation, ...]:
    """Those of [search] activations, parameters put in."""
    own = [one for one in search.activations if isinstance(one, OwnActivation)]
    if not own:
        return ()
    argument = symbol("x")
    numbers = {s: sp.Float(float(words.number(n)), 17) for n, s in words.constants.items()}
    words = replace(words, constants={**words.constants, "x": argument}, cache={})
    numbers.pop(argument, None)
    formulas = {one.name: words.scalar(one.formula).xreplace(numbers) for one in own}
    return tuple(
        Activation(
            name,
            partial(_value, lowered([formula], [argument])),
            partial(_expression, formula, argument),
        )
        for name, formula in formulas.items()
    )


def _value(function: Lowered, x: jax.Array) -> jax.Array:
    (value,) = function(x)
    return value + 0.0 * x


def _expression(formula: sp.Expr, argument: sp.Symbol, x: Any, symbols: Any) -> Any:
    return formula.xreplace({argument: x})
