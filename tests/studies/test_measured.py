"""Measured motions: their coefficients, with uncertainties that can be trusted."""

import numpy as np
import pytest
from claims import finished, measured, written
from scipy.integrate import solve_ivp


def test_the_measured_pendulum(tmp_path):
    data = measured("pendulum.csv")
    result = finished("pendulum_measured", tmp_path / "run", data=data)
    found = result["coefficients"]
    assert found["w2"]["value"] == pytest.approx(1.356, abs=0.003)
    assert found["gamma"]["value"] == pytest.approx(0.0121, abs=0.0005)
    assert result["residual"]["q"] <= 0.0145
    assert all(0 < c["std"] < 0.05 for c in found.values())
    assert result["identifiability"]["rank"] == result["identifiability"]["of"] == 3


@pytest.mark.slow
def test_the_measured_oscillator(tmp_path):
    data = measured("linear_oscillator.csv")
    result = finished("oscillator_measured", tmp_path / "run", data=data)
    found = result["coefficients"]
    assert found["w2"]["value"] == pytest.approx(6.220, abs=0.005)
    assert found["gamma"]["value"] == pytest.approx(0.0137, abs=0.0005)
    assert result["residual"]["q"] <= 0.0063
    assert all(c["std"] > 0 for c in found.values())


def test_the_shipped_pendulum(tmp_path):
    """Its file was made by SciPy and says in its first lines what is to be found."""
    result = finished("pendulum_measured", tmp_path / "run")
    within(result["coefficients"], {"w2": 1.5, "gamma": 0.02, "q0": 0.03})
    assert result["coefficients"]["w2"]["std"] < 3e-4


def noisy(q, relative, seed):
    noise = np.random.default_rng(seed).normal(size=q.shape)
    return q + relative * np.sqrt(np.mean(q**2)) * noise


def within(found, truth, sigmas=4.0):
    """Each value is as near to the truth as its standard deviation says."""
    for name, value in truth.items():
        assert abs(found[name]["value"] - value) < sigmas * found[name]["std"], name


@pytest.mark.slow
def test_a_generated_pendulum_sampled_irregularly(tmp_path):
    """Made by SciPy, so no code of ours is on both sides."""
    truth = {"w2": 1.9, "gamma": 0.03, "q0": -0.08}
    t = np.sort(np.random.default_rng(1).uniform(3.0, 43.0, 300))

    def rates(t, z):
        return [z[1], -truth["w2"] * np.sin(z[0] - truth["q0"]) - truth["gamma"] * z[1]]

    q = solve_ivp(
        rates, (t[0], t[-1]), [1.3, -0.2], method="DOP853", rtol=1e-12, atol=1e-12, t_eval=t
    ).y[0]
    data = written(tmp_path / "motion.csv", t=t, q=noisy(q, 0.01, 2))
    result = finished("pendulum_measured", tmp_path / "run", data=data)
    within(result["coefficients"], truth)
    assert result["coefficients"]["w2"]["std"] < 2e-3
    assert result["residual"]["q"] == pytest.approx(0.01, rel=0.15)


def oscillator(t, w2, gamma, q0):
    """Closed form from 60 at rest about q0."""
    w = np.sqrt(w2 - gamma**2 / 4)
    shape = np.cos(w * t) + gamma / (2 * w) * np.sin(w * t)
    return q0 + 60 * np.exp(-gamma * t / 2) * shape


@pytest.mark.slow
def test_a_generated_oscillator(tmp_path):
    truth = {"w2": 4.7, "gamma": 0.05, "q0": 21.0}
    t = np.linspace(0, 25, 600)
    q = oscillator(t, **truth)
    data = written(tmp_path / "motion.csv", t=t, q=noisy(q, 0.02, 3))
    result = finished("oscillator_measured", tmp_path / "run", data=data)
    within(result["coefficients"], truth)
    noise = 0.02 * np.sqrt(np.mean(q**2)) / np.std(q)  # told beside the RMS about the mean
    assert result["residual"]["q"] == pytest.approx(noise, rel=0.15)


@pytest.mark.slow
def test_without_noise_the_fit_is_exact(tmp_path):
    truth = {"w2": 4.7, "gamma": 0.05, "q0": -210.0}
    t = np.linspace(0, 25, 600)
    data = written(tmp_path / "motion.csv", t=t, q=oscillator(t, **truth))
    found = finished("oscillator_measured", tmp_path / "run", data=data)["coefficients"]
    for name, value in truth.items():
        assert found[name]["value"] == pytest.approx(value, rel=1e-7)
