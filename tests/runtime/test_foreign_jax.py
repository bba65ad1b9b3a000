"""Switches that change numbers, in a process that had jax before us: applied, or said."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

STUDY = """study = "ggl"
[system]
coordinates = ["x", "y"]
lagrangian = "x'^2/2 + y'^2/2 + 1/sqrt(x^2 + y^2) + x*y/50"
[start]
position = { x = 1.0, y = 0.1 }
velocity = { x = 0.0, y = 1.0 }
[integrator]
r = 3
dt = 0.1
steps = 200
"""
SCRIPT = """
import hashlib, json, sys
{before}
from actionrun.runtime import load, run
notes = []
hear = lambda event: notes.append(getattr(event, "text", ""))
done = run(load("study.toml"), out=sys.argv[1], on_event=hear)
own = json.loads((done.folder / "provenance.json").read_text())
data = hashlib.sha256((done.folder / "data.nc").read_bytes()).hexdigest()
told = {{"hash": own["hash"], "switches": own["switches"], "data": data, "notes": notes}}
print(json.dumps(told))
"""


def outcome(folder, name: str, before: str) -> dict:
    given = ("NPROC", "XLA_FLAGS", "JAX_ENABLE_X64")
    bare = {key: value for key, value in os.environ.items() if key not in given}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(before=before), name], cwd=folder, env=bare,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def test_a_jax_that_was_imported_first(tmp_path):
    (tmp_path / "study.toml").write_text(STUDY)
    ours = outcome(tmp_path, "ours", "")
    imported = outcome(tmp_path, "imported", "import jax, jax.numpy")
    assert imported["data"] == ours["data"] and imported["hash"] == ours["hash"]
    assert imported["switches"]["NPROC"] == "1" and "XLA" not in imported["switches"]
    used = outcome(tmp_path, "used", "import jax.numpy; jax.numpy.ones(3).block_until_ready()")
    assert used["hash"] != ours["hash"]
    assert "process that called" in used["switches"]["XLA"]
    assert any("last bits may differ" in note for note in used["notes"])
    assert not any("last bits" in note for note in ours["notes"] + imported["notes"])
