"""The recommended network as a drawing, as in Fig. 2(d) of Sci. Rep. 11, 12761 (2021): nodes by
layer, from left to right, without what nobody hears."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np
from actionrun.compiler.findings import Axis, Curve, Figure, Panel
from actionrun.compiler.numerics.genomes.network import ForceEvaluation, Neuron

from .model import MapModel
from .printing import notations

DT = re.compile(r"\bdt\b")
MOST_KINDS = 12  # hidden units for which all kinds are tried
SWEEPS = 4


@dataclass(frozen=True)
class DiagramNode:
    """A value of the network; `hears` are pairs of a node's number and a weight's (-1: one).
    `kind`: position, velocity or force, None where it may be either of the first two."""

    name: str
    layer: int
    hears: list[tuple[int, int]] = field(default_factory=list)
    kind: str | None = None


def network_figure(model: MapModel, genome: np.ndarray, weights: np.ndarray) -> Figure:
    """The drawing of a fitted genome."""
    nodes = _reached(model, genome)
    kinds = _kinds(model, genome, nodes)
    places = _places(nodes)
    order = [k for k, node in enumerate(nodes) if k in places]
    x = np.array([float(nodes[k].layer) for k in order])
    y = np.array([places[k] for k in order])
    free = np.isnan(model.layout.fixed(genome))
    edges = {False: [], True: []}
    for k in order:
        for source, w in nodes[k].hears:
            trained = w >= 0 and bool(free[w])
            text = (
                f"{weights[w]:.5g}".replace("-", "−")
                if trained
                else _weight_name(model, genome, w, kinds[source], kinds[k])
            )
            edges[trained].append(((order.index(source), order.index(k)), text))
    curves = []
    for trained, label in ((False, "fixed weight"), (True, "trained weight")):
        pairs, along = zip(*edges[trained], strict=True) if edges[trained] else ((), ())
        names = tuple(nodes[k].name for k in order) if not trained else ()
        if names or pairs:
            curves.append(
                Curve(x, y, label, "network", names=names, bonds=tuple(pairs), along=tuple(along))
            )
    return Figure(
        "network", "The recommended network, from the state on the left to the state one step "
        "later on the right. Each node adds what it hears, times the weight on the line, and "
        "passes on the sum (Σ) or the function of it that it is called by. Trained weights have "
        "thick dashed lines and their fitted values, in the study's units; what nobody hears is "
        "left out.",
        (Panel(Axis(""), Axis(""), tuple(curves)),),
    )  # fmt: skip


def _nodes(model: MapModel, genome: np.ndarray) -> list[DiagramNode]:
    layout, net = model.layout, model.layout.net
    fixed = layout.fixed(genome)
    plain, _ = notations(model)
    count = model.system.count
    state = ["position"] * count + ["velocity"] * count
    parts = model.networks.order
    if parts is not None:
        nodes = [DiagramNode(plain.state[part], 0, kind=state[part]) for part in parts]
    else:
        nodes = [DiagramNode(one.text, 0) for one in model.networks.inputs]
    if net.bias:
        nodes.append(DiagramNode("1", 0))

    def hears(unit: Neuron) -> list[tuple[int, int]]:
        pairs = zip(unit.sources, unit.weights, strict=True)
        return [(s, w) for s, w in pairs if w < 0 or fixed[w] != 0]

    layers = [number for number, size in enumerate(layout.layers, 1) for _ in range(size)]
    for step in net.steps:
        if isinstance(step, ForceEvaluation):
            for name, argument in zip(plain.forces, step.arguments, strict=True):
                nodes.append(DiagramNode(f"{name}(·)", layers[0], hears(argument), "force"))
        else:
            name = layout.activations[genome[step.activation]]
            nodes.append(DiagramNode("Σ" if name == "linear" else name, layers.pop(0), hears(step)))
    for part, unit in zip(model.map.places, net.outputs, strict=True):
        later = plain.later[part].replace("dt", "Δt")
        nodes.append(DiagramNode(later, len(layout.layers) + 1, hears(unit), state[part]))
    return nodes


def _reached(model: MapModel, genome: np.ndarray) -> list[DiagramNode]:
    """All nodes; those that no output hears are of no layer (-1)."""
    nodes = _nodes(model, genome)
    outputs = len(model.layout.net.outputs)
    precompiler = [*range(len(nodes) - outputs, len(nodes))]
    used = set(precompiler)
    while precompiler:
        for source, _ in nodes[precompiler.pop()].hears:
            if source not in used:
                used.add(source)
                precompiler.append(source)
    return [node if k in used else replace(node, layer=-1) for k, node in enumerate(nodes)]


def _kinds(model: MapModel, genome: np.ndarray, nodes: list[DiagramNode]) -> list[str | None]:
    """Kinds of all nodes, so that as many weights as can be have a name of the right dimension:
    where dt is 1, dt/2 and 1/2 are one setting."""
    kinds = [node.kind for node in nodes]
    open_ = [k for k, node in enumerate(nodes) if node.layer >= 0 and node.kind is None]
    if len(open_) > MOST_KINDS:
        return kinds
    best, fewest = kinds, np.inf
    for choice in product(("position", "velocity"), repeat=len(open_)):
        tried = list(kinds)
        for k, kind in zip(open_, choice, strict=True):
            tried[k] = kind
        wrong = sum(
            not _fits(_names(model, genome, w), tried[source], tried[k])
            for k, node in enumerate(nodes) if node.layer >= 0
            for source, w in node.hears
        )  # fmt: skip
        if wrong < fewest:
            best, fewest = tried, wrong
    return best


def _names(model: MapModel, genome: np.ndarray, weight: int) -> list[str]:
    """What the study calls the setting of a weight; nothing where it is trained."""
    if weight < 0:
        return ["1"]
    layout = model.layout
    value = layout.values[genome[layout.units + weight]]
    if value is None:
        return []
    fixed = model.networks.fixed
    return [name for name, one in fixed if abs(one - float(value)) <= 1e-15 * abs(one)]


def _fits(names: list[str], source: str | None, target: str | None) -> bool:
    return not names or any(_right(name, source, target) for name in names)


def _right(name: str, source: str | None, target: str | None) -> bool:
    """Whether a weight of that name takes one kind to the other."""
    needs = {("velocity", "position"): True}.get((source or "", target or ""), False)
    possible = (source, target) != ("position", "velocity") and source != "force"
    return possible and bool(DT.search(name)) == needs


def _weight_name(model: MapModel, genome: np.ndarray, weight: int, source, target) -> str:
    names = _names(model, genome, weight)
    right = [name for name in names if _right(name, source, target)]
    return DT.sub("Δt", (right or names)[0])


def _places(nodes: list[DiagramNode]) -> dict[int, float]:
    """Heights of the nodes that are heard: each layer is centred, and its nodes are ordered by
    those that they hear or that hear them."""
    layers: dict[int, list[int]] = {}
    for k, node in enumerate(nodes):
        if node.layer >= 0:
            layers.setdefault(node.layer, []).append(k)
    near: dict[int, list[int]] = {k: [] for several in layers.values() for k in several}
    for k in near:
        for source, _ in nodes[k].hears:
            near[k].append(source)
            near[source].append(k)
    first, last = min(layers), max(layers)
    height: dict[int, float] = {}

    def put(several: list[int]) -> None:
        for place, k in enumerate(several):
            height[k] = (len(several) - 1) / 2 - place

    for several in layers.values():
        put(several)
    for sweep in range(SWEEPS):
        for number in sorted(layers, reverse=bool(sweep % 2)):
            if number in (first, last):  # the state keeps its order
                continue
            layers[number].sort(key=lambda k: -float(np.mean([height[n] for n in near[k]])))
            put(layers[number])
    return height
