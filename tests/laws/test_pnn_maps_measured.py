"""Maps of measured motions: velocities out of positions, and what a file must hold."""

import numpy as np
import pytest
from actionrun.compiler.numerics.inference.smoothing import smooth_sequences
from actionrun.compiler.pnn.build import map_model
from actionrun.compiler.pnn.maps.velocities import (
    REACH,
    estimated_velocities,
    runs_of_rows,
)
from actionrun.spec import Faults
from map_studies import oscillator

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
    np.testing.assert_allclose(found.v[inner], v[inner], atol=2e-7)  # (2 omega dt)^8/630, more at ends
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
