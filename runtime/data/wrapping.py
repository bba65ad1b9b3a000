"""Angles that were wrapped: samples within one period that jump from one end of it to the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

FULL = 1.02  # periods that wrapped samples reach over at most, noise at their ends included
JUMP = 0.8  # of a period, from one sample to the next
SMOOTH = 0.5  # of a period: a step above it, but no jump, has no direction


def wrapped_rows(values: Sequence[float], trials: Sequence[float], period: float) -> list[int]:
    """The rows that a jump of about a period leads to; none where the samples are not wrapped."""
    there = [value for value in values if not math.isnan(value)]
    if not there or not JUMP * period < max(there) - min(there) <= FULL * period:
        return []
    rows = [k for k, value in enumerate(values) if not math.isnan(value)]
    jumps, between = [], 0
    for before, after in pairwise(rows):
        if trials[before] != trials[after]:
            continue
        step = values[after] - values[before]
        if abs(step) > JUMP * period:
            jumps.append(after)
        elif abs(step) > SMOOTH * period:
            between += 1  # over a gap, or of samples too far apart
    return jumps if 2 * between <= len(jumps) else []
