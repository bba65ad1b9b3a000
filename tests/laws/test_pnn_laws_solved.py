"""Laws that are solved for: terms by linear regression, against brute force and closed forms."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import sympy as sp
from actionrun.compiler.numerics.genomes.term_selection import (
    best_subsets,
    best_triples,
    exact_subset,
)
from actionrun.compiler.pnn.build import law_problem
from actionrun.compiler.pnn.laws.solved import law_on_table, solved_laws
from actionrun.compiler.pnn.laws.sum_law import LINKS, SumLaw
from actionrun.compiler.pnn.laws.table import group_layout, law_groups, table_rows
from actionrun.compiler.pnn.laws.terms import Term, candidate_terms, term_values
from actionrun.runtime.data.observations import observations
from actionrun.spec import Pnn, loads
from tables import csv, found

HEAD = 'study = "pnn"\ntitle = "a table"\n[data]\nfile = "table.csv"\n[data.columns]\n'


def bare(folder, columns: dict[str, np.ndarray], search: str) -> Pnn:
    """A study of a table with nothing but its columns and these lines of [search]."""
    (folder / "table.csv").write_text(csv(**columns))
    lines = [f'{name.split()[0]} = "{name}"' for name in columns]
    return loads(HEAD + "\n".join(lines) + f"\n[search]\n{search}\n", folder=folder)


def solved(one: Pnn):
    """The table's rows and the laws that are solved for it, simplest first."""
    problem = law_problem(one)
    groups = law_groups(problem)
    rows = table_rows(problem, groups, observations(one))
    layout, _ = group_layout(problem, groups)
    return rows, groups, layout, solved_laws(rows, layout)


@pytest.mark.parametrize("seed", range(5))
def test_best_subsets_are_those_of_brute_force(seed):
    draw = np.random.default_rng(seed)
    terms = draw.normal(size=(30, 12)) * np.exp(draw.normal(size=12))
    target = terms[:, [2, 7, 9]] @ [1.0, -2.0, 0.5] + draw.normal(size=30)

    def rest(subset) -> float:
        columns = terms[:, list(subset)]
        return float(np.linalg.lstsq(columns, target, rcond=None)[1][0])

    given = best_subsets(terms, target, 2, 5)
    for size in (1, 2):
        every = sorted(combinations(range(12), size), key=rest)
        assert [one for one in given if len(one) == size] == every[:5]
    assert len(best_subsets(terms, target, 3, 5)[-1]) == 3


@pytest.mark.parametrize("seed", range(3))
def test_best_triples_are_those_of_brute_force(seed):
    """Of those that hold two of the simple terms; terms that are one are left out."""
    draw = np.random.default_rng([seed, 1])
    terms = draw.normal(size=(30, 10)) * np.exp(draw.normal(size=10))
    terms[:, 3] = 2 * terms[:, 1]
    target = terms[:, [2, 4, 9]] @ [1.0, -2.0, 0.5] + 0.1 * draw.normal(size=30)
    simple = (0, 1, 2, 3, 4)

    def rest(subset) -> float:
        columns = terms[:, list(subset)]
        return float(np.linalg.lstsq(columns, target, rcond=None)[1][0])

    every = [
        one for one in combinations(range(10), 3)
        if len({*one} & {*simple}) >= 2 and not {1, 3} <= {*one}
    ]  # fmt: skip
    every.sort(key=rest)
    given = best_triples(terms, target, simple, 5)
    assert [rest(one) for one in given] == pytest.approx([rest(one) for one in every[:5]])


def test_an_exact_subset_is_the_smallest_that_leaves_nothing():
    draw = np.random.default_rng(3)
    terms = draw.uniform(1, 2, (60, 20))
    target = terms[:, [1, 4, 11, 17]] @ [3.0, -1.0, 0.25, 2.0]
    assert exact_subset(terms, target) == (1, 4, 11, 17)
    assert exact_subset(terms, target + 1e-3 * draw.normal(size=60)) is None
    assert exact_subset(terms[:30], target[:30]) is None  # too few rows to tell


ALLOWED = dict.fromkeys(
    ("linear", "product", "square", "inverse", "sqrt", "exp", "log", "sin", "cos"), 1
)


@pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.campaign) for seed in range(2, 30))]
)
def test_sums_of_terms_drawn_at_random_are_solved(tmp_path, seed):
    """y = h(a t1 + b t2): on fresh rows, whichever of its equal forms is given."""
    draw = np.random.default_rng([seed, 5])
    names = ["x1", "x2", "x3"][: draw.integers(1, 4)]
    terms, _ = term_values(
        candidate_terms(len(names), ALLOWED), draw.uniform(1, 3, (50, len(names)))
    )
    chosen = [terms[k] for k in draw.choice(min(400, len(terms)), 2, replace=False)]
    numbers = draw.uniform(0.5, 2, 2)
    link = LINKS[draw.integers(0, 4)]

    def target(x: np.ndarray) -> np.ndarray:
        return link.back(sum(c * t.values(x) for c, t in zip(numbers, chosen, strict=True)))

    x, fresh = draw.uniform(1, 3, (120, len(names))), draw.uniform(1, 3, (500, len(names)))
    y, wanted = target(x), target(fresh)
    if not np.all(np.isfinite([*y, *wanted])) or np.abs(y).max() > 1e6 or y.std() < 1e-3:
        return
    columns = {n: x[:, k] for k, n in enumerate(names)} | {"y": y}
    listed = ", ".join(f'"{n}"' for n in names)
    one = bare(tmp_path, columns, f'inputs = [{listed}]\noutputs = ["y"]')
    rows, _, layout, laws = solved(one)
    law = law_on_table(laws[-1], rows, layout)
    symbols = [sp.Symbol(f"c{k}") for k in range(law.law.constants)]
    expression, values = law.law.formula([sp.Symbol(n) for n in names], symbols, law.values)
    shown = expression.xreplace(dict(zip(symbols, map(sp.Float, values), strict=True)))
    given = sp.lambdify([sp.Symbol(n) for n in names], shown)(*fresh.T) * np.ones(500)
    assert np.sqrt(np.mean((given - wanted) ** 2)) < 1e-6 * wanted.std(), (chosen, link.name, shown)


@pytest.mark.parametrize("above", [((0,),), ((1,),), ((0,), (1,)), ((0,), (2,))])
def test_a_quotient_is_written_as_it_is_computed(above):
    """Poles, saturation and others, each with as many constants as it was fitted with."""
    law = SumLaw(LINKS[0], 1.0, tuple(Term(p) for p in above), (Term((1,)),))
    values = np.random.default_rng(4).uniform(0.5, 2, law.constants)
    names = sp.symbols(f"c1:{law.constants + 1}")
    x = np.array([0.3, 1.7, 4.0])
    expression, numbers = law.formula([sp.Symbol("x")], names, values)
    assert expression.free_symbols - {sp.Symbol("x")} == {*names} and len(numbers) == len(names)
    given = sp.lambdify([sp.Symbol("x"), *names], expression)(x, *numbers)
    top = sum(c * x ** p[0] for c, p in zip(values, above, strict=False))
    assert given == pytest.approx(top / (1 + values[-1] * x), rel=1e-12)


def kinetics(folder, name: str) -> tuple[Pnn, str]:
    x = np.linspace(1, 9, 60)
    laws = {
        "Michaelis-Menten": (3.5 * x / (0.8 + x), '["linear", "inverse", "product"]'),
        "Vogel-Fulcher": (-5 + 8 / (x + 2), '["linear", "inverse", "square"]'),
        "Curie-Weiss": (2.2 / (x - 0.4), '["linear", "inverse"]'),
        "Arrhenius": (4e3 * np.exp(-7 / x), '["linear", "inverse", "exp"]'),
    }
    y, activations = laws[name]
    search = (
        f'inputs = ["x"]\noutputs = ["y"]\nlayers = [2]\nactivations = {activations}\nbias = true'
    )
    search += '\nweights = ["0", "1", "trainable"]\npopulation = 20\ngenerations = 2'
    return bare(folder, {"x": x, "y": y}, search), name


@pytest.mark.parametrize("name", ["Michaelis-Menten", "Vogel-Fulcher", "Curie-Weiss", "Arrhenius"])
def test_laws_of_the_field_are_exact(tmp_path, name):
    one, _ = kinetics(tmp_path, name)
    best = found(one).extra["best"]
    x = np.linspace(1, 9, 60)
    given = sp.lambdify(sp.Symbol("x"), sp.sympify(best["sympy"]))(x)
    y = observations(one)["y"]
    assert np.abs(given - y).max() < 1e-9 * np.abs(y).max(), best["text"]
    assert best["genome"] is None and best["error"] < 1e-9 * np.abs(y).max()
    if name == "Vogel-Fulcher":
        values = sorted(c["value"] for c in best["constants"].values())
        assert values == pytest.approx([-5, 2, 8], rel=1e-9)


def test_a_law_that_dimensions_alone_fix(tmp_path):
    """Columns that form no group: the constant is all there is to find."""
    draw = np.random.default_rng(0)
    m, g, h = draw.uniform(1, 5, (3, 40))
    columns = {"m [kg]": m, "g [m/s^2]": g, "h [m]": h, "E [J]": 0.5 * m * g * h}
    best = found(bare(tmp_path, columns, 'outputs = ["E"]')).extra["best"]
    (constant,) = best["constants"].values()
    assert constant["value"] == pytest.approx(0.5) and best["error"] < 1e-12


