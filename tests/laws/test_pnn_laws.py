"""Laws from tables: groups, folds, fits, constants and choices against closed forms."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import sympy as sp
from actionrun.compiler.numerics.genomes.batched_least_squares import fit_batch
from actionrun.compiler.pnn.build import law_problem
from actionrun.compiler.pnn.genome_expression import network_outputs
from actionrun.compiler.pnn.laws import fit
from actionrun.compiler.pnn.laws.dimensionless_groups import small_basis
from actionrun.compiler.pnn.laws.formula import law_formula
from actionrun.compiler.pnn.laws.seeds import seed_genomes
from actionrun.compiler.pnn.laws.table import (
    TableRows,
    group_layout,
    inverse,
    law_groups,
    table_rows,
)
from actionrun.compiler.pnn.laws.table_formula import covariance
from actionrun.compiler.symbolic.vocabulary import symbol
from actionrun.runtime.data.observations import observations
from actionrun.spec import Faults, Pnn
from hypothesis import given
from hypothesis import strategies as st
from tables import TRUE, csv, fault, genome, laws, plain, study

PLAIN = csv(**plain())


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """The plain table, compiled."""
    return laws(study(tmp_path_factory.mktemp("plain"), PLAIN))


# Groups


@given(
    st.lists(st.lists(st.integers(-3, 3), min_size=3, max_size=3), min_size=3, max_size=6).filter(
        lambda rows: np.linalg.matrix_rank(np.array(rows)) < len(rows)
    )
)
def test_groups_are_dimensionless_independent_and_complete(dimensions):
    """Buckingham: as many groups as names less the rank of their dimensions."""
    matrix = sp.Matrix(dimensions).T
    vectors = [[Fraction(int(x.p), int(x.q)) for x in one] for one in matrix.nullspace()]
    basis = small_basis(vectors)
    found = sp.Matrix([[sp.Rational(x.numerator, x.denominator) for x in one] for one in basis])
    assert matrix * found.T == sp.zeros(3, len(basis))
    assert found.rank() == len(basis) == len(dimensions) - matrix.rank()


UNITS = csv(**{
    "P [s]": np.linspace(1, 3, 20) ** 2, "l [m]": np.linspace(1, 9, 20),
    "g [m/s^2]": np.linspace(9, 10, 20), "m [kg]": np.linspace(1, 2, 20) ** 3,
    "w [kg]": np.linspace(3, 5, 20),
})  # fmt: skip


def table_of(one: Pnn) -> TableRows:
    problem = law_problem(one)
    return table_rows(problem, law_groups(problem), observations(one))


def test_columns_of_plain_numbers_are_groups_as_they_stand(tmp_path):
    """Where nothing has a unit Buckingham's theorem has nothing to divide by."""
    relation = law_groups(law_problem(study(tmp_path, PLAIN, inputs="", outputs='["y"]')))
    others = {symbol(name) for name in plain() if name != "y"}
    assert set(relation.inputs) == others and relation.output == symbol("y")


def test_groups_are_found_where_inputs_are_left_out(tmp_path):
    """A pendulum: its period over the root of l/g is a function of m/w."""
    one = study(tmp_path, UNITS, inputs="", outputs='["P"]')
    found = law_groups(law_problem(one))
    length, g, m, w, P = map(symbol, "lgmwP")
    assert set(found.inputs) == {m / w}
    values = {s: float(k) for k, s in enumerate((length, g, m, w, P), 2)}
    expected = values[P] * np.sqrt(values[g] / values[length])
    assert float(found.output.subs(values)) == pytest.approx(expected)
    assert found.target == P


def test_networks_are_counted_with_the_groups_that_are_found(tmp_path):
    """28 columns of plain numbers are as many groups: 28 * 20 weights in, 20 out and a constant."""
    data = {f"x{k}": np.linspace(1, 2 + k, 12) ** 2 for k in range(28)} | {"y": np.arange(12.0)}
    one = study(tmp_path, csv(**data), inputs="", outputs='["y"]', layers="[20]")
    problem = law_problem(one)
    with pytest.raises(Faults, match="581 weights"):
        group_layout(problem, law_groups(problem))


