"""How exactly the target was measured: what each row of a table counts in a fit.

Residuals belong to the column that was measured, whatever group stands for it. Its standard
deviation is given (`sigma` in [data]), or it is estimated which of a few kinds it is, by the
likelihood of normal residuals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

MARGIN = 1.0  # of the log likelihood, by which another kind than the study's output has to win
# Of the output's spread: a law that misses more tells what it lacks, not how rows were measured.
MOST_MISSED = 0.1
# Deviations of the sum of products of neighbouring signs of residuals: beyond it they are what a
# law lacks, a function of its inputs, and no noise.
ORDERED = 2.5
ALIKE = 1e-3  # range of the logarithms of deviations that are all alike
ROUNDS = 2  # of weights by predictions, which are fitted with these weights
LEAST = 1e-9  # of the largest deviation, that a row may have


@dataclass(frozen=True)
class NoiseModel:
    """Standard deviations of the output, row by row (n,), up to a common factor unless they are
    `absolute`."""

    kind: str
    spread: np.ndarray
    absolute: bool = False

    @property
    def words(self) -> str:
        """One sentence for the report."""
        return KINDS[self.kind]


KINDS = {
    "output": "every row counts alike in the output",
    "target": "the measured column has the same standard deviation in every row",
    "relative": "the standard deviation of the measured column is in proportion to it",
    "sigma": "standard deviations are those of [data] sigma",
}


def deviations(slope: np.ndarray, predicted: np.ndarray) -> Mapping[str, np.ndarray]:
    """The output's standard deviation (n,) by kind, where the output moves by `slope` (n,) with
    the target, which a law says is `predicted` (n,)."""
    kinds = {"output": np.ones(len(slope)), "target": np.abs(slope)}
    if np.all(np.isfinite(predicted)) and np.all(predicted != 0):
        kinds["relative"] = np.abs(slope * predicted)
    return {
        kind: np.maximum(one, LEAST * one.max())
        for kind, one in kinds.items()
        if np.all(np.isfinite(one)) and one.max() > 0
    }


def likelihood(missed: np.ndarray, spread: np.ndarray) -> float:
    """The log likelihood of residuals (n,) that are normal with deviations in proportion to
    `spread` (n,), at its best factor."""
    with np.errstate(divide="ignore"):
        size = np.log(np.sqrt(np.mean((missed / spread) ** 2)))
    return float(-np.log(spread).sum() - len(missed) * size)


def likeliest_kind(
    inputs: np.ndarray,
    output: np.ndarray,
    slope: np.ndarray,
    learn: np.ndarray,
    fit: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
) -> tuple[str, np.ndarray]:
    """The kind of the noise of an output (n,) of inputs (n, k), and its deviations (n,).

    `fit` gives the residuals of the output (n,) and the target that is predicted (n,), of one law
    fitted to the rows `learn` with the deviations that it is handed. The study's own output wins
    where no other kind is clearly likelier, and where residuals are no noise.
    """
    plain = np.ones(len(slope))
    missed, predicted = fit(plain)
    best, kind, chosen = likelihood(missed[learn], plain[learn]) + MARGIN, "output", plain
    for name, spread in deviations(slope, predicted).items():
        if name == "output":
            continue
        missed, target = fit(spread)
        for _ in range(ROUNDS if name == "relative" else 0):
            spread = deviations(slope, target).get(name, spread)
            missed, target = fit(spread)
        if np.ptp(np.log(spread)) <= ALIKE:
            continue
        value = likelihood(missed[learn], spread[learn])
        orders = np.column_stack([inputs, output - missed])[learn]
        told = _tells(missed[learn], output[learn], spread[learn])
        if value > best and told and not _ordered((missed / spread)[learn], orders):
            best, kind, chosen = value, name, spread
    return kind, chosen


def _ordered(residuals: np.ndarray, along: np.ndarray) -> bool:
    """Whether residuals (n,), sorted by a column of `along` (n, k), have the sign of the one before
    more often than by chance (Wald and Wolfowitz's runs, whatever their sizes are)."""
    for column in along.T:
        sign = np.sign(residuals[np.argsort(column, kind="stable")])
        if np.sum(sign[1:] * sign[:-1]) > ORDERED * np.sqrt(len(sign) - 1):
            return True
    return False


def _tells(missed: np.ndarray, output: np.ndarray, spread: np.ndarray) -> bool:
    """Whether the residuals are small beside the output's own spread, all weighed alike."""
    away = (output - np.average(output, weights=spread**-2)) / spread
    return bool(np.mean((missed / spread) ** 2) < MOST_MISSED**2 * np.mean(away**2))
