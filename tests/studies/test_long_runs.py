"""Long runs: memory that does not grow with the steps, and a kill that costs nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5netcdf
import numpy as np
import pytest
from claims import STUDIES

MARCH = """
import sys
from actionrun.runtime.environment.jax_setup import set_switches
set_switches()
from actionrun.runtime import load, run
from actionrun.runtime.execution import march
march.SAVE_SECONDS = 0.2
sizes = []
def tell(event):
    if hasattr(event, "done"):
        page = int(open("/proc/self/statm").read().split()[1])
        sizes.append(page * 4096)
run(load(sys.argv[1], overrides=sys.argv[3:]), out=sys.argv[2], on_event=tell)
print(max(sizes[2:]) - min(sizes[2:]))  # the first chunks compile
"""
PENDULUM = """
study = "ggl"
[system]
coordinates = ["q"]
lagrangian = "q'^2/2 + cos(q)"
[start]
position = { q = 2.0 }
velocity = { q = 0.0 }
[integrator]
r = 1
dt = 0.2
steps = 2000000
save_every = 10000
"""


def words(study: Path, folder: Path, *overrides: str) -> list[str]:
    return [sys.executable, "-c", MARCH, str(study), str(folder), *overrides]


def rows(folder: Path, name: str) -> np.ndarray:
    with h5netcdf.File(folder / "data.nc") as file:
        return np.asarray(file[name])


def test_memory_does_not_grow_with_the_steps(tmp_path):
    """Twenty million steps of an oscillator: 200 rows, and the size of the process stays."""
    more = ("integrator.steps=20000000", "integrator.save_every=100000")
    done = subprocess.run(words(STUDIES / "dho_ggl.toml", tmp_path, *more), capture_output=True,
                          text=True, check=True)  # fmt: skip
    assert int(done.stdout) < 8e6
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["metrics"]["steps"] == 20_000_000
    assert len(rows(tmp_path, "t")) == 201


@pytest.mark.slow
def test_a_kill_costs_nothing(tmp_path):
    """Killed where it stood, and gone on with: the same rows to the last bit, and the same end."""
    study = tmp_path / "pendulum.toml"
    study.write_text(PENDULUM)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run(words(study, whole), capture_output=True, check=True)
    process = subprocess.Popen(words(study, killed), stdout=subprocess.PIPE)
    while not list(killed.glob("checkpoint/step-*")):
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (killed / "result.json").exists()
    subprocess.run(words(study, killed), capture_output=True, check=True)
    ends = [json.loads((folder / "result.json").read_text()) for folder in (whole, killed)]
    assert ends[0]["final"] == ends[1]["final"] and ends[1]["status"] == "done"
    motions = [rows(folder, "q") for folder in (whole, killed)]
    assert len(motions[0]) == 201 and np.array_equal(*motions)
