"""Maps: the simplest network that moves a state one step ahead, and what it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from actionrun.compiler.findings import Findings, Section
from actionrun.compiler.pnn.genome import layout
from actionrun.compiler.program import Evolution, Tell
from actionrun.compiler.symbolic.equations import symbolic_equations
from actionrun.compiler.symbolic.lagrangian_system import lagrangian_system
from actionrun.spec.kinds.pnn import Pnn

from .data import system
from .model import Model, model
from .pruning import pruned
from .warm_up import Ahead


def build(study: Pnn, observations: Mapping[str, np.ndarray] | None = None) -> MapSearch:
    """The search of a map study. Raises Faults for what the mathematics forbids."""
    found = model(study, observations)
    return MapSearch(found, Ahead(found))


class MapSearch:
    """The search of a map study (see `program.Search`).

    A genome is scored as its simplest equal, so all spellings of one network share their scores to
    the last bit. Scores are rounded: differences that no physics can mean would fill the front.
    """

    stage = "search"

    def __init__(self, found: Model, ahead: Ahead | None = None):
        self.model = found
        self.choices = found.layout.choices
        search = found.study.search
        self.paper = search.method == "paper"
        self.objectives = (
            ("objective", "error", "complexity")
            if self.paper
            else ("error", "complexity", "structure")
        )
        self.evolution = Evolution(
            method="simple" if self.paper else "nsga2",
            population=search.population,
            generations=search.generations,
            crossover=search.crossover,
            mutation=search.mutation,
            gene_mutation=search.gene_mutation,
            tournament=search.tournament,
            seed=found.study.seed,
        )
        self._known: dict[tuple[int, ...], tuple[float, float]] = {}
        self._ahead = ahead

    def seeds(self, tell: Tell) -> np.ndarray:
        """Greedily pruned genomes; none for the published algorithm, which had none."""
        if self._ahead is not None:
            self._ahead.begin()
        if self.paper:
            return np.zeros((0, self.model.layout.genes), dtype=np.int32)

        def say(step: int, most: int, best: float) -> None:
            tell("prune", step, most, {"objective": best})

        return pruned(self.model, say)

    def scores(self, genomes: np.ndarray) -> np.ndarray:
        simplest = self.model.equals.simplest(np.asarray(genomes))
        keys = [tuple(row) for row in simplest.tolist()]
        new = [key for key in dict.fromkeys(keys) if key not in self._known]
        if new:
            scored = self.model.scored(np.array(new, dtype=np.int32))
            self._known |= {
                key: (round(float(error), 2), round(float(structure), 1))
                for key, error, structure in zip(new, scored.error, scored.structure, strict=True)
            }
        error, structure = np.array([self._known[key] for key in keys]).T
        if self.paper:  # as the papers counted: every weight as it stands
            complexity = self.model.layout.complexity(np.asarray(genomes))
            objective = error + self.model.study.search.parsimony * complexity
            return np.stack([objective, error, complexity], axis=1)
        complexity = self.model.layout.complexity(simplest)
        return np.stack([error, complexity, structure], axis=1)

    def simplest(self, genomes: np.ndarray) -> np.ndarray:
        """The genomes as they are: every spelling of a network is counted."""
        return genomes

    def findings(
        self, genomes: np.ndarray, scores: np.ndarray, trained: int, history: np.ndarray, tell: Tell
    ) -> Findings:
        from .findings import found

        return found(self.model, genomes, history, tell, self._ahead or Ahead(self.model))


def explain(study: Pnn) -> tuple[Section, ...]:
    """The sections of `actionrun explain` for a map study."""
    symbolic = lagrangian_system(study)
    moving = system(study)
    search, data = study.search, study.data
    assert data.dt is not None  # a map has one: spec/laws.py
    layer = (len(search.layers) + 1) // 2 if search.force == "network" else search.force
    shape, notes = layout(study, force=layer, pushes=moving.count)
    force = "feels no force"
    if layer is not None:
        force = f"layer {layer} holds the force F(q) = dL/dq"
        if search.force == "network":
            force += ", as a network of 10 and 10 tanh units trained on it beforehand and frozen"
        if shape.early:
            force += ", wired as in the earlier paper"
    space = " x ".join(
        f"{len(options)}^{count}"
        for options, count in ((shape.activations, shape.units), (shape.values, shape.weights))
    )
    network = (
        f"Inputs {', '.join(e.text for e in search.inputs)}; hidden layers of "
        f"{', '.join(map(str, search.layers))} units; {force}; outputs "
        f"{', '.join(e.text for e in search.outputs)}. {shape.genes} genes: {shape.units} "
        f"activations out of {', '.join(shape.activations)} (scores "
        f"{', '.join(map(str, shape.scores))}, counted squared) and {shape.weights} weights out of "
        f"{', '.join(shape.labels)}: {space} networks."
    )
    if notes:
        network += " " + "; ".join(notes) + "."
    if data.energies is not None:
        rows = (
            f"Velocity Verlet with dt/{data.substeps}, dt = {study.number(data.dt):.6g} "
            f"{study.unit('t')}, from the minimum of the potential moving inward; {data.points} "
            f"pairs of states for each of {len(data.energies.train)} energies to fit, "
            f"{len(data.energies.validation)} to select (none: every fifth pair), "
            f"{len(data.energies.test)} to report."
        )
    else:
        rows = f"Pairs of rows {study.number(data.dt):.6g} {study.unit('t')} apart in {data.file}."
    training = study.training
    nsga2 = search.method == "nsga2"
    how = (
        f"{'NSGA-II over error, complexity and structure' if nsga2 else 'eaSimple'}"
        f", {search.population} networks, {search.generations} generations; each fitted by "
        f"{training.optimizer} from {training.starts} starts, at most {training.epochs} iterations;"
        f" objective = 10 log10(mse_x) + 10 log10(mse_v) + {search.parsimony:g} * complexity."
    )
    return (
        Section("System", equations=symbolic_equations(symbolic)),
        Section("Networks", network),
        Section("Data", rows),
        Section("Search", how),
    )


def with_seed(search: MapSearch, seed: int) -> MapSearch:
    """The same search from another seed, without computing its data again."""
    study = search.model.study
    other = study.model_copy(update={"seed": seed})
    other._meaning = study._meaning
    return MapSearch(replace(search.model, study=other))
