"""The search for laws, whole: fronts, recovery of known laws, what is written of them."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pytest
import sympy as sp
from actionrun.compiler.findings import Table
from actionrun.compiler.pnn.laws.findings import (
    front_of,
    recommended,
    with_likeliest_noise,
)
from actionrun.compiler.symbolic.vocabulary import symbol
from actionrun.runtime import load
from actionrun.runtime.data.observations import observations
from actionrun.runtime.evolution import Evolved
from actionrun.runtime.report.latex import tables_tex, tabular
from actionrun.runtime.runner import run
from actionrun.runtime.storage.checkpoint import Checkpoints, Point
from tables import STUDIES, csv, found, laws, plain, recovery, reported, searched, study

SMALL = "population = 20\ngenerations = 3"
PLAIN = csv(**plain())
MELTING_RIVALS = """
[compare]
Lindemann = "C*theta0^2/theta1"
A = "C*theta0"
B = "C1*theta0 + C2*theta2"
C = "C1*theta0 + C2*theta3 + C3*theta0^2/theta1"
"""


def same(one, other):
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[k], other[k], equal_nan=True) for k in one)


def test_same_seed_same_front_bit_for_bit(tmp_path):
    (one, state), (_, other) = (
        searched(study(tmp_path, PLAIN, search=SMALL)),
        searched(study(tmp_path, PLAIN, search=SMALL)),
    )
    same(state, other)
    first, second = (
        program.findings(state, {}, lambda *told: None).extra["front"] for program in (one, one)
    )
    assert first == second


@pytest.mark.parametrize("method", ["nsga2", pytest.param("paper", marks=pytest.mark.slow)])
def test_a_killed_search_ends_with_the_same_front(tmp_path, method):
    one = study(tmp_path, PLAIN, search=f'{SMALL}\nmethod = "{method}"')
    whole, state = searched(one)
    program = Evolved(reported(one))
    half = program.start()
    for generation in range(2):
        half, _ = program.advance(half, generation, 1)
    keep = Checkpoints(tmp_path / "checkpoint", {"hash": "1"}, lambda event: None)
    keep.folder.mkdir()
    keep.save(Point(2, half), {})
    again = Evolved(reported(one))
    point = Checkpoints(keep.folder, {"hash": "1"}, lambda event: None).latest(again.start())
    rest = point.state
    for generation in range(2, again.total):
        rest, _ = again.advance(rest, generation, 1)
    same(rest, state)
    quiet = lambda *told: None  # noqa: E731
    assert again.findings(rest, {}, quiet).extra == whole.findings(state, {}, quiet).extra


GROUPS = {
    "drag": ('["mu/(rho*v*d)", "h/d", "w/d"]', '["F/(rho*v^2*d^2)"]', ""),
    "braking": (
        '["v/(g*tau)", "m0/m", "r/(v*tau)"]', '["s/(v*tau)"]',
        '[parameters]\ng = "9.81 m/s^2"',
    ),
    "cooling": ('["d/b", "l/e", "p0/p"]', '["P/(k*T*e)"]', ""),
}  # fmt: skip
TERMS = {
    "drag": {"d**2*rho*v**2", "d*mu*v"},
    "braking": {"tau*v", "v**2/g"},
    "cooling": {"T*d*k*l/b"},
}
NOISE = {"drag": 0.02, "braking": 0.05, "cooling": 0.1}


@pytest.mark.parametrize(
    "law", [pytest.param(one, marks=pytest.mark.slow) if one == "drag" else one for one in GROUPS]
)
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_known_law_is_the_knee(tmp_path, law, seed):
    """Three laws with 2, 5 and 10 % noise and columns that say nothing. A product costs less than
    a square: else (x + y)^2 - x^2 - y^2 is the simpler product."""
    inputs, outputs, more = GROUPS[law]
    one = study(
        tmp_path, recovery(law, NOISE[law], seed), inputs=inputs, outputs=outputs, more=more,
        search="population = 40\ngenerations = 4\nscores = [0, 2, 3, 1, 4]", seed=seed,
    )  # fmt: skip
    program, state = searched(one)
    findings = program.findings(state, {}, lambda *told: None)
    search = laws(one)
    kept = state["archive"][: int(state["archived"])]
    front = front_of(search, kept, lambda *told: None)
    search = with_likeliest_noise(search, min(front, key=lambda law: law.error))
    front = front_of(search, kept, lambda *told: None)
    best = front[recommended(search, front).index].formula
    assert best.text == findings.extra["best"]["text"]
    terms = sp.Add.make_args(best.expression)
    spelt = {str(term.as_independent(*best.constants)[1]) for term in terms}
    shapes = {str(sp.Mul(*(f for f in term.args if f not in best.constants)) if term.args else term)
              for term in terms}  # fmt: skip
    assert TERMS[law] in (shapes, spelt), best.text


@pytest.fixture(scope="module")
def melting(tmp_path_factory):
    """The melting study, its search cut short, with the paper's laws as rivals."""
    folder = tmp_path_factory.mktemp("melting")
    text = (STUDIES / "melting.toml").read_text(encoding="utf-8")
    text = text[: text.index("[compare]")] + MELTING_RIVALS
    shutil.copytree(STUDIES / "data", folder / "data")
    path = folder / "melting.toml"
    path.write_text(text, encoding="utf-8")
    return run(load(path, overrides=["search.generations=4"]), out=folder / "run")


