"""Maps, put together: the search of a map study, and what is said of its archive."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from actionrun.compiler.findings import Findings
from actionrun.compiler.program import ReportedSearch, Tell
from actionrun.spec.kinds.pnn import Pnn

from .findings import make_findings
from .model import map_model
from .search import MapSearch
from .warm_up import Precompiler


def map_search(
    study: Pnn, observations: Mapping[str, np.ndarray] | None = None
) -> ReportedSearch[MapSearch]:
    """The search of a map study. Raises Faults for what the mathematics forbids."""
    ready = map_model(study, observations)
    precompiler = Precompiler(ready)

    def report(
        genomes: np.ndarray, scores: np.ndarray, trained: int, history: np.ndarray, tell: Tell
    ) -> Findings:
        return make_findings(ready, precompiler, genomes, history, tell)

    return ReportedSearch(MapSearch(ready, precompiler), report)
