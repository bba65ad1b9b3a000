"""The narrow waist: what the compiler hands to the runtime, and what comes back.

A `Program` is a march of a known number of steps; the runtime advances it in chunks, between which
it reports, saves and may be killed. `Findings` are results as data: the runtime draws and writes
them without learning which kind of study they came from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, Protocol, TypeVar, runtime_checkable

import numpy as np
from actionrun.compiler.findings import Findings

State = Any  # a pytree of arrays: all that a checkpoint must hold to go on bit for bit
Samples = Mapping[str, np.ndarray]  # rows of all chunks, by name
Tell = Callable[[str, int, int, Mapping[str, float]], None]  # stage, done, total, metrics


@dataclass(frozen=True)
class Report:
    """What one chunk of steps says of itself.

    `metrics` go to the screen and to metrics.jsonl. `samples` are rows to keep: arrays whose first
    axis is the sample, concatenated over chunks in order. `diverged` is a message when the numbers
    have left the finite world (the runtime stops the run with exit code 65 and shows it).
    """

    metrics: Mapping[str, float] = field(default_factory=dict)
    samples: Mapping[str, np.ndarray] = field(default_factory=dict)
    diverged: str | None = None


class Solver(Protocol):
    """A march of `total` steps, advanced in chunks.

    The result must not depend on how the steps were chunked: randomness of step n comes from the
    seed and n alone, and all that findings need is in `state` and `samples`.
    """

    @property
    def stage(self) -> str:
        """The verb on the screen: "integrate", "train", "fit"."""
        ...

    @property
    def total(self) -> int:
        """Number of steps; 0 where there is nothing to march."""
        ...

    @property
    def quantum(self) -> int:
        """Chunks are multiples of this many steps, but for the last."""
        ...

    def start(self) -> State:
        """The state before step 0, a pytree of arrays."""
        ...

    def advance(self, state: State, done: int, count: int) -> tuple[State, Report]:
        """March `count` steps from step `done`; `count` is dynamic (no recompilation)."""
        ...


class Program(Solver, Protocol):
    """A solver together with what is said of its result: what a study is compiled to."""

    @property
    def minutes(self) -> float | None:
        """A cap on the wall time of the march, which the runtime keeps."""
        ...

    @property
    def sharing(self) -> Shared | None:
        """The parts of a step that several processes can do, where that is worth it."""
        ...

    def findings(self, state: State, samples: Samples, tell: Tell) -> Findings:
        """Results after the last step; long evaluations report through `tell`."""
        ...


Parts = Sequence[tuple[str, tuple[Any, ...]]]  # names and arguments


class Shared(Protocol):
    """A solver whose steps have parts that several processes can do.

    `part` does one of them. Its answer depends on its name and its arguments alone, to the last
    bit: neither on the process nor on the other parts. So a program cuts a step by a rule of its
    own, the same however many workers there are, and does the parts itself unless the runtime, by
    `shared`, lets workers do them: a function of all parts of a step, to answers in their order.
    """

    @property
    def shares(self) -> int:
        """Parts that a step has; 1 where sharing is not worth it."""
        ...

    def part(self, name: str, arguments: tuple[Any, ...]) -> Any: ...

    def shared(self, share: Callable[[Parts], list[Any]]) -> None: ...


@dataclass(frozen=True)
class Evolution:
    """How a search breeds. `method` "nsga2": Pareto selection over all scores; "simple": DEAP's
    eaSimple by tournament over the first score alone, without an elite, as the papers did."""

    method: Literal["nsga2", "simple"]
    population: int
    generations: int
    crossover: float
    mutation: float
    gene_mutation: float
    tournament: int
    seed: int


class GenomeScorer(Protocol):
    """A search over genomes: the runtime breeds them (runtime/evolution.py), whole generations are
    scored here.

    A genome is a row of whole numbers, gene g below `choices[g]`. Its scores depend on the genome
    alone, to the last bit: not on what else is in the batch, nor on the process. So a cache, a kill
    and any number of workers change nothing.
    """

    @property
    def stage(self) -> str: ...

    @property
    def choices(self) -> tuple[int, ...]: ...

    @property
    def objectives(self) -> tuple[str, ...]:
        """One name a column of scores, all to be minimised."""
        ...

    @property
    def evolution(self) -> Evolution: ...

    def seeds(self, tell: Tell) -> np.ndarray:
        """Genomes (n, genes) that the first generation starts with, such as pruned ones."""
        ...

    def scores(self, genomes: np.ndarray) -> np.ndarray:
        """Scores (n, objectives) of genomes (n, genes); inf where one cannot be fitted."""
        ...

    def canonicalize(self, genomes: np.ndarray) -> np.ndarray:
        """For each genome (n, genes) one with the same scores, the same for all that are equal as
        networks: these alone are scored and counted. The genomes themselves where none can tell."""
        ...


@runtime_checkable
class Search(GenomeScorer, Protocol):
    """A search together with what is said of its archive: see `Program`."""

    def findings(
        self, genomes: np.ndarray, scores: np.ndarray, trained: int, history: np.ndarray, tell: Tell
    ) -> Findings:
        """Results from the archive: all genomes that no other one dominated, with their scores.
        `trained` counts the networks that were fitted, `history` holds a row a generation."""
        ...


S = TypeVar("S", bound=Solver)
F = TypeVar("F", bound=GenomeScorer)


@dataclass(frozen=True)
class Reported(Generic[S]):
    """The program made of a solver and of what is said of its result: put together in a kind's
    `build.py`, so that no solver imports its findings."""

    solver: S
    report: Callable[[State, Samples, Tell], Findings]
    minutes: float | None = None
    sharing: Shared | None = None

    @property
    def stage(self) -> str:
        return self.solver.stage

    @property
    def total(self) -> int:
        return self.solver.total

    @property
    def quantum(self) -> int:
        return self.solver.quantum

    def start(self) -> State:
        return self.solver.start()

    def advance(self, state: State, done: int, count: int) -> tuple[State, Report]:
        return self.solver.advance(state, done, count)

    def findings(self, state: State, samples: Samples, tell: Tell) -> Findings:
        return self.report(state, samples, tell)


@dataclass(frozen=True)
class ReportedSearch(Generic[F]):
    """The search made of a scorer and of what is said of its archive: see `Reported`."""

    scorer: F
    report: Callable[[np.ndarray, np.ndarray, int, np.ndarray, Tell], Findings]

    @property
    def stage(self) -> str:
        return self.scorer.stage

    @property
    def choices(self) -> tuple[int, ...]:
        return self.scorer.choices

    @property
    def objectives(self) -> tuple[str, ...]:
        return self.scorer.objectives

    @property
    def evolution(self) -> Evolution:
        return self.scorer.evolution

    def seeds(self, tell: Tell) -> np.ndarray:
        return self.scorer.seeds(tell)

    def scores(self, genomes: np.ndarray) -> np.ndarray:
        return self.scorer.scores(genomes)

    def canonicalize(self, genomes: np.ndarray) -> np.ndarray:
        return self.scorer.canonicalize(genomes)

    def findings(
        self, genomes: np.ndarray, scores: np.ndarray, trained: int, history: np.ndarray, tell: Tell
    ) -> Findings:
        return self.report(genomes, scores, trained, history, tell)
