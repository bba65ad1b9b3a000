"""Files of measured motions, read as a study has them read."""

from __future__ import annotations

from pathlib import Path

from actionrun.runtime.data.observations import read_files
from actionrun.spec import loads

STUDY = """study = "family"
[system]
coordinates = ["q"]
lagrangian = "q'^2/2 - w2*q^2/2"
[coefficients]
w2 = [0.1, 10.0]
[integrator]
dt = 0.1
[network]
kind = "none"
[data]
file = "motion.csv"
"""


def read(folder: Path, content: str | bytes, said: str, name: str = "motion.csv"):
    raw = content if isinstance(content, bytes) else content.encode()
    (folder / name).write_bytes(raw)
    found = read_files(loads(STUDY.replace("motion.csv", name) + said, folder=folder))
    assert found is not None
    return found
