"""The search for laws in a table: networks over dimensionless groups, by cross-validation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from actionrun.compiler.pnn.genome import Layout
from actionrun.compiler.pnn.settings import SearchSettings
from actionrun.compiler.program import Evolution, Tell
from actionrun.compiler.symbolic.printing import text

from .baselines import Baseline
from .canonical_form import LawCanonicalForm
from .fit import LawFits, LawFitter
from .seeds import seed_genomes
from .solved import SolvableLaw, SolvedLaw, law_on_table
from .table import Groups, TableRows, read_back
from .table_formula import EXACT

LITTLE = 0.05  # of the output's spread: what a law that is solved for may leave unsearched


@dataclass(frozen=True)
class LawSearch:
    """The search for laws, a `program.Search`.

    Scores of a genome are those of its simplest equal: its cross-validated error and complexity
    ("paper": the published objective on the test rows, the error there, and complexity).
    """

    settings: SearchSettings
    groups: Groups
    rows: TableRows
    layout: Layout
    fit_baselines: Callable[[TableRows], tuple[Baseline, ...]]
    notes: tuple[str, ...]
    sums: tuple[SolvableLaw, ...] = ()
    known: dict[bytes, np.ndarray] = field(default_factory=dict)
    stage: str = "evolve"

    @property
    def paper(self) -> bool:
        return self.settings.paper

    @property
    def objectives(self) -> tuple[str, ...]:
        return ("objective", "error", "complexity") if self.paper else ("error", "complexity")

    @property
    def choices(self) -> tuple[int, ...]:
        return self.layout.choices

    @property
    def evolution(self) -> Evolution:
        evolution = self.settings.evolution
        return replace(evolution, population=4, generations=0) if self.exact else evolution

    @cached_property
    def solved(self) -> tuple[SolvedLaw, ...]:
        """The laws that were solved for, fitted and judged as all are."""
        return tuple(law_on_table(law, self.rows, self.layout) for law in self.sums)

    @cached_property
    def exact(self) -> bool:
        """Whether a law was solved for that leaves nothing."""
        return any(one.errors.mean() <= EXACT * self.rows.size for one in self.solved)

    @cached_property
    def settled(self) -> bool:
        """Whether none has to be searched: a law that was solved for leaves nothing, or little
        where the study does not ask for a search."""
        least = min((one.errors.mean() for one in self.solved), default=np.inf)
        return self.exact or (not self.settings.asked and least <= LITTLE * self.rows.size)

    @cached_property
    def baselines(self) -> tuple[Baseline, ...]:
        """The rivals, fitted as the laws are."""
        return self.fit_baselines(self.rows)

    @cached_property
    def fitter(self) -> LawFitter:
        how = self.settings
        return LawFitter(self.layout, self.rows, how.starts, how.iterations, how.seed)

    @cached_property
    def canonical_form(self) -> LawCanonicalForm:
        return LawCanonicalForm(self.layout)

    def seeds(self, tell: Tell) -> np.ndarray:
        """Sums of one, two and three plain terms; none for the published algorithm, and where a law
        is settled on."""
        if self.settled:
            return np.zeros((0, self.layout.genes), np.int32)
        most = 0 if self.paper else 4 * self.evolution.population
        return seed_genomes(self.layout, most)

    def canonicalize(self, genomes: np.ndarray) -> np.ndarray:
        """The simplest equal of each genome (n, genes), whose scores it has."""
        return self.canonical_form.canonicalize(genomes)

    def scores(self, genomes: np.ndarray) -> np.ndarray:
        """(n, objectives); inf where a law cannot be fitted, and where one is settled on."""
        if self.settled:
            return np.full((len(genomes), len(self.objectives)), np.inf)
        canonical = self.canonicalize(genomes)
        keys = [row.tobytes() for row in canonical]
        new = list({key: k for k, key in enumerate(keys) if key not in self.known}.values())
        if new:
            self.known.update(
                zip([keys[k] for k in new], self._scores(canonical[new]), strict=True)
            )
        return np.array([self.known[key] for key in keys])

    def _scores(self, genomes: np.ndarray) -> np.ndarray:
        complexity = self.layout.complexity(genomes).astype(float)
        if not self.paper:
            return np.stack([self.fitter.fits(genomes).error, complexity], axis=1)
        error = self.test_error(genomes, self.fitter.whole(genomes)[0])
        return np.stack([self.objective(error, complexity), error, complexity], axis=1)

    def objective(self, error: np.ndarray, complexity: np.ndarray) -> np.ndarray:
        """10 log10 of the mean square error, plus parsimony times complexity."""
        with np.errstate(divide="ignore"):
            return 20 * np.log10(error) + self.settings.parsimony * complexity

    def test_error(self, genomes: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Root of the mean square over the test rows, (n,); nan where there are none."""
        if not len(self.rows.test):
            return np.full(len(genomes), np.nan)
        test = self.rows.test
        missed = self.fitter.predicted(genomes, weights, test) - self.rows.output[test]
        error = np.sqrt(np.square(missed).mean(axis=1))
        return np.where(np.isfinite(error), error, np.inf)

    @property
    def said_output(self) -> str:
        return text(self.groups.output, self.groups.words)

    @property
    def said_target(self) -> str:
        return text(self.groups.left, self.groups.words)

    @property
    def output_unit(self) -> str:
        """Groups are plain numbers, unless the output is a name that has a unit."""
        return self.groups.words.unit(self.said_output)

    @property
    def target_unit(self) -> str:
        return self.groups.words.unit(self.said_target)

    def read_back(self, output: np.ndarray) -> np.ndarray:
        """The target (n,) for an output (n,) of all rows; the output where it cannot be read
        back."""
        return read_back(self.groups, self.rows.values, output)

    def fits(self, genomes: np.ndarray) -> LawFits:
        """Fits and cross-validated errors of genomes (n, genes)."""
        return self.fitter.fits(genomes)
