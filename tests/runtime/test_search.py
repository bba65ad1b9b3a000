"""The outer search, on toys whose best genomes are known."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from actionrun.compiler.findings import Findings
from actionrun.compiler.program import Evolution
from actionrun.runtime.evolution import Evolved, front
from actionrun.runtime.storage.checkpoint import Checkpoints, Point
from deap import algorithms, base, tools
from hypothesis import given
from hypothesis import strategies as st

BREEDING = Evolution("nsga2", 40, 25, 0.5, 0.3, 0.3, 10, seed=7)
TARGET = np.array([3, 1, 4, 1, 5, 0, 2, 6])


@dataclass
class Toy:
    """Distance from a target beside the sum of genes: a front of one genome for each sum up to the
    target's. `scored` counts how often each genome was trained."""

    evolution: Evolution = BREEDING
    choices: tuple[int, ...] = (8,) * len(TARGET)
    objectives: tuple[str, ...] = ("error", "complexity")
    stage: str = "evolve"
    given: tuple[tuple[int, ...], ...] = ()
    scored: dict = field(default_factory=dict)

    def seeds(self, tell):
        return np.array(self.given, int).reshape(-1, len(self.choices))

    def scores(self, genomes):
        for genome in map(tuple, genomes.tolist()):
            self.scored[genome] = self.scored.get(genome, 0) + 1
        error = np.abs(genomes - TARGET).sum(axis=1) ** 1.0
        error[np.all(genomes == 7, axis=1)] = np.inf
        return np.stack([error, genomes.sum(axis=1)], axis=1)[:, : len(self.objectives)]

    def canonicalize(self, genomes):
        return genomes

    def findings(self, genomes, scores, trained, history, tell):
        return Findings({}, extra={"front": (genomes, scores, trained, history)})


def marched(program, state=None, since=0, until=None, step=1):
    state = program.start() if state is None else state
    until = program.total if until is None else until
    for done in range(since, until, step):
        state, _ = program.advance(state, done, min(step, until - done))
    return state


def same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        assert one[name].dtype == other[name].dtype and np.array_equal(
            one[name], other[name], equal_nan=True
        ), name


@pytest.fixture(scope="module")
def whole():
    return marched(Evolved(Toy()))


def test_the_whole_front_is_found_and_kept():
    toy = Toy(replace(BREEDING, generations=300), given=((0,) * len(TARGET),))
    program = Evolved(toy)
    found = program.findings(marched(program), {}, lambda *a: None)
    genomes, scores, trained, history = found.extra["front"]
    # For each sum from 0 to the target's, the error is what is lacking.
    complete = int(TARGET.sum())
    assert scores.tolist() == [[k, complete - k] for k in range(complete + 1)]
    assert np.array_equal(toy.scores(genomes), scores)
    assert trained == found.metrics["networks_trained"] == len(toy.scored)
    assert history.shape == (301, 4) and np.all(np.diff(history[:, 0]) <= 0)
    assert history[-1].tolist() == [0, 0, complete + 1, trained]


def test_no_genome_is_trained_twice():
    toy = Toy()
    marched(Evolved(toy))
    assert max(toy.scored.values()) == 1


def test_equal_networks_are_trained_and_counted_once():
    """Where a search knows which genomes are equal, here those with genes in another order."""

    class Sorted(Toy):
        def canonicalize(self, genomes):
            return np.sort(genomes, axis=1)

    toy = Sorted()
    state = marched(Evolved(toy))
    assert max(toy.scored.values()) == 1 and int(state["trained"]) == len(toy.scored)
    assert all(list(genome) == sorted(genome) for genome in toy.scored)


def test_a_population_has_no_duplicates(whole):
    rows = [tuple(row) for row in whole["population"][: int(whole["alive"])].tolist()]
    assert len(set(rows)) == len(rows) == BREEDING.population


def test_chunks_do_not_matter(whole):
    same(marched(Evolved(Toy()), step=4), whole)


@pytest.mark.parametrize("method", ["nsga2", "simple"])
def test_a_killed_search_goes_on_bit_for_bit(tmp_path, method):
    toy = Toy(replace(BREEDING, method=method))
    state = marched(Evolved(toy), until=11)
    keep = Checkpoints(tmp_path, {"hash": "1"}, lambda event: None)
    keep.save(Point(11, state), {})
    again = Evolved(toy)  # a new process: no cache
    point = Checkpoints(tmp_path, {"hash": "1"}, lambda event: None).latest(again.start())
    assert point is not None and not again.cache
    same(marched(again, point.state, point.step), marched(Evolved(toy)))


def test_generations_are_scored_in_one_place(whole):
    """Whatever scores them, such as worker processes, gets whole generations, each genome once."""
    toy, calls = Toy(), []

    def evaluate(genomes):
        calls.append(len(genomes))
        half = len(genomes) // 2
        return np.concatenate([toy.scores(genomes[half:]), toy.scores(genomes[:half])])[
            np.argsort(np.r_[half : len(genomes), :half], kind="stable")
        ]

    same(marched(Evolved(toy, evaluate)), whole)
    assert len(calls) <= BREEDING.generations + 1 and sum(calls) == int(whole["trained"])


