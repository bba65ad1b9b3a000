"""The networks of a map study: their layout, and what goes in and comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import equinox as eqx
import jax.numpy as jnp
import sympy as sp
from actionrun.compiler.errors import study_error
from actionrun.compiler.pnn.genome import Layout, layout
from actionrun.compiler.pnn.settings import NetworkSpace
from actionrun.compiler.symbolic.lowering import Lowered, lowered
from actionrun.spec.tables.leaves import Expression

from .data import MovingSystem


class InputReader(eqx.Module):
    """The inputs of a study as arrays (..., width)."""

    formulas: Lowered
    width: int = eqx.field(static=True)

    def __call__(self, q, v):
        parts = [*jnp.moveaxis(q, -1, 0), *jnp.moveaxis(v, -1, 0)]
        values = [jnp.broadcast_to(jnp.asarray(x), q.shape[:-1]) for x in self.formulas(*parts)]
        w = self.width
        return [jnp.stack(values[k : k + w], axis=-1) for k in range(0, len(values), w)]


@dataclass(frozen=True)
class MapNetworks:
    """The networks of a study, with notes on their weights.

    `inputs` as the study writes them; `order`: which part of the state (positions, then velocities,
    by coordinate) each is, None where they are not the state itself. `places` of the outputs in
    the state; `fixed` weights by the study's words for them, with their numbers.
    """

    layout: Layout
    notes: tuple[str, ...]
    inputs: tuple[Expression, ...]
    reader: InputReader
    order: tuple[int, ...] | None
    places: tuple[int, ...]
    fixed: tuple[tuple[str, float], ...]


def map_networks(space: NetworkSpace, moving: MovingSystem) -> MapNetworks:
    """What algebra alone says of networks. Raises Faults."""
    inputs, force = space.search.inputs, space.search.force
    reader, plain = _reader(inputs, moving)
    layer = (len(space.search.layers) + 1) // 2 if force == "network" else force
    shape, notes = layout(space, len(inputs), force=layer, force_components=moving.count)
    order = _order_of_inputs(inputs, moving) if plain else None
    fixed = tuple((label, number) for label, number in space.weights if number is not None)
    places = _places(space.search.outputs, moving)
    return MapNetworks(shape, notes, inputs, reader, order, places, fixed)


def _order_of_inputs(inputs: Sequence[Expression], moving: MovingSystem) -> tuple[int, ...]:
    words = moving.problem.words
    state = [*words.q, *words.v]
    parts = []
    for expression in inputs:
        value = words.meaning(expression)
        first = value[0] if isinstance(value, tuple) else value
        parts.append(state.index(first) // moving.components)
    return tuple(parts)


def _reader(inputs: Sequence[Expression], moving: MovingSystem) -> tuple[InputReader, bool]:
    """The inputs, and whether they are the positions and velocities themselves."""
    words, parts, plain = moving.problem.words, [], []
    for expression in inputs:
        value = words.meaning(expression)
        several = value if isinstance(value, tuple) else (value,)
        if len(several) != moving.components:
            raise study_error(
                words, expression, "map.width",
                f"this input has {len(several)} components, and the coordinates have "
                f"{moving.components}",
                "give every input as many components as a coordinate has",
            )  # fmt: skip
        parts += [one.subs(moving.problem.values) for one in several]
        plain.append(several)
    arguments, each = [*words.q, *words.v], moving.components
    state = [tuple(arguments[k : k + each]) for k in range(0, len(arguments), each)]
    whole = sorted(map(str, plain)) == sorted(map(str, state))
    if moving.driven:
        if not whole:
            raise study_error(
                words, ("search", "inputs"), "map.state",
                "the inputs of a driven map are its positions and velocities, which bring the time",
                "write inputs = [\"x\", \"x'\"]",
            )  # fmt: skip
        times = {one: sp.Dummy() for one in state}
        parts = [x for one in plain for x in (*one, times[one])]
        arguments = [x for one in state for x in (*one, times[one])]
    return InputReader(lowered(parts, arguments), moving.width), whole


def _places(outputs: Sequence[Expression], moving: MovingSystem) -> tuple[int, ...]:
    """Which coordinate or velocity each output is. Raises Faults unless all are there, once."""
    words, places = moving.problem.words, []
    state = [*words.q, *words.v]
    for expression in outputs:
        value = words.meaning(expression)
        first = value[0] if isinstance(value, tuple) else value
        whole = not isinstance(value, tuple) or len(value) == moving.components
        if first not in state or state.index(first) % moving.components or not whole:
            raise study_error(
                words, expression, "map.state", "an output of a map is a coordinate or a velocity",
                "write x(t+dt), x'(t+dt)",
            )  # fmt: skip
        places.append(state.index(first) // moving.components)
    if sorted(places) != list(range(2 * moving.count)):
        raise study_error(
            words, ("search", "outputs"), "map.state",
            "a map has every coordinate and every velocity as an output, once",
            "write x(t+dt) and x'(t+dt) for each coordinate x",
        )  # fmt: skip
    return tuple(places)
