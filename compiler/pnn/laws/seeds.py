"""Simple genomes that a search of laws starts with: sums of one, two and three plain terms."""

from __future__ import annotations

from itertools import combinations, islice

import numpy as np
from actionrun.compiler.numerics.genomes.network import Neuron
from actionrun.compiler.pnn.genome import Layout

SINGLE = ("linear", "square", "inverse", "cube", "sqrt", "log", "exp", "tanh", "abs")
MOST_SUMS = 4000
SCALED = {"tanh", "exp", "sin", "cos"}  # of a trained multiple of the input


def seed_genomes(layout: Layout, most: int) -> np.ndarray:
    """At most `most` genomes (n, genes), the simplest first: each sum of up to three of the first
    layer's terms (an input through an activation, products of inputs), with a constant, 1 or none;
    deeper layers hand them on. Empty where weights may not be 0 and trainable."""
    zero, one, trained = layout.code(0), layout.code(1), layout.code(None)
    if zero is None or trained is None or not layout.layers:
        return np.zeros((0, layout.genes), np.int32)
    plain = trained if one is None else one
    genomes = []
    terms = _terms(layout)
    widest = min(3, *layout.layers)
    for size in range(0, widest + 1):
        for chosen in islice(combinations(terms, size), MOST_SUMS):
            for bias in dict.fromkeys((zero, plain, trained)) if layout.bias else (zero,):
                if size or bias != zero:
                    genomes.append(_genome(layout, chosen, bias, zero, plain, trained))
        if len(genomes) > 4 * most:
            break
    rows = np.array(genomes, np.int32).reshape(-1, layout.genes)
    order = np.argsort(layout.complexity(rows), kind="stable")
    return rows[order][:most]


def _terms(layout: Layout) -> list[tuple[str, tuple[int, ...]]]:
    """An activation and the inputs that it hears."""
    inputs = range(layout.inputs)
    terms: list[tuple[str, tuple[int, ...]]] = [
        (name, (k,)) for name in SINGLE if name in layout.activations for k in inputs
    ]
    if "product" in layout.activations:
        for size in (2, 3):
            terms += [("product", some) for some in islice(combinations(inputs, size), MOST_SUMS)]
    return terms


def _genome(
    layout: Layout,
    terms: tuple[tuple[str, tuple[int, ...]], ...],
    bias: int,
    zero: int,
    plain: int,
    trained: int,
) -> list[int]:
    genome = [layout.plain] * layout.units + [zero] * layout.weights

    def wire(unit: Neuron, source: int, code: int) -> None:
        genome[layout.units + unit.weights[unit.sources.index(source)]] = code

    units = [step for step in layout.net.steps if isinstance(step, Neuron)]
    start = layout.inputs + layout.bias
    heard = [*range(layout.inputs)]
    for number, size in enumerate(layout.layers):
        layer, units = units[:size], units[size:]
        for k, (name, sources) in enumerate(terms):
            first = number == 0
            if first:
                genome[layer[k].activation] = layout.activations.index(name)
            for source in sources if first else (heard[k],):
                wire(layer[k], source, trained if first and name in SCALED else plain)
        heard = [*range(start, start + size)]
        start += size
    (output,) = layout.net.outputs
    for k in range(len(terms)):
        wire(output, heard[k], trained)
    if layout.bias:
        wire(output, layout.inputs, bias)
    return genome
