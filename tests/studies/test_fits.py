"""Fits of measured motions beside SciPy and closed forms: their errors, and what they say of
themselves where the law, the noise or the step is not right."""

import numpy as np
import pytest
from actionrun.runtime import load, run
from scipy.integrate import solve_ivp
from scipy.optimize import least_squares

OSCILLATOR = "q'^2/2 - w2*(q - q0)^2/2"
PENDULUM = ("q'^2/2 + w2*cos(q - q0)", "-gamma*q_plus'*q_minus")
PENDULUM_RANGES = {"w2": "[0.1, 30.0]", "gamma": "[0.0, 2.0]", "q0": "[-0.3, 0.3]"}


def study(lagrangian, coefficients, columns, *, nonconservative="", dt=0.05, more=""):
    lines = [f"{name} = {ends}" for name, ends in coefficients.items()]
    names = [c for c in columns if c not in ("t", "trial")]
    mapped = ", ".join(f'{c} = "{c}"' for c in columns)
    force = f'nonconservative = "{nonconservative}"\n' if nonconservative else ""
    return (
        f'study = "family"\n[system]\ncoordinates = {names!r}\nlagrangian = "{lagrangian}"\n{force}'
        "[coefficients]\n" + "\n".join(lines) + f"\n[integrator]\ndt = {dt}\n[data]\n"
        f'file = "motion.csv"\ncolumns = {{ {mapped} }}\n[network]\nkind = "none"\n{more}'
    )  # fmt: skip


def fitted(folder, text, **columns):
    rows = np.stack([*columns.values()], axis=1)
    np.savetxt(folder / "motion.csv", rows, delimiter=",", header=",".join(columns), comments="",
               fmt="%.17g")  # fmt: skip
    (folder / "study.toml").write_text(text)
    return run(load(folder / "study.toml"), out=folder / "run")


def failed(done):
    return {check.name for check in done.findings.checks if not check.passed}


def pendulum(t, w2=9.0, gamma=0.15, q0=0.05, start=(0.9, 0.0)):
    def slope(_, z):
        return [z[1], -w2 * np.sin(z[0] - q0) - gamma * z[1]]

    return solve_ivp(slope, (t[0], t[-1]), start, t_eval=t, rtol=1e-11, atol=1e-12).y[0]


@pytest.mark.slow
def test_each_channel_has_its_own_noise(tmp_path):
    """Two springs, two rulers: errors are those of the closed form, each in its own noise."""
    dice, t = np.random.default_rng(11), np.linspace(0, 10, 120)
    noise, truth = {"a": 0.001, "b": 0.1}, {"a": 9.0, "b": 4.0}
    seen = {c: np.cos(np.sqrt(truth[c]) * t) + noise[c] * dice.normal(size=t.size) for c in truth}
    text = study("a'^2/2 + b'^2/2 - ka*a^2/2 - kb*b^2/2", {"ka": "[0.1, 30.0]",
                 "kb": "[0.1, 30.0]"}, ["t", "a", "b"])  # fmt: skip
    done = fitted(tmp_path, text, t=t, **seen)
    for c, k in (("a", "ka"), ("b", "kb")):

        def miss(x, c=c):
            w = np.sqrt(x[0])
            return x[1] * np.cos(w * t) + x[2] * np.sin(w * t) - seen[c]

        best = least_squares(miss, [truth[c], 1, 0], xtol=1e-14)
        std = np.sqrt(np.linalg.inv(best.jac.T @ best.jac)[0, 0] * 2 * best.cost / (t.size - 3))
        one = done.result["coefficients"][k]
        assert one["value"] == pytest.approx(best.x[0], abs=0.02 * std)
        assert one["std"] == pytest.approx(std, rel=0.05)
        assert done.result["goodness_of_fit"][c]["noise"] == pytest.approx(noise[c], rel=0.25)
    assert not failed(done)


