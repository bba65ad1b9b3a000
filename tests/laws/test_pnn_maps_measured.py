"""Maps of measured motions: velocities out of positions, and what a file must hold."""

from dataclasses import replace

import numpy as np
import pytest
from actionrun.compiler.numerics.inference.smoothing import smooth_sequences
from actionrun.compiler.numerics.inference.velocities import (
    REACH,
    estimated_velocities,
    runs_of_rows,
)
from actionrun.compiler.pnn.build import map_model
from actionrun.compiler.pnn.maps.data import StatePairs
from actionrun.compiler.pnn.maps.evaluation import as_step, map_evaluation
from actionrun.compiler.pnn.maps.findings import _entry, weight_deviations
from actionrun.compiler.pnn.symbolic_check import check
from actionrun.spec import Faults
from map_studies import SYMPLECTIC_EULER, VERLET, genome, oscillator

STEP = 0.08
POSITIONS = 'file = "motion.csv"\ndt = {dt}\ncolumns = {{ t = "t", trial = "n", q = "q" }}'


def motion(t):
    """Two tones, positions and velocities."""
    return np.sin(t) + 0.3 * np.cos(2 * t + 1), np.cos(t) - 0.6 * np.sin(2 * t + 1)


@pytest.mark.parametrize("rows", [60, 900])
def test_velocities_of_a_clean_motion_are_its_derivatives(rows):
    q, v = motion(np.arange(rows) * STEP)
    found = estimated_velocities(q, [np.arange(rows)], STEP)
    assert np.isnan(found.v[:REACH]).all() and np.isnan(found.v[-REACH:]).all()
    inner = slice(REACH, rows - REACH)
    np.testing.assert_allclose(
        found.v[inner], v[inner], atol=2e-7
    )  # (2 omega dt)^8/630, more at ends
    np.testing.assert_allclose(found.q, q, atol=1e-7)
    assert found.noise < 1e-6


def test_noise_is_taken_off_and_told():
    """Ten motions of three runs each: errors below those of the samples and of differences."""
    random = np.random.default_rng(2)
    worse = []
    for _ in range(10):
        t = np.arange(600) * STEP + random.uniform(0, 6)
        (q, v), noise = motion(t), 10 ** random.uniform(-4, -1.5)
        runs = np.array_split(np.arange(600), 3)
        found = estimated_velocities(q + noise * random.standard_normal(600), runs, STEP)
        ok = np.isfinite(found.v)
        assert found.noise == pytest.approx(noise, rel=0.15)
        worse.append((np.std((found.q - q)[ok]) / noise, np.std((found.v - v)[ok]) / noise * STEP))
    position, velocity = np.max(worse, axis=0)
    assert position < 0.7 and velocity < 0.3  # central differences: 0.71, and wide ones err more


def test_graduation_solves_its_equations():
    """(1 + penalty D^T D) z = x: what is taken off lies in the fourth differences of z."""
    x = np.random.default_rng(0).standard_normal(40).cumsum()
    (z,), _ = smooth_sequences([x])
    D = np.diff(np.eye(40), 4, axis=0)
    off, pull = x - z, D.T @ (D @ z)
    penalty = (off @ pull) / (pull @ pull)
    np.testing.assert_allclose(off, penalty * pull, atol=1e-8 * np.abs(off).max())


def test_runs_end_where_rows_do_not_follow():
    assert [run.tolist() for run in runs_of_rows([True, False, True])] == [[0, 1], [2, 3]]


