"""Units outside their domain: one that overflows, or a root at zero, spoils no other law."""

import json

import numpy as np
import pytest
from actionrun.runtime import load, run

STUDY = """study = "pnn"
title = "An exact law"

[data]
file = "table.csv"
columns = {{ x = "x", y = "y" }}

[search]
inputs = ["x"]
outputs = ["y"]
layers = [1]
bias = true
activations = {activations}
weights = ["0", "1", "trainable"]
population = 20
generations = 3
"""
LAWS = {
    "line": (np.arange(1.0, 41.0), lambda x: 1000 * x, '["linear", "exp"]', "1000*x"),
    "wide line": (np.linspace(-900, 900, 37), lambda x: 3 * x, '["linear", "exp", "log"]', "3*x"),
    "root": (np.arange(0.0, 30.0), lambda x: 2 * np.sqrt(x), '["linear", "sqrt", "square"]',
             "2*sqrt(x)"),
    "inverse": (np.arange(1.0, 30.0), lambda x: 5 / x, '["linear", "inverse", "exp"]', "5/x"),
}  # fmt: skip


@pytest.mark.parametrize("name", LAWS)
def test_a_unit_that_was_not_chosen_spoils_nothing(name, tmp_path):
    x, law, activations, text = LAWS[name]
    rows = np.stack([x, law(x)], axis=1)
    np.savetxt(tmp_path / "table.csv", rows, delimiter=",", header="x,y", comments="", fmt="%.17g")
    path = tmp_path / "law.toml"
    path.write_text(STUDY.format(activations=activations))
    done = run(load(path), out=tmp_path / "run")
    best = json.loads((done.folder / "result.json").read_text())["best"]
    assert best["text"].replace(" ", "").endswith(f"={text}"), best["text"]
    assert best["error"] < 1e-6 * np.abs(law(x)).max()
