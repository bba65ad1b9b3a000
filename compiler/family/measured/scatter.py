"""Starting points of a fit whose motion is not seen: many draws of coefficients and starts.

Where no column shows a coordinate there are no curves that a weak form could be made of. Draws are
shot over a short stretch at once, and the best of them go on.
"""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.optimizers.block_least_squares import BlockFit, Unknowns

from .noise import Noise
from .segments import shooting_fit
from .shooting_problem import ShootingProblem
from .starts import are_apart

LANES = 192
STRETCHES = ((0.1, 15), (0.3, 15))  # of the motion, and iterations
KEPT = 8
SIZES = (-1.0, 0.7)  # decades of what is not seen, about 1 or about the size of a formula


def is_hidden(problem: ShootingProblem) -> bool:
    """Whether a coordinate of some trial is not seen."""
    o = problem.observed
    hidden = o.places("position").keys() != {*range(problem.symbolic.n)}
    return len(problem.motions) < o.t.shape[1] and hidden


def scattered_fit(problem: ShootingProblem, noise: Noise, number: int) -> BlockFit:
    """The fits that the best draws over a short stretch lead to; `number` of the round of draws.

    In every other round misfits keep the multiples of their periods: of samples that were unwrapped
    well the cost is smooth so.
    """
    if problem.formulas is not None and number % 2 == 0:
        smooth = replace(problem.formulas, periods=(0.0,) * len(problem.formulas.periods))
        problem = replace(problem, formulas=smooth)
    dice = np.random.default_rng([problem.settings.seed, number])
    even = dice.uniform(size=(len(problem.within.low), LANES))
    x = Unknowns(jnp.asarray(problem.within.coefficients(even)), _states(problem, dice))
    low, high = problem.bounds(LANES)
    cost = jnp.zeros(LANES)
    for share, iterations in STRETCHES:
        shooting = problem.shooting(problem.trajectory(noise, share))
        fit = shooting_fit(shooting, x, low, high, iterations, 1e-6, problem.prior(noise))
        cost = fit.cost
        fine = jnp.isfinite(cost)
        x = Unknowns(
            jnp.where(fine, fit.unknowns.shared, x.shared),
            jnp.where(fine, fit.unknowns.local, x.local),
        )
    width = problem.within.high - problem.within.low
    best = _distinct(np.asarray(cost), np.asarray(x.shared), width)
    chosen = jax.tree.map(lambda a: a[..., best], x)
    return problem.grown(noise, chosen, STRETCHES[-1][0])


def _states(problem: ShootingProblem, dice: np.random.Generator) -> jax.Array:
    """Starts (2 n, 1, trials, lanes) in their scales: as they are seen, else drawn."""
    o, n = problem.observed, problem.symbolic.n
    states = np.zeros((2 * n, 1, o.t.shape[1], LANES))
    states[problem.free] = np.asarray(problem.states(o.t[:1], LANES))
    seen, rates = o.places("position"), o.places("velocity")
    shape = (o.t.shape[1], LANES)
    span, spacing = np.max(o.t[-1] - o.t[0]), np.median(np.diff(o.t[:, 0]))
    sizes = [1.0, *(float(s) for s in o.size)]
    for i in range(n):
        if i in seen:
            continue
        size = 10 ** dice.uniform(*SIZES, LANES) * dice.choice(sizes, LANES)
        states[i, 0] = size * dice.normal(size=shape) / problem.scales[i]
        rate = np.exp(dice.uniform(np.log(1 / span), np.log(0.5 / spacing), LANES))
        states[n + i, 0] = size * rate * dice.normal(size=shape) / problem.scales[n + i]
        if (k := rates.get(i)) is not None:
            for trial in range(shape[0]):
                rows = np.flatnonzero(o.there[:, k, trial])
                if len(rows):
                    states[n + i, 0, trial] = o.values[rows[0], k, trial] / problem.scales[n + i]
    return jnp.asarray(states[problem.free])


def _distinct(cost: np.ndarray, shared: np.ndarray, width: np.ndarray) -> np.ndarray:
    """The lanes of least cost that differ."""
    chosen: list[int] = []
    for lane in np.argsort(np.where(np.isfinite(cost), cost, np.inf), kind="stable"):
        x = shared[:, lane]
        if all(are_apart(x, shared[:, j], width) for j in chosen):
            chosen.append(int(lane))
        if len(chosen) == KEPT:
            break
    return np.array(chosen + chosen[:1] * (KEPT - len(chosen)))
