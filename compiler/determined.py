"""Which coefficients a family's motions can determine at all, whatever the motion.

Seen positions fix the acceleration as a function of the state, seen momenta fix the momentum too.
The rank of these functions' derivatives by log c, at generic states, is the number of combinations
of coefficients that motions determine.
"""

from __future__ import annotations

import numpy as np
import sympy as sp

from ..spec.family import Family
from .identifiability import Identifiability, identifiability, term_exponents
from .mechanics import equations_of_motion
from .numbers import numbers
from .problem import Problem

POINTS = 48  # generic states
SEED = 5


def determined(study: Family, problem: Problem) -> Identifiability | None:
    """What motions of a family determine; None where no generic state has finite numbers."""
    jacobian = _jacobian(study, problem)
    if jacobian is None:
        return None
    names = [c.name for c in problem.coefficients]
    laws = [e for e in (problem.lagrangian, problem.nonconservative) if e is not None]
    return identifiability(jacobian, names, term_exponents(laws, names))


def _jacobian(study: Family, problem: Problem) -> np.ndarray | None:
    """d(acceleration, momentum)/d(log c), rows scaled to size 1, shape (rows, k)."""
    n, free = problem.n, problem.coefficients
    right = [side for _, side in equations_of_motion(problem)]
    mass = list(problem.mass)
    at = _states(study, problem)
    stack = [*mass, *right]
    for c in free:
        stack += [sp.diff(e, c) for e in (*mass, *right)]
    seen = list(problem.momentum) if "pi" in _seen(study) else []
    slopes = [c * sp.diff(p, c) for p in seen for c in free]
    values = numbers([*stack, *slopes], {**at, **dict.fromkeys(problem.multipliers, 0.0)})
    values = values[:, np.isfinite(values).all(axis=0)]
    if not values.shape[1]:
        return None
    block = n * n + n
    rows = []
    for column in values.T:
        M, f = column[: n * n].reshape(n, n), column[n * n : block]
        if np.linalg.cond(M) > 1e12:
            continue
        a = np.linalg.solve(M, f)
        moved = []
        for k, c in enumerate(free):
            part = column[block * (k + 1) : block * (k + 2)]
            change = part[n * n :] - part[: n * n].reshape(n, n) @ a
            moved.append(_number(at[c]) * np.linalg.solve(M, change))
        rows.append(np.array(moved).T)
        if seen:
            rows.append(column[len(stack) :].reshape(len(seen), len(free)))
    if not rows:
        return None
    table = np.concatenate(rows)
    size = np.abs(table).max(axis=1, keepdims=True)
    return table[size[:, 0] > 0] / size[size[:, 0] > 0] if (size > 0).any() else table * 0


def _seen(study: Family) -> tuple[str, ...]:
    if study.data is None:
        return study.observe.variables
    return tuple("pi" for name in study.data.columns if name.startswith("pi_"))


def _number(value) -> float:
    return float(np.reshape(value, -1)[0])


def _states(study: Family, problem: Problem) -> dict[sp.Symbol, np.ndarray | float]:
    """Random states, and generic values of the coefficients inside their ranges."""
    dice, words = np.random.default_rng(SEED), problem.words
    at: dict[sp.Symbol, np.ndarray | float] = {**problem.values}
    for c in problem.coefficients:
        low = study.number(study.coefficients[c.name].low)
        high = study.number(study.coefficients[c.name].high)
        at[c] = low + (high - low) * (0.35 + 0.3 * float(dice.random()))
    size = 10.0 ** dice.uniform(-0.7, 0.7, POINTS)  # small and large motions
    for s in (*words.q, *words.v):
        at[s] = size * dice.normal(size=POINTS)
    at[words.t] = dice.uniform(0, 3, POINTS)
    return at
