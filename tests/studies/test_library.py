"""Laws out of libraries of terms: exactly those that made the motion, beside SciPy's motions."""

from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from actionrun.compiler.family.build import library_of
from actionrun.compiler.family.library.equations import LibraryEquations
from actionrun.compiler.family.library.search import LibrarySearch
from actionrun.compiler.family.measured.shooting_problem import local_scales
from actionrun.compiler.family.measured.starts import smooth_motions
from actionrun.compiler.family.observations import ObservedMotions
from actionrun.compiler.numerics.inference.segment_shooting import (
    SegmentFit,
    Segments,
    motion_with_slopes,
    segment_fit,
)
from actionrun.runtime import load, run
from actionrun.spec import Faults, check
from scipy.integrate import solve_ivp

CASES = Path(__file__).parents[2].parent / "shared" / "cases" / "family"
Q, V, A = sp.symbols("q v a", real=True)


def library(terms: dict[str, sp.Expr], drags: dict[str, sp.Expr]) -> LibraryEquations:
    """A library of one coordinate with the known part v^2/2."""
    laws = [V**2 / 2, *terms.values()]
    pushes = [sp.Integer(0)] * len(laws) + [*drags.values()]
    laws += [sp.Integer(0)] * len(drags)
    names = (*terms, *drags)
    return LibraryEquations((Q,), (V,), (A,), tuple(laws), tuple((one,) for one in pushes), names)


def observed(t: np.ndarray, q: np.ndarray) -> ObservedMotions:
    """Samples q (samples, trials) at times t."""
    size = float(q.std())
    return ObservedMotions(
        np.repeat(t[:, None], q.shape[1], axis=1), q[:, None], np.ones_like(q)[:, None] / size,
        np.array([size]), (("q", 0),), np.full((len(t), 1, q.shape[1]), np.nan),
    )  # fmt: skip


TERMS: dict[str, sp.Expr] = {
    "q": Q, "q2": Q**2, "q3": Q**3, "q4": Q**4, "cos": sp.cos(Q), "sin": sp.sin(Q),
    "cos2": sp.cos(2 * Q), "sin2": sp.sin(2 * Q), "v2cos": V**2 * sp.cos(Q),
    "v2sin": V**2 * sp.sin(Q), "v2q2": V**2 * Q**2, "v4": V**4, "vcos": V * sp.cos(Q),
    "one": sp.Integer(1),
}  # fmt: skip
DRAGS: dict[str, sp.Expr] = {"d1": V, "d3": V**3, "dq": Q**2 * V, "dabs": V * sp.Abs(V)}


def test_terms_without_an_equation_of_their_own_are_told():
    squares = {"sin^2": sp.sin(Q) ** 2, "cos^2": sp.cos(Q) ** 2, "again": 3 * V**2}
    said = {d.name: d.by for d in library(TERMS | squares, DRAGS).dependences(np.ones(3))}
    assert said == {
        "vcos": (), "one": (), "sin^2": ("cos2",), "cos^2": ("cos2",), "again": ("what is known",)
    }  # fmt: skip


def test_derivatives_of_motions_agree_with_differences():
    dice = np.random.default_rng(5)
    chosen = (1, 4, 8, 14)
    law = library(TERMS, DRAGS).law(chosen)
    c = np.array([-0.4, 1.7, 0.15, 0.2])
    starts = dice.normal(size=(2, 3))
    t = np.repeat(np.linspace(0, 0.6, 13)[:, None], 3, axis=1)
    of = Segments(t, np.zeros((13, 1, 3)), np.ones((13, 1, 3)), (0,), 2, np.ones(2))
    _, slopes = motion_with_slopes(law, c, starts, of)
    for k in range(6):
        step = np.zeros(6)
        step[k] = 1e-6
        up, down = (
            motion_with_slopes(law, c + s * step[2:], starts + s * step[:2, None], of)[0]
            for s in (1, -1)
        )
        np.testing.assert_allclose(slopes[:, :, k], (up - down) / 2e-6, atol=1e-8)


@pytest.mark.parametrize("sigma", [0.0, pytest.param(0.03, marks=pytest.mark.slow)])
def test_pendulum_out_of_eighteen_terms(sigma):
    """q'' = -g sin q - k q' from positions of SciPy's motions: these two terms and no other."""
    dice = np.random.default_rng(11 + int(100 * sigma))
    g, k = dice.uniform(5, 12), dice.uniform(0.1, 0.3)
    t = np.arange(0, 4, 0.04)
    q = np.stack([
        solve_ivp(lambda _, z: [z[1], -g * np.sin(z[0]) - k * z[1]], (0, t[-1]),
                  [start, 0], t_eval=t, rtol=1e-10, atol=1e-12).y[0]
        for start in dice.uniform(-2.8, 2.8, size=6)
    ], axis=1)  # fmt: skip
    o = observed(t, q + sigma * dice.normal(size=q.shape))
    whole = library(TERMS, DRAGS)
    equations = whole.without({d.name for d in whole.dependences(np.ones(3))})
    motions = smooth_motions(o, 1)
    search = LibrarySearch(equations, o, motions, local_scales(o, motions, 1), lambda *_: None)
    law = search.result()
    assert law is not None
    assert [equations.names[j] for j in law.best.terms] == ["cos", "d1"]
    of_noise = 1e-3 if sigma == 0 else 0.02
    assert abs(law.best.fit.c[0] / g - 1) < of_noise
    assert abs(law.best.fit.c[1] / k - 1) < 5 * of_noise


