"""Events: every crossing of zero of functions of the state along a motion.

Three stages, each for what the one before leaves open. The series of an event along the path of a
step, with bounds on the error of both, excludes zeros or isolates them one by one (`chebyshev`);
each is then found by secant steps on the motion itself (`continuation`). Where zeros can be neither
excluded nor isolated (close pairs, zeros that are touched, kinks, jumps) the event is sampled on
the motion itself. What is left is divided until it is a crossing, a zero touched without a change
of sign, or a jump, which is no zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np

from .chebyshev import (
    Intervals,
    Series,
    basis,
    clusters,
    isolation,
    joined,
    polynomials,
    series_values,
)
from .continuation import Continuation, Sample, StepEnds, in_batches, samples, zeros
from .dense_output import Steps, Survey, event_series

DIVISIONS = 7  # of a step, before its events are sampled on the motion itself
SAMPLES = 24  # of an event in an interval there
FINEST = 9  # divisions of the sampled interval
NEWTON = 7  # iterations on a series: motion that follows mends the rest
DEPTH = 40  # divisions of a series of samples
BISECTIONS, EARLY = 52, 20  # and when a bracket is looked at, to tell a jump
NOISE = 32 * np.finfo(float).eps  # of a series' size
RESOLVED = 1e-3  # of a series' size: a larger rest is a kink or a jump
EVERY = 16  # of so many steps one has its zeros found from its other end, too
SAME = 1e-9  # of a step: crossings nearer than that to a touched zero are it


class Block(NamedTuple):
    """Steps one after the other that are looked at together: q, p (steps + 1, k) and t (steps + 1,)
    at their ends, nodal velocities V (steps, n, nodes), and the number of the first."""

    q: np.ndarray
    p: np.ndarray
    t: np.ndarray
    V: np.ndarray
    first: int

    def steps(self, k: np.ndarray | slice) -> Steps:
        states = self.q, self.p, self.t
        ends = (x[of][k].T for of in (slice(-1), slice(1, None)) for x in states)
        return Steps._make([*ends, np.moveaxis(self.V[k], 0, -1)])


class Paths(NamedTuple):
    """The paths of some steps, and the steps' numbers."""

    ends: StepEnds
    number: np.ndarray

    def of(self, k: np.ndarray) -> StepEnds:
        return StepEnds(*(x[..., k] for x in self.ends))


class Crossings(NamedTuple):
    """Crossings of zero: event and step, s in it, rising or not, state, slope by time, and by how
    much the time found from the step's other end differs (NaN: not looked at)."""

    which: np.ndarray
    step: np.ndarray
    s: np.ndarray
    rising: np.ndarray
    q: np.ndarray  # (n, count)
    v: np.ndarray
    t: np.ndarray
    slope: np.ndarray
    gap: np.ndarray


class Marks(NamedTuple):
    """Places without a crossing: zeros that are touched (`value`: how nearly), and jumps (NaN)."""

    which: np.ndarray
    t: np.ndarray
    value: np.ndarray


def merged(parts: list[Any], none: Any) -> Any:
    """Crossings or marks one after the other."""
    return type(none)(*(np.concatenate(x, axis=-1) for x in zip(none, *parts, strict=True)))


def no_crossings(n: int) -> Crossings:
    i, x, b = np.zeros(0, int), np.zeros(0), np.zeros(0, bool)
    return Crossings(i, i, x, b, np.zeros((n, 0)), np.zeros((n, 0)), x, x, x)


NO_MARKS = Marks(np.zeros(0, int), np.zeros(0), np.zeros(0))