@pytest.mark.slow
def test_the_front_is_at_or_below_the_papers_laws(melting):
    front = melting.result["front"]
    baselines = melting.result["compare"]
    assert {name: baseline["complexity"] for name, baseline in baselines.items()} == {
        "Lindemann": 7, "A": 2, "B": 5, "C": 12,
    }  # fmt: skip
    for baseline in baselines.values():
        least = min(x["error"] for x in front if x["complexity"] <= baseline["complexity"])
        assert least <= baseline["error"] * (1 + 1e-6)
    metrics = melting.metrics
    assert metrics["hypervolume"] >= 1.15 * metrics["hypervolume_rivals"] > 0


@pytest.mark.slow
def test_what_a_run_of_laws_leaves_behind(melting):
    result = melting.result
    front = result["front"]
    assert [x["complexity"] for x in front] == sorted({x["complexity"] for x in front})
    assert np.all(np.diff([x["error"] for x in front]) < 0)
    assert {"complexity", "error", "objective", "text", "latex", "genome"} <= front[0].keys()
    assert result["best"] in front and result["best_reason"]
    assert {"networks_trained", "networks_per_second", "generations", "hypervolume"} <= {
        *melting.metrics
    }
    assert all(x["objective"] == pytest.approx(20 * np.log10(x["error"]) + x["complexity"])
               for x in front)  # fmt: skip
    assert all(x["text"].startswith("Tm = ") for x in front)
    names = {figure.name for figure in melting.findings.figures}
    assert names == {"front", "parity", "search"}


@pytest.mark.slow
def test_outliers_are_named_by_their_rows(melting):
    (parity,) = (f for f in melting.findings.figures if f.name == "parity")
    named = {name for panel in parity.panels for c in panel.curves for name in c.names if name}
    assert named and all(name.isalpha() and len(name) <= 2 for name in named)


@pytest.mark.slow
def test_texts_of_laws_are_studies(melting, tmp_path):
    """Each law is an expression that a study accepts: as a rival it errs as it did on the front."""
    text = (STUDIES / "melting.toml").read_text(encoding="utf-8")
    text = text[: text.index("[compare]")] + "[compare]\n"
    front = melting.result["front"][:6]
    for number, law in enumerate(front):
        text += f'law{number} = "{law["text"].removeprefix("Tm = ")}"\n'
    shutil.copytree(STUDIES / "data", tmp_path / "data")
    (tmp_path / "melting.toml").write_text(text, encoding="utf-8")
    one = load(tmp_path / "melting.toml")
    search = laws(one)
    for baseline, law in zip(search.baselines, front, strict=True):
        assert baseline.error == pytest.approx(law["error"], rel=0.15)  # rounded, and fitted to all


