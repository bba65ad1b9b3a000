"""pendulum_constraint.toml and kepler_transformed.toml, whole."""

import json

import numpy as np
import pytest
import xarray
from claims import finished

PERIOD = 2.665870942834926


def test_pendulum_on_a_rod(tmp_path):
    """37 periods on the surface; the rod is where the pendulum is, and its force has units."""
    result = finished("pendulum_constraint", tmp_path / "run")
    metrics = result["metrics"]
    assert metrics["steps"] == 10000 and metrics["order"] == 6
    assert metrics["constraint_error_max"] <= 1e-14
    assert metrics["energy_error_max"] < 1e-11
    with xarray.open_dataset(tmp_path / "run" / "data.nc", engine="h5netcdf") as data:
        assert data["multiplier_1"].attrs["units"] == "kg/s^2"
        assert data["force_y"].attrs["units"] == "kg*m/s^2"
        t, x, v = (data[name].to_numpy() for name in ("t", "x", "v_x"))
        # when it passes the lowest point to the right, by the speed there
        up = np.flatnonzero((x[:-1] < 0) & (x[1:] >= 0) & (data["y"].to_numpy()[1:] < 0))
        periods = np.diff(t[up] - x[up] / v[up])
        assert len(periods) == 36
        assert np.mean(periods) == pytest.approx(PERIOD, abs=1e-6)
        # at the lowest point the rod carries the weight and the centripetal force
        low = np.argmin(data["y"].to_numpy())
        assert float(data["force_y"][low]) == pytest.approx(9.81 * (3 - 2 * np.cos(2)), rel=1e-3)


def test_kepler_by_transformed_time(tmp_path):
    result = finished("kepler_transformed", tmp_path / "run")
    assert result["metrics"]["energy_error_max"] <= 1e-13
    final = result["final"]
    assert final["t"] == pytest.approx(40 * np.pi, abs=1e-10)
    assert final["position"]["q"] == pytest.approx([0.1, 0], abs=1e-10)
    assert final["velocity"]["q"] == pytest.approx([0, np.sqrt(19)], abs=1e-9)
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["t"] == pytest.approx(40 * np.pi, abs=1e-10)
