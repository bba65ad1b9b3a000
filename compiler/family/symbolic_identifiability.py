"""Structural identifiability: which coefficients a family's motions can determine at all.

Seen positions fix the acceleration as a function of the state, and the constraints; an observable
that holds coefficients, as momenta do, is fixed too.
The rank of these functions' derivatives by log c, at generic states, is the number of combinations
of coefficients that motions determine.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import sympy as sp
from actionrun.compiler.numerics.inference.observables import OBSERVABLES
from actionrun.compiler.symbolic.constraints import sum_of_sizes
from actionrun.compiler.symbolic.evaluation import numbers
from actionrun.compiler.symbolic.identifiability import (
    Identifiability,
    identifiability,
    term_exponents,
)
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem
from actionrun.compiler.symbolic.structure import equations_of_motion

from .settings import CoefficientRange, Settings

POINTS = 48  # generic states
SEED = 5
PASSES = 30  # of Newton, towards the surface of the constraints
STILL = 1e-9  # a constraint that moves by less, of the size of its terms, stays


def symbolic_identifiability(of: Settings, problem: LagrangianSystem) -> Identifiability | None:
    """What motions of a family determine; None where no generic state has finite numbers."""
    jacobian = _jacobian(of, problem)
    if jacobian is None:
        return None
    names = [c.name for c in problem.coefficients]
    laws = [e for e in (problem.lagrangian, problem.nonconservative) if e is not None]
    return identifiability(jacobian, names, term_exponents(laws, names))


def _jacobian(of: Settings, problem: LagrangianSystem) -> np.ndarray | None:
    """d(acceleration, momentum, constraints)/d(log c), rows scaled to size 1, shape (rows, k)."""
    free, width = problem.coefficients, problem.n + len(problem.constraints)
    matrix, right = _accelerating(problem)
    at = _states(of.coefficients, problem)
    stack = [*matrix, *right]
    for c in free:
        stack += [sp.diff(e, c) for e in (*matrix, *right)]
    seen = [
        x
        for key in of.seen
        for x in OBSERVABLES[key].expressions(problem)
        if x.free_symbols & {*free}
    ]
    slopes = [c * sp.diff(x, c) for x in (*seen, *problem.constraints) for c in free]
    terms = [sum_of_sizes(phi) for phi in problem.constraints]
    every = [*stack, *slopes, *terms]
    values = numbers(every, {**at, **dict.fromkeys(problem.multipliers, 0.0)})
    values = values[:, np.isfinite(values).all(axis=0)]
    block = width * width + width
    rows = []
    for column in values.T:
        K, f = column[: width**2].reshape(width, width), column[width**2 : block]
        if np.linalg.cond(K) > 1e12:
            continue
        a = np.linalg.solve(K, f)
        moved = []
        for k, c in enumerate(free):
            part = column[block * (k + 1) : block * (k + 2)]
            change = part[width**2 :] - part[: width**2].reshape(width, width) @ a
            moved.append(_number(at[c]) * np.linalg.solve(K, change)[: problem.n])
        rows.append(np.array(moved).T)
        beside = column[len(stack) : len(stack) + len(slopes)].reshape(-1, len(free))
        rows.append(beside[: len(seen)])
        off = beside[len(seen) :] / column[len(stack) + len(slopes) :, None]
        rows.append(np.where(np.abs(off) > STILL, off, 0))
    if not rows:
        return None
    table = np.concatenate(rows)
    size = np.abs(table).max(axis=1, keepdims=True)
    return table[size[:, 0] > 0] / size[size[:, 0] > 0] if (size > 0).any() else table * 0


def _accelerating(problem: LagrangianSystem) -> tuple[list[sp.Expr], list[sp.Expr]]:
    """A matrix, row by row, and a right-hand side whose solution is the accelerations, and behind
    them the multipliers that keep the constraints."""
    words, m = problem.words, len(problem.constraints)
    gradients = [[sp.diff(phi, q) for q in words.q] for phi in problem.constraints]
    matrix: list[sp.Expr] = []
    for k, row in enumerate(problem.mass.tolist()):
        matrix += [*row, *(-gradient[k] for gradient in gradients)]
    for gradient in gradients:
        matrix += [*gradient, *[sp.Integer(0)] * m]
    bends = (_along(problem, _along(problem, phi)) for phi in problem.constraints)
    return matrix, [right for _, right in equations_of_motion(problem)] + [-b for b in bends]


def _along(problem: LagrangianSystem, x: sp.Expr) -> sp.Expr:
    """dx/dt along a motion without acceleration."""
    words = problem.words
    moved = (v * sp.diff(x, q) for q, v in zip(words.q, words.v, strict=True))
    return sp.Add(words.driven.explicit_rate(x), *moved)


def _number(value) -> float:
    return float(np.reshape(value, -1)[0])


def _states(
    ranges: Sequence[CoefficientRange], problem: LagrangianSystem
) -> dict[sp.Symbol, np.ndarray | float]:
    """Random states, and generic values of the coefficients inside their ranges."""
    dice, words = np.random.default_rng(SEED), problem.words
    at: dict[sp.Symbol, np.ndarray | float] = {**problem.values}
    for c, asked in zip(problem.coefficients, ranges, strict=True):
        at[c] = asked.low + (asked.high - asked.low) * (0.35 + 0.3 * float(dice.random()))
    size = 10.0 ** dice.uniform(-0.7, 0.7, POINTS)  # small and large motions
    for s in (*words.q, *words.v):
        at[s] = size * dice.normal(size=POINTS)
    at[words.t] = dice.uniform(0, 3, POINTS)
    for s in problem.driven:
        at[s] = dice.normal(size=POINTS)
    return _on_surface(problem, at) if problem.constraints else at


def _on_surface(problem: LagrangianSystem, at: dict[sp.Symbol, np.ndarray | float]):
    """States moved to the surface of the constraints, with velocities along it; NaN where they do
    not get there."""
    words, m = problem.words, len(problem.constraints)
    q, v = (np.array([at[s] for s in of]) for of in (words.q, words.v))
    gradients = [sp.diff(phi, x) for phi in problem.constraints for x in words.q]
    drifts = [words.driven.explicit_rate(phi) for phi in problem.constraints]
    for step in range(PASSES + 1):
        result = {**at, **dict(zip(words.q, q, strict=True)), **dict(zip(words.v, v, strict=True))}
        phi, G = numbers(problem.constraints, result), numbers(gradients, result)
        phi, G = phi.T[..., None], G.T.reshape(-1, m, problem.n)
        finite = np.isfinite(phi[:, :, 0]).all(axis=1) & np.isfinite(G).all(axis=(1, 2))
        inverse = np.linalg.pinv(np.where(np.reshape(finite, (-1, 1, 1)), G, 0))
        q = np.where(finite, q - (inverse @ phi)[..., 0].T, np.nan)
        if step == PASSES:
            size = numbers([sum_of_sizes(one) for one in problem.constraints], result)
            q = np.where((np.abs(phi[..., 0].T) <= STILL * size).all(axis=0), q, np.nan)
            drift = numbers(drifts, result).T[..., None]
            v = v - (inverse @ (G @ v.T[..., None] + drift))[..., 0].T
    return {**at, **dict(zip(words.q, q, strict=True)), **dict(zip(words.v, v, strict=True))}
