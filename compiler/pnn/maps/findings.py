"""What a finished search of maps says: its front, the map that it recommends, and how far to trust
it."""

from __future__ import annotations

from dataclasses import replace

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.findings import Findings
from actionrun.compiler.pnn.canonical_form import least_complex
from actionrun.compiler.program import Tell

from .data import MotionPairs, StatePairs
from .effective_activations import effective_activations
from .evaluation import MapEvaluation, as_step, map_evaluation, richardson_limit
from .model import FINAL_ROWS, MapModel, thinned
from .printing import map_equations
from .pruning import front_of, simplified
from .report import report
from .result import ContinuumLimit, FrontEntry, MapResult, Variants, in_natural_units, recommended
from .structure_proof import (
    MapMatrices,
    known_scheme,
    map_matrices,
    misses,
    prove_structure,
)
from .variants import chain_fit, learned_force_fit
from .warm_up import Precompiler

MOST = 60  # networks of the front that are fitted again
BLOCKS = 10  # of rows, of which the jackknife leaves out one
LEVELS = 3  # dt, dt/2, dt/4
EXACT_MAP = "the exact map of this linear force"


def make_findings(
    model: MapModel, precompiler: Precompiler, genomes: np.ndarray, history: np.ndarray, tell: Tell
) -> Findings:
    """Findings of a finished search, from the genomes of its archive."""
    return report(model, _result(model, precompiler, genomes, tell), history)


def _result(
    model: MapModel, precompiler: Precompiler, genomes: np.ndarray, tell: Tell
) -> MapResult:
    entries = _front_entries(model, genomes, tell)
    choice = recommended(model, entries)
    best = _refitted(model, choice.best)
    entries = tuple(best if e is choice.best else e for e in entries)
    choice = replace(choice, best=best)
    deviations = weight_deviations(model, best.genome, best.weights)
    tell("variants", 0, 2, {})
    chain = chain_fit(model, best.genome, best.weights)
    tell("variants", 1, 2, {})
    own = learned_force_fit(model, best.genome, best.weights)
    steps = {"this map": as_step(model, best.genome, best.weights)}
    if chain is not None:
        steps["in a chain"] = as_step(model, best.genome, chain)
    if own is not None:
        steps["own force"] = own.step
    evaluations: list[MapEvaluation] = []
    for number, (name, step) in enumerate(steps.items()):
        tell("judge", number, len(steps) + 1, {})
        evaluations.append(map_evaluation(model, name, step))
    tell("judge", len(steps), len(steps) + 1, {})
    evaluations += precompiler.baselines()
    limit = _limit(model, best, tell)
    return MapResult(entries, choice, evaluations, Variants(chain, own), limit, deviations)


