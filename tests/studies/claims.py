"""The studies that we ship, and how the tests run them."""

import json
from pathlib import Path

import numpy as np
import pytest
from actionrun.runtime import load, run

TOP = Path(__file__).parents[2]
STUDIES = TOP / "studies"
MEASURED = TOP.parent / "shared" / "data"  # third-party motions, beside the checkout or not at all


def finished(name: str, folder: Path, *overrides: str, data: Path | None = None) -> dict:
    """result.json of a shipped study, run in `folder`."""
    study = load(STUDIES / f"{name}.toml", overrides=overrides, data=data)
    done = run(study, out=folder)
    result = json.loads((done.folder / "result.json").read_text())
    assert result["status"] == "done" and result["format"] == 1
    return result


def measured(name: str) -> Path:
    """A measured motion of others, which is not ours to ship."""
    path = MEASURED / name
    if not path.is_file():
        pytest.skip(f"{name} is not in ../shared/data; the same law runs on generated motion")
    return path


def written(path: Path, **columns: np.ndarray) -> Path:
    """Columns as a CSV file."""
    rows = np.stack(list(columns.values()), axis=1)
    np.savetxt(path, rows, delimiter=",", header=",".join(columns), comments="", fmt="%.12g")
    return path
