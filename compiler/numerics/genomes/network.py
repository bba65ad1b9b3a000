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
from actionrun.compiler.numerics.networks.activations import ACTIVATIONS
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


class GenomeNetwork(eqx.Module):
    """Wiring. Values are numbered: inputs first, then a constant 1 where there is a bias, then
    what the `steps` append, in order. `outputs` are units over them."""

    inputs: int = eqx.field(static=True)
    bias: bool = eqx.field(static=True)
    steps: tuple[Neuron | ForceEvaluation, ...] = eqx.field(static=True)
    outputs: tuple[Neuron, ...] = eqx.field(static=True)
    activations: tuple[str, ...] = eqx.field(static=True)
    weights: int = eqx.field(static=True)

    @property
    def neurons(self) -> list[Neuron]:
        """All units in order: the arguments of the force too, the outputs last."""
        inner = [s.arguments if isinstance(s, ForceEvaluation) else (s,) for s in self.steps]
        return [unit for several in (*inner, self.outputs) for unit in several]

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
            return self.activated(codes[unit.activation], total, parts, [*unit.weights], present)

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
        parts: Sequence[Values],
        weights: Sequence[int],
        present: Bool[Array, " weights"],
    ) -> Values:
        """The activation `code` of a weighted sum; `product` multiplies its parts instead.

        Those that were not chosen are given 1: one that overflows has no slope, and 0 times that
        would spoil the slopes of the one that was chosen.
        """
        cases = []
        for k, name in enumerate(self.activations):
            chosen = code == k
            if name == "product":
                some = jnp.any(present[jnp.asarray(weights)])
                value = jnp.where(some, 1.0, 0.0)
                for w, part in zip(weights, parts, strict=True):
                    value = value * jnp.where(chosen & present[w], part, 1)
                cases.append(value)
            else:
                cases.append(ACTIVATIONS[name](jnp.where(chosen, total, 1.0)))
        result = cases[0]
        for k, case in enumerate(cases[1:], 1):
            result = jnp.where(code == k, case, result)
        return result