@dataclass(frozen=True)
class EventLocation:
    """The search for the zeros of events on a block of steps of length h."""

    motion: Continuation
    h: float
    theta: Any

    def located(self, block: Block, survey: Survey, count: int) -> tuple[Crossings, Marks]:
        """All crossings in the first `count` steps of a block, sorted by time, and marks."""
        which, step = np.nonzero(np.asarray(survey.possible)[:, :count])
        if not len(which):
            return no_crossings(self.motion.paths.size), NO_MARKS
        looked, step = np.unique(step, return_inverse=True)  # from here on, the number among these
        at_ends = np.asarray(survey.at_ends)
        ends = at_ends[:, looked], at_ends[:, looked + 1]
        c, error, slope_error, paths = self._series(block, looked, *ends)
        first, last, error, slope_error = (x[which, step] for x in (*ends, error, slope_error))
        c = c[which, :, step]
        starting = (paths.number[step] == 0) & (np.abs(first) <= NOISE * np.sum(np.abs(c), axis=1))
        found = isolation(Series(c, error, slope_error, first, last), DIVISIONS)
        open_rows = np.unique(found.doubtful.row)
        kept = ~np.isin(found.brackets.row, open_rows)
        kept &= ~(starting[found.brackets.row] & (found.brackets.low == 0))
        at = found.brackets.of(kept)
        near, slope = _zeros(c[at.row], at)
        mine = which[at.row], step[at.row]
        rising, forward = found.rising[kept], near < 0.5
        done, sound = self._secants(paths, mine, near, slope, at, rising, forward)
        again = np.unique(np.concatenate([open_rows, at.row[~sound]]))
        done = _of(done, ~np.isin(at.row, again)) if len(again) else done
        parts, marks = [done], NO_MARKS
        if len(again):
            rest = _Sampled(self, paths, which[again], step[again], first[again], last[again],
                            starting[again])  # fmt: skip
            more, marks = rest.located()
            parts += more
        whole = merged(parts, no_crossings(self.motion.paths.size))
        return _of(whole, np.lexsort((whole.which, whole.s, whole.step))), marks

    def _series(self, block: Block, looked, first, last):
        """Of all events on some steps, c (m, points, steps) and its errors (m, steps), and the
        paths."""
        of, h = block.steps(looked), jax.device_put(self.h)

        def of_part(count, steps, first, last):
            return event_series(self.motion.paths, steps, first, last, h, self.theta)

        c, error, slope_error, w = in_batches(of_part, (of, first, last))
        ends = StepEnds(of.q, of.p, of.t, of.q_end, of.p_end, w)
        return c, error, slope_error, Paths(ends, looked + block.first)

    def _secants(
        self, paths: Paths, mine, s, slope, at: Intervals, rising, forward
    ) -> tuple[Crossings, np.ndarray]:
        """The zeros in brackets, and whether each is found to rounding."""
        which, step = mine
        count = len(which)
        if not count:
            return no_crossings(self.motion.paths.size), np.zeros(0, bool)
        # some are found from the other end as well: what both differ by is the error
        twin = np.flatnonzero(paths.number[step] % EVERY == 0)
        lanes = np.concatenate([np.arange(count), twin])
        forward = np.concatenate([forward, ~forward[twin]])
        near = s[lanes], slope[lanes], at.low[lanes], at.high[lanes]
        x = zeros(self.motion, paths.of(step[lanes]), which[lanes], *near, forward, self.h,
                  self.theta)  # fmt: skip
        gap = np.full(count, np.nan)
        gap[twin] = np.where(x.sound[count:], np.abs(x.t[count:] - x.t[twin]), np.nan)
        mine = slice(0, count)
        done = Crossings(which, step, x.s[mine], rising, x.q[:, mine], x.v[:, mine], x.t[mine],
                         x.slope[mine], gap)  # fmt: skip
        return done, x.sound[:count]


def _of(x: Any, chosen: np.ndarray) -> Any:
    return type(x)(*(part[..., chosen] for part in x))


def _zeros(c: np.ndarray, at: Intervals) -> tuple[np.ndarray, np.ndarray]:
    """The zero of each series in its bracket, by Newton that stays inside, and the slope there."""
    d = c @ basis(c.shape[1]).slope.T
    low, high = at.low.copy(), at.high.copy()
    up = series_values(c, high) > series_values(c, low)
    s = (low + high) / 2
    for _ in range(NEWTON):
        value, slope = series_values(c, s), series_values(d, s)
        beyond = (value >= 0) == up
        low, high = np.where(beyond, low, s), np.where(beyond, s, high)
        with np.errstate(all="ignore"):
            new = s - value / slope
        s = np.where((new > low) & (new < high), new, (low + high) / 2)
    return s, series_values(d, s)