@pytest.mark.parametrize("count", [1, 2])
def test_positions_alone_make_pairs_of_states(count):
    """Trials of their own, a missing sample, dt a multiple of the file's step."""
    study = oscillator(data=POSITIONS.format(dt=count * STEP))
    t = np.tile(np.arange(80) * STEP, 3)
    trial = np.repeat([1.0, 2.0, 5.0], 80)
    q = trial * np.cos(t)
    q[100] = np.nan
    found = map_model(study, {"t": t, "trial": trial, "q": q})
    parts = (*found.motions.train, *found.motions.validation, *found.motions.test)
    inner = [80 - 2 * REACH - count, 20 - 2 * REACH - count, 59 - 2 * REACH - count,
             80 - 2 * REACH - count]  # fmt: skip
    assert sum(map(len, parts)) == sum(inner)
    for part in parts:
        turn = count * STEP
        size = np.abs(np.concatenate([part.q, part.v])).max()
        exact = part.q * np.cos(turn) + part.v * np.sin(turn)
        np.testing.assert_allclose(part.next_q, exact, atol=1e-9 * size)
        exact = part.v * np.cos(turn) - part.q * np.sin(turn)
        np.testing.assert_allclose(part.next_v, exact, atol=1e-9 * size)
    assert any("estimated from its positions" in note for note in found.notes)


def test_a_motion_too_short_for_velocities_is_a_fault():
    study = oscillator(data=POSITIONS.format(dt=STEP))
    for rows in (8, 15):
        t = np.arange(rows) * STEP
        with pytest.raises(Faults) as raised:
            map_model(study, {"t": t, "trial": np.zeros(rows), "q": np.cos(t)})
        assert [fault.code for fault in raised.value.faults] == ["data.pairs"]
        assert raised.value.faults[0].line is not None


@pytest.mark.slow
def test_a_driven_motion_moves_with_its_time():
    """Forces at the time that a free flight has where they are felt; the drive alone in
    nonconservative is one too. The true motion: position Verlet of small steps."""
    drives = (
        'lagrangian = "m*q\'^2/2 - k*q^4/4 + 0.4*cos(1.7*t)*q"',
        'lagrangian = "m*q\'^2/2 - k*q^4/4"\nnonconservative = "0.4*cos(1.7*t)*q_minus"',
    )
    for drive in drives:
        study = oscillator(
            system=f'coordinates = ["q"]\n{drive}',
            data='file = "m.csv"\ndt = 0.1\ncolumns = { t = "t", q = "q", v_q = "v" }',
        )
        t, q, v = driven_motion(200, 0.1)
        found = map_model(study, {"t": t.round(6), "q": q, "v_q": v})
        assert found.system.driven and not found.system.damped
        assert found.train.q.shape[1] == 2 and found.spread[0] == pytest.approx(
            np.diff(q)[: len(found.train)].std(), rel=0.2
        )
        row = genome(found, {**VERLET, 1: "dt/2", 17: "dt/2"})
        fitted = found.fit(row[None], found.data(found.train), found.starts(row[None]), 1e-13)
        best = _entry(found, row, fitted.weights[0], 13, 0.0, 0.0, 0.0, 0.0)
        assert best.scheme == "position Verlet" and best.proved(False)
        assert "F(q + q'*dt/2, t + dt/2)" in best.equations[0].text
        assert r"F\!\left(q + \frac{\dot{q} \, \Delta t}{2}, t + " in best.equations[0].latex
        before = genome(found, SYMPLECTIC_EULER)
        errors = found.error(found.metrics(np.stack([row, before]), np.stack(
            [fitted.weights[0], fitted.weights[0]]), found.validation))  # fmt: skip
        assert errors[0] < -130 and errors[1] > errors[0] + 40
        judged = map_evaluation(found, "map", as_step(found, row, fitted.weights[0]))
        assert judged.return_error < 1e-9 and judged.path.shape[2] == 1


