"""Studies of kind `pnn`: what is the simplest law behind these data?

Motions of a Lagrangian, one step apart, give a map; a table gives a law.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from actionrun.compiler.program import Search
from actionrun.spec.kinds.pnn import Pnn

from .laws.build import law_search
from .maps.build import map_search


def build(study: Pnn, observations: Mapping[str, np.ndarray] | None = None) -> Search:
    """The search of a study; `observations` are the columns of its [data], if it has a file.
    Raises Faults."""
    if study.system.coordinates:
        return map_search(study, observations)
    if observations is None:
        raise TypeError("a study of a table is built with its columns")
    return law_search(study, observations)
