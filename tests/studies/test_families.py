"""Every family names members that it has not seen: the network nearly, the refinement exactly."""

import pytest
from actionrun.runtime import load, run
from claims import STUDIES

FILES = sorted(STUDIES.glob("family_*.toml"))
SHORT = ["training.steps=120", "training.batch=64", "network.hidden=[64,64]", "test.systems=40"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "file",
    FILES,
    ids=lambda f: f.stem,
)
def test_unseen_members_are_identified(file, tmp_path):
    start = "better" if file.stem == "family_pendulum" else "network"  # compiles in half the time
    done = run(load(file, overrides=[*SHORT, f"refine.start={start}"]), out=tmp_path / "run")
    assert done.metrics["refined_within_1e-6"] >= 0.95
    known = done.result["identifiability"]
    assert known["rank"] == known["of"]
