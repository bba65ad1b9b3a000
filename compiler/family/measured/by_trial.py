"""Coefficients that each trial has of its own: their values searched trial by trial.

The law shared, trials have nothing to do with each other: each takes the best of many draws of its
own coefficients, however many trials there are.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.optimizers.block_least_squares import (
    BlockFit,
    Unknowns,
    best_lane,
    joined,
)

from .noise import Noise
from .segments import rows_at
from .shooting_problem import ShootingProblem

DRAWS = 128  # of the coefficients of a trial
ROUNDS = 3  # in each of which some trial found a better place
LESS = 0.99  # of a trial's cost: below it a draw is better


def searched_by_trial(problem: ShootingProblem, fit: BlockFit, noise: Noise) -> BlockFit:
    """A fit (one lane) gone on with from better places of single trials, as long as there are."""
    own = _places(problem)
    if not len(own) or not np.isfinite(fit.cost[0]):
        return fit
    for number in range(ROUNDS):
        dice = np.random.default_rng([problem.settings.seed, 31, number])
        better = _drawn(problem, fit, noise, own, dice)
        if better is None:
            break
        shot = problem.shot(problem.shooting(problem.trajectory(noise)), better, noise)
        if not float(shot.cost[0]) < float(fit.cost[0]):
            break
        fit = best_lane(shot)
    return fit


def _places(problem: ShootingProblem) -> np.ndarray:
    """Where the coefficients of the trials stand among all (names, trials)."""
    at = {c: k for k, c in enumerate(problem.symbolic.coefficients)}
    return np.array([[at[c] for c in each] for each in problem.symbolic.words.by_trial.values()])


def _drawn(
    problem: ShootingProblem, fit: BlockFit, noise: Noise, own: np.ndarray,
    dice: np.random.Generator,
) -> Unknowns | None:  # fmt: skip
    """The unknowns with the best draws of those trials that have better ones; None where none
    has. Each draw starts as the fit does, and as the samples do."""
    even = dice.uniform(size=(len(own), DRAWS))
    shared = np.repeat(np.asarray(fit.unknowns.shared), 1 + 2 * DRAWS, axis=1)
    width = len(problem.within.low)
    for trial in range(own.shape[1]):
        every = np.zeros((width, DRAWS))
        every[own[:, trial]] = even
        drawn = problem.within.coefficients(every)[own[:, trial]]
        shared[own[:, trial], 1 : 1 + DRAWS] = shared[own[:, trial], 1 + DRAWS :] = drawn
    local = np.repeat(np.asarray(fit.unknowns.local), 1 + 2 * DRAWS, axis=-1)
    local[..., 1 + DRAWS :] = np.asarray(problem.states(problem.observed.t[:1], DRAWS))
    x = Unknowns(jnp.asarray(shared), jnp.asarray(local))
    rows = np.asarray(rows_at(problem.shooting(problem.trajectory(noise)), joined(x)))
    cost = np.sum(rows**2, axis=0)  # (trials, lanes)
    cost = np.where(np.isfinite(cost), cost, np.inf)
    best = np.argmin(cost, axis=1)
    if not (np.min(cost, axis=1) < LESS * cost[:, 0]).any():
        return None
    new, start = shared[:, :1].copy(), local[..., :1].copy()
    for trial, lane in enumerate(best):
        new[own[:, trial], 0] = shared[own[:, trial], lane]
        start[:, :, trial, 0] = local[:, :, trial, lane]
    return Unknowns(jnp.asarray(new), jnp.asarray(start))
