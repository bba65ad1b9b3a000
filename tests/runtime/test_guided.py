"""Guided sweeps: better than chance, the same for any number of workers and after any kill."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest
from actionrun.runtime import load, run
from actionrun.runtime.sweep.points import Outcome
from actionrun.spec import Swept
from actionrun.spec.sweep.guided import Guide, Space
from test_sweep import SPRING, same_sweep

pytest.importorskip("optuna")
from actionrun.runtime.sweep.guided import Guided

SEARCH = """[sweep]
method = "tpe"
minimize = "exact_error_max"
trials = 5
batch = 2
"parameters.k" = { range = [0.5, 4.0] }
integrator.r = [1, 2]
"""
ENTRIES = (
    Swept(("a",), ("sweep", "a"), (1e-4, 1e4), log=True, space=Space(1e-4, 1e4, True, False, "m")),
    Swept(("b",), ("sweep", "b"), (0, 9), space=Space(0, 9, False, True, "")),
    Swept(("c",), ("sweep", "c"), ("x", "y", "z")),
)


def misfit(values: dict) -> float:
    a = float(values["a"].split()[0])
    return abs(math.log10(a) - 1.3) + abs(values["b"] - 7) + (values["c"] != "y")


def searched(seed: int, *, batch: int = 4, maximize: bool = False) -> list[dict]:
    search = Guided(Guide("tpe", "misfit", maximize, 60, batch), ENTRIES, seed)
    found: list[dict] = []
    while len(found) < 60:
        asked = search.ask(batch)
        for number in reversed(range(len(asked))):  # answers come in any order
            metrics = {"misfit": misfit(asked[number]) * (-1 if maximize else 1)}
            outcome = Outcome({"metrics": metrics}) if asked[number]["b"] else Outcome(message="!")
            search.tell(len(found) + number, outcome)
        found += asked
    return found


def test_values_are_of_the_space_in_its_words():
    for values in searched(0):
        number, unit = values["a"].split()
        assert 1e-4 <= float(number) <= 1e4 and unit == "m"
        assert type(values["b"]) is int and 0 <= values["b"] <= 9 and values["c"] in "xyz"


@pytest.mark.parametrize("maximize", [False, True])
def test_it_learns_from_what_came_before(maximize):
    def mean(values):
        return sum(map(misfit, values)) / len(values)

    seeds = [searched(seed, maximize=maximize) for seed in range(3)]
    first = [one for values in seeds for one in values[:12]]
    last = [one for values in seeds for one in values[-12:]]
    assert mean(last) < 0.6 * mean(first)


def test_the_seed_alone_decides():
    assert searched(1) == searched(1) != searched(2)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    home = tmp_path_factory.mktemp("guided")
    text = SPRING.replace("cos(t)", "cos(1.3*t)") + SEARCH
    (home / "spring.toml").write_text(text)
    return run(load(home / "spring.toml"), out=home / "run")


def test_result_names_the_best_and_optuna_reads_its_study(whole):
    import optuna

    points = whole.result["sweep"]["points"]
    errors = [one["metrics"]["exact_error_max"] for one in points]
    best = whole.result["sweep"]["best"]
    assert len(points) == 5 and errors[best] == min(errors)
    assert whole.metrics["best.exact_error_max"] == min(errors)
    assert whole.findings.figures[0].name == "search"
    journal = optuna.storages.journal.JournalFileBackend(str(whole.folder / "optuna.journal"))
    study = optuna.load_study(
        study_name="sweep", storage=optuna.storages.JournalStorage(journal)
    )  # fmt: skip
    assert study.best_value == min(errors) and len(study.trials) == 5


@pytest.mark.slow
def test_workers_and_an_end_on_the_way_change_nothing(whole, tmp_path):
    study = load(whole.folder.parent / "spring.toml")
    shutil.copytree(whole.folder, tmp_path / "run")
    for name in ("result.json", "findings.json", "optuna.journal"):
        (tmp_path / "run" / name).unlink()
    kept = json.loads((whole.folder / "result.json").read_text())["sweep"]["points"][:3]
    for place in (tmp_path / "run" / "points").iterdir():
        if f"points/{place.name}" not in {one["folder"] for one in kept}:
            shutil.rmtree(place)
    run(study, out=tmp_path / "run", workers=2)
    same_sweep(Path(tmp_path / "run"), whole.folder)
