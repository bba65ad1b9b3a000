"""Terms that the data do not support are dropped; samples that stray are named."""

import numpy as np
import pytest
from actionrun.runtime import load, run
from scipy.integrate import solve_ivp

STUDY = """
study = "family"
title = "Which terms does an oscillator have?"
[system]
coordinates = ["q"]
lagrangian = "q'^2/2 - a*q^2/2 - b*q^4/4 - c*q^3/3"
nonconservative = "-gamma*q_plus'*q_minus - kappa*q_plus'^3*q_minus"
[coefficients]
a = [-5.0, 5.0]
b = [-5.0, 5.0]
c = [-5.0, 5.0]
gamma = [-1.0, 1.0]
kappa = [-1.0, 1.0]
[integrator]
r = 2
dt = 0.1
[data]
file = "motion.csv"
columns = { t = "t", q = "q" }
[network]
kind = "none"
[refine]
sparse = true
"""
LAWS = {"Duffing": (1.0, 0.7, 0.0, 0.08, 0.0), "linear": (2.0, 0.0, 0.0, 0.1, 0.0)}


def fitted(folder, law, noise=0.01, slip=False):
    a, b, c, gamma, kappa = law

    def slope(t, x):
        q, v = x
        return [v, -a * q - b * q**3 - c * q**2 - gamma * v - kappa * v**3]

    t = np.arange(0.0, 20.0, 0.1)
    q = solve_ivp(slope, (0, 20), [1.2, 0.3], t_eval=t, rtol=1e-10, atol=1e-12).y[0]
    seen = q + noise * np.sqrt(np.mean(q**2)) * np.random.default_rng(5).normal(size=len(t))
    if slip:
        seen[77] += 0.8
    rows = "\n".join(f"{x!r},{y!r}" for x, y in zip(t.tolist(), seen.tolist(), strict=True))
    (folder / "motion.csv").write_text(f"t,q\n{rows}\n")
    (folder / "study.toml").write_text(STUDY)
    return run(load(folder / "study.toml"), out=folder / "run")


@pytest.mark.parametrize(
    "law",
    [
        pytest.param(law, id=name, marks=pytest.mark.slow if name == "Duffing" else ())
        for name, law in LAWS.items()
    ],
)
@pytest.mark.slow
def test_the_terms_of_the_law_are_kept_and_the_others_dropped(tmp_path, law):
    done = fitted(tmp_path, law)
    (table,) = [t for t in done.findings.tables if t.name == "terms"]
    kept = {row[0]: row[1] == "kept" for row in table.rows}
    assert kept == {n: x != 0 for n, x in zip(("a", "b", "c", "gamma", "kappa"), law, strict=True)}
    found = done.result["coefficients"]
    for name, true in zip(("a", "b", "c", "gamma", "kappa"), law, strict=True):
        if true:
            assert abs(found[name]["value"] - true) < 4 * found[name]["std"]
        else:
            assert found[name]["value"] == 0


@pytest.mark.slow
def test_a_slip_of_the_measurement_is_named_by_its_time(tmp_path):
    done = fitted(tmp_path, LAWS["linear"], slip=True)
    (note,) = [n for n in done.findings.notes if "robust" in n]
    assert note.startswith("1 of 200 samples of q") and "t = 7.7." in note