@pytest.mark.campaign
def test_a_beat_is_no_single_frequency(tmp_path):
    t = np.linspace(0, 20, 400)
    noise = 0.001 * np.random.default_rng(1).normal(size=t.size)
    q = 10 + 0.2 * np.cos(3 * t) + 0.2 * np.cos(3.4 * t) + noise
    text = study(OSCILLATOR, {"w2": "[0.1, 30.0]", "q0": "[-20.0, 20.0]"}, ["t", "q"])
    done = fitted(tmp_path, text, t=t, q=q)
    assert {"goodness of fit of q", "residuals of q"} & failed(done)


@pytest.mark.campaign
def test_a_declared_noise_that_residuals_deny_fails(tmp_path):
    t = np.arange(0.0, 15.0, 0.05)
    q = pendulum(t)
    q = q + 0.0094 * np.random.default_rng(2).normal(size=t.size)
    law, force = PENDULUM
    text = study(law, PENDULUM_RANGES, ["t", "q"], nonconservative=force,
                 more="[observe]\nnoise = { q = 0.0009 }\n")  # fmt: skip
    assert "goodness of fit of q" in failed(fitted(tmp_path, text, t=t, q=q))
    text = text.replace("0.0009", "0.0094")
    (tmp_path / "right").mkdir()
    assert not failed(fitted(tmp_path / "right", text, t=t, q=q))


@pytest.mark.campaign
def test_a_step_that_is_too_long_is_refined(tmp_path):
    t = np.arange(0.0, 60.0, 0.5)
    q = np.cos(3 * t) + 0.001 * np.random.default_rng(3).normal(size=t.size)
    text = study("q'^2/2 - w2*q^2/2", {"w2": "[8.0, 10.0]"}, ["t", "q"], dt=0.5)
    done = fitted(tmp_path, text, t=t, q=q)
    one = done.result["coefficients"]["w2"]
    assert abs(one["value"] - 9) < 4 * one["std"] and one["std"] < 1e-4
    assert done.result["metrics"]["step"] < 0.5 and not failed(done)


@pytest.mark.campaign
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_rest_determines_no_frequency(tmp_path, noise):
    t = np.linspace(0, 10, 150)
    q = noise * np.random.default_rng(4).normal(size=t.size)
    text = study("q'^2/2 - w2*q^2/2", {"w2": "[0.1, 10.0]"}, ["t", "q"])
    done = fitted(tmp_path, text, t=t, q=q)
    assert done.result["coefficients"]["w2"]["value"] is None
    assert "identifiability" in failed(done)


@pytest.mark.campaign
@pytest.mark.parametrize("unit", [1e-300, 1.0, 1e300])
def test_the_law_is_the_same_in_any_unit(tmp_path, unit):
    t = np.linspace(0, 10, 150)
    q = (np.cos(3 * t) + 0.01 * np.random.default_rng(5).normal(size=t.size)) * unit
    text = study("q'^2/2 - w2*q^2/2", {"w2": "[0.1, 30.0]"}, ["t", "q"])
    one = fitted(tmp_path, text, t=t, q=q).result["coefficients"]["w2"]
    assert one["value"] == pytest.approx(9, abs=4 * one["std"]) and 0 < one["std"] < 0.02


@pytest.mark.campaign
def test_noise_with_a_memory_widens_the_errors(tmp_path):
    t = np.arange(0.0, 15.0, 0.05)
    dice, noise = np.random.default_rng(6), np.zeros(t.size)
    for i in range(1, t.size):
        noise[i] = 0.9 * noise[i - 1] + 0.004 * dice.normal()
    law, force = PENDULUM
    text = study(law, PENDULUM_RANGES, ["t", "q"], nonconservative=force)
    done = fitted(tmp_path, text, t=t, q=pendulum(t) + noise)
    assert done.result["errors"] == "ar1"
    tau = done.result["goodness_of_fit"]["q"]["correlation_time"]
    assert tau == pytest.approx(-0.05 / np.log(0.9), rel=0.6)
    for name, true in (("w2", 9.0), ("gamma", 0.15), ("q0", 0.05)):
        one = done.result["coefficients"][name]
        assert abs(one["value"] - true) < 4 * one["std"]


