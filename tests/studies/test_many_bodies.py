"""The shipped studies of many bodies against a closed form, an independent code, and their laws."""

import numpy as np
import pytest
import tomli
from claims import STUDIES, finished
from scipy.integrate import solve_ivp

DAYS = 20_000


@pytest.mark.slow
def test_the_outer_solar_system_keeps_its_charges(tmp_path):
    result = finished("outer_solar_system", tmp_path)
    assert result["metrics"]["energy_error_max"] < 1e-12
    book = {entry["charge"]: entry for entry in result["ledger"]}
    assert len(book) == 7  # energy, three momenta, three angular momenta
    assert all(entry["defect"] < 1e-12 for entry in book.values())


def test_the_outer_solar_system_against_dop853(tmp_path):
    study = tomli.loads((STUDIES / "outer_solar_system.toml").read_text())
    G, m = study["parameters"]["G"], np.array([*study["parameters"]["m"][:5], 1 / 1.3e8])
    q, v = (np.array(study["start"][what]["r"]) for what in ("position", "velocity"))

    def rate(_, y):
        q, v = y.reshape(2, 6, 3)
        apart = q[None] - q[:, None]
        distance = np.linalg.norm(apart, axis=2) + np.eye(6)
        pull = G * np.einsum("j,ijk->ik", m, apart / distance[..., None] ** 3)
        return np.concatenate([v.ravel(), pull.ravel()])

    y = np.concatenate([q.ravel(), v.ravel()])
    true = solve_ivp(rate, (0, DAYS), y, "DOP853", rtol=1e-13, atol=1e-16).y[:18, -1]
    result = finished("outer_solar_system", tmp_path, f"integrator.steps={DAYS // 100}")
    assert np.array(result["final"]["position"]["r"]).ravel() == pytest.approx(true, abs=2e-9)


def test_the_chain_stays_in_its_mode(tmp_path):
    result = finished("damped_chain", tmp_path)
    assert result["metrics"]["exact_error_max"] < 1e-13
    (energy,) = result["ledger"]
    assert energy["final"] < 0.02 * energy["initial"] and energy["defect"] < 1e-12


@pytest.mark.slow
def test_the_rods_keep_their_lengths_and_the_chain_its_energy(tmp_path):
    result = finished("swinging_chain", tmp_path)
    assert result["metrics"]["energy_error_max"] < 1e-11
    assert result["metrics"]["constraint_error_max"] < 1e-14
    joints = np.array(result["final"]["position"]["r"]).reshape(8, 2)
    rods = np.diff(joints, axis=0, prepend=[[0.0, 0.0]])
    np.testing.assert_allclose(np.linalg.norm(rods, axis=1), 0.25, rtol=1e-14)
