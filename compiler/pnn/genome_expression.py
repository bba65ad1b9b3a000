"""A genome as SymPy: its fixed weights exact, its trainable ones symbols or numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
import sympy as sp
from actionrun.compiler.numerics.genomes.network import ForceEvaluation, Neuron

from .genome import Layout

elu, relu = sp.Function("elu", real=True), sp.Function("relu", real=True)

FORMS: dict[str, Callable[[sp.Expr], sp.Expr]] = {
    "linear": lambda x: x,
    "relu": relu,
    "tanh": sp.tanh,
    "elu": elu,
    "sigmoid": lambda x: 1 / (1 + sp.exp(-x)),
    "silu": lambda x: x / (1 + sp.exp(-x)),
    "softplus": lambda x: sp.log(1 + sp.exp(x)),
    "square": lambda x: x**2,
    "cube": lambda x: x**3,
    "inverse": lambda x: 1 / x,
    "sqrt": sp.sqrt,
    "abs": sp.Abs,
    "exp": sp.exp,
    "log": sp.log,
    "sin": sp.sin,
    "cos": sp.cos,
}

SymbolicForce = Callable[[list[sp.Expr]], Sequence[sp.Expr]]


def trainable_places(layout: Layout, row: np.ndarray) -> list[int]:
    """Which weights of a genome are trainable."""
    return [k for k in range(layout.weights) if layout.values[row[layout.units + k]] is None]


def exact_weights(layout: Layout, row: np.ndarray) -> tuple[list[sp.Expr], list[sp.Symbol]]:
    """Weights of a genome: rational where they are fixed fractions, symbols w_1, w_2, ... where
    trainable; and these symbols."""
    weights: list[sp.Expr] = []
    symbols: list[sp.Symbol] = []
    for k in range(layout.weights):
        value = layout.values[row[layout.units + k]]
        if value is None:
            symbols.append(sp.Symbol(f"w_{len(symbols) + 1}", real=True))
            weights.append(symbols[-1])
        else:  # a float is a fraction too, so that what cancels does so exactly
            whole = Fraction(value)
            weights.append(sp.Rational(whole.numerator, whole.denominator))
    return weights, symbols


def fitted_weights(layout: Layout, row: np.ndarray, weights: np.ndarray) -> list[sp.Expr]:
    """The weights with the fitted numbers put in."""
    symbolic, symbols = exact_weights(layout, row)
    fitted = [sp.Float(float(weights[k]), 17) for k in trainable_places(layout, row)]
    put = dict(zip(symbols, fitted, strict=True))
    return [put.get(w, w) for w in symbolic]  # type: ignore[arg-type]


def network_outputs(
    layout: Layout,
    row: np.ndarray,
    weights: Sequence[sp.Expr],
    inputs: Sequence[sp.Expr],
    push: SymbolicForce | None = None,
) -> list[sp.Expr]:
    """The outputs of a genome as expressions of its inputs; `push` gives the force's components of
    its arguments."""
    values: list[sp.Expr] = [*inputs]
    if layout.bias:
        values.append(sp.Integer(1))

    def heard(unit: Neuron) -> sp.Expr:
        parts = [
            (sp.Integer(1) if w < 0 else weights[w]) * values[s]
            for s, w in zip(unit.sources, unit.weights, strict=True)
            if w < 0 or weights[w] != 0
        ]
        name = "linear" if unit.activation < 0 else layout.activations[row[unit.activation]]
        if name == "product":
            return sp.Mul(*parts) if parts else sp.Integer(0)
        return FORMS[name](sp.Add(*parts))

    for step in layout.net.steps:
        if isinstance(step, ForceEvaluation):
            assert push is not None
            values += push([heard(unit) for unit in step.arguments])
        else:
            values.append(heard(step))
    return [heard(unit) for unit in layout.net.outputs]
