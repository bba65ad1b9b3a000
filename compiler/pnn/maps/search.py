"""The search of a map study: which networks are scored, and by what."""

from __future__ import annotations

import numpy as np
from actionrun.compiler.program import Tell

from .model import MapModel
from .pruning import pruned_genomes
from .warm_up import Precompiler


class MapSearch:
    """The search of a map study (see `program.Search`).

    A genome is scored as its simplest equal, so all spellings of one network share their scores to
    the last bit. Scores are rounded: differences that no physics can mean would fill the front.
    """

    stage = "search"

    def __init__(self, model: MapModel, precompiler: Precompiler | None = None):
        self.model = model
        self.choices = model.layout.choices
        self.paper = model.settings.paper
        self.objectives = (
            ("objective", "error", "complexity")
            if self.paper
            else ("error", "complexity", "structure")
        )
        self.evolution = model.settings.evolution
        self._known: dict[tuple[int, ...], tuple[float, float]] = {}
        self._precompiler = precompiler

    def seeds(self, tell: Tell) -> np.ndarray:
        """Greedily pruned genomes; none for the published algorithm, which had none."""
        if self._precompiler is not None:
            self._precompiler.start()
        if self.paper:
            return np.zeros((0, self.model.layout.genes), dtype=np.int32)

        def say(step: int, most: int, best: float) -> None:
            tell("prune", step, most, {"objective": best})

        return pruned_genomes(self.model, say)

    def scores(self, genomes: np.ndarray) -> np.ndarray:
        canonical = self.model.canonical_form.canonicalize(np.asarray(genomes))
        keys = [tuple(row) for row in canonical.tolist()]
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
            objective = error + self.model.settings.parsimony * complexity
            return np.stack([objective, error, complexity], axis=1)
        complexity = self.model.layout.complexity(canonical)
        return np.stack([error, complexity, structure], axis=1)

    def canonicalize(self, genomes: np.ndarray) -> np.ndarray:
        """The genomes as they are: every spelling of a network is counted."""
        return genomes
