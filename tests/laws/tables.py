"""Tables for the tests of laws: made-up columns, and studies of them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from actionrun.compiler.findings import Findings
from actionrun.compiler.pnn.build import law_search
from actionrun.compiler.pnn.genome import Layout
from actionrun.compiler.pnn.laws.search import LawSearch
from actionrun.compiler.pnn.laws.seeds import sum_genome, weight_codes
from actionrun.compiler.program import ReportedSearch
from actionrun.runtime.data.observations import observations
from actionrun.runtime.evolution import Evolved
from actionrun.spec import Fault, Faults, Pnn, loads

STUDIES = Path(__file__).parents[2] / "studies"
sys.path.insert(0, str(STUDIES / "data"))
from make_law_recovery import table as recovery  # noqa: E402, F401  # pyright: ignore

SEARCH = """\
bias = true
activations = ["linear", "square", "inverse", "product", "tanh"]
weights = ["0", "1", "trainable"]
"""


def csv(**columns: np.ndarray) -> str:
    rows = zip(*columns.values(), strict=True)
    lines = [",".join(f"{x:.17g}" for x in row) for row in rows]
    return "\n".join([",".join(columns), *lines]) + "\n"


def plain(count: int = 60, seed: int = 0, noise: float = 0.05) -> dict[str, np.ndarray]:
    """y = 2 + 3 x1 - 0.5/x2 with noise; x3 says nothing."""
    draw = np.random.default_rng(seed)
    x1, x2, x3 = draw.uniform(0.5, 3, (3, count))
    y = 2 + 3 * x1 - 0.5 / x2 + noise * draw.normal(size=count)
    return {"y": y, "x1": x1, "x2": x2, "x3": x3}


def study(
    folder: Path,
    table: str,
    *,
    inputs: str = '["x1", "x2", "x3"]',
    outputs: str = '["y"]',
    more: str = "",
    search: str = "",
    test: str = "",
    seed: int = 0,
    layers: str = "[3]",
) -> Pnn:
    """A study of a table in plain numbers, its header the names of the columns."""
    (folder / "table.csv").write_text(table, encoding="utf-8")
    head = table.split("\n")[0].split(",")
    columns = "\n".join(f'{name.split()[0]} = "{name}"' for name in head if name != "name")
    given = f"inputs = {inputs}\n" if inputs else ""
    text = (
        f'study = "pnn"\ntitle = "a table"\nseed = {seed}\n[data]\nfile = "table.csv"\n'
        f"[data.columns]\n{columns}\n[search]\n{given}outputs = {outputs}\n"
        f"layers = {layers}\n{SEARCH}{search}\n"
        f"[test]\n{test}\n{more}\n"
    )
    return loads(text, folder=folder)


def reported(one: Pnn) -> ReportedSearch[LawSearch]:
    """The search of a study, with what is said of its archive."""
    return law_search(one, observations(one))


def laws(one: Pnn) -> LawSearch:
    return reported(one).scorer


def searched(one: Pnn) -> tuple[Evolved, dict[str, np.ndarray]]:
    """A search to its end."""
    program = Evolved(reported(one))
    state = program.start()
    for generation in range(program.total):
        state, _ = program.advance(state, generation, 1)
    return program, state


def found(one: Pnn) -> Findings:
    program, state = searched(one)
    return program.findings(state, {}, lambda *told: None)


TRUE = (("linear", (0,)), ("inverse", (1,)))


def genome(space: Layout, terms: tuple, bias: bool) -> np.ndarray:
    """A sum of terms (activation, inputs), (1, genes)."""
    codes = weight_codes(space)
    return np.array(sum_genome(space, terms, codes.trained if bias else codes.zero, codes))[None]


def fault(one: Pnn) -> Fault:
    """The one fault that compiling a study gives."""
    with pytest.raises(Faults) as raised:
        laws(one)
    (only,) = raised.value.faults
    return only
