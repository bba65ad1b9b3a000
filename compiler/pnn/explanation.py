"""What a pnn study means, in sections."""

from __future__ import annotations

from actionrun.compiler.findings import Section
from actionrun.spec.kinds.pnn import Pnn

from .build import law_problem, network_space, system_of_maps
from .laws.explanation import explain_law
from .maps.explanation import explain_map


def explain(study: Pnn) -> tuple[Section, ...]:
    """The sections of `actionrun explain` for a pnn study."""
    if study.is_table:
        return explain_law(law_problem(study))
    moving = system_of_maps(study)
    space = network_space(study, moving.problem.words)
    return explain_map(moving, space, study.data, study.training)
