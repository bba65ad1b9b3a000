"""The paths of least action that we claim: small liquids, a double well, positions alone."""

import jax
import numpy as np
import pytest
from actionrun.compiler import compile
from actionrun.compiler.program import Reported
from actionrun.runtime import load
from claims import STUDIES, finished

SMALL = ("system.particles=13", "system.cutoff=1.2", "ends.md.equilibration=2.0")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return finished("lj_liquid_32", tmp_path_factory.mktemp("om") / "run")


def test_the_small_liquid_meets_its_reference(small):
    metrics = small["metrics"]
    assert metrics["points"] == 40
    assert metrics["rmsd_max"] <= 1e-4
    assert metrics["energy_error_max"] <= 1e-4
    assert metrics["reintegration_miss"] <= 1e-4
    assert metrics["ends_error_max"] <= 1e-12
    assert metrics["path_length"] >= metrics["end_distance"]
    assert 0 < metrics["action"] < 1e-2


@pytest.mark.slow
def test_32_points_serve_the_small_liquid_too(tmp_path):
    metrics = finished("lj_liquid_32", tmp_path / "run", "path.points=32")["metrics"]
    assert metrics["rmsd_max"] <= 1e-4


@pytest.mark.slow
def test_one_tau_with_80_points(tmp_path):
    metrics = finished("lj_liquid_32", tmp_path / "run", "path.duration=1.0", "path.points=80")[
        "metrics"
    ]
    assert metrics["rmsd_max"] <= 2e-4


@pytest.mark.slow
def test_two_dimensions(tmp_path):
    metrics = finished("lj_liquid_2d", tmp_path / "run")["metrics"]
    assert metrics["rmsd_max"] <= 1e-4 and metrics["energy_error_max"] <= 1e-4


@pytest.mark.slow
def test_positions_alone_are_one_of_newtons_motions_and_no_error_is_claimed(tmp_path):
    metrics = finished(
        "lj_liquid_32", tmp_path / "run", "path.duration=0.1", 'ends.given=["positions"]'
    )["metrics"]
    assert "rmsd_max" not in metrics
    assert metrics["reintegration_miss"] <= 1e-6
    assert metrics["newtonian_paths"] >= 1 and metrics["starts"] >= 5
    assert "energy_from_reference" in metrics


def test_the_double_well(tmp_path):
    metrics = finished("double_well_path", tmp_path / "run")["metrics"]
    assert metrics["action"] < 1e-16 and metrics["reintegration_miss"] < 1e-6
    assert metrics["start_energy"] == pytest.approx(0, abs=1e-12)
    assert metrics["end_energy"] == pytest.approx(0, abs=1e-12)
    assert metrics["total_energy"] > 1  # over the barrier, not through it


def test_chunks_change_no_bit():
    overrides = (*SMALL, "training.epochs=6", "path.points=12", "path.duration=0.2")
    study = load(STUDIES / "lj_liquid_32.toml", overrides=overrides)
    with jax.enable_x64(True):
        leaves = []
        for chunk in (3, 1000):
            program = compile(study, None)
            state, done = program.start(), 0
            while done < program.total:
                count = min(chunk, program.total - done)
                state, report = program.advance(jax.tree.map(np.asarray, state), done, count)
                assert report.diverged is None
                done += count
            leaves.append([np.asarray(x) for x in jax.tree.leaves(state)])
    assert all(np.array_equal(a, b) for a, b in zip(*leaves, strict=True))


def test_a_loss_that_runs_away_names_its_term_and_what_to_type():
    rate = ("training.optimizer=sgd", "training.learning_rate=100.0", "training.epochs=60")
    study = load(STUDIES / "double_well_path.toml", overrides=rate)
    with jax.enable_x64(True):
        program = compile(study, None)
        _, report = program.advance(program.start(), 0, program.total)
    assert report.diverged is not None
    assert "not finite any more" in report.diverged and "action" in report.diverged
    assert "Make training.learning_rate smaller" in report.diverged


@pytest.mark.parametrize(
    "overrides",
    [
        ("training.optimizer=lbfgs", "loss.energy=0.5"),
        ("path.basis=sine",),
        *(
            pytest.param(words, marks=pytest.mark.slow)
            for words in (
                ("network.hidden=[9]", "loss.boundary=20.0", "training.optimizer=nadam"),
                ("training.optimizer=lbfgs",),
                ("loss.boundary=20.0",),
                ("loss.energy=0.5",),
                ("path.basis=features",),
                ("training.optimizer=nadam", "network.hidden=[9]"),
            )
        ),
    ],
    ids=lambda x: "-".join(x),
)
def test_every_way_lowers_its_loss(overrides):
    common = (*SMALL, "training.epochs=12", "path.points=10", "path.duration=0.1")
    study = load(STUDIES / "lj_liquid_32.toml", overrides=(*common, *overrides))
    with jax.enable_x64(True):
        program = compile(study, None)
        state = program.start()
        state, report = program.advance(state, 0, program.total)
        assert report.diverged is None
        loss = report.samples["loss"]
        loss = loss[np.isfinite(loss)]
        assert loss[-1] < loss[0]
        assert isinstance(program, Reported)
        result = program.findings(state, report.samples, lambda *_: None)
    assert np.isfinite(result.metrics["action"])
