"""Observables that a study writes as formulas: SciPy's, and fits from them alone."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from actionrun.compiler.family.fit_findings import fit_findings
from actionrun.compiler.family.measured.noise import first_noise
from actionrun.compiler.numerics.inference.trajectory_residual import modelled
from actionrun.spec import Faults, loads
from measured_fits import COUPLED, PENDULUM, SPRINGS, solver
from scipy.integrate import solve_ivp

COLUMNS = {
    "gyroscope": 'columns = { t = "t", v_q = "v_q" }',
    "accelerometer": 'columns = { t = "t" }\n[data.observables]\n'
    'a = { column = "a", is = "0.3*q\'\' + w2*sin(q)/2 + t/10" }',
    "height": 'columns = { t = "t" }\n[data.observables]\na = { column = "a", is = "1 - cos(q)" }',
    "wrapped": 'columns = { t = "t" }\n[data.observables]\nq = { column = "q", wrap = "2*pi" }',
    "sensor": 'columns = { t = "t" }\n[data.observables]\n'
    'a = { column = "a", is = "q + 0.2", wrap = "2*pi" }',
}
SEEN = 'columns = { t = "t", a = "a" }\n'
RADIUS = SPRINGS + (
    'columns = { t = "t" }\n[data.observables]\nr = { column = "r", is = "sqrt(x^2 + y^2)" }\n'
)


def motion(w2: float, gamma: float, start, t: np.ndarray):
    done = solve_ivp(
        lambda _, y: [y[1], -gamma * y[1] - w2 * np.sin(y[0])], (0, t[-1]), start,
        t_eval=t, rtol=1e-11, atol=1e-12,
    )  # fmt: skip
    q, v = done.y
    return q, v, -gamma * v - w2 * np.sin(q)


def observations(kind: str, seed: int, noise: float):
    """Coefficients, start, and what a sensor shows of the motion."""
    dice = np.random.default_rng(seed)
    w2, gamma = dice.uniform(2, 12), dice.uniform(0.05, 0.4)
    start = (dice.uniform(0.5, 1.5) * dice.choice([-1, 1]), dice.uniform(-1, 1))
    if kind in ("wrapped", "sensor"):
        start = (0.3, 2.3 * np.sqrt(w2))  # goes over the top
    t = np.linspace(0, 10, 201)
    q, v, a = motion(w2, gamma, start, t)
    name, clean = {
        "gyroscope": ("v_q", v),
        "accelerometer": ("a", 0.3 * a + w2 * np.sin(q) / 2 + t / 10),
        "height": ("a", 1 - np.cos(q)),
        "wrapped": ("q", q),
        "sensor": ("a", q + 0.2),
    }[kind]
    seen = clean + noise * np.std(clean) * dice.normal(size=len(t))
    if kind in ("wrapped", "sensor"):
        seen = np.mod(seen + np.pi, 2 * np.pi) - np.pi
    return (w2, gamma), start, {"t": t, name: seen}


@pytest.mark.parametrize("kind", [
    "accelerometer", "sensor",
    *(pytest.param(k, marks=pytest.mark.campaign) for k in ("gyroscope", "height", "wrapped")),
])  # fmt: skip
def test_an_observable_is_that_of_scipy(kind):
    truth, start, data = observations(kind, 2, 0.0)
    fitting = solver(PENDULUM + COLUMNS[kind], data)
    problem = fitting.problem
    trajectory = problem.trajectory(first_noise(fitting.observed, problem.settings))
    x = jnp.asarray([[*truth, *start]]).T
    miss = np.asarray(trajectory.apart(modelled(trajectory, x)[0] - fitting.observed.values))
    assert np.max(np.abs(miss)) < 2e-6


def test_wrapped_samples_jump_and_unwrapped_do_not():
    _, _, data = observations("wrapped", 2, 0.0)
    assert np.max(np.abs(np.diff(data["q"]))) > 6
    fitting = solver(PENDULUM + COLUMNS["wrapped"], data)
    assert np.max(np.abs(np.diff(fitting.observed.values[:, 0, 0]))) < 1


def test_faults_of_observables():
    def told(observable: str, columns: str = 't = "t"') -> str:
        with pytest.raises(Faults) as caught:
            loads(f"{PENDULUM}columns = {{ {columns} }}\n[data.observables]\n{observable}\n")
        return str(caught.value)

    assert "what is r?" in told('r = { column = "r" }')
    assert "q is a column and an observable" in told('q = { column = "q" }', 't = "t", q = "q"')
    assert "x is not declared" in told('r = { column = "r", is = "x^2" }')
    assert "a period is greater than 0" in told('q = { column = "q", wrap = 0 }')
    assert "a derivative of order 3" in told('r = { column = "r", is = "q\'\'\'" }')
    assert "declared in [coefficients] already" in told('w2 = { column = "r", is = "q^2" }')


@pytest.mark.campaign
@pytest.mark.parametrize("kind", COLUMNS)
def test_a_pendulum_from_one_sensor_alone(kind):
    """w2 and gamma lie within two deviations in about 95 % of cases; 3 of 8 outside by chance are
    one in 10^4."""
    outside = 0
    for seed in range(4):
        truth, _, data = observations(kind, 100 + seed, 0.01)
        fit = solver(PENDULUM + COLUMNS[kind], data).fit(lambda *_: None)
        std = np.sqrt(np.diag(fit.solution.inverse))
        outside += int((np.abs(fit.x - truth) > 2 * std).sum())
        assert (std < 0.05 * np.array(truth)).all()
    assert outside <= 2


def coupled(seed: int, start) -> tuple[list[float], dict[str, np.ndarray]]:
    """Coefficients, and one of two coupled oscillators seen with 1 % noise."""
    dice = np.random.default_rng(seed)
    k, second, c = dice.uniform(4, 9), dice.uniform(10, 16), dice.uniform(1, 3)
    t = np.linspace(0, 20, 401)
    squares, modes = np.linalg.eigh([[k + c, -c], [-c, second + c]])
    w = np.sqrt(squares)[:, None]
    position, velocity = (modes.T @ np.array(part) for part in start)
    a = (modes @ (position[:, None] * np.cos(w * t) + velocity[:, None] / w * np.sin(w * t)))[0]
    return [k, second, c], {"t": t, "a": a + 0.01 * np.std(a) * dice.normal(size=len(t))}


@pytest.mark.campaign
def test_a_hidden_oscillator_that_starts_at_rest():
    outside = 0
    known = "[start]\nposition = { b = 0.0 }\nvelocity = { b = 0.0 }\n"
    for seed in range(4):
        truth, data = coupled(seed, ((1.0, 0.0), (0.5, 0.0)))
        fit = solver(COUPLED + SEEN + known, data).fit(lambda *_: None)
        std = np.sqrt(np.diag(fit.solution.inverse))
        outside += int((np.abs(fit.x - truth) > 2 * std).sum())
        assert (std < 0.05 * np.array(truth)).all()
    assert outside <= 2


@pytest.mark.slow
def test_what_only_the_whole_motion_tells_is_not_forgotten():
    """Weakly coupled to one that is not seen: over a short stretch anything goes, and fits that a
    longer one had already told were lost there, in 4 of 100 draws."""
    frequencies = (5.0, 14.0, 1.55)

    def pull(_, y):
        k, other, c = frequencies
        return [*y[2:], -k * y[0] - c * (y[0] - y[1]), -other * y[1] - c * (y[1] - y[0])]

    t = np.linspace(0, 10, 201)
    known = "[start]\nposition = { b = 0.0 }\nvelocity = { b = 0.0 }\n"
    for seed in range(3):
        dice = np.random.default_rng(seed)
        start = [dice.uniform(0.5, 1.5), 0, dice.uniform(-1, 1), 0]
        a = solve_ivp(pull, (0, 10), start, t_eval=t, rtol=1e-10, atol=1e-12).y[0]
        a = a + 0.01 * np.std(a) * dice.normal(size=len(t))
        fit = solver(COUPLED + SEEN + known, {"t": t, "a": a}).fit(lambda *_: None)
        np.testing.assert_allclose(fit.x, frequencies, rtol=0.2)


@pytest.mark.campaign
def test_a_hidden_oscillator_of_unknown_start_is_not_identified():
    """Two frequencies are all that one of two oscillators tells of three coefficients."""
    _, data = coupled(1, ((1.0, -0.4), (0.5, 0.3)))
    findings = fit_findings(solver(COUPLED + SEEN, data).fit(lambda *_: None))
    said = dict(findings.summary)
    assert "rank 2 of 3" in said["identifiability"], said


@pytest.mark.campaign
def test_a_radius_alone():
    """Which of two frequencies is along x the radius does not say."""
    t = np.linspace(0, 12, 241)
    x, y = np.cos(np.sqrt(3) * t), 0.7 * np.sin(np.sqrt(7) * t + 0.4)
    r = np.sqrt(x**2 + y**2) * (1 + 0 * t) + 0.005 * np.random.default_rng(1).normal(size=len(t))
    fit = solver(RADIUS, {"t": t, "r": r}).fit(lambda *_: None)
    std = np.sqrt(np.diag(fit.solution.inverse))
    order = np.argsort(fit.x)
    assert (np.abs(fit.x[order] - [3, 7]) < 4 * std[order]).all() and (std < 0.05).all()
