"""dho_family.toml, shortened: what it promises in full is measured by running it in full."""

import json

import pytest
from actionrun.runtime import load, run
from actionrun.runtime.errors import Stopped
from claims import STUDIES, finished

SHORT = ("training.steps=300", "training.batch=256", "test.systems=100")


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return finished("dho_family", tmp_path_factory.mktemp("family") / "run", *SHORT)


@pytest.mark.slow
def test_refinement_recovers_the_cases_from_a_short_training(result):
    one, two = result["cases"]
    assert one["truth"] == {"c1": 2.0, "c2": 4.0, "c3": 1.0}
    for name, value in one["truth"].items():
        assert one["refined"][name] == pytest.approx(value, rel=1e-8)
        assert one["network"][name] == pytest.approx(value, rel=0.5)
    assert two["refined"]["c1"] == pytest.approx(2.0, rel=1e-8)
    assert abs(two["refined"]["c2"]) < 1e-8 and abs(two["refined"]["c3"]) < 1e-8


@pytest.mark.slow
def test_metrics_of_unseen_systems(result):
    metrics = result["metrics"]
    assert metrics["systems"] == 100
    for name in ("c1", "c2", "c3"):
        assert 0 < metrics[f"error_median.{name}"] < metrics[f"error_p95.{name}"]
        assert metrics[f"error_median.{name}"] < 0.3
        assert metrics[f"refined_error_max.{name}"] < 1e-6
    assert metrics["rms_q_median"] > 0 and metrics["rms_pi_median"] > 0
    assert result["identifiability"]["rank"] == result["identifiability"]["of"] == 3


@pytest.mark.slow
def test_longer_training_is_better_training(result, tmp_path):
    longer = finished("dho_family", tmp_path / "run", *SHORT, "training.steps=1200")["metrics"]
    for name in ("c1", "c2", "c3"):
        assert longer[f"error_median.{name}"] < 0.7 * result["metrics"][f"error_median.{name}"]


@pytest.mark.slow
def test_an_interrupted_training_goes_on_to_the_same_result(result, tmp_path):
    """Stopped twice on the way; the numbers are those of the run that nobody disturbed."""
    study = load(STUDIES / "dho_family.toml", overrides=SHORT)
    asked = []

    def stop():
        asked.append(1)
        return 75 if len(asked) == 2 else None

    for _ in range(2):
        with pytest.raises(Stopped):
            run(study, out=tmp_path / "run", stop=stop)
        assert not (tmp_path / "run" / "result.json").exists()
        asked.clear()
    done = run(study, out=tmp_path / "run")
    again = json.loads((done.folder / "result.json").read_text())
    assert timeless(again) == timeless(result)


def timeless(result: dict) -> dict:
    """All of a result but what a clock says."""
    metrics = {k: v for k, v in result["metrics"].items() if not k.endswith("seconds")}
    return {**result, "seconds": 0, "metrics": metrics}


@pytest.mark.slow
def test_scoring_layers_close_a_short_training_where_there_is_noise(tmp_path):
    """Their 95th percentiles are the refinement's; without them they are well above."""
    words = ["observe.noise=0.05", "training.steps=300", "training.batch=128",
             "network.hidden=[48, 48]", "test.systems=400"]  # fmt: skip
    done = run(load(STUDIES / "dho_family.toml", overrides=words), out=tmp_path / "run")
    metrics = done.metrics
    for name in ("c1", "c2", "c3"):
        assert metrics[f"bare_error_p95.{name}"] > 1.2 * metrics[f"refined_error_p95.{name}"]
        assert 0.7 < metrics[f"p95_over_refined.{name}"] < 1.3
    table = next(t for t in done.findings.tables if t.name == "network")
    for row in table.rows:
        low, high = row[-2:]
        assert low <= row[4] <= high


@pytest.mark.slow
def test_a_cap_in_minutes_ends_a_training_and_is_told(tmp_path):
    overrides = (*SHORT, "training.steps=1000000", "training.minutes=0.05")
    done = run(load(STUDIES / "dho_family.toml", overrides=overrides), out=tmp_path / "run")
    (note,) = [n for n in done.findings.notes if "training.minutes" in n]
    assert "of 1000000" in note and "not give the same numbers" in note
