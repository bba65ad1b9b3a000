"""Sample times as files hold them: rounded to some decimals, or to some digits."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import floor, log10
from statistics import median

EXACT = 1e-6  # of a step: what arithmetic leaves
KNOWN = 0.02  # of a step: to which the mean step of a run of rows must be told by rounded times
MOST_DECIMALS = 9
MOST_DIGITS = 9
ROUND_OFF = 1e-15  # of a number: what a change of units leaves


def resolution(times: Sequence[float]) -> float:
    """The last decimal that times are given to, such as 1e-4; 0 where they are not rounded."""
    size = max((abs(float(t)) for t in times), default=0.0)
    left = 1e-12 + ROUND_OFF * size
    for decimals in range(MOST_DECIMALS + 1):
        if all(abs(float(t) - round(float(t), decimals)) <= left for t in times):
            return 10.0**-decimals
    return 0.0


def significant_digits(times: Sequence[float]) -> int:
    """Digits that times are given to, where they are written as 0.03333, 9.967, 10.03: 4; 0 where
    they are not rounded."""
    for digits in range(1, MOST_DIGITS + 1):
        shortest = f".{digits - 1}e"
        if all(abs(float(t) - float(format(t, shortest))) <= 4e-16 * abs(t) for t in times):
            return digits
    return 0


def roundings(times: Sequence[float]) -> list[float]:
    """What the last digit of each of the times is worth, (N,); 0 where they are not rounded."""
    last, digits = resolution(times), significant_digits(times)
    if not digits:
        return [last] * len(times)
    sizes = (floor(log10(abs(t))) if t else -MOST_DECIMALS for t in times)
    return [max(last, 10.0 ** (size + 1 - digits)) for size in sizes]


def steps_apart(times: Sequence[float], trials: Sequence[float], dt: float) -> list[bool]:
    """Which rows (N - 1 of N) are followed by one of their trial a step dt later.

    Rounded times are dt apart where all times of a run of rows stay on the grid of its first, to
    their last digits: rounding does not add up, a wrong dt does. The run is so long that its mean
    step is known.
    """
    steps = [after - before for before, after in pairwise(times)]
    alike = [before == after for before, after in pairwise(trials)]
    follows = [
        same and abs(step - dt) <= EXACT * abs(dt) for same, step in zip(alike, steps, strict=True)
    ]
    if all(follows):
        return follows
    last = roundings(times)
    fine = [0 < one < abs(dt) / 2 for one in last]
    begin, drifted = 0, False
    while begin < len(steps):
        end, drifts = begin, False
        while end < len(steps) and alike[end] and fine[begin] and fine[end + 1]:
            count = end + 1 - begin
            slack = 0.505 * (last[begin] + last[end + 1]) + EXACT * abs(dt) * count
            if abs(times[end + 1] - times[begin] - count * dt) > slack:
                # a clock that loses more than a rounding in a step leaves the grid at once
                drifts = abs(steps[end] - dt) <= 2.02 * last[end + 1]
                break
            end += 1
        known = max(last[begin : end + 1]) <= KNOWN * abs(dt) * (end - begin)
        if known and not (drifts or drifted):
            follows[begin:end] = [True] * (end - begin)
        begin, drifted = max(end, begin + 1), drifts  # up to a gap it is one clock
    return follows


def rows_later(times: Sequence[float], trials: Sequence[float], dt: float) -> list[int]:
    """The row of its trial that is dt later, for each row; -1 where there is none. dt is a step of
    the file or a multiple of it."""
    return _rows_later(times, trials, dt, file_steps(times, trials, dt))


def file_steps(times: Sequence[float], trials: Sequence[float], dt: float) -> int:
    """How many steps of the file dt is: as many as most rows are found by, of those that the median
    and the mean step of rounded times suggest."""
    inner = [b - a for a, b, one, other in zip(times, times[1:], trials, trials[1:], strict=False)
             if one == other and b > a]  # fmt: skip
    if not inner:
        return 1
    suggested = (median(inner), sum(inner) / len(inner))
    counts = sorted({max(1, round(dt / step)) for step in suggested})
    if len(counts) == 1:
        return counts[0]
    return max(counts, key=lambda k: sum(j >= 0 for j in _rows_later(times, trials, dt, k)))


def _rows_later(
    times: Sequence[float], trials: Sequence[float], dt: float, count: int
) -> list[int]:
    """Those that are `count` steps of the file later."""
    rows, run = [-1] * len(times), 0
    for row, follows in enumerate(steps_apart(times, trials, dt / count), 1):
        run = run + 1 if follows else 0
        if run >= count:
            rows[row - count] = row
    return rows
