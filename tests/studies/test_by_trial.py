"""Coefficients that each trial has of its own, and starts known with an error, beside SciPy."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from actionrun.compiler.family.build import build
from actionrun.runtime import run
from actionrun.spec import Faults, loads
from scipy.integrate import solve_ivp
from scipy.optimize import least_squares

STUDY = """study = "family"
title = "Pendulums of three lengths"
[system]
coordinates = ["q"]
lagrangian = "l^2*q'^2/2 + l*g*cos(q)"
[coefficients]
g = [5.0, 15.0]
l = { range = [0.1, 2.0], per = "trial", prior = [%s] }
[start]
position = { q = "normal(0.4, 0.01)" }
[integrator]
dt = 0.05
[data]
file = "lengths.csv"
columns = { t = "t", trial = "trial", q = "q" }
[observe]
noise = { q = 0.003 }
[network]
kind = "none"
"""
T = np.arange(0, 3, 0.1)
LENGTHS, SIZE, RULER, KNOWN = np.array([0.41, 0.62, 0.93]), 0.003, 0.002, 0.01


def angle(g, length, q, v):
    """A pendulum at the times T, by DOP853."""
    made = solve_ivp(lambda t, y: [y[1], -g / length * np.sin(y[0])], (0, T[-1]), [q, v],
                     method="DOP853", t_eval=T, rtol=1e-10, atol=1e-12)  # fmt: skip
    return made.y[0]


def samples(seed):
    """Angles (trials, times) with noise, and lengths as a ruler gives them."""
    dice = np.random.default_rng(seed)
    starts = zip(0.4 + KNOWN * dice.normal(size=3), dice.uniform(-1, 1, 3), strict=True)
    true = [angle(9.81, length, *start) for length, start in zip(LENGTHS, starts, strict=True)]
    return np.array(true) + SIZE * dice.normal(size=(3, len(T))), LENGTHS + RULER * dice.normal(
        size=3
    )


def written(folder, angles, lengths):
    rows = [f"{t},{k},{q!r}" for k, one in enumerate(angles, 1)
            for t, q in zip(T.tolist(), one.tolist(), strict=True)]  # fmt: skip
    (folder / "lengths.csv").write_text("\n".join(["t,trial,q", *rows, ""]))
    return STUDY % ", ".join(f'"normal({length!r}, {RULER})"' for length in lengths.tolist())


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 4])
def test_lengths_and_starts_with_errors_beside_scipy(tmp_path, seed):
    angles, lengths = samples(seed)
    done = run(loads(written(tmp_path, angles, lengths), folder=tmp_path), out=tmp_path / "run")

    def residual(x):
        g, length, q, v = x[0], x[1:4], x[4:7], x[7:10]
        motion = [angle(g, *each) for each in zip(length, q, v, strict=True)]
        return np.concatenate([((np.array(motion) - angles) / SIZE).ravel(),
                               (length - lengths) / RULER, (q - 0.4) / KNOWN])  # fmt: skip

    start = [9.5, *lengths, *angles[:, 0], *((angles[:, 1] - angles[:, 0]) / T[1])]
    theirs = least_squares(residual, start, x_scale="jac", xtol=1e-12, ftol=1e-12)
    spread = np.sqrt(np.diag(np.linalg.inv(theirs.jac.T @ theirs.jac)))
    found = done.result["coefficients"]
    assert [*found] == ["g", "l[1]", "l[2]", "l[3]"]
    for (name, ours), value, std in zip(found.items(), theirs.x, spread, strict=False):
        assert abs(ours["value"] - value) < 0.02 * std, name
        assert abs(ours["std"] / std - 1) < 0.05, name
    for trial, ours in enumerate(done.result["starts"]):
        assert abs(ours["q"]["value"] - theirs.x[4 + trial]) < 0.02 * spread[4 + trial]
        assert abs(ours["q"]["std"] / spread[4 + trial] - 1) < 0.05
    assert done.equations[0].text.endswith("*l*cos(q)"), "each trial's own stays a symbol"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('per = "trial", ', "", "value.prior"),
        ('"normal(0.4, 0.01)"', '"normal(0.4)"', "value.prior"),
        ('kind = "none"', 'kind = "mlp"', "coefficients.per"),
        ("range = [0.1, 2.0]", "fixed = 0.4", "coefficients.per"),
    ],
)
def test_faults_of_what_is_by_trial(tmp_path, old, new, code):
    text = written(tmp_path, *samples(1))
    with pytest.raises(Faults) as raised:
        loads(text.replace(old, new), folder=tmp_path)
    assert code in [fault.code for fault in raised.value.faults]


PHASES = """study = "family"
[system]
coordinates = ["q"]
lagrangian = "q'^2/2 + k*cos(q)"
nonconservative = "(A*cos(w*t + phase) - c*q_plus')*q_minus"
[coefficients]
k = [0.5, 6.0]
c = [0.0, 1.0]
A = [0.1, 3.0]
w = [0.5, 3.0]
phase = { range = [0, 6.3], per = "trial" }
[integrator]
dt = 0.1
[data]
file = "phases.csv"
columns = { t = "t", trial = "trial", q = "q" }
[network]
kind = "none"
"""


@pytest.mark.slow
def test_a_phase_for_each_of_ten_trials(tmp_path):
    """Which no search over all of them at once would find."""
    dice, t = np.random.default_rng(20), np.arange(0, 12, 0.1)
    phases, rows = dice.uniform(0, 2 * np.pi, 10), ["t,trial,q"]
    for k, phase in enumerate(phases):
        made = solve_ivp(
            lambda t, y, phase=phase: [
                y[1], -2.25 * np.sin(y[0]) - 0.1 * y[1] + 0.8 * np.cos(1.3 * t + phase)
            ],
            (0, 12), [0.3, 0.1], t_eval=t, rtol=1e-10, atol=1e-12,
        )  # fmt: skip
        seen = made.y[0] + 0.01 * dice.normal(size=len(t))
        rows += [f"{a},{k},{b}" for a, b in zip(t.tolist(), seen.tolist(), strict=True)]
    (tmp_path / "phases.csv").write_text("\n".join([*rows, ""]))
    done = run(loads(PHASES, folder=tmp_path), out=tmp_path / "run")
    for k, phase in enumerate(phases, 1):
        found = done.result["coefficients"][f"phase[{k}]"]
        assert abs(found["value"] - phase) < 4 * found["std"] < 0.05
    assert all(check.passed for check in done.findings.checks)


TEN = """study = "family"
[system]
coordinates = ["q"]
lagrangian = "l^2*q'^2/2 + l*g*cos(q)"
[coefficients]
g = [5.0, 15.0]
%s
[integrator]
dt = 0.05
[data]
files = "run*.csv"
columns = { t = "t", q = "q" }
%s
[network]
kind = "none"
"""


@pytest.mark.slow
def test_ten_pendulums_in_ten_files_give_one_g(tmp_path):
    """Of lengths that are known, and of lengths that a ruler gives to 1 mm."""
    dice = np.random.default_rng(8)
    lengths = dice.uniform(0.3, 1.2, 10)
    for k, length in enumerate(lengths):
        q = angle(9.81, length, dice.uniform(0.2, 0.6), dice.uniform(-0.5, 0.5))
        rows = zip(T.tolist(), (q + 0.002 * dice.normal(size=len(T))).tolist(), strict=True)
        text = "\n".join(["t,q", *(f"{t},{one}" for t, one in rows), ""])
        (tmp_path / f"run{k:02}.csv").write_text(text)
    measured = (lengths + 0.001 * dice.normal(size=10)).round(4).tolist()
    priors = ", ".join(f'"normal({length}, 0.001)"' for length in measured)
    fits = {}
    for name, own, known in (
        ("known", "", f"constants = {{ l = {lengths.tolist()} }}"),
        ("ruled", f'l = {{ range = [0.1, 2.0], per = "trial", prior = [{priors}] }}', ""),
    ):
        study = loads(TEN % (own, known), folder=tmp_path)
        fits[name] = run(study, out=tmp_path / name).result["coefficients"]["g"]
    for g in fits.values():
        assert abs(g["value"] - 9.81) < 3.5 * g["std"]
    # what the rulers leave open: of each pendulum g to 1 mm of its length
    ruler = 9.81 * 0.001 / np.linalg.norm(lengths)
    expected = np.hypot(fits["known"]["std"], ruler)
    assert abs(fits["ruled"]["std"] / expected - 1) < 0.1


def test_a_bound_holds_none_that_is_by_trial(tmp_path):
    (tmp_path / "phases.csv").write_text("t,trial,q\n0,1,0\n")
    text = PHASES.replace("[coefficients]", 'constraints = ["phase > 2*c"]\n[coefficients]')
    with pytest.raises(Faults) as raised:
        loads(text, folder=tmp_path)
    assert "not-built" in [fault.code for fault in raised.value.faults]


def test_as_many_priors_as_trials(tmp_path):
    angles, lengths = samples(1)
    text = written(tmp_path, angles, lengths[:2])
    with pytest.raises(Faults, match="2 priors for 3 trials"):
        run(loads(text, folder=tmp_path), out=tmp_path / "run")


OSCILLATOR = """study = "family"
[system]
coordinates = ["q"]
lagrangian = "q'^2/2 - k*q^2/2"
[coefficients]
k = [0.5, 2.0]
[start]
position = { q = "normal(1.05, 0.05)" }
[integrator]
dt = 0.1
[data]
file = "a.csv"
columns = { t = "t", q = "q" }
[network]
kind = "none"
"""


def test_a_start_with_an_error_weighs_as_the_noise_that_is_estimated(tmp_path):
    """Not as the one that was guessed of a few samples before the fit."""
    t = np.arange(0, 24, 1.5)
    seen = np.cos(t) + 0.1 * np.random.default_rng(2).normal(size=len(t))
    rows = [f"{a},{b!r}" for a, b in zip(t.tolist(), seen.tolist(), strict=True)]
    (tmp_path / "a.csv").write_text("\n".join(["t,q", *rows, ""]))
    result = run(loads(OSCILLATOR, folder=tmp_path), out=tmp_path / "run").result
    noise = result["goodness_of_fit"]["q"]["noise"]

    def residual(x):
        k, q, v = x
        motion = q * np.cos(np.sqrt(k) * t) + v * np.sin(np.sqrt(k) * t) / np.sqrt(k)
        return np.append((motion - seen) / noise, (q - 1.05) / 0.05)

    theirs = least_squares(residual, [1.0, 1.0, 0.0], xtol=1e-12, ftol=1e-12).x
    (start,) = result["starts"]
    for ours, value in zip((result["coefficients"]["k"], start["q"], start["q'"]), theirs,
                           strict=True):  # fmt: skip
        assert abs(ours["value"] - value) < 0.02 * ours["std"]


def test_many_trials_of_one_law_are_held_once(tmp_path):
    """Where no trial has coefficients of its own, memory is not quadratic in the trials."""
    trials, text = 1500, TEN.replace('files = "run*.csv"', 'file = "all.csv"') % ("", "")
    text = text.replace("l^2*q'^2/2 + l*g*cos(q)", "q'^2/2 + g*cos(q)")
    (tmp_path / "all.csv").write_text("t,trial,q\n0,0,0\n")
    study = loads(text.replace('t = "t",', 't = "t", trial = "trial",'), folder=tmp_path)
    t, trial = np.tile(0.1 * np.arange(4), trials), np.repeat(np.arange(trials), 4)
    tracemalloc.start()
    try:
        build(study, {"t": t, "trial": trial, "q": t})
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 4 * trials * trials  # bytes: half of one number for each pair of trials
