"""Studies of kind `pnn`: what is the simplest law behind these data?

Motions of a Lagrangian, one step apart, give a map; a table gives a law.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..spec.pnn import Pnn
from .program import Search, Section


def compile(study: Pnn, observations: Mapping[str, np.ndarray] | None = None) -> Search:
    """The search of a study; `observations` are the columns of its [data], if it has a file.
    Raises Faults."""
    if study.system.coordinates:
        from . import pnn_maps

        return pnn_maps.compile(study, observations)
    from . import pnn_laws

    return pnn_laws.compile(study, observations)


def explain(study: Pnn) -> tuple[Section, ...]:
    """The sections of `actionrun explain` for a pnn study."""
    if study.system.coordinates:
        from . import pnn_maps

        return pnn_maps.explain(study)
    from . import pnn_laws

    return pnn_laws.explain(study)
