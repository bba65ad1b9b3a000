"""Results of a cluster's transformation: what figures, tables and checks are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from actionrun.compiler.om.diagnostics import PathDiagnostics
from actionrun.compiler.om.path_problem import PathProblem

from .endpoints import Endpoints
from .landscape import Landscape
from .pathway import StationaryStructure
from .rates import Rates


@dataclass(frozen=True)
class TransformationResult:
    """All that figures, tables and checks are made of.

    `fit` is the path's minimisation, `search` the state of the search for a barrier (empty where
    none was looked for), `quenched` are the energies of the path's `images` after each is relaxed.
    `landscape` are the minima and saddles of that search. `chain` is empty where no way was found
    or none was looked for.
    """

    problem: PathProblem
    ends: Endpoints
    fit: Any
    search: Mapping[str, Any]
    path: PathDiagnostics
    images: np.ndarray
    quenched: np.ndarray
    chain: tuple[StationaryStructure, ...]
    history: Mapping[str, np.ndarray]
    rates: Rates | None = None
    landscape: Landscape | None = None

    @property
    def lid(self) -> float | None:
        """The energy of the highest saddle of the chain."""
        tops = [stop.point.energy for stop in self.chain if stop.is_saddle]
        return max(tops) if tops else None

    @property
    def top(self) -> StationaryStructure | None:
        tops = [stop for stop in self.chain if stop.is_saddle]
        return max(tops, key=lambda stop: stop.point.energy) if tops else None
