"""Simple genomes that a search of laws starts with: sums of one, two and three plain terms."""

from __future__ import annotations

from itertools import combinations, islice
from typing import NamedTuple

import numpy as np
from actionrun.compiler.numerics.genomes.network import Neuron
from actionrun.compiler.numerics.networks.activations import ACTIVATIONS
from actionrun.compiler.pnn.genome import Layout

MOST_SUMS = 4000
Term = tuple[str, tuple[int, ...]]  # an activation, and the inputs of its unit


class WeightCodes(NamedTuple):
    """Settings of weights: zero, 1 (or trainable where that is none), trainable."""

    zero: int
    plain: int
    trained: int


def weight_codes(layout: Layout) -> WeightCodes | None:
    """None where weights may not be 0 and trainable."""
    zero, one, trained = layout.code(0), layout.code(1), layout.code(None)
    if zero is None or trained is None:
        return None
    return WeightCodes(zero, trained if one is None else one, trained)


def seed_genomes(layout: Layout, most: int) -> np.ndarray:
    """At most `most` genomes (n, genes), the simplest first: each sum of up to three of the first
    layer's terms (an input through an activation, products of inputs), with a constant, 1 or none;
    deeper layers hand them on. Empty where weights may not be 0 and trainable."""
    codes = weight_codes(layout)
    if codes is None or not layout.layers:
        return np.zeros((0, layout.genes), np.int32)
    genomes = []
    terms = _terms(layout)
    widest = min(3, *layout.layers)
    for size in range(0, widest + 1):
        for chosen in islice(combinations(terms, size), MOST_SUMS):
            for bias in dict.fromkeys(codes) if layout.bias else (codes.zero,):
                if size or bias != codes.zero:
                    genomes.append(sum_genome(layout, chosen, bias, codes))
        if len(genomes) > 4 * most:
            break
    rows = np.array(genomes, np.int32).reshape(-1, layout.genes)
    order = np.argsort(layout.complexity(rows), kind="stable")
    return rows[order][:most]


def _needs_scale(layout: Layout, name: str) -> bool:
    """Whether an activation of a trained multiple of its input is another function, or the weight
    is an exponent."""
    return name == "power" or (name != "product" and not layout.activation(name).absorbs_scale)


def _terms(layout: Layout) -> list[Term]:
    """All terms of one unit."""
    inputs = range(layout.inputs)
    terms: list[Term] = [
        (one.name, (k,))
        for one in ACTIVATIONS.values()
        if one.seeded and one.name in layout.activations
        for k in inputs
    ]
    terms += [(one.name, (k,)) for one in layout.own for k in inputs]
    if "power" in layout.activations:
        sizes = range(1, min(3, layout.inputs) + 1)
        terms += [("power", some) for n in sizes for some in islice(combinations(inputs, n), 50)]
    if "product" in layout.activations:
        for size in (2, 3):
            terms += [("product", some) for some in islice(combinations(inputs, size), MOST_SUMS)]
    return terms


def sum_genome(layout: Layout, terms: tuple[Term, ...], bias: int, codes: WeightCodes) -> list[int]:
    """A sum of terms, with a constant in the output of setting `bias`."""
    genome = [layout.plain] * layout.units + [codes.zero] * layout.weights

    def wire(unit: Neuron, source: int, code: int) -> None:
        genome[layout.units + unit.weights[unit.sources.index(source)]] = code

    units = [step for step in layout.net.steps if isinstance(step, Neuron)]
    start = layout.inputs + layout.bias
    previous = [*range(layout.inputs)]
    for number, size in enumerate(layout.layers):
        layer, units = units[:size], units[size:]
        for k, (name, sources) in enumerate(terms):
            first = number == 0
            if first:
                genome[layer[k].activation] = layout.activations.index(name)
            for source in sources if first else (previous[k],):
                wire(
                    layer[k],
                    source,
                    codes.trained if first and _needs_scale(layout, name) else codes.plain,
                )
        previous = [*range(start, start + size)]
        start += size
    (output,) = layout.net.outputs
    for k in range(len(terms)):
        wire(output, previous[k], codes.trained)
    if layout.bias:
        wire(output, layout.inputs, bias)
    return genome