@pytest.mark.parametrize("velocities", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.slow
def test_a_map_is_told_from_others_at_one_percent_of_noise(velocities):
    """One raw step hides what tells maps apart: from smooth curves position Verlet errs less than
    Euler's steps do by more than their difference in complexity is worth."""
    system = 'coordinates = ["q"]\nlagrangian = "m*q\'^2/2 - k*q^4/4 + 0.4*cos(1.7*t)*q"'
    columns = 'columns = { t = "t", q = "q"' + (', v_q = "v" }' if velocities else " }")
    study = oscillator(system=system, data=f'file = "m.csv"\ndt = 0.1\n{columns}')
    t, q, v = driven_motion(300, 0.1)
    random = np.random.default_rng(11)
    for _ in range(3):
        rows = {"t": t, "q": q + 0.01 * np.std(q) * random.standard_normal(len(t))}
        if velocities:
            rows["v_q"] = v + 0.01 * np.std(v) * random.standard_normal(len(t))
        found = map_model(study, rows)
        several = np.stack([
            genome(found, {**SYMPLECTIC_EULER, 17: 0, 1: 0, **drifts})
            for drifts in ({1: "dt/2", 17: "dt/2"}, {1: "dt"}, {17: "dt"})
        ])  # fmt: skip
        fitted = found.fit(several, found.data(found.train), found.starts(several), 1e-12)
        errors = found.error(found.metrics(several, fitted.weights, found.validation))
        assert np.all(errors[1:] > errors[0] + 10)
        assert fitted.weights[0][15] * 2 / 0.1 == pytest.approx(1, abs=0.02)
        assert any("noise" in note for note in found.notes)


@pytest.mark.slow
def test_errors_of_fitted_weights_are_those_of_least_squares():
    """White noise in the next velocity: the jackknife beside the variance of one slope."""
    found = map_model(oscillator(), None)
    row = genome(found, {**VERLET, 1: "dt/2", 14: 1, 16: 0, 17: 0, 11: 0})
    rows = found.train
    noise, random = 0.01, np.random.default_rng(4)
    half = rows.q + 0.05 * rows.v
    pushes = -3.0 * half[:, 0]
    after = rows.v + 0.05 * pushes[:, None] + noise * random.standard_normal(rows.v.shape)
    moved = StatePairs(rows.q, rows.v, np.zeros_like(rows.q), after)
    noisy = replace(found, motions=replace(found.motions, train=(moved,)))
    fitted = noisy.fit(row[None], noisy.data(noisy.train), noisy.starts(row[None]), 1e-13)
    deviations = weight_deviations(noisy, row, fitted.weights[0])
    assert np.flatnonzero(deviations).tolist() == [15]
    wanted = noise / np.sqrt(np.sum(pushes**2))
    assert 0.4 < deviations[15] / wanted < 2.2  # of ten blocks: a deviation known to a quarter
    assert abs(fitted.weights[0][15] - 0.05) < 4 * wanted


def driven_motion(rows, dt, parts=200):
    """m = 2, k = 3 of `oscillator`."""
    q, v, states, h = 1.0, 0.0, [], dt / parts
    for k in range(rows * parts):
        if k % parts == 0:
            states.append((k * h, q, v))
        q += v * h / 2
        v += h * (-3 * q**3 + 0.4 * np.cos(1.7 * (k + 0.5) * h)) / 2
        q += v * h / 2
    return np.array(states).T


@pytest.mark.parametrize(
    ("system", "code"),
    [
        ("lagrangian = \"m*q'^2/2*(1 + t^2) - k*q^2/2\"", "map.force"),
        ("lagrangian = \"m*q'^2/2 - k*q^2/2\"\nnonconservative = \"-cos(t)*q_plus'*q_minus\"",
         "map.force"),
    ],
)  # fmt: skip
def test_what_time_may_not_be_in_is_a_fault(system, code):
    data = 'file = "m.csv"\ndt = 0.1\ncolumns = { t = "t", q = "q" }'
    study = oscillator(system=f'coordinates = ["q"]\n{system}', data=data)
    for refuse in (check, lambda one: map_model(one, {})):
        with pytest.raises(Faults) as raised:
            refuse(study)
        assert [fault.code for fault in raised.value.faults] == [code]


def test_energies_of_a_driven_motion_are_a_fault_before_it_runs():
    system = 'coordinates = ["q"]\nlagrangian = "m*q\'^2/2 - k*q^2/2 + cos(t)*q"'
    with pytest.raises(Faults) as raised:
        oscillator(system=system)
    assert [fault.code for fault in raised.value.faults] == ["map.force"]
    assert raised.value.faults[0].line is not None
