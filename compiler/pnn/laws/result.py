"""A law of the front, and its constants as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .formula import LawFormula
from .solved import SolvedLaw


@dataclass(frozen=True, eq=False)
class Law:
    """A law of the front: error and spread over repeats of the cross-validation, error on the test
    rows (None without), in the units of the output; `cost`: mean square of the fit, `squares` of
    rows that it had not seen (rows to learn from), both weighed as in the fit."""

    genome: np.ndarray | None
    weights: np.ndarray | None
    complexity: int
    error: float
    spread: float
    test_error: float | None
    objective: float
    cost: float
    squares: np.ndarray
    formula: LawFormula
    solved: SolvedLaw | None = None


def constants(formula: LawFormula) -> dict[str, dict[str, Any]]:
    """Unrounded value and standard deviation, the short number within it, and the unit, if it has
    one, by constant."""
    return {
        one.name: {"value": one.value, "std": one.std, "short": one.short}
        | ({"unit": one.unit} if one.unit else {})
        for one in formula.shown
    }
