"""Limits of wall time and memory that a user sets: a run says that it met one, and goes on."""

from __future__ import annotations

import subprocess
import sys

import pytest
from actionrun.runtime.environment.limits import bytes_in

STUDY = """study = "ggl"
[system]
coordinates = ["q"]
lagrangian = "q'^2/2 - q^2/2"
[start]
position = { q = 1.0 }
velocity = { q = 0.0 }
[integrator]
dt = 0.1
r = 2
steps = %d
save_every = %d
"""


def actionrun(*words):
    return subprocess.run(
        [sys.executable, "-m", "actionrun", *map(str, words)], capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("text", "size"),
    [("4GB", 2**32), ("500 MB", 500 * 2**20), ("0.5", 2**29), ("1.5 GiB", 3 * 2**29), ("2k", 2048)],
)
def test_sizes(text, size):
    assert bytes_in(text) == size


@pytest.mark.parametrize("text", ["", "0", "-1GB", "4 apples", "1e3", "٤GB", "1_0", "nan"])
def test_what_is_no_size(text):
    with pytest.raises(ValueError):
        bytes_in(text)


def test_time_is_over(tmp_path):
    """The run saves, stops, and goes on by the same command without the limit."""
    study = tmp_path / "long.toml"
    study.write_text(STUDY % (10**9, 10**6))
    words = ("run", study, "--out", tmp_path / "run")
    said = actionrun(*words, "--limit-minutes", 0.05)
    assert said.returncode == 75 and "Traceback" not in said.stderr, said.stderr
    assert "stopped" in said.stderr
    wrong = actionrun(*words, "--limit-minutes", -1)
    assert wrong.returncode == 2 and "minutes above 0" in wrong.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA is Linux's")
def test_memory_is_over(tmp_path):
    study = tmp_path / "large.toml"
    study.write_text(STUDY % (20_000_000, 1))
    said = actionrun("run", study, "--out", tmp_path / "run", "--limit-memory", "400MB")
    assert said.returncode == 75 and "out of memory" in said.stderr, said.stderr
