"""Genomes: which networks a pnn study searches, what each costs, and which are the same.

A genome is a row of whole numbers: first the activation of each unit, then the setting of each
weight, one of the fixed values or `trainable`. Its complexity is the sum of the squared scores of
its activations, plus 0 for a zero weight, 1 for another fixed one, 2 for a trainable one (Desai &
Strachan, Sci. Rep. 11, 12761, 2021, eq. 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from actionrun.compiler.errors import study_error
from actionrun.compiler.numerics.genomes.network import (
    ForceEvaluation,
    GenomeNetwork,
    Neuron,
    activation,
)
from actionrun.compiler.numerics.networks.activations import Activation

from .settings import NetworkSpace

MOST_WEIGHTS = 400


@dataclass(frozen=True)
class Layout:
    """The networks of a study.

    `inputs`, `outputs`: counts; `layers`: units of each hidden layer. Layer `force` (from 1; None:
    no force) also holds the force, `pushes` components of it. `values`: what a weight may be, None
    for trainable; `labels`: the same as the study writes them. `activations` with their `scores`.
    `bias`: the outputs hear a constant, with `hidden_bias` every unit does. `own`: activations that
    the study defines. `active_output`: the outputs have activations too.
    """

    inputs: int
    layers: tuple[int, ...]
    outputs: int
    activations: tuple[str, ...]
    scores: tuple[int, ...]
    values: tuple[Fraction | float | None, ...]
    labels: tuple[str, ...]
    bias: bool = False
    hidden_bias: bool = False
    own: tuple[Activation, ...] = ()
    active_output: bool = False
    force: int | None = None
    force_components: int = 1

    @property
    def early(self) -> bool:
        """The wiring of the earlier paper (arXiv 2005.11144, Fig. 2): the force is in the last of
        several layers of one size. It hears the first unit before it, without a weight, and each
        unit of its layer hears one unit before it and the force."""
        sizes = set(self.layers)
        return (
            self.force == len(self.layers) >= 2 and len(sizes) == 1 and self.force_components == 1
        )

    @cached_property
    def net(self) -> GenomeNetwork:
        """The wiring. The force of a layer hears the layer before it, with weights of its own, and
        the layer after it hears the force, as in the paper's Fig. 1 (26 genes for layers =
        [2, 2, 2], force = 2); see `early` for the earlier paper's (16 genes, layers = [2, 2])."""
        sources = [*range(self.inputs)]
        count, weights, genes = self.inputs + self.bias, 0, 0
        steps: list[Neuron | ForceEvaluation] = []

        def unit(inward: list[int], active: bool) -> Neuron:
            nonlocal weights, genes
            if self.hidden_bias and self.inputs not in inward:
                inward = [*inward, self.inputs]
            places = tuple(range(weights, weights + len(inward)))
            weights += len(inward)
            gene = genes if active else -1
            genes += active
            return Neuron(tuple(inward), places, gene)

        for number, size in enumerate(self.layers, 1):
            forces: list[int] = []
            if number == self.force:
                arguments = (
                    (Neuron((sources[0],), (-1,)),)
                    if self.early
                    else tuple(unit(sources, False) for _ in range(self.force_components))
                )
                steps.append(ForceEvaluation(arguments))
                forces = [*range(count, count + self.force_components)]
                count += self.force_components
            early = self.early and bool(forces)
            steps += [unit([sources[k], *forces] if early else sources, True) for k in range(size)]
            sources = [*range(count, count + size), *([] if early else forces)]
            count += size
        last = [*sources, self.inputs] if self.bias else sources
        outputs = tuple(unit(last, self.active_output) for _ in range(self.outputs))
        return GenomeNetwork(
            self.inputs, self.bias, tuple(steps), outputs, self.activations, weights, self.own
        )

    @cached_property
    def units(self) -> int:
        """Number of activation genes, which stand first."""
        return sum(self.layers) + (self.outputs if self.active_output else 0)

    @property
    def weights(self) -> int:
        return self.net.weights

    @property
    def genes(self) -> int:
        return self.units + self.weights

    @property
    def choices(self) -> tuple[int, ...]:
        """How many settings each gene has."""
        return (len(self.activations),) * self.units + (len(self.values),) * self.weights

    def code(self, value: float | None) -> int | None:
        """The setting of a weight that holds this value (None: trainable), if there is one."""
        return next((k for k, v in enumerate(self.values) if v == value), None)

    @cached_property
    def plain(self) -> int:
        """The cheapest activation, linear where it is among the cheapest."""
        cheapest = min(self.scores)
        best = [k for k, score in enumerate(self.scores) if score == cheapest]
        linear = self.activations.index("linear") if "linear" in self.activations else -1
        return linear if linear in best else best[0]

    def activation(self, name: str) -> Activation:
        """A function of one number, by its name."""
        return activation(name, self.own)

    @cached_property
    def costs(self) -> np.ndarray:
        """Complexity of each setting of a weight."""
        return np.array([2 if v is None else int(v != 0) for v in self.values])

    def fixed(self, rows: np.ndarray) -> np.ndarray:
        """Values of the weights of genomes (..., genes): NaN where trainable, (..., weights)."""
        table = np.array([np.nan if v is None else float(v) for v in self.values])
        return table[rows[..., self.units :]]

    def complexity(self, rows: np.ndarray) -> np.ndarray:
        """Of genomes (..., genes) as they stand, without looking for simpler equals."""
        squared, costs = np.square(np.array(self.scores)), self.costs
        return squared[rows[..., : self.units]].sum(-1) + costs[rows[..., self.units :]].sum(-1)

    def linear(self, rows: np.ndarray) -> np.ndarray:
        """Whether each genome (..., genes) is linear in its inputs and the force, (...): all units
        are, and nothing hears the bias."""
        codes = np.array([name == "linear" for name in self.activations])
        straight = codes[rows[..., : self.units]].all(-1)
        if self.bias:
            pairs = [zip(u.sources, u.weights, strict=True) for u in self.net.neurons]
            biased = [w for each in pairs for s, w in each if s == self.inputs and w >= 0]
            straight = straight & np.all(self.fixed(rows)[..., biased] == 0, axis=-1)
        return np.asarray(straight)

    def dense(self) -> np.ndarray:
        """The genome with every weight of the dearest setting, trainable where that is one, and the
        plainest activations."""
        dearest = int(np.argmax(self.costs))
        return np.array([self.plain] * self.units + [dearest] * self.weights)