@pytest.mark.parametrize(
    "output", ["y", "y/a", "log(y/a)", "sqrt(y) - 1", "a/y^2", "exp(y/a)*3", "tanh(y)"]
)
def test_a_law_is_read_back(tmp_path, output):
    """Reading back is the inverse of the output."""
    data = {"y": np.linspace(0.2, 0.9, 20), "a": np.linspace(1, 2, 20) ** 2}
    one = study(tmp_path, csv(**data), inputs='["a"]', outputs=f'["{output}"]')
    found = law_groups(law_problem(one))
    assert found.target == symbol("y")
    for y, a in ((0.3, 1.1), (0.8, 2.7)):
        numbers = {symbol("y"): y, symbol("a"): a}
        back = inverse(found.output, found.target, sp.Float(float(found.output.subs(numbers)), 17))
        assert float(back.subs(numbers)) == pytest.approx(y, rel=1e-12)


def test_what_cannot_be_read_back_is_left_as_it_is(tmp_path):
    one = study(tmp_path, PLAIN, outputs='["y + y^2"]')
    assert law_groups(law_problem(one)).target is None


# Rows


def test_folds_are_a_partition_and_never_hold_the_test(table):
    found = table.rows
    counts = found.folds.reshape(found.repeats, -1, found.folds.shape[1]).sum(axis=1)
    assert np.all(counts[:, found.learn] == 1) and not counts[:, found.test].any()
    assert len(found.test) == 12 and len({*found.test, *found.learn}) == 60
    assert len({tuple(fold) for fold in found.folds.tolist()}) == len(found.folds)


def test_the_seed_alone_draws_the_split(tmp_path, table):
    other = plain(seed=5)
    again = laws(study(tmp_path, csv(**other))).rows
    assert np.array_equal(again.folds, table.rows.folds)
    third = laws(study(tmp_path, PLAIN, seed=1)).rows
    assert not np.array_equal(third.test, table.rows.test)


def test_test_rows_are_untouched(tmp_path, table):
    """Scores do not know what the test rows hold."""
    data = plain()
    data["y"][table.rows.test] = 1e3
    data["x1"][table.rows.test] *= 1.1
    other = laws(study(tmp_path, csv(**data)))
    seeds = table.seeds(lambda *told: None)[:60]
    assert np.array_equal(table.scores(seeds), other.scores(seeds))


def test_rows_with_gaps_are_left_out_and_named(tmp_path):
    data = {name: [f"{x:.6g}" for x in column] for name, column in plain(20).items()}
    data["x2"][3], data["y"][7], data["x1"][7] = "", "nan", ""
    names = [f"sample {k}" for k in range(20)]
    lines = ["name," + ",".join(data)]
    lines += [",".join(row) for row in zip(names, *data.values(), strict=True)]
    one = study(tmp_path, "\n".join(lines))
    found = table_of(one)
    assert len(found.labels) == 18 and "sample 3" not in found.labels
    assert found.notes == (
        "2 rows are left out, as values are missing: sample 3 (no x2), sample 7 (no y, x1)",
    )


def test_a_column_that_never_changes_is_told(tmp_path):
    data = plain(20) | {"x4": np.full(20, 2.5)}
    one = study(tmp_path, csv(**data))
    found = table_of(one)
    assert found.notes == ("the column of x4 holds 2.5 in every row: it cannot tell rows apart",)


def test_an_input_that_never_changes_is_refused(tmp_path):
    data = plain(20) | {"x3": np.full(20, 2.5)}
    told = fault(study(tmp_path, csv(**data)))
    assert told.code == "data.constant" and told.key == "search.inputs.2"
    assert told.message == "an input is 2.5 in every row, so nothing can be learned from it"


