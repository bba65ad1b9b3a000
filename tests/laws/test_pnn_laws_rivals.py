"""Rivals of laws, and the choice among laws."""

from __future__ import annotations

import numpy as np
import pytest
from actionrun.compiler.pnn.laws.formula import law_formula, shortest_number
from actionrun.compiler.pnn.laws.model_selection import hypervolume, knee
from actionrun.spec import Faults
from hypothesis import given, settings
from hypothesis import strategies as st
from tables import TRUE, csv, genome, laws, plain, study

PLAIN = csv(**plain())
RIVALS = """
[compare]
mean = "C"
line = "a + b*x1"
true = "C1 + C2*x1 + C3/x2"
bent = "C1 + C2*x1^C3"
fixed = "2 + 3*x1 - 0.5/x2"
"""


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    return laws(study(tmp_path_factory.mktemp("rivals"), PLAIN, more=RIVALS))


def test_rivals_are_fitted_as_laws_are(compared):
    """The same folds, the same constants, the same error as the genome that says the same."""
    by_name = {baseline.name: baseline for baseline in compared.baselines}
    fits = compared.fits(genome(compared.layout, TRUE, True))
    np.testing.assert_allclose(by_name["true"].errors, fits.errors[0], rtol=1e-5)
    np.testing.assert_allclose(by_name["true"].squares, fits.squares[0], rtol=1e-4)
    learn = compared.rows.learn
    mean = compared.rows.output[learn].mean()
    assert by_name["mean"].formula.values == pytest.approx((mean,))
    std = compared.rows.output[learn].std(ddof=1) / np.sqrt(len(learn))
    assert by_name["mean"].formula.stds == pytest.approx((std,))
    assert by_name["fixed"].formula.constants == ()


def test_a_rival_that_is_not_linear_is_fitted_to_convergence(compared):
    from scipy.optimize import curve_fit

    (bent,) = (baseline for baseline in compared.baselines if baseline.name == "bent")
    x = compared.rows.inputs[compared.rows.learn, 0]
    y = compared.rows.output[compared.rows.learn]
    own, spread = curve_fit(lambda x, a, b, c: a + b * x**c, x, y, p0=(1, 1, 1))
    assert bent.formula.values == pytest.approx(own, rel=1e-4)
    assert bent.formula.stds == pytest.approx(np.sqrt(np.diag(spread)), rel=1e-3)


def test_complexity_of_a_rival_is_that_of_the_simplest_equal_network(compared):
    from actionrun.compiler.pnn.laws.findings import baseline_complexities

    found, notes = baseline_complexities(compared)
    assert found["mean"] == 2  # a trained constant
    assert found["line"] == 2 + 1 + 2  # and a term: its weight into the unit, trained out of it
    assert found["true"] == 5 + 1 + 4 + 2  # an inverse is scored 2, squared
    assert found["bent"] > 5 and found["fixed"] > 0
    assert [note.split()[5] for note in notes] == ["bent", "fixed"]


def test_what_would_take_forever_is_refused_or_left_as_it_is(tmp_path):
    """Bombs: products that multiply out to 2^40 terms, rivals of many constants."""
    many = "*".join(f"(x1 + {k})" for k in range(1, 41))
    one = laws(study(tmp_path, PLAIN, outputs=f'["y/({many})"]'))
    weights = one.fitter.whole(genome(one.layout, TRUE, True))[0]
    shown = law_formula(one.layout, genome(one.layout, TRUE, True)[0], weights[0], None, one.groups)
    assert len(shown.text) < 2000
    baseline = " + ".join(f"a{k}*x1^{k}" for k in range(20))
    with pytest.raises(Faults) as refused:
        study(tmp_path, PLAIN, more=f'[compare]\nlong = "{baseline}"')
    (constants,) = refused.value.faults
    assert constants.code == "compare.constants" and "20 constants" in constants.message


@pytest.mark.slow
def test_deeper_networks_hand_on_the_terms_of_the_first_layer(tmp_path):
    """The same law in one layer and in two: the same score, the hidden weights of 1 on top."""
    deep = laws(study(tmp_path, PLAIN, search="", layers="[2, 2]"))
    flat = laws(study(tmp_path, PLAIN, layers="[2]"))
    one = deep.scores(genome(deep.layout, TRUE, True))[0]
    other = flat.scores(genome(flat.layout, TRUE, True))[0]
    assert one[0] == pytest.approx(other[0], rel=1e-6) and one[1] == other[1] + 2


# Choices


def test_the_knee_is_the_simplest_law_that_is_not_worse():
    draw = np.random.default_rng(0)
    miss = np.repeat(np.abs(draw.normal(size=200)) + 0.1, 2)
    worse, other = 0.1 * np.abs(draw.normal(size=400)), np.tile([0.05, -0.05], 200)
    laws = np.stack([miss + 2, miss + worse, miss + other, miss])
    chosen = knee([1, 4, 9, 20], laws**2)
    assert chosen.index == 2 and "instead of 20" in chosen.reason
    assert knee([1, 4], np.stack([miss, miss + 1]) ** 2).index == 0
    assert knee([1, 4], np.stack([miss + 1, miss]) ** 2).reason.endswith("law is worse")


def test_a_bad_row_does_not_buy_complexity():
    """A law that only tames one row of a hundred is not better, whatever its mean square."""
    draw = np.random.default_rng(1)
    miss = np.abs(draw.normal(size=100)) + 0.2
    miss[0] = 30
    tamed = miss + 0.01 * np.abs(draw.normal(size=100))
    tamed[0] = 20
    assert knee([3, 20], np.stack([miss, tamed]) ** 2).index == 0


@settings(max_examples=50)
@given(st.lists(st.tuples(st.floats(0, 12), st.floats(0, 3)), min_size=1, max_size=8))
def test_hypervolume_is_the_dominated_share(points):
    c, e = np.array(points).T
    draw = np.random.default_rng(1).uniform(size=(4000, 2)) * [10, 2]
    inside = ((c[:, None] <= draw[:, 0]) & (e[:, None] <= draw[:, 1])).any(axis=0)
    assert hypervolume(c, e, 10, 2) == pytest.approx(inside.mean(), abs=0.04)


@pytest.mark.parametrize(
    ("value", "std", "short"),
    [
        (21.87, 0.9, "22"), (0.00199, 0.0003, "0.002"), (3.14159, 0.001, "3.142"),
        (-0.51, 0.02, "-0.5"), (17.553, None, None), (1.0, 2.0, None), (2.0000001, 1e-3, "2"),
        (1.3e-9, 2e-10, "1.3e-09"),
    ],
)  # fmt: skip
def test_the_shortest_number_within_one_deviation(value, std, short):
    assert shortest_number(value, std) == short
    if short is not None:
        assert abs(float(short) - value) <= std