def layout(
    space: NetworkSpace,
    inputs: int,
    *,
    force: int | None = None,
    force_components: int = 1,
    active_output: bool = False,
) -> tuple[Layout, tuple[str, ...]]:
    """The layout of networks of so many inputs, and notes about fixed weights of one value, which
    are merged. Raises Faults for networks that are too large.
    """
    search = space.search
    values: list[Fraction | float | None] = []
    labels: list[str] = []
    merged: dict[int, list[str]] = {}
    for label, number in space.weights:
        value = None if number is None else _small_fraction(number)
        if value in values:
            merged.setdefault(values.index(value), []).append(label)
        else:
            values.append(value)
            labels.append(label)
    names = tuple(one if isinstance(one, str) else one.name for one in search.activations)
    scores = search.scores or tuple(
        number if isinstance(one, str) or one.score is None else one.score
        for number, one in enumerate(search.activations)
    )
    networks = Layout(
        inputs=inputs,
        layers=search.layers,
        outputs=len(search.outputs),
        activations=names,
        scores=scores,
        values=tuple(values),
        labels=tuple(labels),
        bias=bool(search.bias),
        hidden_bias=search.bias == "all",
        own=space.own,
        active_output=active_output,
        force=force,
        force_components=force_components,
    )
    if networks.weights > MOST_WEIGHTS:
        raise study_error(
            space.words, ("search", "layers"), "search.size",
            f"these networks have {networks.weights} weights, and {MOST_WEIGHTS} can be searched",
            "take smaller layers",
        )  # fmt: skip
    notes = [
        f"in the study's units {labels[k]} and {' and '.join(others)} are one value, one setting"
        for k, others in merged.items()
    ]
    return networks, tuple(notes)


def _small_fraction(value: float) -> Fraction | float:
    """A small fraction where the number is one."""
    near = Fraction(value).limit_denominator(64)
    return near if float(near) == value else value