def test_rows_are_weighed_before_terms_are_chosen(tmp_path):
    """(u + v)/(1 + u v/c^2) with noise of one size in w: divided by u it is not of one size."""
    draw = np.random.default_rng(11)
    u, v, c = draw.uniform(1, 5, (3, 200))
    w = (u + v) / (1 + u * v / c**2)
    columns = {f"{n} [m/s]": x for n, x in zip("uvc", (u, v, c), strict=True)}
    columns["w [m/s]"] = w + 0.01 * np.sqrt(np.mean(w**2)) * draw.normal(size=200)
    findings = found(bare(tmp_path, columns, 'outputs = ["w"]'))
    best, symbols = findings.extra["best"], sp.symbols("u v c")
    fresh = draw.uniform(1, 5, (3, 1000))
    given = sp.lambdify(symbols, sp.sympify(best["sympy"]))(*fresh)
    right = (fresh[0] + fresh[1]) / (1 + fresh[0] * fresh[1] / fresh[2] ** 2)
    assert findings.extra["noise"]["kind"] == "target"
    assert np.std(given - right) < 0.01 * np.std(right), best["text"]


@pytest.mark.parametrize(("function", "target"), [
    (sp.asin, lambda n, b: np.arcsin(n * np.sin(b))),
    (sp.tanh, lambda n, b: 2 * np.tanh(n * b)),
])  # fmt: skip
def test_a_search_that_says_nothing_knows_the_functions_of_physics(tmp_path, function, target):
    n, b = np.random.default_rng(3).uniform(0.1, 1, (2, 80))
    columns = {"n": n, "b": b, "y": target(n, b)}
    one = bare(tmp_path, columns, 'inputs = ["n", "b"]\noutputs = ["y"]')
    rows, groups, layout, laws = solved(one)
    law = law_on_table(laws[-1], rows, layout)
    assert law.errors.mean() < 1e-9, law.law
    names = sp.symbols(f"c1:{law.law.constants + 1}")
    assert law.law.formula(groups.inputs, names, law.values)[0].has(function)


def test_groups_are_measured_in_what_the_target_is_measured_in(tmp_path):
    """Ratios of what divides the target have it below, whichever column comes first."""
    draw = np.random.default_rng(0)
    columns = {f"{n} [m]": x for n, x in zip("abc", draw.uniform(1, 2, (3, 30)), strict=True)}
    columns["y [m]"] = columns["a [m]"] * columns["b [m]"]
    _, groups, _, _ = solved(bare(tmp_path, columns, 'outputs = ["y"]'))
    (divisor,) = groups.output.free_symbols - {sp.Symbol("y", real=True)}
    assert any(divisor in sp.fraction(one)[1].free_symbols for one in groups.inputs)
    assert not any(divisor in sp.fraction(one)[0].free_symbols for one in groups.inputs)


def test_noise_alone_is_a_constant(tmp_path):
    """Out of a million pairs of terms some fit forty rows by chance: they have to earn it."""
    draw = np.random.default_rng(1)
    columns = {n: draw.uniform(1, 2, 50) for n in ("x1", "x2", "x3")}
    columns["y"] = 5 + draw.normal(size=50)
    search = 'inputs = ["x1", "x2", "x3"]\noutputs = ["y"]'
    _, _, _, laws = solved(bare(tmp_path, columns, search))
    assert laws[-1].above == (Term((0, 0, 0)),) and not laws[-1].below


def test_a_noisy_law_is_the_one_of_the_least_criterion(tmp_path):
    draw = np.random.default_rng(2)
    x = draw.uniform(1, 3, (200, 3))
    y = 2 * x[:, 0] * x[:, 1] + 3 / x[:, 2]
    columns = {f"x{k + 1}": x[:, k] for k in range(3)} | {
        "y": y * (1 + 0.01 * draw.normal(size=200))
    }
    search = 'inputs = ["x1", "x2", "x3"]\noutputs = ["y"]'
    rows, _, layout, laws = solved(bare(tmp_path, columns, search))
    wanted = {Term((1, 1, 0)), Term((0, 0, -1))}
    (right,) = (law for law in laws if {*law.above} == wanted and not law.below)
    least = law_on_table(laws[-1], rows, layout).cost
    assert law_on_table(right, rows, layout).cost < 1.01 * least


def test_names_of_time_are_free_where_nothing_moves(tmp_path):
    x = np.linspace(1, 2, 30)
    one = bare(tmp_path, {"t": x, "D": 3 * x}, 'inputs = ["t"]\noutputs = ["D"]')
    assert found(one).extra["best"]["text"] == "D = 3*t"


def test_a_column_without_a_unit_among_others_is_told(tmp_path):
    x = np.linspace(1, 2, 30)
    columns = {"m [kg]": x, "k": x**2, "w [kg]": 2 * x * (1 + x**2)}
    findings = found(bare(tmp_path, columns, 'outputs = ["w"]'))
    assert "the column of k has no unit and counts as a plain number" in findings.notes