def test_global_randomness_is_neither_used_nor_changed(whole):
    random.seed(1)
    np.random.seed(1)
    before = random.getstate(), np.random.get_state()[1].tolist()
    state = marched(Evolved(Toy()))
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before
    random.seed(2)
    same(state, whole)


def test_randomness_is_given_back_after_an_error():
    toy = Toy()
    random.seed(1)
    before = random.getstate()
    with pytest.raises(ZeroDivisionError):
        marched(Evolved(toy, lambda genomes: 1 / 0))
    assert random.getstate() == before


def test_the_seed_matters(whole):
    other = marched(Evolved(Toy(replace(BREEDING, seed=8))))
    assert not np.array_equal(other["population"], whole["population"])


def test_seeds_come_first_and_stay():
    toy = Toy(given=(tuple(TARGET),))
    state = marched(Evolved(toy), until=1)
    assert state["history"][0, 0] == 0
    assert TARGET.tolist() in state["archive"][: int(state["archived"])].tolist()
    assert next(iter(toy.scored)) == tuple(TARGET)
    with pytest.raises(ValueError, match="no choice"):
        marched(Evolved(Toy(given=((9,) * len(TARGET),))), until=1)


def test_what_cannot_be_fitted_never_survives():
    toy = Toy(given=((7,) * len(TARGET),))
    state = marched(Evolved(toy), until=2)
    assert [7] * len(TARGET) not in state["population"].tolist()
    assert np.all(np.isfinite(state["archive_scores"][: int(state["archived"])]))


def test_a_space_smaller_than_the_population():
    toy = Toy(choices=(2, 2, 1, 1, 1, 1, 1, 1))
    state = marched(Evolved(toy))
    assert int(state["trained"]) == 4 and int(state["alive"]) == 4
    assert int(state["archived"]) == 3  # sums 0, 1, 2; of two with the same scores the first


@pytest.mark.parametrize("objectives", [("error",), ("error", "complexity")])
@pytest.mark.parametrize("population", [4, 5, 6, 7])
def test_small_populations(objectives, population):
    toy = Toy(replace(BREEDING, population=population), objectives=objectives)
    assert int(marched(Evolved(toy))["alive"]) == population


class Reseeded:
    """DEAP's own eaSimple, its draws made ours: it selects first in each generation."""

    def __init__(self, how):
        self.how, self.generation = how, 0

    def __call__(self, individuals, k):
        self.generation += 1
        random.seed(f"{self.how.seed}:{self.generation}")
        return tools.selTournament(individuals, k, self.how.tournament)


def test_simple_is_deaps_own_easimple():
    how = replace(BREEDING, method="simple", generations=12)
    toy = Toy(how)
    state = marched(Evolved(toy))

    class Least(base.Fitness):
        weights = (-1.0,)

    class Individual(list):
        def __init__(self, genes):
            super().__init__(genes)
            self.fitness = Least()

    box = base.Toolbox()
    box.register("evaluate", lambda one: (float(toy.scores(np.array([one]))[0, 0]),))
    box.register("mate", tools.cxTwoPoint)
    upper = [n - 1 for n in toy.choices]
    box.register("mutate", tools.mutUniformInt, low=[0] * 8, up=upper, indpb=how.gene_mutation)
    box.register("select", Reseeded(how))
    random.seed(f"{how.seed}:0")
    first = [Individual([random.randrange(8) for _ in TARGET]) for _ in range(how.population)]
    last, _ = algorithms.eaSimple(
        first, box, how.crossover, how.mutation, how.generations, verbose=False
    )
    assert [list(one) for one in last] == state["population"].tolist()


@given(
    st.lists(
        st.tuples(*[st.sampled_from([0.0, 1.0, 2.0, 3.0, np.inf])] * 3), min_size=1, max_size=25
    )
)
def test_the_front_is_what_nothing_dominates(rows):
    scores = np.array(rows)

    def dominated(i):
        row = scores[i]
        worse = np.all(scores <= row, axis=1) & np.any(scores < row, axis=1)
        return worse.any() or any(np.array_equal(scores[j], row) for j in range(i))

    finite = np.all(np.isfinite(scores), axis=1)
    wanted = [i for i in range(len(scores)) if finite[i] and not dominated(i)]
    assert front(scores) == wanted


def test_a_full_archive_keeps_the_ends(monkeypatch):
    monkeypatch.setattr("actionrun.runtime.evolution.LARGEST_ARCHIVE", 5)
    state = marched(Evolved(Toy(given=((0,) * len(TARGET),))))
    kept = state["archive_scores"][: int(state["archived"])]
    assert len(kept) == 5 and kept[:, 1].min() == 0 and kept[:, 0].min() <= 3
