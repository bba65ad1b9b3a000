"""How a search goes, resolved from its study once: what solvers and reports read."""

from __future__ import annotations

from dataclasses import dataclass

from actionrun.compiler.program import Evolution
from actionrun.spec.kinds.pnn import Pnn


@dataclass(frozen=True)
class SearchSettings:
    """How genomes are bred (`paper`: by the published algorithm), what a unit of complexity costs,
    and how each is fitted: by which optimizer, in at most `iterations` from `starts` starting
    points. `asked`: whether the study asks for a search, whatever is solved for before it."""

    evolution: Evolution
    paper: bool
    parsimony: float
    optimizer: str
    iterations: int
    learning_rate: float
    starts: int
    asked: bool = True

    @property
    def seed(self) -> int:
        return self.evolution.seed


def search_settings(study: Pnn) -> SearchSettings:
    """The settings of a study."""
    search, training, paper = study.search, study.training, study.search.method == "paper"
    evolution = Evolution(
        "simple" if paper else "nsga2",
        search.population, search.generations, search.crossover, search.mutation,
        search.gene_mutation, search.tournament, study.seed,
    )  # fmt: skip
    return SearchSettings(
        evolution, paper, search.parsimony, training.optimizer, training.epochs,
        training.learning_rate, training.starts, study.search_is_asked,
    )  # fmt: skip
