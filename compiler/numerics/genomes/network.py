"""Networks whose structure is data: one compiled program runs every genome of a search.

Units choose their activation by a whole number, weights are fixed or trainable by a mask; so a
population is a batch (Desai & Strachan, Sci. Rep. 11, 12761, 2021, whose networks these are).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from actionrun.compiler.numerics.networks.activations import ACTIVATIONS, Activation
from jaxtyping import Array, Bool, Float, Int

Values = Float[Array, "*rows width"]  # of one unit, on every row
ForceFunction = Callable[[Sequence[Values]], Sequence[Values]]


def no_force(arguments: Sequence[Values]) -> list[Values]:
    """Of a system on which none acts."""
    return [jnp.zeros_like(one) for one in arguments]


class Neuron(NamedTuple):
    """One neuron: places of the values it hears, of their weights (-1: the weight is 1), and of its
    activation gene (-1: linear)."""

    sources: tuple[int, ...]
    weights: tuple[int, ...]
    activation: int = -1


class ForceEvaluation(NamedTuple):
    """The force: its arguments are linear units; it appends one value for each."""

    arguments: tuple[Neuron, ...]


PRODUCTS = ("product", "power")  # what hears several values, and is no function of their sum


def activation(name: str, own: Sequence[Activation]) -> Activation:
    """A function of one number by its name: one of `own`, or of the house's table."""
    return next((one for one in own if one.name == name), None) or ACTIVATIONS[name]


class GenomeNetwork(eqx.Module):
    """Wiring. Values are numbered: inputs first, then a constant 1 where there is a bias, then
    what the `steps` append, in order. `outputs` are units over them.

    `activations` are names of the house's table or of one's `own`; and of what hears several
    values: "product" multiplies the weighted ones, "power" raises each to its weight first.
    """

    inputs: int = eqx.field(static=True)
    bias: bool = eqx.field(static=True)
    steps: tuple[Neuron | ForceEvaluation, ...] = eqx.field(static=True)
    outputs: tuple[Neuron, ...] = eqx.field(static=True)
    activations: tuple[str, ...] = eqx.field(static=True)
    weights: int = eqx.field(static=True)
    own: tuple[Activation, ...] = eqx.field(static=True, default=())

    @property
    def neurons(self) -> list[Neuron]:
        """All units in order: the arguments of the force too, the outputs last."""
        inner = [s.arguments if isinstance(s, ForceEvaluation) else (s,) for s in self.steps]
        return [unit for several in (*inner, self.outputs) for unit in several]

    def activation(self, name: str) -> Activation:
        """A function of one number, by its name."""
        return activation(name, self.own)

    @property
    def force_components(self) -> int:
        """Components of the force."""
        return sum(len(step.arguments) for step in self.steps if isinstance(step, ForceEvaluation))

    def values(
        self,
        codes: Int[Array, " units"] | None,
        present: Bool[Array, " weights"],
        weights: Float[Array, "weights *rows"],
        inputs: Sequence[Values],
        force: ForceFunction | None,
    ) -> list[Values]:
        """The outputs; codes None: all units are linear; present: which weights are not fixed
        zeros. A weight and an input broadcast together."""
        values = list(inputs)
        if self.bias:
            values.append(jnp.ones_like(values[0]))

        acting = no_force if force is None else force

        def weighted_inputs(unit: Neuron) -> jax.Array:
            parts = [
                jnp.where(present[w], weights[w] * values[s], 0) if w >= 0 else values[s]
                for s, w in zip(unit.sources, unit.weights, strict=True)
            ]
            total = parts[0]
            for part in parts[1:]:
                total = total + part
            if codes is None or unit.activation < 0:
                return total
            heard = [values[s] for s in unit.sources]
            factors = parts, heard, [weights[w] for w in unit.weights]
            return self.activated(codes[unit.activation], total, factors, unit.weights, present)

        for step in self.steps:
            if isinstance(step, ForceEvaluation):
                values += acting([weighted_inputs(unit) for unit in step.arguments])
            else:
                values.append(weighted_inputs(step))
        return [weighted_inputs(unit) for unit in self.outputs]

    def activated(
        self,
        code: Int[Array, ""],
        total: Values,
        factors: tuple[Sequence[Values], Sequence[Values], Sequence[Values]],
        weights: Sequence[int],
        present: Bool[Array, " weights"],
    ) -> Values:
        """The activation `code` of a weighted sum; products take its `factors` instead: weighted
        values, values, and weights.

        Those that were not chosen are given 1: one that overflows has no slope, and 0 times that
        would spoil the slopes of the one that was chosen.
        """
        cases = []
        parts, bases, exponents = factors
        some = jnp.where(jnp.any(present[jnp.asarray(weights)]), 1.0, 0.0)
        for k, name in enumerate(self.activations):
            chosen = code == k
            if name == "product":
                value = some
                for w, part in zip(weights, parts, strict=True):
                    value = value * jnp.where(chosen & present[w], part, 1)
                cases.append(value)
            elif name == "power":
                value = some
                for w, base, exponent in zip(weights, bases, exponents, strict=True):
                    there = chosen & present[w]
                    value = value * jnp.where(there, base, 1.0) ** jnp.where(there, exponent, 1.0)
                cases.append(value)
            else:
                cases.append(self.activation(name)(jnp.where(chosen, total, 1.0)))
        result = cases[0]
        for k, case in enumerate(cases[1:], 1):
            result = jnp.where(code == k, case, result)
        return result
