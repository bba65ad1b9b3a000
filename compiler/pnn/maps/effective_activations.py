"""Effective activations: what the units of a network are on its data.

Relu, elu and abs of positive numbers alone pass them on, as linear units do. Positions are often
positive, so the published search is full of these.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.genomes.network import PRODUCTS, ForceEvaluation, Neuron, no_force
from actionrun.compiler.numerics.networks.activations import ACTIVATIONS

from .data import joined
from .model import MapModel

PASS_ON = {one.name for one in ACTIVATIONS.values() if one.passes_positive} - {"linear"}


def effective_activations(model: MapModel, genome: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The genome with linear units in place of those that pass on what they hear, on all rows of
    the data; the genome itself where there are none."""
    layout, net = model.layout, model.layout.net
    names = [layout.activations[code] for code in genome[: layout.units]]
    if "linear" not in layout.activations or {*PRODUCTS} & {*names} or not PASS_ON & {*names}:
        return genome
    rows = joined((*model.motions.train, *model.motions.validation, *model.motions.test))
    values = [np.asarray(one) for one in model.map.reader(jnp.asarray(rows.q), jnp.asarray(rows.v))]
    if net.bias:
        values.append(np.ones_like(values[0]))
    present = layout.fixed(genome) != 0
    same = genome.copy()

    def weighted_inputs(unit: Neuron) -> np.ndarray:
        total = np.zeros_like(values[0])
        for s, w in zip(unit.sources, unit.weights, strict=True):
            if w < 0 or present[w]:
                total = total + (1.0 if w < 0 else weights[w]) * values[s]
        return total

    force = model.map.force or no_force
    for step in net.steps:
        if isinstance(step, ForceEvaluation):
            arguments = [jnp.asarray(weighted_inputs(unit)) for unit in step.arguments]
            values += [np.asarray(one) for one in force(arguments)]
            continue
        total, name = weighted_inputs(step), names[step.activation]
        if name in PASS_ON and total.min() > 0:
            same[step.activation] = layout.activations.index("linear")
        values.append(np.asarray(layout.activation(name)(jnp.asarray(total))))
    return same
