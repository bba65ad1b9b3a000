"""The search of maps, small: a kill and helpers change nothing; the family of prices; variants."""

from itertools import pairwise

import numpy as np
import pytest
from actionrun.compiler.pnn.build import map_model
from actionrun.compiler.pnn.maps.data import StatePairs
from actionrun.compiler.pnn.maps.effective_activations import effective_activations
from actionrun.compiler.pnn.maps.figures import family
from actionrun.compiler.pnn.maps.findings import _entry
from actionrun.compiler.pnn.maps.model import thinned
from actionrun.compiler.pnn.maps.network_diagram import network_figure
from actionrun.compiler.pnn.maps.result import recommended
from actionrun.compiler.pnn.maps.search import MapSearch
from actionrun.compiler.pnn.maps.variants import LINKS, chain_fit, chain_windows, learned_force_fit
from actionrun.runtime.evolution import Evolved
from actionrun.runtime.storage.checkpoint import Checkpoints, Point
from map_studies import FREE, HALF, VERLET, genome, oscillator, shipped

SMALL = (
    'inputs = ["q", "q\'"]\noutputs = ["q(t+dt)", "q\'(t+dt)"]\nlayers = [1, 1]\nforce = 2\n'
    'activations = ["linear"]\nweights = ["0", "1/2", "1", "dt", "trainable"]\n'
    "population = 12\ngenerations = 3\n"
)


@pytest.fixture(scope="module")
def small():
    return {
        method: map_model(oscillator(search=SMALL + f'method = "{method}"'), None)
        for method in ("nsga2", "paper")
    }


def marched(program, state, first, last):
    for generation in range(first, last):
        state, _ = program.advance(state, generation, 1)
    return state


def same(one, other):
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[k], other[k], equal_nan=True) for k in one)


@pytest.mark.parametrize("method", ["nsga2", pytest.param("paper", marks=pytest.mark.slow)])
def test_a_killed_search_goes_on_to_the_same_front(small, method, tmp_path):
    whole = Evolved(MapSearch(small[method]))
    state = marched(whole, whole.start(), 0, whole.total)
    assert int(state["archived"]) >= 2
    killed = Evolved(MapSearch(small[method]))
    half = marched(killed, killed.start(), 0, 2)
    Checkpoints(tmp_path, {"hash": "1"}, lambda event: None).save(Point(2, half), {})
    again = Evolved(MapSearch(small[method]))  # nothing that was scored is known any more
    point = Checkpoints(tmp_path, {"hash": "1"}, lambda event: None).latest(again.start())
    same(marched(again, point.state, point.step, again.total), state)


def test_who_scores_a_network_does_not_matter(small):
    """As workers do it: each with a search of its own, parts of a generation in any order."""
    alone = Evolved(MapSearch(small["nsga2"]))
    state = marched(alone, alone.start(), 0, alone.total)
    crew = [MapSearch(small["nsga2"]), MapSearch(small["nsga2"])]

    def evaluate(genomes):
        scores = np.zeros((len(genomes), 3))
        for worker in (1, 0):
            part = np.arange(worker, len(genomes), 2)[::-1]
            if len(part):
                scores[part] = crew[worker].scores(genomes[part])
        return scores

    shared = Evolved(MapSearch(small["nsga2"]), evaluate)
    same(marched(shared, shared.start(), 0, shared.total), state)


@pytest.fixture(scope="module")
def verlet():
    return shipped("verlet_pnn", "data.points=1000")


def entry(found, weights):
    row = genome(found, weights)
    fitted = found.fit(row[None], found.data(thinned(found.train)), found.starts(row[None]), 1e-13)
    metrics = found.metrics(row[None], fitted.weights, found.validation)
    error = float(found.error(metrics)[0])
    cost = int(found.layout.complexity(row))
    return _entry(found, row, fitted.weights[0], cost, error, error, 0.0, 0.0)


def test_the_recommended_map_is_the_simple_one_of_a_proved_structure(verlet):
    simple = entry(verlet, VERLET)
    better = entry(verlet, {**VERLET, 17: FREE})  # fits better at a price of 1, but is no such map
    worse = entry(verlet, {0: 1, 3: 1, 6: 1, 9: 1, 10: 1, 14: 1, 15: FREE, 16: 1, 19: 1, 4: 1})
    assert better.objective < simple.objective
    assert recommended(verlet, (worse, better, simple)).best is simple
    assert recommended(verlet, (better, worse)).best is better


def test_the_family_has_the_lowest_objective_at_every_price(verlet):
    several = tuple(
        entry(verlet, weights)
        for weights in (
            VERLET,
            {**VERLET, 17: FREE},
            {**VERLET, 17: FREE, 1: FREE},
            {0: 1},
            {0: 1, 1: HALF, 6: 1, 10: 1, 16: 1},
        )
    )
    found = family(several)
    assert found[0][0] == 0 and found[-1][1] == np.inf
    assert all(a[1] == b[0] for a, b in pairwise(found))
    for low, high, best in found:
        price = (low + min(high, 2 * low + 1)) / 2
        least = min(e.selected + price * e.complexity for e in several)
        assert best.selected + price * best.complexity == pytest.approx(least)


