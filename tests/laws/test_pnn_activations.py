"""Activations: one table, whose numbers, symbols and declared properties agree; and how to add one.

Rewriting genomes rests on the properties: a wrong one would merge networks that are not equal.
"""

from __future__ import annotations

from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy as sp
from actionrun.compiler.numerics.genomes.network import PRODUCTS
from actionrun.compiler.numerics.networks import activations
from actionrun.compiler.numerics.networks.activations import ACTIVATIONS, Activation
from actionrun.compiler.pnn.build import law_search
from actionrun.runtime.data.observations import observations
from actionrun.runtime.evolution import Evolved
from actionrun.spec.kinds.pnn import Activations
from tables import csv, study

X = np.random.default_rng(3).normal(0.0, 2.0, 200)  # of either sign
every = pytest.mark.parametrize("one", ACTIVATIONS.values(), ids=lambda one: one.name)


def values(one: Activation, x: np.ndarray) -> np.ndarray:
    return np.asarray(one(jnp.asarray(x)))


def is_linear_in(columns: list[np.ndarray], target: np.ndarray) -> bool:
    """Whether the target is a sum of multiples of the columns, where all are numbers."""
    sound = np.isfinite(target) & np.isfinite(columns[0])
    matrix = np.stack(columns, axis=1)[sound]
    rest = target[sound] - matrix @ np.linalg.lstsq(matrix, target[sound], rcond=None)[0]
    return bool(np.abs(rest).max() <= 1e-9 * np.abs(target[sound]).max())


def test_names_of_the_language_are_those_of_the_table():
    assert {*get_args(Activations)} <= {*ACTIVATIONS, *PRODUCTS}
    assert all(name == one.name for name, one in ACTIVATIONS.items())


@every
def test_numbers_and_symbols_are_the_same(one):
    x = sp.Symbol("x", real=True)
    form = one.symbolic(x, sp)
    for at, given in zip(X, values(one, X), strict=True):
        said = sp.re(form.subs(x, at)) if form.subs(x, at).is_real else sp.nan
        assert given == pytest.approx(float(said), rel=1e-12, abs=1e-14, nan_ok=True)


@every
def test_slopes_are_those_of_the_symbols(one):
    x = sp.Symbol("x", real=True)
    slope = sp.diff(one.symbolic(x, sp), x)
    for at in np.abs(X[:20]):
        if not slope.subs(x, at).doit().is_real:
            continue
        given = float(jax.grad(lambda x: one(x))(at))
        assert given == pytest.approx(float(slope.subs(x, at).doit()), rel=1e-10)


@every
def test_a_value_at_zero_is_declared(one):
    assert one.zero_at_zero == (float(one(jnp.zeros(()))) == 0)


@every
def test_what_passes_positive_numbers_is_declared(one):
    assert one.passes_positive == np.array_equal(values(one, np.abs(X)), np.abs(X))


@every
def test_homogeneity_is_declared(one):
    f = values(one, X)
    scaled = [values(one, s * X) for s in (2.5, 0.3, -1.7)]
    sound = [np.isfinite(f).all() and np.isfinite(x).all() and is_linear_in([f], x) for x in scaled]
    assert one.homogeneous == all(sound)


@every
def test_scales_that_are_absorbed_are_declared(one):
    f = values(one, X)
    scaled = [values(one, s * X) for s in (2.5, 0.3)]
    assert one.absorbs_scale == all(is_linear_in([f, np.ones_like(f)], x) for x in scaled)


def test_an_activation_is_added_by_one_row(tmp_path, monkeypatch):
    """A toy, the fourth power, through canonical forms, seeds, fits and formulas."""
    toy = Activation("fourth", lambda x: x**4, lambda x, s: x**4, zero_at_zero=True,
                     homogeneous=True, absorbs_scale=True, seeded=True)  # fmt: skip
    monkeypatch.setitem(activations.ACTIVATIONS, toy.name, toy)
    x = np.random.default_rng(1).uniform(0.5, 2, 40)
    table = csv(y=3 * x**4 + 1.5, x=x)
    one = study(tmp_path, table, inputs='["x"]', layers="[1]",
                search="population = 8\ngenerations = 1")  # fmt: skip
    search = one.search.model_copy(update={"activations": ("linear", "fourth")})
    program = Evolved(law_search(one.model_copy(update={"search": search}), observations(one)))
    state = program.start()
    for generation in range(program.total):
        state, _ = program.advance(state, generation, 1)
    best = program.findings(state, {}, lambda *_: None).extra["best"]
    values = sorted(constant["value"] for constant in best["constants"].values())
    assert values == pytest.approx([1.5, 3], rel=1e-6) and "x^4" in best["text"]