def test_an_input_that_never_changes_is_one_where_inputs_are_not_listed(tmp_path):
    """Its place in the study is the output's then, whose name it must not bear."""
    data = plain(20) | {"x3": np.full(20, 2.5)}
    told = fault(study(tmp_path, csv(**data), inputs="", outputs='["y"]'))
    assert told.message == "an input is 2.5 in every row, so nothing can be learned from it"


def test_three_rows_are_too_few(tmp_path):
    told = fault(study(tmp_path, csv(**plain(3))))
    assert told.code == "data.few" and told.key == "data.file"
    assert told.message == (
        "3 rows and 1 held out for the test leave 2 to learn from, and 5 folds need 8"
    )


def test_rows_that_are_all_gaps_are_too_few(tmp_path):
    data = plain(12)
    data["y"][:] = np.nan
    told = fault(study(tmp_path, csv(**data)))
    assert told.message.startswith("12 rows, 0 of them without gaps, leave 0 to learn from")


def test_a_group_that_is_not_finite_is_told_by_row(tmp_path):
    data = plain(20)
    data["x2"][4] = 0.0
    told = fault(study(tmp_path, csv(**data), inputs='["x1/x2"]'))
    assert told.code == "data.group" and told.key == "search.inputs.0"
    assert told.message == "an input is not finite in the table, for row 5 (line 6)"


# Fits


