"""A genome as SymPy: its fixed weights exact, its trainable ones symbols or numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
import sympy as sp
from actionrun.compiler.numerics.genomes.network import ForceEvaluation, Neuron, activation
from actionrun.compiler.numerics.networks.activations import Activation

from .genome import Layout

SymbolicForce = Callable[[list[sp.Expr]], Sequence[sp.Expr]]


def symbolic_activation(
    name: str, x: sp.Expr, pieces: bool = False, own: Sequence[Activation] = ()
) -> sp.Expr:
    """An activation of an expression; where it is made of pieces (Min, Max), its name unless
    `pieces`."""
    function = activation(name, own)
    if not pieces and function.symbolic(sp.Symbol("x", real=True), sp).has(sp.Min, sp.Max):
        return sp.Function(name, real=True)(x)
    return function.symbolic(x, sp)


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
            weights.append(sp.Rational(whole))
    return weights, symbols


def fitted_weights(layout: Layout, row: np.ndarray, weights: np.ndarray) -> list[sp.Expr]:
    """The weights with the fitted numbers put in."""
    symbolic, symbols = exact_weights(layout, row)
    fitted = [sp.Float(float(weights[k]), 17) for k in trainable_places(layout, row)]
    put = dict(zip(symbols, fitted, strict=True))
    return [w.xreplace(put) for w in symbolic]


def network_outputs(
    layout: Layout,
    row: np.ndarray,
    weights: Sequence[sp.Expr],
    inputs: Sequence[sp.Expr],
    force: SymbolicForce = lambda arguments: [sp.Integer(0)] * len(arguments),
    pieces: bool = False,
) -> list[sp.Expr]:
    """The outputs of a genome as expressions of its inputs; `force` gives the force's components of
    its arguments. Activations made of pieces stand by their names, or with `pieces` as Min, Max."""
    values: list[sp.Expr] = [*inputs]
    if layout.bias:
        values.append(sp.Integer(1))

    def weighted_inputs(unit: Neuron) -> sp.Expr:
        parts = [
            (sp.Integer(1) if w < 0 else weights[w]) * values[s]
            for s, w in zip(unit.sources, unit.weights, strict=True)
            if w < 0 or weights[w] != 0
        ]
        name = "linear" if unit.activation < 0 else layout.activations[row[unit.activation]]
        if name == "product":
            return sp.Mul(*parts) if parts else sp.Integer(0)
        if name == "power":
            pairs = zip(unit.sources, unit.weights, strict=True)
            factors = [values[s] ** weights[w] for s, w in pairs if weights[w] != 0]
            return sp.Mul(*factors) if factors else sp.Integer(0)
        return symbolic_activation(name, sp.Add(*parts), pieces, layout.own)

    for step in layout.net.steps:
        if isinstance(step, ForceEvaluation):
            values += force([weighted_inputs(unit) for unit in step.arguments])
        else:
            values.append(weighted_inputs(step))
    return [weighted_inputs(unit) for unit in layout.net.outputs]
