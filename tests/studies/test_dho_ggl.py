"""dho_ggl.toml, whole: the damped oscillator against its closed form."""

import numpy as np
import pytest
import xarray
from claims import finished

Q_10, P_10, Q_100 = -0.52920881890701978, 0.32397955310035503, 0.0051334703750402773


def test_as_it_is(tmp_path):
    result = finished("dho_ggl", tmp_path / "run")
    assert result["metrics"]["steps"] == 1000 and result["metrics"]["order"] == 6
    assert result["metrics"]["exact_error_max"] == pytest.approx(1.27e-11, rel=0.05)
    assert result["final"]["t"] == 100
    assert result["final"]["position"]["q"] == pytest.approx(Q_100, abs=1e-10)
    with xarray.open_dataset(tmp_path / "run" / "data.nc", engine="h5netcdf") as data:
        at = int(np.argmin(np.abs(data["t"].to_numpy() - 10)))
        assert data["t"][at] == pytest.approx(10, abs=1e-12)
        assert float(data["q"][at]) == pytest.approx(Q_10, abs=1e-10)
        assert float(data["pi_q"][at]) == pytest.approx(P_10, abs=1e-10)


@pytest.mark.parametrize(("r", "error"), [(0, 3.08e-3), (1, 2.67e-7), (2, 1.27e-11)])
def test_largest_errors(r, error, tmp_path):
    metrics = finished("dho_ggl", tmp_path / "run", f"integrator.r={r}")["metrics"]
    assert metrics["order"] == 2 * r + 2
    assert metrics["exact_error_max"] == pytest.approx(error, rel=0.05)


def test_a_shorter_run_ends_at_10(tmp_path):
    result = finished("dho_ggl", tmp_path / "run", "integrator.steps=100")
    assert result["final"]["position"]["q"] == pytest.approx(Q_10, abs=1e-10)
    assert result["final"]["momentum"]["q"] == pytest.approx(P_10, abs=1e-10)
    assert result["final"]["velocity"]["q"] == pytest.approx(P_10, abs=1e-10)


def test_same_study_same_bits(tmp_path):
    one, two = (finished("dho_ggl", tmp_path / name, "integrator.steps=50") for name in "ab")
    assert one["final"] == two["final"]
    assert one["equations"] == two["equations"]
