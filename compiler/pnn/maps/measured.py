"""Measured motions: states, and the states dt later, out of the user's file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from actionrun.compiler.errors import study_error
from actionrun.compiler.numerics.inference.smoothing import smooth_sequences
from actionrun.compiler.numerics.inference.velocities import (
    REACH,
    estimated_velocities,
    runs_of_rows,
)
from actionrun.spec.sampling import file_steps, roundings, rows_later, steps_apart

from .data import MotionPairs, MovingSystem, StatePairs, split

FEWEST_PAIRS = 10


def measured_pairs(
    moving: MovingSystem, observations: Mapping[str, np.ndarray], fraction: float
) -> tuple[MotionPairs, tuple[str, ...]]:
    """Pairs of rows dt apart in the user's file, by trial; that share of them is the test. And
    notes on velocities that the file does not hold. Raises Faults."""
    t = observations["t"]
    trial = observations.get("trial", np.zeros(len(t), dtype=int))
    later = np.array(rows_later(t.tolist(), trial.tolist(), moving.dt), dtype=int)
    q, v, notes = measured_states(moving, observations, trial)
    if moving.driven:
        q = moving.extended(q, on_a_grid(t, trial, moving.dt))
        v = moving.extended(v, np.ones(len(t)))
    whole = np.all(np.isfinite(np.concatenate([q, v], axis=1)), axis=1)
    follows = (later >= 0) & whole & whole[later]
    pairs = []
    for one in np.unique(trial):
        k = np.flatnonzero(follows & (trial == one))
        pairs.append(StatePairs(q[k], v[k], q[later[k]], v[later[k]]))
    pairs = [part for part in pairs if len(part)]
    if sum(map(len, pairs)) < FEWEST_PAIRS:
        raise study_error(
            moving.problem.words, ("data", "columns"), "data.pairs",
            f"{sum(map(len, pairs))} pairs of states are left, at least {FEWEST_PAIRS} are needed: "
            f"{REACH} rows at each end of a motion serve for its velocities alone",
            "name columns of velocities, or bring longer motions",
        )  # fmt: skip
    held = max(1, round(fraction * len(pairs))) if len(pairs) > 1 else 0
    if held:
        known, test = tuple(pairs[:-held]), tuple(pairs[-held:])
    else:
        cut = int(len(pairs[0]) * (1 - fraction))
        known, test = (pairs[0][:cut],), (pairs[0][cut:],)
    train, validation = split(known)
    return MotionPairs(train, validation, test, {}), notes


def on_a_grid(t: np.ndarray, trial: np.ndarray, dt: float) -> np.ndarray:
    """Times (rows,) of which those that rounding has moved stand where the grid of their trial has
    them: a map moves time by dt, and no other."""
    step, times = dt / file_steps(t.tolist(), trial.tolist(), dt), np.array(t, dtype=float)
    last = np.array(roundings(t.tolist()))
    for one in np.unique(trial):
        rows = np.flatnonzero(trial == one)
        near = t[rows[0]] + np.round((t[rows] - t[rows[0]]) / step) * step
        slack = last[rows] + last[rows[0]] + 1e-6 * dt
        times[rows] = np.where(np.abs(near - t[rows]) <= slack, near, t[rows])
    return times


def measured_states(
    moving: MovingSystem, observations: Mapping[str, np.ndarray], trial: np.ndarray
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Positions and velocities (rows, n) of a file, each of a smooth curve: a map of one step sees
    the noise of two states, and a step is short. Velocities without a column are those of the curve
    through the positions, NaN where a run of rows begins or ends."""
    t, names = observations["t"], [*moving.problem.words.slices]
    step = moving.dt / file_steps(t.tolist(), trial.tolist(), moving.dt)
    along = np.array(steps_apart(t.tolist(), trial.tolist(), step), dtype=bool)
    q, v, notes = [], [], []
    for name in names:
        position = observations[name].reshape(len(t), -1)
        sound = np.all(np.isfinite(position), axis=1)
        runs = runs_of_rows(along & sound[1:] & sound[:-1])
        given = observations.get(f"v_{name}")
        if given is not None:
            velocity = given.reshape(len(t), -1)
            sound = sound & np.all(np.isfinite(velocity), axis=1)
            runs = runs_of_rows(along & sound[1:] & sound[:-1])
            position, noise = _graduated(position, runs)
            velocity, shaken = _graduated(velocity, runs)
            if max(noise, shaken) > 0:
                notes.append(
                    f"{name} and its velocity are smoothed by cross-validation: "
                    f"{noise:.2g} and {shaken:.2g} of noise were taken off, in the study's units"
                )
            q.append(position)
            v.append(velocity)
            continue
        try:
            parts = [estimated_velocities(x, runs, step) for x in position.T]
        except ValueError:
            raise study_error(
                moving.problem.words, ("data", "columns"), "data.pairs",
                f"no motion is long enough for velocities of {name}: {2 * REACH + 2} rows without "
                "a gap are needed",
                f'write v_{name} = "COLUMN", or bring longer motions',
            ) from None  # fmt: skip
        q.append(np.stack([one.q for one in parts], axis=1))
        v.append(np.stack([one.v for one in parts], axis=1))
        noise = max(one.noise for one in parts)
        notes.append(
            f"velocities of {name} are estimated from its positions, smoothed by cross-validation: "
            f"{noise:.2g} {moving.length_unit}".rstrip()
            + " of noise was taken off"
        )
    return np.concatenate(q, axis=1), np.concatenate(v, axis=1), tuple(notes)


def _graduated(columns: np.ndarray, runs: Sequence[np.ndarray]) -> tuple[np.ndarray, float]:
    """Columns (rows, components), smooth along runs of more than nine rows, and the largest
    deviation of noise that was taken off; as they are where no run is so long."""
    long, smooth, noise = [run for run in runs if len(run) > 2 * REACH + 1], columns.copy(), 0.0
    for k in range(columns.shape[1] if long else 0):
        parts, taken = smooth_sequences([columns[run, k] for run in long])
        for run, part in zip(long, parts, strict=True):
            smooth[run, k] = part
        noise = max(noise, taken)
    return smooth, noise
