"""Seeds of a search: genomes pruned step by step from the dense linear one.

Each step fixes one weight of each genome of a small beam, in every way that costs less, refits all
that come out and keeps the best. Half of the beam is chosen by error alone among the simplest, so
that a step that pays later is not lost.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .pnn_maps_model import Model, Scored

BEAM = 6
CANDIDATES = 400  # fits of one step
PATIENCE = 6  # steps without a better one

Say = Callable[[int, int, float], None]


def pruned(model: Model, say: Say = lambda *_: None) -> np.ndarray:
    """Genomes (n, genes) that no other one seen on the way beats in both complexity and error."""
    layout = model.layout
    if layout.code(None) is None or layout.code(0) is None:
        return np.zeros((0, layout.genes), dtype=np.int32)
    random = np.random.default_rng([model.study.seed, 9])
    price = model.study.search.parsimony
    beam = model.scored(model.equals.simplest(layout.dense()[None]))
    seen = {tuple(beam.genomes[0])}
    kept: list[Scored] = [beam]
    best, waited, step = np.inf, 0, 0
    most = 3 * layout.weights
    while waited < PATIENCE and step < most:
        genomes, warm = _children(model, beam, seen, random)
        if not len(genomes):
            break
        scored = model.scored(genomes, warm)
        kept.append(scored)
        objective = scored.error + price * scored.complexity
        beam = _chosen(scored, objective)
        waited = 0 if objective.min() < best - 1e-3 else waited + 1
        best = min(best, float(objective.min()))
        step += 1
        say(step, most, best)
    genomes = np.concatenate([one.genomes for one in kept])
    complexity = np.concatenate([one.complexity for one in kept])
    error = np.concatenate([one.error for one in kept])
    structure = np.concatenate([one.structure for one in kept])
    return genomes[front(complexity, error, structure)]


def _children(model: Model, beam: Scored, seen: set, random) -> tuple[np.ndarray, np.ndarray]:
    """Genomes with one weight less free, or one fixed weight less, and their parents' weights."""
    layout = model.layout
    zero, trainable = layout.code(0), layout.code(None)
    found, warm = [], []
    for genome, weights in zip(beam.genomes, beam.weights, strict=True):
        for w in range(layout.weights):
            code = genome[layout.units + w]
            if code == zero:
                continue
            others = [k for k in range(len(layout.values)) if k not in (code, trainable)]
            for other in others if code == trainable else [zero]:
                child = genome.copy()
                child[layout.units + w] = other
                found.append(child)
                warm.append(weights)
    order = random.permutation(len(found))
    genomes = model.equals.simplest(np.array(found)[order]) if found else np.zeros((0, 0))
    chosen = []
    for k, row in enumerate(map(tuple, genomes.tolist())):
        if row not in seen and len(chosen) < CANDIDATES:
            seen.add(row)
            chosen.append(k)
    return genomes[chosen], np.array(warm)[order][chosen]


def _chosen(scored: Scored, objective: np.ndarray) -> Scored:
    """The best by objective, and the best of those that are simplest."""
    first = np.argsort(objective, kind="stable")[:BEAM]
    simple = scored.complexity <= np.quantile(scored.complexity, 0.25)
    second = np.argsort(np.where(simple, scored.error, np.inf), kind="stable")[: BEAM // 2]
    rows = list(dict.fromkeys([*first.tolist(), *second.tolist()]))
    rows = [k for k in rows if np.isfinite(objective[k])]
    return Scored(*(getattr(scored, name)[rows] for name in scored.__dataclass_fields__))


def front(*columns: np.ndarray) -> np.ndarray:
    """Rows that no other row beats in all columns, least first column first."""
    table = np.stack([np.round(column, 2) for column in columns], axis=1)
    chosen: list[int] = []
    for k in np.lexsort(table.T[::-1]):
        row = table[k]
        if np.isfinite(row).all() and not any((table[j] <= row).all() for j in chosen):
            chosen.append(int(k))
    return np.array(chosen, dtype=int)