def weight_deviations(model: MapModel, genome: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Standard deviations of fitted weights (weights,), 0 of fixed ones: by the jackknife, which
    leaves out a tenth of the rows at a time, one after the other as motions run (Efron & Stein,
    Ann. Statist. 9, 586, 1981)."""
    rows = thinned(model.train, FINAL_ROWS)
    block = np.arange(len(rows)) * BLOCKS // len(rows)
    fits = []
    for left_out in range(BLOCKS):
        data = model.data(rows, (block != left_out)[None].astype(float))
        fits.append(model.fit(genome[None], data, weights[None, None], 1e-13).weights[0])
    free = np.isnan(model.layout.fixed(genome))
    return np.where(free, np.std(fits, axis=0) * np.sqrt(BLOCKS - 1), 0.0)


def _front_entries(model: MapModel, genomes: np.ndarray, tell: Tell) -> tuple[FrontEntry, ...]:
    tell("simplify", 0, 1, {})
    if model.settings.paper:  # as it stands, and so counted
        scored = front_of(model.scored(np.unique(genomes, axis=0)))
    else:
        scored = simplified(
            model, model.scored(np.unique(least_complex(model.canonical_form, genomes), axis=0))
        )
    rows = np.argsort(scored.error + scored.complexity, kind="stable")[:MOST]
    kept = scored.genomes[rows]
    data = model.data(thinned(model.train, FINAL_ROWS))
    fitted = model.fit(kept, data, scored.weights[rows][None], 1e-12)
    better = np.isfinite(fitted.cost)[:, None]
    weights = np.where(better, fitted.weights, scored.weights[rows])
    test, selected = (model.metrics(kept, weights, part) for part in (model.test, model.validation))
    errors, chosen = model.error(test), model.error(selected)
    parts = model.part_errors(kept, weights)
    entries = []
    for k, genome in enumerate(kept):
        tell("algebra", k, len(kept), {})
        complexity = int(model.layout.complexity(genome))
        values = float(errors[k]), float(chosen[k]), float(test.reversal[k]), float(test.volume[k])
        if np.isfinite(values).all():
            entries.append(_entry(model, genome, weights[k], complexity, *values, parts[k]))
    return tuple(sorted(entries, key=lambda e: (e.complexity, e.selected)))


def _entry(
    model: MapModel, genome, weights, complexity: int, error: float, selected: float,
    reversal: float, volume: float, parts: np.ndarray | None = None,
) -> FrontEntry:  # fmt: skip
    same = effective_activations(model, genome, weights)
    forms = map_matrices(model, same)
    price = model.settings.parsimony * complexity
    proof = prove_structure(model, genome, weights)
    scheme = scheme_name(model, forms, genome, weights)
    exact = scheme is None and proof is not None and proof.here is not None and proof.here.is_exact
    shown = genome if forms is None else same
    return FrontEntry(
        genome, weights, complexity, error, selected,
        error + price, forms, proof, EXACT_MAP if exact else scheme,
        map_equations(model, shown, weights, forms, exact=exact), reversal, volume,
        selected + price, np.zeros(0) if parts is None else parts, misses(model, forms, proof),
    )  # fmt: skip


def scheme_name(model: MapModel, forms: MapMatrices | None, genome, weights) -> str | None:
    """The known scheme that a fitted genome is."""
    if forms is None:
        return None
    return known_scheme(in_natural_units(model, forms, genome, weights), model.system.damped)


def _refitted(model: MapModel, best: FrontEntry) -> FrontEntry:
    """The recommended map fitted on all rows."""
    fitted = model.fit(best.genome[None], model.data(model.train), best.weights[None, None], 1e-13)
    weights = fitted.weights[0]
    test, selected = (model.metrics(best.genome[None], weights[None], part)
                      for part in (model.test, model.validation))  # fmt: skip
    return _entry(
        model, best.genome, weights, best.complexity, float(model.error(test)[0]),
        float(model.error(selected)[0]), float(test.reversal[0]), float(test.volume[0]),
        model.part_errors(best.genome[None], weights[None])[0],
    )  # fmt: skip


def _limit(model: MapModel, best: FrontEntry, tell: Tell) -> ContinuumLimit | None:
    """Refit at smaller steps, so that discretisation is not taken for an error of mass.

    In units of time in which the smaller step is as long as dt, a genome's fixed weights keep what
    they mean: velocities shrink by k, forces by k^2.
    """
    forms, again = best.matrices, model.at_smaller_dt
    if forms is None or best.scheme is None or again is None or model.learned_force:
        return None
    levels = [in_natural_units(model, forms, best.genome, best.weights)]
    for level in range(1, LEVELS + model.system.damped):
        tell("extrapolate", level, LEVELS, {})
        k = 2**level
        slow = _slowed(again(k), k)
        force = eqx.tree_at(lambda f: f.scale, model.map.force, jnp.asarray(1.0 / k**2))
        there = replace(model, motions=slow, map=eqx.tree_at(lambda m: m.force, model.map, force))
        data = there.data(thinned(there.train, FINAL_ROWS))
        fitted = there.fit(best.genome[None], data, best.weights[None, None], 1e-15)
        levels.append(in_natural_units(there, forms, best.genome, fitted.weights[0]))
    k = len(levels[0].P)
    even = best.proof is not None and best.proof.reversible
    factor = richardson_limit([np.diag(one.B[k:]) for one in levels], even)
    dt = model.system.dt
    loss = [(1 - np.diag(one.A[k:, k:])) * 2**i / dt for i, one in enumerate(levels)]
    mass = np.diag(model.system.mass)[:: model.system.width]
    return ContinuumLimit(levels, factor / mass, richardson_limit(loss, even))


def _slowed(data: MotionPairs, k: int) -> MotionPairs:
    def slowed(part: StatePairs) -> StatePairs:
        return StatePairs(part.q, part.v / k, part.next_q, part.next_v / k)

    def each(parts):
        return tuple(map(slowed, parts))

    return MotionPairs(each(data.train), each(data.validation), each(data.test), data.energies)