@pytest.mark.slow
def test_the_latex_table_compiles(melting, tmp_path):
    if shutil.which("pdflatex") is None:
        pytest.skip("no pdflatex here")
    body = (melting.folder / "tables.tex").read_text(encoding="utf-8")
    assert r"\toprule" in body and r"\theta_{0}" in body
    document = (
        "\\documentclass{article}\\usepackage{amsmath,booktabs}\\begin{document}\\tiny\n"
        f"{body}\\end{{document}}\n"
    )
    (tmp_path / "table.tex").write_text(document, encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "table.tex"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]


def test_names_in_a_latex_table_are_escaped():
    table = Table("t", "a & b\n\\input{x}", ("50 %", "$x$"), (("a_b & c", 1.5),), ((None, "x^2"),))
    assert tabular(table).split("\n")[1:5] == [
        r"\toprule", r"50 \% & \$x\$ \\", r"\midrule", r"a\_b \& c & $x^2$ \\",
    ]  # fmt: skip
    assert tables_tex([table]).startswith("% a & b \\input{x}\n")
    assert tables_tex([Table("t", "", ("a",), ((1,),))]) == ""


def test_the_published_algorithm_selects_on_the_test_rows(tmp_path):
    one = study(tmp_path, PLAIN, search=f'{SMALL}\nmethod = "paper"\nparsimony = 0.5')
    findings = found(one)
    front, best = findings.extra["front"], findings.extra["best"]
    assert np.all(np.diff([x["test_error"] for x in front]) < 0)
    assert best["objective"] == min(x["objective"] for x in front)
    assert best["objective"] == pytest.approx(
        20 * np.log10(best["test_error"]) + 0.5 * best["complexity"]
    )


def test_constants_found_again_within_their_deviations(tmp_path):
    """No noise: the constants to 1e-6; the network of the law is the whole front's end."""
    one = study(tmp_path, csv(**plain(noise=0.0)), search="population = 100\ngenerations = 1")
    best = found(one).extra["best"]
    values = sorted(x["value"] for x in best["constants"].values())
    assert values == pytest.approx([-0.5, 2, 3], abs=1e-5)
    assert best["complexity"] == 12 and best["error"] < 1e-5


@pytest.mark.slow
def test_outputs_may_be_logarithms(tmp_path):
    """A power law of wide range: log y = a + b log x, read back as y."""
    draw = np.random.default_rng(1)
    x = np.exp(draw.uniform(0, 8, 60))
    data = {"y": 3 * x**2 * np.exp(0.05 * draw.normal(size=60)), "x": x}
    one = study(tmp_path, csv(**data), inputs='["log(x)"]', outputs='["log(y)"]', search=SMALL)
    front = found(one).extra["front"]
    (power,) = (law for law in front if law["complexity"] == 5)
    assert power["text"].startswith("y = ") and "x^" in power["text"]
    values = sorted(x["value"] for x in power["constants"].values())
    assert values == pytest.approx([2, 3], abs=0.1)  # the factor is read back, exp of the constant


@pytest.mark.slow
def test_groups_found_by_buckingham_give_the_law(tmp_path):
    """The period of a pendulum from length, gravity and two masses that say nothing."""
    draw = np.random.default_rng(2)
    length, g = draw.uniform(0.2, 2, 40), draw.uniform(1, 20, 40)
    data = {
        "P [s]": 2 * np.pi * np.sqrt(length / g) * (1 + 0.01 * draw.normal(size=40)),
        "l [m]": length, "g [m/s^2]": g,
        "m [kg]": draw.uniform(1, 2, 40), "w [kg]": draw.uniform(1, 2, 40),
    }  # fmt: skip
    one = study(tmp_path, csv(**data), inputs="", outputs='["P"]', search=SMALL)
    best = found(one).extra["best"]
    (constant,) = best["constants"].values()
    assert abs(constant["value"] - 2 * np.pi) < 3 * constant["std"] + 0.01
    assert {symbol("l").name, "g"} <= set(
        best["text"].replace("*", " ").replace("/", " ").split()
    ) or ("sqrt" in best["text"])


def test_observations_of_a_table_have_labels():
    found = observations(load(STUDIES / "melting.toml"))
    assert found["#label"][:3].tolist() == ["Li", "Be", "Na"] and len(found["Tm"]) == 56
