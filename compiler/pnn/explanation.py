"""What a pnn study means, in sections."""

from __future__ import annotations

from actionrun.compiler.findings import Section
from actionrun.spec.kinds.pnn import Pnn

from .laws.explanation import explain_law
from .maps.explanation import explain_map


def explain(study: Pnn) -> tuple[Section, ...]:
    """The sections of `actionrun explain` for a pnn study."""
    return explain_map(study) if study.system.coordinates else explain_law(study)
