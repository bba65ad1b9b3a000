"""Laws of genomes: what they cost, which are equal, and fits that no neighbour disturbs."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from actionrun.compiler.numerics.genomes.batched_adam import fit_batch_by_adam
from actionrun.compiler.numerics.genomes.batched_least_squares import (
    FitData,
    FitOptions,
    FitProblem,
    NetworkBatch,
    fit_batch,
)
from actionrun.compiler.numerics.genomes.network import GenomeNetwork
from actionrun.compiler.pnn.canonical_form import CanonicalForm, least_complex
from actionrun.compiler.pnn.genome import Layout
from actionrun.compiler.pnn.maps.model import thinned
from map_studies import PUBLISHED, VERLET, genome, shipped

LAW = Layout(
    3, (3,), 1, ("linear", "square", "inverse", "product", "tanh"), (0, 1, 2, 3, 4),
    (0, 1, None), ("0", "1", "trainable"), bias=True, active_output=True,
)  # fmt: skip


@pytest.fixture(scope="module")
def verlet():
    return shipped("verlet_pnn", "data.points=500")


def test_networks_of_the_papers(verlet):
    assert verlet.layout.genes == 26 and verlet.layout.units == 6 and verlet.layout.weights == 20
    earlier = replace(verlet.layout, layers=(2, 2))
    assert earlier.early and earlier.genes == 16 and earlier.units == 4
    assert LAW.genes == 17


def test_values_that_coincide_are_one_setting(verlet):
    assert verlet.layout.labels == ("0", "1/2", "1", "2", "trainable")
    assert any("dt/2" in note for note in verlet.notes)


@pytest.mark.parametrize(("weights", "cost"), [(VERLET, 13), (PUBLISHED, 19)])
def test_complexity(verlet, weights, cost):
    assert verlet.layout.complexity(genome(verlet, weights)) == cost


def test_scores_of_activations_count_squared(verlet):
    row = genome(verlet, VERLET, {0: "elu", 1: "tanh", 2: "relu"})
    assert verlet.layout.complexity(row) == 13 + 9 + 4 + 1


def values(net: GenomeNetwork, row, layout, weights, inputs):
    """Outputs of a genome under a force that no linear map imitates."""
    codes = jnp.asarray(row[: layout.units])
    fixed = layout.fixed(row)
    w = jnp.asarray(np.where(np.isnan(fixed), weights, fixed))
    found = net.values(codes, jnp.asarray(fixed != 0), w, inputs, lambda a: [jnp.cos(2 * a[0])])
    return np.stack([np.asarray(x) for x in found])


def test_equals_of_fixed_weights_are_the_same_function(verlet):
    """Fixed weights leave nothing to retrain: the simplest equal must give the same numbers."""
    layout, random = verlet.layout, np.random.default_rng(1)
    rows = random.integers(0, 4, (120, 26))
    rows[:, :6] *= random.random((120, 6)) < 0.3
    simple = CanonicalForm(layout).canonicalize(rows)
    inputs = [jnp.asarray(x) for x in random.standard_normal((2, 20))]
    for row, other in zip(rows, simple, strict=True):
        a, b = (values(layout.net, g, layout, 0.0, inputs) for g in (row, other))
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
    assert np.all(layout.complexity(simple) <= layout.complexity(rows))


def test_equals_of_trainable_weights_reach_the_same_fit(verlet):
    """Both spellings of a linear network fit the data equally well, from several starts."""
    random = np.random.default_rng(2)
    rows = np.repeat(genome(verlet, VERLET)[None], 30, axis=0)
    for row in rows:
        row[6 + random.integers(0, 20, 2)] = random.integers(0, 5, 2)
        row[6 + random.choice([6, 9, 10, 14])] = verlet.layout.code(None)
    simple = verlet.canonical_form.canonicalize(rows)
    changed = np.any(rows != simple, axis=1)
    assert changed.sum() > 10
    random_starts = 1 + 0.3 * random.standard_normal((6, 1, 20))
    data = verlet.fitness[0]
    costs = []
    for several in (rows, simple):
        starts = np.repeat(random_starts, len(several), axis=1)
        costs.append(verlet.fit(several, data, starts, 1e-10).cost)
    np.testing.assert_allclose(np.log10(costs[0]), np.log10(costs[1]), atol=1e-3)


def test_the_least_of_equals_is_one_for_all_spellings(verlet):
    """Random shears and orders of units of the simplest Verlet, most of which `simplest` alone
    leaves with a weight too many."""
    equals, random = verlet.canonical_form, np.random.default_rng(6)
    row = genome(verlet, VERLET).tolist()
    spellings = []
    for _ in range(80):
        spelling = [*row]
        for _ in range(random.integers(2, 9)):
            several = random.permutation(len(equals.shears.all))
            any(equals.shears.done(spelling, equals.shears.all[k], 3) for k in several)
        spellings.append([spelling[k] for k in equals.orders[random.integers(8)]])
    spellings = np.unique(np.array(spellings), axis=0)
    assert len(spellings) > 10
    assert verlet.layout.complexity(equals.canonicalize(spellings)).max() > 13
    found = least_complex(equals, spellings)
    assert len(np.unique(found, axis=0)) == 1
    assert verlet.layout.complexity(found[0]) == verlet.layout.complexity(np.array(row)) == 13
    np.testing.assert_array_equal(least_complex(equals, found), found)


def test_renamed_units_are_one_genome(verlet):
    layout = verlet.layout
    row = genome(verlet, PUBLISHED, {1: "tanh", 4: "relu"})
    spellings = [row[order] for order in verlet.canonical_form.orders]
    assert len({tuple(s) for s in spellings}) == 8
    assert (
        len({tuple(s) for s in verlet.canonical_form.canonicalize(np.array(spellings)).tolist()})
        == 1
    )
    inputs = [jnp.asarray(x) for x in np.random.default_rng(3).standard_normal((2, 9))]
    fixed = [np.where(s[layout.units :] == layout.code(None), 2, s[layout.units :])
             for s in spellings]  # fmt: skip
    filled = [np.concatenate([s[: layout.units], f]) for s, f in zip(spellings, fixed, strict=True)]
    results = [values(layout.net, s, layout, 0.0, inputs) for s in filled]
    for other in results[1:]:
        np.testing.assert_allclose(other, results[0], rtol=1e-13)


def test_product_multiplies_what_is_heard():
    layout = replace(LAW, layers=(1,), bias=False, active_output=False, inputs=2)
    product = layout.activations.index("product")
    x, y = jnp.asarray([2.0, 3.0]), jnp.asarray([5.0, 7.0])
    both = np.array([product, 1, 1, 1])
    one = np.array([product, 1, 0, 1])
    none = np.array([product, 0, 0, 1])
    found = [values(layout.net, row, layout, 0.0, [x, y])[0] for row in (both, one, none)]
    np.testing.assert_array_equal(found, [[10, 21], [2, 3], [0, 0]])


def test_a_choice_not_taken_spoils_no_slope():
    """log, sqrt and 1/x of a bad number are NaN, but only for the unit that chose them."""
    import jax

    net = replace_activations(("linear", "log", "sqrt", "inverse"))

    def total(w, code):
        codes = jnp.asarray([code])
        return net.values(codes, jnp.ones(2, bool), w, [jnp.asarray([-1.0, 0.0])], None)[0].sum()

    assert np.isfinite(jax.grad(total)(jnp.ones(2), 0)).all()
    assert np.isnan(total(jnp.ones(2), 1))


def replace_activations(names):
    layout = replace(LAW, inputs=1, layers=(1,), bias=False, active_output=False,
                     activations=names, scores=(0,) * len(names))  # fmt: skip
    return layout.net


@pytest.mark.parametrize("linear", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_fit_does_not_see_its_batch(verlet, linear):
    """Permuted, alone or among others: the same bits."""
    random = np.random.default_rng(4)
    rows = random.integers(0, 5, (40, 26))
    rows[:, :6] = 0 if linear else rows[:, :6] % 4
    rows[:10] = genome(verlet, PUBLISHED)
    starts = verlet.starts(rows)
    data = verlet.fitness[0]
    all_at_once = verlet.fit(rows, data, starts)
    order = random.permutation(40)
    shuffled = verlet.fit(rows[order], data, starts[:, order])
    few = order[:3]
    alone = verlet.fit(rows[few], data, starts[:, few])
    for name in ("weights", "cost", "converged"):
        np.testing.assert_array_equal(getattr(shuffled, name), getattr(all_at_once, name)[order])
        np.testing.assert_array_equal(getattr(alone, name), getattr(all_at_once, name)[few])


@pytest.mark.slow
def test_sums_and_rows_find_the_same(verlet):
    """The linear path's normal matrix is that of the general one, which takes rows in turns."""
    row = genome(verlet, PUBLISHED)[None]
    layout, data = verlet.layout, verlet.data(thinned(verlet.train, 1203))
    starts = verlet.starts(row)[1]
    problem = FitProblem(layout.net, verlet.map.force, data)
    found = [
        fit_batch(problem, NetworkBatch(row[:, :6], layout.fixed(row), starts, np.array([kind])),
                  FitOptions(60, 1e-12))
        for kind in (True, False)
    ]  # fmt: skip
    np.testing.assert_allclose(found[0].cost, found[1].cost, rtol=1e-6)


