"""Compositions of shears that a study's networks can be: a drift, a kick by the force, a drift.

Every explicit symplectic step that evaluates the force once is one (Hairer, Lubich & Wanner,
Geometric Numerical Integration, II.5): so all of them, with each setting that the study gives its
weights, are tried before the search, in place of hoping that it meets them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
from actionrun.compiler.numerics.genomes.network import ForceEvaluation, Neuron

from .model import MapModel

MOST = 100  # compositions: of more settings than ten, those that are fixed


def shear_genomes(model: MapModel) -> np.ndarray:
    """Genomes (n, genes) of drift, kick and drift, all coordinates alike; of damped motion the
    kick also scales the velocity. None where the layers do not hold a state, or a kick."""
    layout, order = model.layout, model.networks.order
    linear = layout.activations.index("linear") if "linear" in layout.activations else None
    free, zero, one = layout.code(None), layout.code(0), layout.code(1)
    small = any(size < 2 * model.system.count for size in layout.layers)
    if order is None or linear is None or free is None or zero is None or one is None:
        return np.zeros((0, layout.genes), dtype=np.int32)
    if layout.force is None or layout.early or small:
        return np.zeros((0, layout.genes), dtype=np.int32)
    many = len(layout.values) ** 2 > MOST
    settings = [code for code in range(len(layout.values)) if not many or code != free]
    last = settings if layout.force < len(layout.layers) else [zero]
    rows = []
    for before, after in product(settings, last):
        row = np.full(layout.genes, zero, dtype=np.int32)
        row[: layout.units] = linear
        for weight, code in _weights(model, before, after):
            row[layout.units + weight] = code
        rows.append(row)
    return np.array(rows, dtype=np.int32).reshape(-1, layout.genes)


def _weights(model: MapModel, before: int | None, after: int | None) -> Iterator[tuple[int, int]]:
    """Weights and their settings: units 0 to k - 1 of each layer are positions, k to 2k - 1 are
    velocities."""
    layout, k = model.layout, model.system.count
    free, one = layout.code(None), layout.code(1)
    order = model.networks.order or ()
    state = [order.index(part) for part in range(2 * k)]  # where the state is heard
    kicks: list[int] = []  # where a force is heard that nothing has felt yet

    def heard(unit: Neuron, source: int, code: int | None) -> Iterator[tuple[int, int]]:
        weight = unit.weights[unit.sources.index(source)]
        if weight >= 0 and code is not None:
            yield weight, code

    def moved(unit: Neuron, part: int, drift: int | None) -> Iterator[tuple[int, int]]:
        """What a unit hears that is part `part` of the state after a drift."""
        damped = part >= k and kicks and model.system.damped
        yield from heard(unit, state[part], free if damped else one)
        if part < k:
            yield from heard(unit, state[part + k], drift)
        elif kicks:
            yield from heard(unit, kicks[part - k], free)

    place = layout.inputs + layout.bias
    steps = list(layout.net.steps)
    for number, size in enumerate(layout.layers, 1):
        drift = before if number == 1 else None
        pushes: list[int] = []
        if number == layout.force:
            step = steps.pop(0)
            assert isinstance(step, ForceEvaluation)
            for part, argument in enumerate(step.arguments):
                yield from moved(argument, part, drift)
            pushes = [*range(place, place + len(step.arguments))]
            place += len(step.arguments)
        for part, unit in enumerate(steps[:size]):
            if part < 2 * k and isinstance(unit, Neuron):
                yield from moved(unit, part, drift)
        del steps[:size]
        state = [*range(place, place + 2 * k)]
        place += size
        kicks = pushes
    for unit, part in zip(layout.net.outputs, model.map.places, strict=True):
        yield from moved(unit, part, after if layout.force != len(layout.layers) else None)
