"""Constants where they are needed: in hidden units, as exponents, in functions of one's own."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from actionrun.compiler.pnn.genome_expression import network_outputs
from actionrun.compiler.pnn.laws.fit import network_values
from actionrun.spec import Faults
from tables import csv, found, laws, study

LANGEVIN = '{ name = "langevin", is = "1/tanh(k*x) - 1/(k*x)", score = 4 }'
SPACE = {
    "hidden constants": ('bias = "all"', '["linear", "inverse", "product"]'),
    "powers": ("bias = true", '["linear", "power", "product", "sqrt"]'),
    "a function of one's own": ('bias = "all"', f'["linear", "power", {LANGEVIN}]'),
}


def space(folder, kind: str, y: str = "x1", more: str = ""):
    bias, activations = SPACE[kind]
    x = np.random.default_rng(0).uniform(0.5, 3, (2, 40))
    table = csv(y=eval(y, {"np": np, "x1": x[0], "x2": x[1]}), x1=x[0], x2=x[1])
    one = study(folder, table, inputs='["x1", "x2"]', layers="[2]",
                more="[parameters]\nk = 0.7\n" + more)  # fmt: skip
    text = one.source.text.replace("bias = true", bias)
    begin, end = text.index("activations ="), text.index("weights =")
    text = text[:begin] + f"activations = {activations}\n" + text[end:]
    from actionrun.spec import loads

    return loads(text, folder=folder)


@pytest.mark.parametrize("kind", SPACE)
def test_a_genome_says_what_its_network_computes(tmp_path, kind):
    """Numbers of the network and of its formula, and of its simplest equal with weights of 1."""
    search = laws(space(tmp_path, kind))
    layout, x = search.layout, search.rows.inputs[:4]
    symbols = [sp.Symbol("x1"), sp.Symbol("x2")]
    draw = np.random.default_rng(2)
    for _ in range(25):
        row = np.array([draw.integers(0, c) for c in layout.choices])
        fixed = layout.fixed(row)
        weights = np.where(np.isnan(fixed), draw.uniform(0.3, 1.5, len(fixed)), fixed)
        exact = [sp.Float(w, 17) if w else sp.Integer(0) for w in weights]
        (said,) = network_outputs(layout, row, exact, symbols, pieces=True)
        given = network_values(layout, row[None], weights[None], x.T)[0]
        for one, number in zip(x, given, strict=True):
            value = said.subs(dict(zip(symbols, one, strict=True)))
            if value.is_finite and value.is_real:
                assert float(value) == pytest.approx(number, rel=1e-9)
            else:
                assert not np.isfinite(number)


@pytest.mark.parametrize(("kind", "y", "values"), [
    pytest.param("hidden constants", "3/(x1 + 0.4) + 1/(x2 + 2.5)", [0.4, 1, 2.5, 3],
                 marks=pytest.mark.slow),
    pytest.param("powers", "2.5*x1**1.37*x2**-0.61", [-0.61, 1.37, 2.5],
                 marks=pytest.mark.campaign),
    pytest.param("a function of one's own", "2.5*(1/np.tanh(0.7*1.3*x1) - 1/(0.7*1.3*x1))", None,
                 marks=pytest.mark.campaign),
])  # fmt: skip
def test_constants_are_found(tmp_path, kind, y, values):
    one = space(tmp_path, kind, y)
    search = one.search.model_copy(update={"population": 60, "generations": 8})
    other = one.model_copy(update={"search": search})
    other._meaning = one._meaning
    best = found(other).extra["best"]
    assert best["error"] < 1e-6, best["text"]
    if values is not None:
        told = sorted(c["value"] for c in best["constants"].values())
        assert told == pytest.approx(values, rel=1e-4) or best["genome"] is None


@pytest.mark.parametrize(("text", "code"), [
    ('{ name = "f", is = "1/tanh(q)" }', "name.unknown"),
    ('{ name = "f" }', "key.missing"),
    ('{ name = "f g", is = "x" }', "value"),
    ('"tangent"', "value.choice"),
    ("3", "value.type"),
])  # fmt: skip
def test_what_is_no_activation_is_told_with_its_place(tmp_path, text, code):
    table = csv(y=np.arange(1.0, 30), x1=np.arange(1.0, 30))
    one = study(tmp_path, table, inputs='["x1"]')
    begin = one.source.text.index("activations =")
    bad = one.source.text[:begin] + f'activations = ["linear", {text}]\n'
    bad += one.source.text[one.source.text.index("weights =") :]
    from actionrun.spec import loads

    with pytest.raises(Faults) as raised:
        loads(bad, folder=tmp_path)
    assert any(f.code.startswith(code) and f.line for f in raised.value.faults), raised.value.faults
