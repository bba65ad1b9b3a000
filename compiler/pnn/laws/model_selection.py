"""Which law of a front to recommend, and how good a front is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEVEL = 1.645  # standard errors


@dataclass(frozen=True)
class ModelChoice:
    """Index of the law recommended, and why; `worse`: how many standard errors each law is worse
    than the one of the lowest error, () where that is not the criterion."""

    index: int
    reason: str
    worse: tuple[float, ...] = ()


def knee(complexity: Sequence[float], squares: np.ndarray) -> ModelChoice:
    """The simplest law that is not worse than the one of the lowest error, as far as rows can tell.

    `complexity` (n,) of laws in order of complexity; `squares` (n, rows): what each errs, squared,
    on rows that its fit had not seen. As in the rule of one standard error (Breiman et al.,
    Classification and Regression Trees, 1984, 3.4.3), but paired: the differences of absolute
    errors are taken row by row, as rows that are hard for one law are hard for the other, and a
    law is worse where their mean is above 1.645 of its standard errors (5 %, one-sided). Absolute
    errors, since a few bad rows drown the spread of squares.
    """
    means, errors = squares.mean(axis=1), np.sqrt(squares)
    best = int(np.argmin(means))
    differences = errors - errors[best]
    spreads = differences.std(axis=1, ddof=1) / np.sqrt(errors.shape[1])
    worse = tuple((differences.mean(axis=1) / np.maximum(spreads, 1e-300)).tolist())
    for index in range(best):
        if worse[index] <= LEVEL:
            more = np.sqrt(means[index] / means[best]) - 1
            return ModelChoice(
                index,
                f"the simplest law that the rows cannot tell from the one of the lowest error: it "
                f"errs {100 * more:.1f} % more, at complexity {complexity[index]:g} instead of "
                f"{complexity[best]:g}; row by row that is {worse[index]:.1f} standard errors, and "
                f"up to {LEVEL:g} tell nothing",
                worse,
            )
    return ModelChoice(best, "row by row, every simpler law is worse", worse)


def hypervolume(complexity: np.ndarray, error: np.ndarray, most: float, worst: float) -> float:
    """The share of the box [0, most] x [0, worst] that a front of complexity (n,) and error (n,)
    dominates: 0 where nothing is better than `worst`, 1 for an error of zero at complexity zero."""
    order = np.argsort(complexity, kind="stable")
    total, least, at = 0.0, worst, 0.0
    for c, e in zip(complexity[order], error[order], strict=True):
        if c >= most:
            break
        total += (c - at) * (worst - least)
        at, least = max(at, c), min(least, e)
    total += (most - at) * (worst - least)
    return float(total / (most * worst))