class _Sampled:
    """Events of some steps, sampled on the motion itself."""

    def __init__(self, of: EventLocation, paths: Paths, which, step, first, last, starting):
        self.of, self.paths, self.which, self.step = of, paths, which, step
        self.first, self.last, self.starting = first, last, starting
        self.crossings: list[Crossings] = []
        self.marks: list[Marks] = []
        self.left: list[Intervals] = []  # brackets that are bisected
        self.left_rising: list[np.ndarray] = []

    def located(self) -> tuple[list[Crossings], Marks]:
        table, count = basis(SAMPLES), len(self.which)
        at = Intervals(np.arange(count), np.zeros(count), np.ones(count))
        for level in range(FINEST + 1):
            if not len(at.row):
                break
            g = self._values(at, table.points)
            c = g @ table.fit.T
            size = np.sum(np.abs(c), axis=1)
            error = 4 * np.sum(np.abs(c[:, -3:]), axis=1) + NOISE * size
            series = Series(c, error, 2 * SAMPLES**2 * error, g[:, 0], g[:, -1])
            inner = isolation(series, DEPTH if level else DEPTH // 2)
            open_rows = np.unique(inner.doubtful.row)
            fine = error <= 4 * NOISE * size
            last = level == FINEST
            split = open_rows[~fine[open_rows]] if not last else np.zeros(0, int)
            settled = ~np.isin(np.arange(len(c)), split)
            self._brackets(at, inner.brackets, inner.rising, settled, c)
            rough = ~(error <= RESOLVED * size)
            for row, low, high in zip(*clusters(inner.doubtful), strict=True):
                if settled[row]:
                    self._cluster(at, row, low, high, c[row], g[row], bool(rough[row]))
            at = at.of(split).halves()
        self._bisected()
        return self.crossings, merged(self.marks, NO_MARKS)

    def _values(self, at: Intervals, points: np.ndarray) -> np.ndarray:
        """Values (rows, points) of the events; at ends of steps those of the states."""
        s = at.low[:, None] + (at.high - at.low)[:, None] * points
        row = np.repeat(at.row, len(points))
        values = self._sample(row, s.ravel()).g
        values = values.reshape(s.shape)
        values[:, 0] = np.where(at.low == 0, self.first[at.row], values[:, 0])
        values[:, -1] = np.where(at.high == 1, self.last[at.row], values[:, -1])
        return values

    def _sample(self, row: np.ndarray, s: np.ndarray) -> Sample:
        """On one motion: that from the beginning of the step."""
        of, step = self.of, self.step[row]
        ends, forward = self.paths.of(step), np.ones(len(s), bool)
        return samples(of.motion, ends, self.which[row], s, forward, of.h, of.theta)

    def _brackets(self, at: Intervals, inside: Intervals, rising, settled, c) -> None:
        kept = settled[inside.row]
        kept &= ~(self.starting[at.row[inside.row]] & (at.low[inside.row] + inside.low == 0))
        inside, rising = inside.of(kept), rising[kept]
        if not len(inside.row):
            return
        near, slope = _zeros(c[inside.row], inside)
        low, wide = at.low[inside.row], (at.high - at.low)[inside.row]
        whole = Intervals(at.row[inside.row], low + wide * inside.low, low + wide * inside.high)
        mine = self.which[whole.row], self.step[whole.row]
        done, sound = self.of._secants(self.paths, mine, low + wide * near, slope / wide, whole,
                                       rising, np.ones(len(rising), bool))  # fmt: skip
        self.crossings.append(_of(done, sound))
        lost = ~sound
        self.left.append(whole.of(lost))
        self.left_rising.append(rising[lost])

    def _cluster(self, at: Intervals, row: int, low, high, c, g, rough: bool) -> None:
        """An interval about which a series says nothing: a zero that is touched or crossed with no
        slope, a kink or a jump."""
        whole, start, wide = at.row[row], at.low[row], at.high[row] - at.low[row]
        points = basis(SAMPLES).points
        inside = (points > low) & (points < high)
        sides = polynomials(np.array([low, high]), SAMPLES) @ c
        sides = g[0] if low == 0 else sides[0], g[-1] if high == 1 else sides[1]
        values = np.array([sides[0], *g[inside], sides[1]])
        s = start + wide * np.array([low, *points[inside], high])
        finite = np.isfinite(values)
        values, s = values[finite], s[finite]
        if not len(values):
            return
        begins = self.starting[whole] and s[0] == 0
        above = values >= 0
        if begins:
            above[0] = above[-1]
        changes = np.flatnonzero(above[1:] != above[:-1])
        size = np.sum(np.abs(c)) if np.isfinite(c).all() else np.max(np.abs(values))
        if not rough and len(changes) != 1:
            changes = changes[:0] if above[0] == above[-1] else changes[:1]
        if len(changes) and (rough or above[0] != above[-1]):
            self.left.append(Intervals(np.full(len(changes), whole), s[changes], s[changes + 1]))
            self.left_rising.append(above[changes + 1])
        elif not begins:
            nearest = int(np.argmin(np.abs(values)))
            if not rough or np.abs(values[nearest]) <= NOISE * size:
                there = self._sample(np.array([whole]), s[nearest : nearest + 1])
                self.marks.append(
                    Marks(self.which[[whole]], there.t, values[nearest : nearest + 1])
                )

    def _bisected(self) -> None:
        """Crossings in brackets without a slope to go by, and jumps: where the event stays of a
        size as its bracket shrinks."""
        at, rising = joined(self.left), np.concatenate([np.zeros(0, bool), *self.left_rising])
        if not len(at.row):
            return
        low, high, early = at.low.copy(), at.high.copy(), np.zeros(0)

        def size() -> np.ndarray:
            return np.abs(self._sample(at.row, low).g) + np.abs(self._sample(at.row, high).g)

        for k in range(BISECTIONS):
            if k == EARLY:
                early = size()
            s = (low + high) / 2
            beyond = (self._sample(at.row, s).g >= 0) == rising
            low, high = np.where(beyond, low, s), np.where(beyond, s, high)
        late, x = size(), self._sample(at.row, high)
        jumps = ~(late <= 0.5 * early) & (late > 0)
        nan, which = np.full(len(high), np.nan), self.which[at.row]
        self.marks.append(Marks(which[jumps], x.t[jumps], nan[jumps]))
        done = Crossings(which, self.step[at.row], high, rising, x.q, x.v, x.t, nan, nan)
        self.crossings.append(_of(done, ~jumps))