def test_a_motion_that_leaves_ends_no_search():
    law = library({"q4": Q**4}, {}).law((0,))
    t = np.repeat(np.linspace(0, 9, 50)[:, None], 2, axis=1)
    of = Segments(t, np.zeros((50, 1, 2)), np.ones((50, 1, 2)), (0,), 1, np.ones(2))
    fit = segment_fit(law, SegmentFit(np.array([5.0]), np.ones((2, 2)), np.inf), of, 5)
    assert fit.cost == np.inf


LIBRARY = """
study = "family"
[system]
coordinates = ["q"]
[library]
known = "q'^2/2"
functions = ["q'", "sin(q)", "cos(q)", "q"]
degree = 4
drag = ["q_plus'", "abs(q_plus')*q_plus'", "q_plus'^3", "q_plus^2*q_plus'"]
exclude = ["sin(q)*q"]
[integrator]
dt = 0.05
[data]
file = "motion.csv"
columns = { t = "t", q = "q" }
[network]
kind = "none"
"""


def written(folder, text=LIBRARY):
    t = np.arange(0, 8, 0.05)
    q = solve_ivp(lambda _, z: [z[1], -4 * np.sin(z[0]) - 0.2 * z[1]], (0, t[-1]), [2.5, 0],
                  t_eval=t, rtol=1e-10, atol=1e-12).y[0]  # fmt: skip
    q = q + 0.01 * np.random.default_rng(3).normal(size=len(q))
    np.savetxt(folder / "motion.csv", np.stack([t, q], 1), "%.12g", ",", header="t,q", comments="")
    (folder / "study.toml").write_text(text)
    return folder / "study.toml"


def test_a_library_is_the_products_with_an_equation_of_their_own(tmp_path):
    terms = library_of(load(written(tmp_path)))
    assert terms is not None
    names = terms.equations.names
    assert {"sin(q)", "q'^2*cos(q)", "q^4", "drag q_plus'"} <= {*names}
    assert not {"q'", "q'^2", "cos(q)^2", "sin(q)*q"} & {*names}
    law = terms.lagrangian({"cos(q)": "c1", "drag q_plus'": "c2"})
    assert law == "q'^2/2 + c1*cos(q)"
    assert terms.nonconservative({"cos(q)": "c1", "drag q_plus'": "c2"}) == "-c2*q_plus'*q_minus"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [("sin(q)\", \"cos", "sin(x)\", \"cos", "name.unknown"),
     ("degree = 4", "degree = 9", "value.range"),
     ("[integrator]", "[coefficients]\nc = [0, 1]\n[integrator]", "library.beside"),
     ("q_plus'^3", "q'^3", "name.place")],
)  # fmt: skip
def test_faults_of_a_library_are_located(tmp_path, old, new, code):
    assert old in LIBRARY
    faults = check(written(tmp_path, LIBRARY.replace(old, new)))
    assert code in {one.code for one in faults if one.line}


def test_what_is_excluded_has_to_be_there(tmp_path):
    with pytest.raises(Faults, match=r"no product of the functions is this"):
        library_of(load(written(tmp_path, LIBRARY.replace("sin(q)*q", "sin(q)^9"))))


@pytest.mark.slow
def test_a_library_finds_a_law_in_a_run(tmp_path):
    result = run(load(written(tmp_path)), out=tmp_path / "run").result
    assert {*result["coefficients"]} == {"cos(q)", "drag q_plus'"}
    for text, value in (("cos(q)", 4.0), ("drag q_plus'", 0.2)):
        one = result["coefficients"][text]
        assert abs(one["value"] - value) < 4 * one["std"]
        assert one["std"] < 0.05 * value


@pytest.mark.slow
@pytest.mark.skipif(not CASES.is_dir(), reason="the cases of strangers are not here")
@pytest.mark.parametrize(
    ("name", "values"),
    [("library_pendulum", {"b1": 9.81, "g0": 0.1}),
     ("library_duffing", {"a2": 1.0, "a4": 0.8, "g1": 0.1})],
)  # fmt: skip
def test_case_of_a_stranger(tmp_path, name, values):
    coefficients = run(load(CASES / f"{name}.toml"), out=tmp_path / "run").result["coefficients"]
    found = {n: c for n, c in coefficients.items() if c["value"]}
    assert {*found} == {*values}
    for n, c in found.items():
        assert abs(c["value"] - values[n]) < 4 * c["std"]
