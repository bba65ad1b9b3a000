"""Term selection: coefficients that may vanish are dropped one by one where the data allow.

Backward elimination by the Bayesian information criterion, N ln(cost/N) + k ln N (Schwarz, Ann.
Statist. 6, 461, 1978), each model refitted through the integrator; all that may go next are tried
in one compiled program.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, log

import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.optimizers.block_least_squares import (
    BlockFit,
    Unknowns,
    lane_of,
)

FLOOR = 1e-26  # of the mean square of relative residuals: below it lies round-off

Refit = Callable[[Unknowns, jax.Array, jax.Array], BlockFit]


@dataclass(frozen=True)
class Term:
    """`evidence`: the criterion without the term minus that with it, positive where needed."""

    name: str
    kept: bool
    evidence: float

    @property
    def probability(self) -> float:
        """That the term belongs to the law, of the two models with and without it."""
        return 1 / (1 + exp(-min(max(self.evidence / 2, -500.0), 500.0)))


@dataclass(frozen=True)
class TermSelection:
    """The terms that were judged; the fit without those that were dropped (one lane), None where it
    is still to be made."""

    fit: BlockFit | None
    terms: tuple[Term, ...]


def select_terms(
    fit: BlockFit, names: list[str], low: np.ndarray, high: np.ndarray, rows: int, refit: Refit
) -> TermSelection:
    """The model that the criterion prefers, from a fit of all terms (one lane).

    `low`, `high` (k,) are the bounds, `rows` the number of samples, `refit` minimises from unknowns
    within bounds (k, lanes). Coefficients whose range holds zero may go.
    """
    active = [k for k in range(len(names)) if low[k] <= 0 <= high[k]]
    dropped: list[int] = []
    evidence: dict[int, float] = {}
    free = len(names)

    def criterion(cost: float, count: int) -> float:
        return rows * log(max(cost / rows, FLOOR)) + count * log(rows)

    lanes = len(active)  # as many in every round: one compiled program
    while active and np.isfinite(float(np.asarray(fit.cost)[0])):
        x = np.repeat(np.asarray(fit.unknowns.shared), lanes, axis=1)
        local = jnp.repeat(fit.unknowns.local, lanes, axis=-1)
        below = np.repeat(low[:, None], lanes, axis=1)
        above = np.repeat(high[:, None], lanes, axis=1)
        x[dropped], below[dropped], above[dropped] = 0.0, 0.0, 0.0
        for lane, k in enumerate(active):
            x[k, lane], below[k, lane], above[k, lane] = 0.0, 0.0, 0.0
        tried = refit(Unknowns(jnp.asarray(x), local), jnp.asarray(below), jnp.asarray(above))
        costs = np.asarray(tried.cost, float)
        costs = np.where(np.isfinite(costs), costs, np.inf)[: len(active)]
        now = criterion(float(np.asarray(fit.cost)[0]), free)
        for lane, k in enumerate(active):
            evidence[k] = criterion(costs[lane], free - 1) - now if costs[lane] < np.inf else np.inf
        best = min(active, key=lambda k: evidence[k])
        if evidence[best] > 0:
            break
        fit = lane_of(tried, active.index(best))
        active.remove(best)
        dropped.append(best)
        free -= 1
    terms = tuple(
        Term(names[k], k in active, float(evidence.get(k, 0.0)))
        for k in sorted([*active, *dropped])
    )
    return TermSelection(fit, terms)
