"""Every file in studies/ has no faults, says what it means, and is its own resolution."""

import pytest
from actionrun.compiler import explain
from actionrun.runtime import load
from actionrun.spec import check, loads, resolved_toml
from claims import STUDIES

FILES = sorted(STUDIES.glob("*.toml"))
PROMISED = {"dho_ggl", "dho_family", "pendulum_measured", "oscillator_measured", "earth_orbit"}


def test_the_promised_studies_are_there():
    assert {file.stem for file in FILES} >= PROMISED


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_no_faults(file):
    faults = check(file)
    assert not [fault for fault in faults if fault.severity == "error"]
    # a measured motion of others is not shipped: a note says so, and nothing else does
    assert all(fault.code.startswith("data") for fault in faults), faults


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_resolved_is_the_same_study(file):
    study = load(file)
    again = loads(resolved_toml(study), folder=file.parent)
    assert resolved_toml(again) == resolved_toml(study)


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_explained(file):
    study = load(file)
    sections = explain(study)
    equations = {e.name for section in sections for e in section.equations}
    if study.study == "pnn" and not study.system.coordinates:  # a table: nothing moves
        assert "Output" in equations
        return
    assert any(name.startswith("Lagrangian") for name in equations)
    assert any(name.startswith(("Equation of motion", "Motion of")) for name in equations)