def test_cross_validation_is_that_of_linear_least_squares(table):
    """y = a + b x1 + c/x2 is linear in its constants: the folds by another code."""
    found, chosen = table.rows, genome(table.layout, TRUE, True)
    fits = table.fits(chosen)
    x = found.inputs[found.learn]
    matrix = np.stack([np.ones(len(x)), x[:, 0], 1 / x[:, 1]], axis=1)
    y, squares = found.output[found.learn], np.zeros((found.repeats, len(x)))
    for number, fold in enumerate(found.folds[:, found.learn]):
        own = np.linalg.lstsq(matrix[~fold], y[~fold], rcond=None)[0]
        squares[number // 5, fold] = np.square(matrix[fold] @ own - y[fold])
    np.testing.assert_allclose(fits.errors[0], np.sqrt(squares.mean(axis=1)), rtol=1e-6)
    np.testing.assert_allclose(fits.squares[0], squares.mean(axis=0), rtol=1e-4)


def test_folds_do_not_begin_where_all_rows_were_fitted(table, monkeypatch):
    """Those weights have seen the rows left out: a fit that is stuck would pass that on."""
    chosen = genome(table.layout, TRUE, True)
    weights = table.fits(chosen).weights
    begun = []

    def watched(problem, batch, options):
        begun.append(batch.starts)
        return fit_batch(problem, batch, options)

    monkeypatch.setattr(fit, "fit_batch", watched)
    table.fitter.folded(chosen, weights)
    free = np.isnan(table.layout.fixed(chosen[0]))
    apart = np.abs(begun[0][:, free] / weights[0, free] - 1)
    assert apart.shape == (25, 3) and np.median(apart) > 0.05


def test_constants_and_deviations_are_those_of_linear_least_squares(table):
    found, chosen = table.rows, genome(table.layout, TRUE, True)
    weights = table.fits(chosen).weights
    x, y = found.inputs[found.learn], found.output[found.learn]
    matrix = np.stack([np.ones(len(x)), x[:, 0], 1 / x[:, 1]], axis=1)
    own = np.linalg.lstsq(matrix, y, rcond=None)[0]
    missed = matrix @ own - y
    spread = np.linalg.inv(matrix.T @ matrix) * (missed @ missed) / (len(y) - 3)
    slopes = table.fitter.slopes(chosen[0], weights[0])
    predicted = table.fitter.predicted(chosen, weights, found.learn)[0]
    matrix = covariance(slopes, predicted - y, found.noise, found.learn)
    shown = law_formula(table.layout, chosen[0], weights[0], matrix, table.groups)
    assert sorted(shown.values) == pytest.approx(sorted(own), rel=1e-5)
    assert sorted(shown.stds) == pytest.approx(sorted(np.sqrt(np.diag(spread))), rel=1e-4)
    assert shown.words == "y is the sum of a constant, a constant over x2 and a constant times x1"


def test_scores_depend_on_the_genome_alone(table, tmp_path):
    """Bit for bit: in any company, in any order, in another process's compilation."""
    draw = np.random.default_rng(3)
    some = np.stack([draw.integers(0, c, 40) for c in table.choices], axis=1)
    whole = table.scores(some)
    order = draw.permutation(40)
    again = laws(study(tmp_path, PLAIN))
    assert np.array_equal(again.scores(some[order][:17]), whole[order][:17])
    assert np.array_equal(again.scores(some), whole)


def test_equal_laws_are_equal_functions(table):
    """What a genome says with random weights, its simplest equal says with some of its own."""
    draw = np.random.default_rng(11)
    layout, fitter = table.layout, table.fitter
    tried = 0
    while tried < 25:
        row = np.array([draw.integers(c) for c in table.choices])[None]
        canonical = table.canonicalize(row)
        free = np.isnan(layout.fixed(canonical[0])).sum()
        if np.array_equal(row, canonical) or not 1 <= free <= 3:
            continue
        fixed = layout.fixed(row[0])
        weights = np.where(np.isnan(fixed), draw.uniform(0.3, 2, len(fixed)), fixed)[None]
        goal = fitter.predicted(row, weights, table.rows.learn)[0]
        if not np.all(np.isfinite(goal)) or goal.std() < 1e-6:
            continue
        tried += 1
        assert layout.complexity(canonical)[0] <= layout.complexity(row)[0]
        assert _reaches(layout, canonical[0], goal, table.rows.inputs[table.rows.learn]), row


def _reaches(layout, row, goal, inputs) -> bool:
    """Whether a genome can say the goal, by SciPy from many starts."""
    from scipy.optimize import least_squares

    fixed = layout.fixed(row)
    free = np.isnan(fixed)

    def missed(x):
        weights = fixed.copy()
        weights[free] = x
        given = fit.network_values(layout, row[None], weights[None], inputs.T)[0]
        return np.nan_to_num((given - goal) / goal.std(), nan=1e3, posinf=1e3, neginf=-1e3)

    draw = np.random.default_rng(0)
    for _ in range(40):
        start = draw.uniform(0.2, 3, free.sum()) * draw.choice([-1, 1], free.sum())
        found = least_squares(missed, start, method="lm", max_nfev=400)
        if found.cost < 1e-8:
            return True
    return False


def test_a_genome_says_what_its_network_computes(table):
    """The formula with its weights put in gives the network's numbers."""
    draw = np.random.default_rng(4)
    x = table.rows.inputs[:5]
    symbols = [symbol(f"x{k}") for k in (1, 2, 3)]
    for _ in range(40):
        row = np.array([draw.integers(c) for c in table.choices])
        fixed = table.layout.fixed(row)
        weights = np.where(np.isnan(fixed), draw.normal(size=len(fixed)), fixed)
        exact = [sp.Float(w, 17) if w else sp.Integer(0) for w in weights]
        (said,) = network_outputs(table.layout, row, exact, symbols, pieces=True)
        given = table.fitter.predicted(row[None], weights[None], range(5))[0]
        for one, number in zip(x, given, strict=True):
            value = said.subs(dict(zip(symbols, one, strict=True)))
            if value.is_finite:
                assert float(value) == pytest.approx(number, rel=1e-9)
            else:
                assert not np.isfinite(number)


def test_seeds_are_simple_and_all_different(table):
    rows = seed_genomes(table.layout, 10**6)
    complexity = table.layout.complexity(rows)
    assert np.all(np.diff(complexity) >= 0) and complexity[0] == 1
    assert len(np.unique(rows, axis=0)) == len(rows)
    assert np.array_equal(table.canonicalize(rows), table.canonicalize(table.canonicalize(rows)))
    wanted = table.canonicalize(genome(table.layout, TRUE, True))
    assert (table.canonicalize(rows) == wanted).all(axis=1).any()
