"""Results of a minimised path: what its figures, tables and checks are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .diagnostics import PathDiagnostics, ReferenceDeviation
from .path_problem import PathProblem
from .reference_md import ReferenceRun

NEWTON = 1e-6  # largest error of a force, relative, of a path that is a motion of Newton's


@dataclass(frozen=True)
class FluidStatistics:
    """g(r) and the velocity autocorrelation over lags t, of a path and, where there is one, of the
    reference run: tuples of one or two arrays.

    `rest`: g, lags and autocorrelation of the liquid before, mean over its stretch without
    thermostat, which is longer than a path: what one window scatters around.
    """

    r: np.ndarray
    g: tuple[np.ndarray, ...]
    t: np.ndarray
    vacf: tuple[np.ndarray, ...]
    rest: tuple[np.ndarray, np.ndarray, np.ndarray] | None


@dataclass(frozen=True)
class StartResult:
    """Where another start led."""

    name: str
    diagnostics: PathDiagnostics
    ended: int

    @property
    def newton(self) -> bool:
        """Whether the path is one of Newton's motions, but for rounding."""
        return self.ended == 1 and self.diagnostics.force_error < NEWTON


@dataclass(frozen=True)
class PathResult:
    """All that figures, tables and checks are made of: the path shown, its minimisation `fit`, and
    the state `run` of the reference run (where there is one)."""

    problem: PathProblem
    reference: ReferenceRun | None
    run: Mapping[str, Any]
    fit: Any
    species: tuple[str, ...] | None
    diagnostics: PathDiagnostics
    score: ReferenceDeviation | None
    starts: tuple[StartResult, ...]
    fluid: FluidStatistics | None
    history: Mapping[str, np.ndarray]
