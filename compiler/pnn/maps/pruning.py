"""Seeds of a search: genomes pruned step by step from the dense linear one.

With them come the compositions of a drift, a kick and a drift (`shear_seeds`), which are all there
is of networks with more than forty weights. Of the others each step fixes one weight of each genome
of a small beam, in every way that costs less, refits all that come out and keeps the best. What is
best is asked at several prices of complexity: at a low one a step that pays later is lost, at a
high one accuracy is. The walk is made several times.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from actionrun.compiler.pnn.canonical_form import least_complex

from .model import MapModel, ScoredMaps
from .shear_seeds import shear_genomes

PRICES = (1.0, 4.0, 12.0)  # of a unit of complexity, in dB
DESCENTS = 6  # walks down; which weights go first while none matters is chance
BEAM = 3  # genomes kept at each price
TWINS = 2  # of those, genomes of one complexity and error
FREE = 8  # weights a genome may have free for all its children to be tried
CANDIDATES = 60, 300  # fits of one step, with more and with fewer free weights
MOST_WALKED = 40  # weights: a walk from more fits thousands of networks, each of dozens of weights
PATIENCE = 3  # steps that are no better at any price

Progress = Callable[[int, int, float], None]


def pruned_genomes(model: MapModel, say: Progress = lambda *_: None) -> np.ndarray:
    """Genomes (n, genes) that no other one seen on the way beats in complexity, error and
    structure."""
    layout = model.layout
    if layout.code(None) is None or layout.code(0) is None:
        return np.zeros((0, layout.genes), dtype=np.int32)
    dense = model.scored(model.canonical_form.canonicalize(layout.dense()[None]))
    kept: list[ScoredMaps] = [dense]
    shears = shear_genomes(model)
    if len(shears):
        shears = np.unique(model.canonical_form.canonicalize(shears), axis=0)
        kept.append(model.scored(shears))
    for descent in range(DESCENTS if layout.weights <= MOST_WALKED else 0):
        random = np.random.default_rng([model.settings.seed, 9, descent])
        kept += _descent(model, dense, random, narrow=descent % 2 == 0)
        say(descent + 1, DESCENTS, min(float(np.min(k.error + k.complexity)) for k in kept))
    return simplified(model, _concatenated(kept)).genomes


def _descent(
    model: MapModel, beam: ScoredMaps, random: np.random.Generator, narrow: bool
) -> list[ScoredMaps]:
    """All that one walk down from the dense network met; `narrow`: at first weights are fixed at 0
    and 1 alone, which is all that scales need."""
    seen = {tuple(row) for row in beam.genomes.tolist()}
    kept: list[ScoredMaps] = []
    best, waited = np.full(len(PRICES), np.inf), 0
    for _ in range(3 * model.layout.weights):
        if waited == PATIENCE:
            break
        genomes, warm = _children(model, beam, seen, random, narrow)
        if not len(genomes):
            break
        scored = model.scored(genomes, warm)
        kept.append(scored)
        beam = _chosen(scored)
        least = np.array([np.min(scored.error + p * scored.complexity) for p in PRICES])
        waited = 0 if np.any(least < best - 1e-3) else waited + 1
        best = np.minimum(best, least)
    return kept


def simplified(model: MapModel, kept: ScoredMaps) -> ScoredMaps:
    """The front of networks, their least complex equals and all that comes of making one weight of
    one of them cheaper, until the front stays as it is."""
    best = front_of(kept)
    seen = {tuple(row) for row in best.genomes.tolist()}
    for _ in range(model.layout.weights if len(best.genomes) else 0):
        free = np.isnan(model.layout.fixed(best.genomes)).sum(axis=1)
        few = best.genomes[free <= MOST_WALKED]
        simpler = [np.zeros((0, model.layout.genes), np.int32), *(_simpler(model, g) for g in few)]
        simpler = np.concatenate(simpler)
        equals = least_complex(model.canonical_form, best.genomes)
        genomes = np.concatenate([equals, model.canonical_form.canonicalize(simpler)])
        fresh = [row for row in map(tuple, genomes.tolist()) if row not in seen]
        if not fresh:
            break
        seen.update(fresh)
        genomes = np.array(list(dict.fromkeys(fresh)), dtype=np.int32)
        before, best = best, front_of(_concatenated([best, model.scored(genomes)]))
        if np.array_equal(before.genomes, best.genomes):
            break
    return best


def _concatenated(several: list[ScoredMaps]) -> ScoredMaps:
    names = several[0].__dataclass_fields__
    return ScoredMaps(*(np.concatenate([getattr(one, name) for one in several]) for name in names))


def front_of(scored: ScoredMaps) -> ScoredMaps:
    """Those that no other one beats in complexity, error and structure."""
    rows = front(scored.complexity, scored.error, scored.structure)
    return ScoredMaps(*(getattr(scored, name)[rows] for name in scored.__dataclass_fields__))


def _simpler(model: MapModel, genome: np.ndarray) -> np.ndarray:
    """All genomes that differ in one weight and cost less."""
    layout = model.layout
    cost, weights = layout.costs, genome[layout.units :]
    changes = [
        (w, code)
        for w in range(layout.weights)
        for code in range(len(layout.values))
        if cost[code] < cost[weights[w]]
    ]
    genomes = np.repeat(genome[None], len(changes), axis=0)
    for row, (w, code) in enumerate(changes):
        genomes[row, layout.units + w] = code
    return genomes


def _children(
    model: MapModel, beam: ScoredMaps, seen: set, random: np.random.Generator, narrow: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Genomes with one weight less free, or one fixed weight less, and their parents' weights."""
    layout = model.layout
    zero, trainable = layout.code(0), layout.code(None)
    late = np.isnan(layout.fixed(beam.genomes)).sum(1).max() <= FREE
    plain = [code for code in (zero, layout.code(1)) if code is not None]
    settings = plain if narrow and not late else range(len(layout.values))
    children, warm = [], []
    for genome, weights in zip(beam.genomes, beam.weights, strict=True):
        for w in range(layout.weights):
            code = genome[layout.units + w]
            if code == zero:
                continue
            others = [k for k in settings if k not in (code, trainable)]
            for other in others if code == trainable else [zero]:
                child = genome.copy()
                child[layout.units + w] = other
                children.append(child)
                warm.append(weights)
    order = random.permutation(len(children))
    most = CANDIDATES[int(late)]
    genomes = (
        model.canonical_form.canonicalize(np.array(children)[order])
        if children
        else np.zeros((0, 0))
    )
    chosen = []
    for k, row in enumerate(map(tuple, genomes.tolist())):
        if row not in seen and len(chosen) < most:
            seen.add(row)
            chosen.append(k)
    return genomes[chosen], np.array(warm)[order][chosen]


def _chosen(scored: ScoredMaps) -> ScoredMaps:
    """The best at each price, few of one kind."""
    rows: list[int] = []
    for price in PRICES:
        objective = scored.error + price * scored.complexity
        kinds: dict[tuple[float, int], int] = {}
        count = 0
        for k in np.argsort(objective, kind="stable").tolist():
            kind = (round(float(scored.error[k]), 1), int(scored.complexity[k]))
            if not np.isfinite(objective[k]) or count == BEAM:
                break
            if kinds.setdefault(kind, 0) < TWINS:
                kinds[kind] += 1
                count += 1
                rows.append(k)
    rows = list(dict.fromkeys(rows))
    return ScoredMaps(*(getattr(scored, name)[rows] for name in scored.__dataclass_fields__))


def front(*columns: np.ndarray) -> np.ndarray:
    """Rows that no other row beats in all columns, least first column first."""
    table = np.stack([np.round(column, 2) for column in columns], axis=1)
    chosen: list[int] = []
    for k in np.lexsort(table.T[::-1]):
        row = table[k]
        if np.isfinite(row).all() and not any((table[j] <= row).all() for j in chosen):
            chosen.append(int(k))
    return np.array(chosen, dtype=int)
