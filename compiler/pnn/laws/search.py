"""Laws from a table: networks over dimensionless groups, judged by cross-validation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from actionrun.compiler.errors import study_error
from actionrun.compiler.findings import Equation, Findings, Section
from actionrun.compiler.pnn.genome import Layout, layout
from actionrun.compiler.program import Evolution, Tell
from actionrun.compiler.symbolic.printing import latex, text
from actionrun.spec.kinds.pnn import Pnn

from .baselines import Rival, rivals
from .canonical_form import EqualLaws
from .fit import Fits, Fitter
from .seeds import simple
from .table import Groups, Rows, groups, rows


@dataclass(frozen=True)
class Laws:
    """The search for laws, a `program.Search`.

    Scores of a genome are those of its simplest equal: its cross-validated error and complexity
    ("paper": the published objective on the test rows, the error there, and complexity).
    """

    study: Pnn
    groups: Groups
    rows: Rows
    layout: Layout
    rivals: tuple[Rival, ...]
    notes: tuple[str, ...]
    known: dict[bytes, np.ndarray] = field(default_factory=dict)
    stage: str = "evolve"

    @property
    def paper(self) -> bool:
        return self.study.search.method == "paper"

    @property
    def objectives(self) -> tuple[str, ...]:
        return ("objective", "error", "complexity") if self.paper else ("error", "complexity")

    @property
    def choices(self) -> tuple[int, ...]:
        return self.layout.choices

    @property
    def evolution(self) -> Evolution:
        search = self.study.search
        return Evolution(
            "simple" if self.paper else "nsga2",
            search.population, search.generations, search.crossover, search.mutation,
            search.gene_mutation, search.tournament, self.study.seed,
        )  # fmt: skip

    @cached_property
    def fitter(self) -> Fitter:
        training = self.study.training
        return Fitter(self.layout, self.rows, training.starts, training.epochs, self.study.seed)

    @cached_property
    def equals(self) -> EqualLaws:
        return EqualLaws(self.layout)

    def seeds(self, tell: Tell) -> np.ndarray:
        """Sums of one, two and three plain terms; none for the published algorithm."""
        most = 0 if self.paper else 4 * self.study.search.population
        return simple(self.layout, most)

    def simplest(self, genomes: np.ndarray) -> np.ndarray:
        """The simplest equal of each genome (n, genes), whose scores it has."""
        return self.equals.simplest(genomes)

    def scores(self, genomes: np.ndarray) -> np.ndarray:
        """(n, objectives); inf where a law cannot be fitted."""
        simplest = self.simplest(genomes)
        keys = [row.tobytes() for row in simplest]
        new = list({key: k for k, key in enumerate(keys) if key not in self.known}.values())
        if new:
            self.known.update(zip([keys[k] for k in new], self._scores(simplest[new]), strict=True))
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
            return 20 * np.log10(error) + self.study.search.parsimony * complexity

    def test_error(self, genomes: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Root of the mean square over the test rows, (n,); nan where there are none."""
        if not len(self.rows.test):
            return np.full(len(genomes), np.nan)
        given = self.fitter.predicted(genomes, weights, self.rows.test)
        error = np.sqrt(np.square(given - self.rows.output[self.rows.test]).mean(axis=1))
        return np.where(np.isfinite(error), error, np.inf)

    @property
    def said_output(self) -> str:
        return text(self.groups.output, self.groups.words)

    @property
    def said_target(self) -> str:
        target = self.groups.target
        return self.said_output if target is None else text(target, self.groups.words)

    @property
    def output_unit(self) -> str:
        """Groups are plain numbers, unless the output is a name that has a unit."""
        return self.study.unit(self.said_output)

    @property
    def target_unit(self) -> str:
        return self.study.unit(self.said_target)

    def read_back(self, output: np.ndarray) -> np.ndarray:
        """The target (n,) for an output (n,) of all rows."""
        from .figures import read_back

        return read_back(self, output)

    def judged(self, genomes: np.ndarray) -> Fits:
        """Fits and cross-validated errors of genomes (n, genes)."""
        return self.fitter.fits(genomes)

    def findings(
        self, genomes: np.ndarray, scores: np.ndarray, trained: int, history: np.ndarray, tell: Tell
    ) -> Findings:
        """The front, its laws read back, the one recommended, rivals."""
        from .findings import findings

        return findings(self, genomes, history, tell)


def build(study: Pnn, observations: Mapping[str, np.ndarray] | None) -> Laws:
    """The search of a study of a table. Raises Faults for what does not work out."""
    assert observations is not None, "a study of a table has a file"
    found = groups(study)
    table = rows(study, found, observations)
    if study.search.method == "paper" and not len(table.test):
        raise study_error(
            study, ("search", "method"), "search.method",
            "the published algorithm selects by the rows held out, and none are",
            "write fraction = 0.2 in [test]",
        )  # fmt: skip
    if study.training.optimizer != "levenberg-marquardt":
        raise study_error(
            study, ("training", "optimizer"), "training.optimizer",
            "laws are fitted by least squares to convergence",
            'write optimizer = "levenberg-marquardt", or leave it out',
        )  # fmt: skip
    space, notes = _space(study, found)
    return Laws(study, found, table, space, rivals(study, found, table), (*table.notes, *notes))


def _space(study: Pnn, found: Groups) -> tuple[Layout, tuple[str, ...]]:
    space, notes = layout(study, active_output=True)
    return replace(space, inputs=len(found.inputs)), notes


def explain(study: Pnn) -> tuple[Section, ...]:
    """Groups, the space of networks, and how laws are judged."""
    found = groups(study)
    space, notes = _space(study, found)
    words = found.words
    shown = [("Output", found.output), *((f"Input {k}", x) for k, x in enumerate(found.inputs, 1))]
    equations = [Equation(name, latex(one, words), text(one, words)) for name, one in shown]
    definitions = [
        Equation(
            f"Definition of {name}",
            f"{latex(words.constants[name], words)} = {latex(words.scalar(one), words)}",
            f"{name} = {text(words.scalar(one), words)}",
        )
        for name, one in study.define.items()
    ]
    search, test = study.search, study.test
    origin = "" if search.inputs else "Found from the dimensions of the columns (Buckingham).\n"
    back = (
        f"Laws are read back as {found.target} = ..."
        if found.target is not None
        else "Laws are shown for the output as it stands."
    )
    scores = ", ".join(
        f"{n} costs {s**2}" for n, s in zip(space.activations, space.scores, strict=True)
    )
    weights = ", ".join(
        f"{label} costs {0 if value == 0 else 2 if value is None else 1}"
        for label, value in zip(space.labels, space.values, strict=True)
    )
    selection = (
        "The published algorithm: fitted to the rows that are not held out, selected by the error "
        "on those that are (which cross-validation then puts to the test)."
        if search.method == "paper"
        else f"Selected by the error over {test.folds} folds, drawn {test.repeats} times, and by "
        f"complexity; {test.fraction:.0%} of the rows are held out and looked at once, at the end."
    )
    return (
        Section("Dimensionless groups", origin + back, (*equations, *definitions)),
        Section(
            "Networks",
            f"Layers of {', '.join(map(str, space.layers))} units: {space.genes} genes.\n"
            f"Complexity of activations: {scores}.\nOf weights: {weights}.\n" + "\n".join(notes),
        ),
        Section("Judgement", selection),
    )
