"""Studies of kind `pnn`: what is the simplest law behind these data?

Motions of a Lagrangian, one step apart, give a map; a table gives a law.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from actionrun.compiler.program import Search
from actionrun.spec.kinds.pnn import Pnn


def build(study: Pnn, observations: Mapping[str, np.ndarray] | None = None) -> Search:
    """The search of a study; `observations` are the columns of its [data], if it has a file.
    Raises Faults."""
    if study.system.coordinates:
        from .maps import build as pnn_maps

        return pnn_maps.build(study, observations)
    from .laws import search as pnn_laws

    return pnn_laws.build(study, observations)
