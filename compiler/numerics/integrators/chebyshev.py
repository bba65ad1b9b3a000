"""Chebyshev series on [0, 1], and the isolation of their zeros by subdivision.

A series c keeps its sign where |c_0| > sum_k>0 |c_k|, and rises or falls throughout where that
holds of its derivative: an interval with neither is divided (Boyd, SIAM Rev. 55, 375, 2013). With
bounds on how far the series is from a function, no zero of the function is missed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

MOST = 24  # parts of a row in which all is in doubt: its bounds are too wide
SPLIT = 0.4934  # where an interval is divided: at a half, zeros of symmetric motions would lie


@dataclass(frozen=True)
class ChebyshevBasis:
    """Points (k,) from 0 to 1, and matrices (k, k): `fit` takes values there to coefficients,
    `slope` these to those of the derivative, `left` and `right` to those on the parts of the
    interval before and after SPLIT."""

    points: np.ndarray
    fit: np.ndarray
    slope: np.ndarray
    left: np.ndarray
    right: np.ndarray


def polynomials(s: Float[np.ndarray, "*points"], count: int) -> Float[np.ndarray, "*points k"]:
    """T_0 .. T_{count - 1} at s in [0, 1]."""
    angle = np.arccos(np.clip(2 * np.asarray(s, float) - 1, -1, 1))
    return np.cos(angle[..., None] * np.arange(count))


def series_values(
    c: Float[np.ndarray, "rows k"], s: Float[np.ndarray, " rows"]
) -> Float[np.ndarray, " rows"]:
    """Each series at its own s, by Clenshaw's recurrence."""
    x, b1, b2 = 2 * s - 1, np.zeros(len(s)), np.zeros(len(s))
    for k in range(c.shape[1] - 1, 0, -1):
        b1, b2 = 2 * x * b1 - b2 + c[:, k], b1
    return x * b1 - b2 + c[:, 0]


@lru_cache(maxsize=64)
def basis(count: int) -> ChebyshevBasis:
    s = (1 - np.cos(np.pi * np.arange(count) / (count - 1))) / 2
    s[-1] = 1
    fit = np.linalg.inv(polynomials(s, count))
    slope = np.zeros((count, count))
    for k, unit in enumerate(np.eye(count)):
        derived = 2 * np.polynomial.chebyshev.chebder(unit)
        slope[: len(derived), k] = derived[:count]
    parts = (fit @ polynomials(at, count) for at in (SPLIT * s, SPLIT + (1 - SPLIT) * s))
    return ChebyshevBasis(s, fit, slope, *parts)


class Series(NamedTuple):
    """Functions by their series `c` (rows, k) and bounds (rows,) on how far these and their
    derivatives are off inside [0, 1]; `first` and `last` are the true values at its ends."""

    c: np.ndarray
    error: np.ndarray
    slope_error: np.ndarray
    first: np.ndarray
    last: np.ndarray


class Intervals(NamedTuple):
    """Parts [low, high] of [0, 1] in some rows of functions."""

    row: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def of(self, chosen: np.ndarray) -> Intervals:
        return Intervals(*(x[chosen] for x in self))

    def halves(self) -> Intervals:
        """The parts before SPLIT, then those after it."""
        middle = self.low + SPLIT * (self.high - self.low)
        return joined([self._replace(high=middle), self._replace(low=middle)])


def joined(parts: list[Intervals]) -> Intervals:
    none = np.zeros(0, int), np.zeros(0), np.zeros(0)
    return Intervals(*(np.concatenate(x) for x in zip(none, *parts, strict=True)))


class Isolation(NamedTuple):
    """`brackets` hold one crossing of zero each, up or down (`rising`); in `doubtful` ones zero can
    be neither excluded nor proven."""

    brackets: Intervals
    rising: np.ndarray
    doubtful: Intervals


def isolation(of: Series, depth: int) -> Isolation:
    """The zeros of functions, by at most `depth` divisions of [0, 1].

    At 0 and 1 zero counts as positive, so that two functions that meet there agree.
    """
    table, count = basis(of.c.shape[1]), len(of.c)
    signs = (-1.0) ** np.arange(of.c.shape[1])
    at, c = Intervals(np.arange(count), np.zeros(count), np.ones(count)), of.c
    brackets, rising, doubtful = [], [np.zeros(0, bool)], []
    for level in range(depth + 1):
        error, width = of.error[at.row], at.high - at.low
        possible = ~(np.abs(c[:, 0]) - np.sum(np.abs(c[:, 1:]), axis=1) > error)
        at, c, error, width = at.of(possible), c[possible], error[possible], width[possible]
        d = c @ table.slope.T
        bound = np.abs(d[:, 0]) - np.sum(np.abs(d[:, 1:]), axis=1)
        monotone = bound > of.slope_error[at.row] * width
        begins, ends = at.low == 0, at.high == 1
        before = np.where(begins, of.first[at.row], c @ signs)
        after = np.where(ends, of.last[at.row], c @ np.ones(c.shape[1]))
        clear = (begins | (np.abs(before) > error)) & (ends | (np.abs(after) > error))
        settled = monotone & clear
        crossed = settled & ((before >= 0) != (after >= 0))
        brackets.append(at.of(crossed))
        rising.append(after[crossed] >= 0)
        at, c = at.of(~settled), c[~settled]
        crowd = np.bincount(at.row, minlength=count)[at.row] > MOST if len(c) else settled[:0]
        doubtful.append(at.of(crowd))
        at, c = at.of(~crowd), c[~crowd]
        if level == depth or not len(c):
            doubtful.append(at)
            break
        at, c = at.halves(), np.concatenate([c @ table.left.T, c @ table.right.T])
    return Isolation(joined(brackets), np.concatenate(rising), joined(doubtful))


def clusters(of: Intervals) -> Intervals:
    """Intervals that touch each other made one."""
    order = np.lexsort((of.low, of.row))
    of = of.of(order)
    if not len(of.row):
        return of
    fresh = np.ones(len(of.row), bool)
    fresh[1:] = (of.row[1:] != of.row[:-1]) | (of.low[1:] > of.high[:-1])
    first = np.flatnonzero(fresh)
    last = np.append(first[1:], len(of.row)) - 1
    return Intervals(of.row[first], of.low[first], of.high[last])
