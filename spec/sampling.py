"""Sample times as files hold them: rounded to some decimals."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

EXACT = 1e-6  # of a step: what arithmetic leaves
KNOWN = 0.02  # of a step: to which the mean step of a run of rows must be told by rounded times
MOST_DECIMALS = 9


def resolution(times: Sequence[float]) -> float:
    """The last decimal that times are given to, such as 1e-4; 0 where they are not rounded."""
    size = max((abs(float(t)) for t in times), default=0.0)
    for decimals in range(MOST_DECIMALS + 1):
        if all(abs(float(t) - round(float(t), decimals)) <= 1e-12 * (size + 1) for t in times):
            return 10.0**-decimals
    return 0.0


def steps_apart(times: Sequence[float], trials: Sequence[float], dt: float) -> list[bool]:
    """Which rows (N - 1 of N) are followed by one of their trial a step dt later.

    Rounded times are dt apart where all times of a run of rows stay on the grid of its first, to
    their last decimal: rounding does not add up, a wrong dt does. The run is so long that its mean
    step is known.
    """
    steps = [after - before for before, after in pairwise(times)]
    alike = [before == after for before, after in pairwise(trials)]
    follows = [
        same and abs(step - dt) <= EXACT * abs(dt) for same, step in zip(alike, steps, strict=True)
    ]
    rounded = resolution(times)
    if all(follows) or not 0 < rounded < abs(dt) / 2:
        return follows
    begin = 0
    while begin < len(steps):
        end = begin
        while end < len(steps) and alike[end]:
            count = end + 1 - begin
            slack = 1.01 * rounded + EXACT * abs(dt) * count
            if abs(times[end + 1] - times[begin] - count * dt) > slack:
                break
            end += 1
        drifts = end < len(steps) and alike[end] and abs(steps[end] - dt) <= 1.01 * rounded
        if not drifts and rounded <= KNOWN * abs(dt) * (end - begin):
            follows[begin:end] = [True] * (end - begin)
        begin = max(end, begin + 1)
    return follows