@pytest.mark.campaign
def test_outliers_are_weighed_down_and_named(tmp_path):
    t = np.arange(0.0, 15.0, 0.05)
    dice = np.random.default_rng(7)
    q = pendulum(t) + 0.005 * dice.normal(size=t.size)
    q[dice.choice(t.size, 9, replace=False)] += 0.5
    law, force = PENDULUM
    text = study(law, PENDULUM_RANGES, ["t", "q"], nonconservative=force,
                 more='[refine]\nloss = "student"\n')  # fmt: skip
    done = fitted(tmp_path, text, t=t, q=q)
    one = done.result["coefficients"]["w2"]
    assert abs(one["value"] - 9) < 4 * one["std"] and one["std"] < 0.01
    assert any("weighted down" in note and "9 of" in note for note in done.findings.notes)


@pytest.mark.campaign
def test_rival_laws_are_told_apart(tmp_path):
    t = np.arange(0.0, 15.0, 0.05)
    q = pendulum(t) + 0.01 * np.random.default_rng(8).normal(size=t.size)
    law, force = PENDULUM
    more = (
        f'[compare.spring]\nlagrangian = "{OSCILLATOR}"\n'
        f'[compare.quartic]\nlagrangian = "{OSCILLATOR} + c*(q - q0)^4/24"\n'
        "coefficients = { c = [0.0, 30.0] }\n"
    )
    text = study(law, PENDULUM_RANGES, ["t", "q"], nonconservative=force, more=more)
    done = fitted(tmp_path, text, t=t, q=q)
    laws = done.result["laws"]
    assert laws["spring"]["bic"] > laws["this study"]["bic"] + 10
    assert laws["spring"]["held_out"] > 2 * laws["this study"]["held_out"]
    assert not laws["spring"]["noise_only"] and laws["this study"]["noise_only"]


@pytest.mark.campaign
def test_many_trials_of_unequal_noise(tmp_path):
    dice = np.random.default_rng(9)
    t, trials = np.arange(0.0, 4.0, 0.1), 60
    columns = {"trial": [], "t": [], "q": []}
    for trial in range(trials):
        start = (dice.uniform(0.3, 1.2), dice.normal())
        noise = 0.002 if trial % 2 else 0.02
        columns["trial"] += [trial] * t.size
        columns["t"] += [*t]
        columns["q"] += [*(pendulum(t, start=start) + noise * dice.normal(size=t.size))]
    law, force = PENDULUM
    text = study(law, PENDULUM_RANGES, ["trial", "t", "q"], nonconservative=force)
    done = fitted(tmp_path, text, **{name: np.array(x) for name, x in columns.items()})
    for name, true in (("w2", 9.0), ("gamma", 0.15), ("q0", 0.05)):
        one = done.result["coefficients"][name]
        assert abs(one["value"] - true) < 4 * one["std"]
    assert done.result["coefficients"]["w2"]["std"] < 2e-3 and not failed(done)


@pytest.mark.campaign
def test_a_drive_of_unknown_frequency_and_phase(tmp_path):
    truth = {"w2": 4.0, "gamma": 0.2, "F": 0.8, "w": 1.7, "phi": 0.6}
    t = np.arange(0.0, 40.0, 0.1)

    def slope(t, z):
        drive = truth["F"] * np.cos(truth["w"] * t + truth["phi"])
        return [z[1], -truth["w2"] * z[0] - truth["gamma"] * z[1] + drive]

    q = solve_ivp(slope, (0, 40), [0.5, 0.0], t_eval=t, rtol=1e-11, atol=1e-12).y[0]
    q = q + 0.01 * np.std(q) * np.random.default_rng(10).normal(size=t.size)
    ranges = {"w2": "[0.5, 10.0]", "gamma": "[0.0, 1.0]", "F": "[0.0, 5.0]", "w": "[0.5, 5.0]",
              "phi": "[-3.2, 3.2]"}  # fmt: skip
    text = study("q'^2/2 - w2*q^2/2 + F*cos(w*t + phi)*q", ranges, ["t", "q"], dt=0.1,
                 nonconservative="-gamma*q_plus'*q_minus")  # fmt: skip
    done = fitted(tmp_path, text, t=t, q=q)
    for name, true in truth.items():
        one = done.result["coefficients"][name]
        assert abs(one["value"] - true) < 4 * one["std"], name
    assert not failed(done)
