"""Identifiability: ranks, free directions and combinations of families whose answer is known."""

import numpy as np
import pytest
import sympy as sp
from actionrun.compiler.symbolic.identifiability import identifiability, monomial, term_exponents


def of(names: str, *functions: str, terms: str = ""):
    """Identifiability of coefficients that are seen only through some products of powers."""
    symbols = [sp.Symbol(n, real=True) for n in names.split()]
    known = {s.name: s for s in symbols} | {"q": sp.Symbol("q", real=True)}
    rng = np.random.default_rng(1)
    rows = []
    for f in functions:
        expression = sp.sympify(f, locals=known)
        rows.append([float(sp.diff(sp.log(expression), s) * s) for s in symbols])
    jacobian = rng.normal(size=(40, len(rows))) @ np.array(rows)
    suggested = term_exponents([sp.sympify(terms, locals=known)] if terms else [], names.split())
    return identifiability(jacobian, names.split(), suggested)


def test_all_are_identified():
    result = of("a b", "a", "a*b")
    assert (result.rank, result.of, result.unidentified, result.combinations) == (2, 2, (), ())
    assert result.lost == frozenset()


def test_only_ratios_of_a_family_seen_by_its_positions():
    result = of("c1 c2 c3", "c2/c1", "c3/c1", terms="c1*q**2 - c2*q**3 - c3*q")
    assert (result.rank, result.of) == (2, 3)
    assert [monomial(w) for w in result.unidentified] == ["c1*c2*c3"]
    assert [monomial(c) for c in result.combinations] == ["c2/c1", "c3/c1"]
    assert result.lost == {"c1", "c2", "c3"}


def test_a_pendulum_is_told_its_terms():
    result = of("m l g", "m*l**2", "m*g*l", terms="m*l**2*q**2/2 + m*g*l*q")
    assert {monomial(c) for c in result.combinations} == {"m*l^2", "m*l*g"}
    (way,) = result.unidentified
    assert np.isclose(way["m"] + 2 * way["l"], 0) and np.isclose(way["m"] + way["l"] + way["g"], 0)


def test_only_the_product_of_two():
    result = of("G M", "G*M")
    assert [monomial(c) for c in result.combinations] == ["G*M"]
    assert "fixed value" in result.advice


def test_a_coefficient_without_effect_is_lost():
    result = of("a b", "a")
    assert result.lost == {"b"} and [monomial(c) for c in result.combinations] == ["a"]


@pytest.mark.parametrize(
    ("exponents", "text"),
    [
        ({"a": 1.0}, "a"),
        ({"a": 2.0, "b": -1.0}, "a^2/b"),
        ({"a": -1.0, "b": -0.5}, "1/(a*b^(1/2))"),
    ],
)
def test_monomials_are_written_in_the_study_language(exponents, text):
    assert monomial(exponents) == text
