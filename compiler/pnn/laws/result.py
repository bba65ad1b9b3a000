"""A law of the front, and its constants as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .formula import LawFormula


@dataclass(frozen=True, eq=False)
class Law:
    """A law of the front: error and spread over repeats of the cross-validation, error on the test
    rows (None without), in the units of the output."""

    genome: np.ndarray
    weights: np.ndarray
    complexity: int
    error: float
    spread: float
    test_error: float | None
    objective: float
    squares: np.ndarray
    formula: LawFormula


def constants(shown: LawFormula) -> dict[str, dict[str, Any]]:
    """Value, standard deviation and the short number within it, by constant."""
    return {
        str(name): {"value": value, "std": std, "short": short}
        for name, value, std, short in zip(
            shown.constants, shown.values, shown.stds, shown.short, strict=True
        )
    }