def test_row_weights_choose_rows():
    """A fit of a straight line with weights on some rows is numpy's fit of these rows."""
    layout = Layout(1, (), 1, ("linear",), (0,), (0, 1, None), ("0", "1", "trainable"), bias=True)
    random = np.random.default_rng(5)
    x = random.standard_normal(30)
    y = 2 * x + 1 + 0.1 * random.standard_normal(30)
    sets = np.stack([np.ones(30), np.arange(30) < 20, np.arange(30) >= 20]).astype(float)
    data = FitData(jnp.asarray(x[None, :, None]), jnp.asarray(y[None, :, None]), jnp.ones(1),
                jnp.asarray(sets))  # fmt: skip
    rows = np.repeat(np.full((1, 2), 2), 3, axis=0)
    batch = NetworkBatch(
        rows[:, :0], layout.fixed(rows), np.zeros((3, 2)), np.zeros(3, bool), np.arange(3)
    )
    found = fit_batch(FitProblem(layout.net, None, data), batch, FitOptions(60, 1e-14))
    for k, chosen in enumerate(sets.astype(bool)):
        np.testing.assert_allclose(found.weights[k], np.polyfit(x[chosen], y[chosen], 1), rtol=1e-7)


def test_adam_as_the_papers_ran_it_ends_at_the_same_fit():
    """A straight line by Adam, whole rows at once, until 100 epochs bring nothing; a lane does not
    see the others of its batch."""
    layout = Layout(1, (), 1, ("linear",), (0,), (0, 1, None), ("0", "1", "trainable"), bias=True)
    random = np.random.default_rng(7)
    x = random.standard_normal(30)
    y = 2 * x + 1 + 0.1 * random.standard_normal(30)
    data = FitData(jnp.asarray(x[None, :, None]), jnp.asarray(y[None, :, None]), jnp.ones(1),
                jnp.ones((1, 30)))  # fmt: skip
    rows = np.array([[2, 2], [2, 0], [1, 2]])  # both, the slope alone, the other one alone
    problem = FitProblem(layout.net, None, data)

    def batch(some):
        count = len(rows[some])
        return NetworkBatch(rows[some][:, :0], layout.fixed(rows[some]), np.zeros((count, 2)),
                            np.zeros(count, bool))  # fmt: skip

    found = fit_batch_by_adam(problem, batch(slice(None)), 20_000, 0.02)
    assert found.converged.all()
    np.testing.assert_allclose(found.weights[0], np.polyfit(x, y, 1), rtol=1e-3)
    slope = float(x @ y / (x @ x))
    np.testing.assert_allclose(found.weights[1], np.array([slope, 0.0]), rtol=1e-3)
    np.testing.assert_allclose(found.weights[2], np.array([1.0, np.mean(y - x)]), rtol=1e-3)
    alone = fit_batch_by_adam(problem, batch(slice(2, 3)), 20_000, 0.02)
    np.testing.assert_array_equal(alone.weights[0], found.weights[2])
    short = fit_batch_by_adam(problem, batch(slice(None)), 20, 0.02)
    assert not short.converged.any() and np.all(short.cost > found.cost)
