"""What a pnn study means, in sections."""

from __future__ import annotations

from actionrun.compiler.findings import Section
from actionrun.spec.kinds.pnn import Pnn


def explain(study: Pnn) -> tuple[Section, ...]:
    """The sections of `actionrun explain` for a pnn study."""
    if study.system.coordinates:
        from .maps import build as pnn_maps

        return pnn_maps.explain(study)
    from .laws import search as pnn_laws

    return pnn_laws.explain(study)
