"""The outer search: DEAP breeds genomes, the compiler scores them, a generation is a step.

The operators are DEAP's (Fortin et al., JMLR 13, 2171, 2012), the selection is that of NSGA-II
(Deb et al., IEEE Trans. Evol. Comp. 6, 182, 2002) or, as the papers ran it, eaSimple. DEAP draws
from Python's global generator, so each generation seeds it from the seed and its own number, and
gives it back as it was.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import chain, cycle, islice
from time import monotonic
from typing import Any

import numpy as np
from actionrun.compiler.findings import Findings
from actionrun.compiler.program import Report, Search, Shared, Tell
from deap import algorithms, base, tools

Genes = tuple[int, ...]
Scorer = Callable[[np.ndarray], np.ndarray]

LARGEST_ARCHIVE = 1024
MOST_COUNTED = 2**20  # distinct genomes that a run remembers, to count what it has trained
PATIENCE = 20  # random genomes drawn for one that is new; a small space may hold no more


class Genome(list):
    """A list of genes, which is what DEAP's operators take, with its fitness."""

    fitness: Any

    @property
    def genes(self) -> Genes:
        return tuple(self)


@dataclass
class Evolved:
    """A search as a program: step 0 scores the seeds, step n breeds generation n.

    `evaluate` scores whole generations, (n, genes) to (n, objectives), in place of
    `search.scores`: in worker processes, for example. It must give the same numbers.

    The state is a table of arrays of fixed shapes: `population` (population, genes) with `scores`,
    of which the first `alive` rows count; the `archive` of genomes that no other one dominates,
    one for each set of scores, with `archive_scores` and `archived`; `seen`, a hash of each genome
    that was ever scored, of which `trained` count; `history` (generations + 1, objectives + 2):
    the least of each objective, the size of the archive, networks trained.
    """

    search: Search
    evaluate: Scorer | None = None
    quantum: int = 1
    minutes: float | None = None
    sharing: Shared | None = None
    cache: dict[Genes, np.ndarray] = field(default_factory=dict, repr=False)
    scoring: tuple[int, float] = (0, 0.0)  # networks and seconds of this session, for the screen

    def __post_init__(self) -> None:
        how, objectives = self.search.evolution, len(self.search.objectives)
        self.stage = self.search.stage
        self.total = how.generations + 1
        self.pareto = type("Pareto", (base.Fitness,), {"weights": (-1.0,) * objectives})
        first = type("First", (base.Fitness,), {"weights": (-1.0,)})
        self.fitness = self.pareto if how.method == "nsga2" else first
        # DEAP's logarithmic sort needs two objectives.
        self.sorting = "log" if objectives > 1 else "standard"
        self.toolbox = base.Toolbox()
        self.toolbox.register("clone", self._copy)
        self.toolbox.register("mate", tools.cxTwoPoint if self._genes > 1 else _apart)
        upper = [count - 1 for count in self.search.choices]
        self.toolbox.register(
            "mutate", tools.mutUniformInt, low=[0] * self._genes, up=upper, indpb=how.gene_mutation
        )

    @property
    def _genes(self) -> int:
        return len(self.search.choices)

    def start(self) -> dict[str, np.ndarray]:
        """The state before the first network is trained."""
        how, objectives = self.search.evolution, len(self.search.objectives)
        size = min(max(how.population, 256), LARGEST_ARCHIVE)
        memory = min(MOST_COUNTED, how.population * (how.generations + 8))
        return {
            "population": np.zeros((how.population, self._genes), np.int32),
            "scores": np.full((how.population, objectives), np.inf),
            "alive": np.array(0),
            "archive": np.zeros((size, self._genes), np.int32),
            "archive_scores": np.full((size, objectives), np.inf),
            "archived": np.array(0),
            "seen": np.zeros(memory, np.uint64),
            "trained": np.array(0),
            "history": np.full((self.total, objectives + 2), np.nan),
        }

    def advance(
        self, state: Mapping[str, np.ndarray], done: int, count: int
    ) -> tuple[dict[str, np.ndarray], Report]:
        """`count` generations from generation `done` on."""
        following = {name: np.array(array) for name, array in state.items()}
        for generation in range(done, done + count):
            with _own_randomness(self.search.evolution.seed, generation):
                self._step(following, generation)
        best, *_, size, trained = following["history"][done + count - 1]
        networks, seconds = self.scoring
        metrics = {"best": best, "front": size, "networks": trained}
        metrics["networks_per_second"] = networks / seconds if seconds else np.nan
        return following, Report({k: v for k, v in metrics.items() if np.isfinite(v)})

    def findings(
        self, state: Mapping[str, np.ndarray], samples: Mapping[str, np.ndarray], tell: Tell
    ) -> Findings:
        """What the compiler makes of the archive, with the counts of the search."""
        kept, trained = int(state["archived"]), int(state["trained"])
        order = np.lexsort(state["archive_scores"][:kept].T[::-1])
        result = self.search.findings(
            state["archive"][:kept][order], state["archive_scores"][:kept][order],
            trained, state["history"], tell,
        )  # fmt: skip
        metrics = {"networks_trained": trained, "generations": self.total - 1}
        return replace(result, metrics=metrics | dict(result.metrics))

    def _step(self, state: dict[str, np.ndarray], generation: int) -> None:
        """One generation; changes the state in place."""
        simple = self.search.evolution.method == "simple"
        if generation == 0:
            genomes = self._first()
        else:
            parents = self._individuals(state["population"], state["scores"], state["alive"])
            genomes = self._children(parents) if simple else self._fresh_children(parents, state)
        scores = self._scores(genomes, state)
        self._keep(state, genomes, scores)
        self._history(state, generation)
        if simple:
            chosen = list(zip(genomes, scores, strict=True))[: len(state["population"])]
        else:
            chosen = self._survivors(state, genomes, scores)
        _fill(state, "population", "scores", "alive", chosen)

    # Breeding

    def _first(self) -> list[Genes]:
        """The seeds and random genomes: of each at least as many as make up the population."""
        how = self.search.evolution
        seeds = self.search.seeds(_silent)
        if len(seeds) and (np.any(seeds < 0) or np.any(seeds >= np.array(self.search.choices))):
            raise ValueError("a seed has genes that are no choice")
        wanted = [tuple(map(int, genes)) for genes in seeds[: 4 * how.population]]
        if how.method == "simple":
            drawn = [self._random() for _ in range(how.population)]
            return (wanted + drawn)[: how.population]
        known = dict.fromkeys(wanted)
        return [*known, *self._new(how.population, known)]

    def _children(self, parents: list[Genome]) -> list[Genes]:
        """A generation of eaSimple: tournament by the first score, then variation."""
        how = self.search.evolution
        chosen = tools.selTournament(parents, len(parents), how.tournament)
        varied = algorithms.varAnd(chosen, self.toolbox, how.crossover, how.mutation)
        return [child.genes for child in varied]

    def _fresh_children(self, parents: list[Genome], state: Mapping[str, np.ndarray]):
        """A generation of NSGA-II: all that is not new is replaced by a random genome."""
        how = self.search.evolution
        old = _rows(state["archive"], state["archived"])
        known = dict.fromkeys(chain((parent.genes for parent in parents), old))
        children: dict[Genes, None] = {}
        if len(parents) >= 4:
            parents = tools.selNSGA2(parents, len(parents), nd=self.sorting)  # crowding distances
            chosen = tools.selTournamentDCD(parents, len(parents) // 4 * 4)
            chosen = list(islice(cycle(chosen), how.population))
            varied = algorithms.varAnd(chosen, self.toolbox, how.crossover, how.mutation)
            children = dict.fromkeys(one.genes for one in varied if one.genes not in known)
        return [*children, *self._new(how.population - len(children), {**known, **children})]

    def _new(self, count: int, known: Mapping[Genes, None]) -> list[Genes]:
        """Random genomes that are not known, `count` of them where the space has so many."""
        drawn: dict[Genes, None] = {}
        for _ in range(PATIENCE * count):
            if len(drawn) == count:
                break
            genome = self._random()
            if genome not in known:
                drawn[genome] = None
        return list(drawn)

    def _random(self) -> Genes:
        return tuple(random.randrange(count) for count in self.search.choices)

    def _survivors(
        self, state: Mapping[str, np.ndarray], genomes: Sequence[Genes], scores: np.ndarray
    ) -> list[tuple[Genes, np.ndarray]]:
        """NSGA-II out of parents, children and the archive. What has the scores of one before it,
        as equivalent genomes have, comes in only where there is room."""
        pool: dict[Genes, np.ndarray] = {}
        for name, values, size in (
            ("archive", "archive_scores", "archived"),
            ("population", "scores", "alive"),
        ):
            pool |= dict(zip(_rows(state[name], state[size]), state[values], strict=False))
        pool |= dict(zip(genomes, scores, strict=True))
        pool = {genome: score for genome, score in pool.items() if np.all(np.isfinite(score))}
        firsts = {tuple(score): genome for genome, score in reversed(pool.items())}
        distinct = {genome: pool[genome] for genome in reversed(firsts.values())}
        wanted = self.search.evolution.population
        twins = [one for one in pool.items() if one[0] not in distinct]
        if len(distinct) <= wanted:
            return [*distinct.items(), *twins][:wanted]
        return self._spread(list(distinct.items()), wanted)

    def _spread(self, pairs: list[tuple[Genes, np.ndarray]], wanted: int):
        """NSGA-II's choice: the best fronts, of the last one the least crowded."""
        individuals = [Genome(genome) for genome, _ in pairs]
        for one, (_, score) in zip(individuals, pairs, strict=True):
            one.fitness = self.pareto(tuple(map(float, score)))
        scores = dict(pairs)
        chosen = tools.selNSGA2(individuals, wanted, nd=self.sorting)
        return [(one.genes, scores[one.genes]) for one in chosen]

    # Scores

    def _scores(self, genomes: Sequence[Genes], state: dict[str, np.ndarray]) -> np.ndarray:
        """Scores of a generation, (n, objectives): the one place where networks are trained."""
        genomes = self._canonical(genomes)
        new = list(dict.fromkeys(one for one in genomes if one not in self.cache))
        if new:
            clock = monotonic()
            scored = self.evaluate or self.search.scores
            scores = np.asarray(scored(np.array(new, np.int32)), float)
            networks, seconds = self.scoring
            self.scoring = networks + len(new), seconds + monotonic() - clock
            if scores.shape != (len(new), len(self.search.objectives)):
                raise ValueError(f"scores of shape {scores.shape} for {len(new)} genomes")
            self.cache |= zip(new, np.where(np.isnan(scores), np.inf, scores), strict=True)
        _count(state, genomes)
        scores = np.array([self.cache[genome] for genome in genomes])
        return scores.reshape(len(genomes), len(self.search.objectives))

    def _canonical(self, genomes: Sequence[Genes]) -> Sequence[Genes]:
        """Genomes that are equal as networks as one of them, where the search can tell."""
        if not genomes:
            return genomes
        canonical = np.asarray(self.search.canonicalize(np.array(genomes, np.int32)))
        return _rows(canonical, len(canonical))

    def _keep(
        self, state: dict[str, np.ndarray], genomes: Sequence[Genes], scores: np.ndarray
    ) -> None:
        """Put into the archive what nothing in it dominates, and drop what is dominated now."""
        held = int(state["archived"])
        rows = [*_rows(state["archive"], held), *genomes]
        values = np.concatenate([state["archive_scores"][:held], scores])
        best = front(values)
        chosen = [(rows[index], values[index]) for index in best]
        size = len(state["archive"])
        if len(chosen) > size:
            chosen = self._spread(chosen, size)
        _fill(state, "archive", "archive_scores", "archived", chosen)

    def _history(self, state: dict[str, np.ndarray], generation: int) -> None:
        kept = int(state["archived"])
        least = state["archive_scores"][:kept].min(axis=0, initial=np.inf)
        state["history"][generation] = [*least, kept, int(state["trained"])]

    # Individuals

    def _individuals(self, rows: np.ndarray, scores: np.ndarray, count: np.ndarray):
        pairs = zip(_rows(rows, count), scores, strict=False)
        return [self._individual(genes, score) for genes, score in pairs]

    def _individual(self, genes: Genes, scores: np.ndarray) -> Genome:
        """As the tournament sees it."""
        one = Genome(genes)
        one.fitness = self.fitness(tuple(map(float, scores[: len(self.fitness.weights)])))
        return one

    def _copy(self, other: Genome) -> Genome:
        one = Genome(other)
        one.fitness = self.fitness(other.fitness.values)
        return one


def front(scores: np.ndarray) -> list[int]:
    """Rows of scores (n, objectives) that no other row dominates, the first of equal ones, in
    order; rows that are not finite belong to no front."""
    chosen: list[int] = []
    for index in np.lexsort(scores.T[::-1]):  # whatever dominates a row sorts before it
        row = scores[index]
        if np.all(np.isfinite(row)) and not np.any(np.all(scores[chosen] <= row, axis=1)):
            chosen.append(int(index))
    return sorted(chosen)


@contextmanager
def _own_randomness(seed: int, generation: int) -> Iterator[None]:
    """Python's global generator as a function of seed and generation; afterwards as it was."""
    before = random.getstate()
    random.seed(f"{seed}:{generation}")  # a text is hashed by SHA-512, on every machine alike
    try:
        yield
    finally:
        random.setstate(before)


def _count(state: dict[str, np.ndarray], genomes: Iterable[Genes]) -> None:
    """Count genomes that this run has not scored before. The cache cannot: a kill empties it."""
    count, seen = int(state["trained"]), state["seen"]
    hashes = {_hash(genome): None for genome in genomes}
    known = set(seen[:count].tolist())
    fresh = [one for one in hashes if one not in known]
    held = fresh[: max(0, len(seen) - count)]
    seen[count : count + len(held)] = held
    state["trained"] = np.array(count + len(fresh))


def _hash(genome: Genes) -> int:
    return int.from_bytes(blake2b(np.array(genome, "<i4").tobytes(), digest_size=8).digest())


def _rows(rows: np.ndarray, count: np.ndarray | int) -> list[Genes]:
    return [tuple(row) for row in rows[: int(count)].tolist()]


def _fill(
    state: dict[str, np.ndarray], rows: str, scores: str, count: str,
    chosen: Sequence[tuple[Genes, np.ndarray]],
) -> None:  # fmt: skip
    """Write genomes and scores into the first rows of their arrays, and how many there are."""
    state[rows], state[scores] = np.zeros_like(state[rows]), np.full_like(state[scores], np.inf)
    for index, (genes, score) in enumerate(chosen):
        state[rows][index], state[scores][index] = genes, score
    state[count] = np.array(len(chosen))


def _apart(one: Genome, other: Genome) -> tuple[Genome, Genome]:
    """Crossover of genomes of a single gene."""
    one[:], other[:] = other[:], one[:]
    return one, other


def _silent(stage: str, done: int, total: int, metrics: Mapping[str, float]) -> None:
    """No progress within the step that makes the seeds."""
