"""Step limits: the fastest rate of the motion linearised at its start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import sympy as sp
from actionrun.spec import Range, Value
from actionrun.spec.kinds.family import Coefficient
from actionrun.spec.tables.distributions import NormalPrior
from actionrun.spec.tables.start import Start

from .evaluation import numbers
from .lagrangian_system import LagrangianSystem
from .linear_stability import fastest

DRAWS = 200  # systems of a family whose rates are looked at


def fastest_rates(
    system: LagrangianSystem, start: Start, number: Callable[[Value], float],
    coefficients: Mapping[str, Coefficient] | None = None, dice: np.random.Generator | None = None,
) -> np.ndarray:  # fmt: skip
    """The largest rate of the motion linearised at its start, (N,): of one system, or of draws of a
    family's `coefficients`."""
    count = 1 if dice is None else DRAWS
    words = system.words
    at: dict[sp.Symbol, Any] = {s: np.full(count, v) for s, v in system.values.items()}
    at |= {s: np.zeros(count) for s in (words.t, *system.driven)}
    for c in system.coefficients:
        given = (coefficients or {})[c.name]
        low, high = number(given.low), number(given.high)
        share = np.random.default_rng(1).random(count) if dice is None else dice.random(count)
        at[c] = low * (high / low) ** share if given.log and low > 0 else low + (high - low) * share
    at |= dict(zip(words.q, _drawn(words, start.position, number, count, dice), strict=True))
    speeds = _drawn(words, start.velocity or start.momentum or {}, number, count, dice)
    if start.velocity is None:
        speeds = _velocities(system, at, speeds)
    at |= dict(zip(words.v, speeds, strict=True))
    return fastest(system, at, count)


def _drawn(
    words, given: Mapping[str, Any], number: Callable[[Value], float], count: int, dice
) -> list[np.ndarray]:
    """The components of a start, each (count,); ranges are drawn from."""
    components = []
    for name in words.slices:
        items = given[name] if isinstance(given[name], tuple) else (given[name],)
        for item in items:
            if isinstance(item, Range):
                low, high = number(item.low), number(item.high)
                components.append(low + (high - low) * dice.random(count))
            else:
                value = item.mean if isinstance(item, NormalPrior) else item
                components.append(np.full(count, number(value)))
    return components


def _velocities(system: LagrangianSystem, at: dict[sp.Symbol, Any], p: list[np.ndarray]):
    """The velocities of momenta p, by Newton from rest."""
    words, n = system.words, system.n
    v = np.zeros((n, len(p[0])))
    for _ in range(30):
        point = {**at, **dict(zip(words.v, v, strict=True))}
        lack = np.array(p) - numbers(list(system.momentum), point)
        mass = numbers(list(system.mass), point).T.reshape(-1, n, n)
        good = np.array(np.isfinite(mass).all((1, 2)) & np.isfinite(lack).all(0))
        good[good] = np.linalg.cond(mass[good]) < 1e12
        v[:, good] += np.linalg.solve(mass[good], lack.T[good][..., None])[..., 0].T
        v[:, ~good] = np.nan
    return v
