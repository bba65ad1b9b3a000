"""The step against the fastest rate of the motion linearised at its start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import sympy as sp
from actionrun.spec import Range, Value
from actionrun.spec.kinds.family import Family
from actionrun.spec.kinds.ggl import Ggl

from .evaluation import numbers
from .lagrangian_system import LagrangianSystem
from .linear_stability import fastest

DRAWS = 200  # systems of a family whose rates are looked at


def fastest_rates(
    study: Ggl | Family, symbolic: LagrangianSystem, number: Callable[[Value], float],
    dice: np.random.Generator | None = None,
) -> np.ndarray:  # fmt: skip
    """The largest rate of the motion linearised at its start, (N,): of one system, or of draws."""
    count = 1 if dice is None else DRAWS
    words = symbolic.words
    at: dict[sp.Symbol, Any] = {s: np.full(count, v) for s, v in symbolic.values.items()}
    at[words.t] = np.zeros(count)
    coefficients = study.coefficients if isinstance(study, Family) else {}
    for c in symbolic.coefficients:
        given = coefficients[c.name]
        low, high = number(given.low), number(given.high)
        share = np.random.default_rng(1).random(count) if dice is None else dice.random(count)
        at[c] = low * (high / low) ** share if given.log and low > 0 else low + (high - low) * share
    start = study.start
    assert start is not None
    at |= dict(zip(words.q, _drawn(words, start.position, number, count, dice), strict=True))
    speeds = start.velocity if start.velocity is not None else start.momentum
    assert speeds is not None
    given = _drawn(words, speeds, number, count, dice)
    if start.velocity is None:
        given = _velocities(symbolic, at, given)
    at |= dict(zip(words.v, given, strict=True))
    return fastest(symbolic, at, count)


def _drawn(
    words, given: Mapping[str, Any], number: Callable[[Value], float], count: int, dice
) -> list[np.ndarray]:
    """The components of a start, each (count,); ranges are drawn from."""
    found = []
    for name in words.slices:
        items = given[name] if isinstance(given[name], tuple) else (given[name],)
        for item in items:
            if isinstance(item, Range):
                low, high = number(item.low), number(item.high)
                found.append(low + (high - low) * dice.random(count))
            else:
                found.append(np.full(count, number(item)))
    return found


def _velocities(symbolic: LagrangianSystem, at: dict[sp.Symbol, Any], p: list[np.ndarray]):
    """The velocities of momenta p, by Newton from rest."""
    words, n = symbolic.words, symbolic.n
    v = np.zeros((n, len(p[0])))
    for _ in range(30):
        point = {**at, **dict(zip(words.v, v, strict=True))}
        lack = np.array(p) - numbers(list(symbolic.momentum), point)
        mass = numbers(list(symbolic.mass), point).T.reshape(-1, n, n)
        good = np.array(np.isfinite(mass).all((1, 2)) & np.isfinite(lack).all(0))
        good[good] = np.linalg.cond(mass[good]) < 1e12
        v[:, good] += np.linalg.solve(mass[good], lack.T[good][..., None])[..., 0].T
        v[:, ~good] = np.nan
    return v
