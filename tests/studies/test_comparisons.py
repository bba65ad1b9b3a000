"""The studies that compare: drag on a dust grain, and the paper's Fig. 6."""

import math

import numpy as np
import pytest
import xarray
from claims import finished


def osculating(state, mu):
    """Semi-major axis and eccentricity of the Kepler orbit through a state."""
    q, v = state["position"]["q"], state["velocity"]["q"]
    a = 1 / (2 / math.hypot(*q) - (v[0] ** 2 + v[1] ** 2) / mu)
    return a, math.sqrt(1 - (q[0] * v[1] - q[1] * v[0]) ** 2 / (mu * a))


def test_poynting_robertson(tmp_path):
    """The orbit after 6000 years, by an independent Taylor code (numerics/ggl.md)."""
    result = finished("poynting_robertson", tmp_path / "run")
    a, e = osculating(result["final"], (1 - 0.01153812) * 39.478758435)
    assert a == pytest.approx(0.8987215613, abs=1e-9)
    assert e == pytest.approx(0.1769877191, abs=1e-9)
    charges = {entry["charge"]: entry["defect"] for entry in result["ledger"]}
    assert set(charges) == {"energy", "angular momentum of (q[1], q[2])"}
    assert all(defect < 1e-12 for defect in charges.values())  # over 6000 orbits, not over one
    metrics = result["metrics"]
    assert metrics["compare.ggl.energy_error_max"] < 1e-12
    assert metrics["compare.rk4.energy_error_max"] > 0.1  # its orbit falls in by itself


def test_energy_error_over_time(tmp_path):
    """Fig. 6: the error of a variational method swings in a fixed share of what is left of the
    energy; that of a Runge-Kutta method of the same order grows."""
    metrics = finished("energy_error", tmp_path / "run")["metrics"]
    assert metrics["compare.ggl.energy_error_max"] < 1e-6
    assert metrics["compare.rk4.energy_error_max"] > 100 * metrics["compare.ggl.energy_error_max"]
    with xarray.open_dataset(tmp_path / "run" / "data.nc", engine="h5netcdf") as data:
        late = {name: float(np.max(data[f"compare_{name}_energy_error"][-100:]))
                for name in ("ggl", "rk2", "rk4")}  # fmt: skip
        early = {name: float(np.max(data[f"compare_{name}_energy_error"][:100]))
                 for name in ("ggl", "rk2", "rk4")}  # fmt: skip
    assert late["ggl"] < early["ggl"]
    assert late["rk2"] > early["rk2"] and late["rk4"] > early["rk4"]