def test_a_chain_of_steps_is_the_motion(verlet):
    begun, qs, vs = chain_windows(verlet, LINKS)
    assert len(begun) > 500 and qs.shape == vs.shape == (LINKS, len(begun), 1)
    place = {q.tobytes(): k for k, q in enumerate(verlet.train.q)}
    rows = [place.get(q.tobytes()) for q in qs[3]]
    known = [k for k, row in enumerate(rows) if row is not None]
    assert len(known) > 300
    np.testing.assert_array_equal(verlet.train.next_q[[rows[k] for k in known]], qs[4][known])


def test_a_map_trained_as_a_chain_errs_less_over_a_chain(verlet):
    """One weight, one minimum: of the sum over links, and not of the first."""
    row = genome(verlet, VERLET)
    once = entry(verlet, VERLET).weights
    chain = chain_fit(verlet, row, once)
    assert chain[15] != once[15] and chain[15] == pytest.approx(once[15], rel=1e-3)

    def wrong(weights):
        from actionrun.compiler.pnn.maps.evaluation import as_step

        begun, qs, vs = chain_windows(verlet, LINKS)
        state, total, step = (begun.q, begun.v), 0.0, as_step(verlet, row, weights)
        for q, v in zip(qs, vs, strict=True):
            state = step(*state)
            total += np.mean(((state[0] - q) / verlet.spread[0]) ** 2)
            total += np.mean(((state[1] - v) / verlet.spread[1]) ** 2)
        return total

    assert wrong(chain) < wrong(once)


def test_a_force_is_learned_with_the_map_from_states_alone(verlet):
    found = learned_force_fit(verlet, genome(verlet, VERLET), entry(verlet, VERLET).weights)
    assert found.off < 5e-3
    assert learned_force_fit(verlet, genome(verlet, {0: 1}), np.zeros(20)) is None


def test_a_bias_is_fitted_as_what_it_is():
    """A map with constants: a linear net is a matrix only where nothing hears the bias."""
    search = (
        'inputs = ["q", "q\'"]\noutputs = ["q(t+dt)", "q\'(t+dt)"]\nlayers = [2]\nbias = true\n'
        'activations = ["linear"]\nweights = ["0", "1", "trainable"]'
    )
    found = map_model(oscillator(search=search), None)
    rows = thinned(found.train)
    moved = StatePairs(rows.q, rows.v, rows.q + 0.1 * rows.v + 0.3, rows.v - 0.2)
    row = genome(found, {0: 1, 3: 1, 4: 1, 5: FREE, 6: FREE, 8: 1, 9: FREE})
    fitted = found.fit(row[None], found.data(moved), found.starts(row[None]), 1e-12)
    np.testing.assert_allclose(fitted.weights[0][[5, 6, 9]], [0.1, 0.3, -0.2], rtol=1e-6)
    assert not found.layout.linear(row)
    assert found.layout.linear(genome(found, {0: 1, 3: 1, 4: 1, 8: 1}))


def test_the_drawing_names_the_weights_by_what_they_do(verlet):
    """Where dt is 1, 1/2 and dt/2 are one setting: a velocity takes dt/2 to a position."""
    row = genome(verlet, VERLET)
    fitted = entry(verlet, VERLET).weights
    (panel,) = network_figure(verlet, row, fitted).panels
    fixed, trained = panel.curves
    assert sorted(fixed.names) == sorted(["x", "x'", "F(·)", "x(t+Δt)", "x'(t+Δt)", *["Σ"] * 6])
    assert len(fixed.along) == len(fixed.bonds) == 11 and fixed.along.count("Δt/2") == 2
    assert trained.along == (f"{fitted[15]:.5g}",)
    ends = {(fixed.names[i], fixed.names[j]) for i, j in trained.bonds}
    assert ends == {("F(·)", "Σ")}
    assert np.all(np.array([fixed.x[j] - fixed.x[i] for i, j in fixed.bonds]) == 1)


def test_a_bent_unit_that_passes_on_what_it_hears_is_told(verlet):
    bent = genome(verlet, VERLET, {0: "relu", 1: "relu"})  # of positions, of velocities
    weights = entry(verlet, VERLET).weights
    np.testing.assert_array_equal(
        effective_activations(verlet, bent, weights), genome(verlet, VERLET, {1: "relu"})
    )
    found = _entry(verlet, genome(verlet, VERLET, {0: "relu"}), weights, 14, 0.0, 0.0, 0.0, 0.0)
    assert found.scheme == "position Verlet" and found.proof is None
    assert found.known == "position Verlet on these data"
