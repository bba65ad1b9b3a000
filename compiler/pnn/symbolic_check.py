"""What only the symbolic stage sees of a pnn study: forces that depend on more than positions,
groups that columns do not form, outputs that are no state, networks that are too large."""

from __future__ import annotations

from actionrun.spec import Fault
from actionrun.spec.kinds.pnn import Pnn

from .build import law_problem, network_space, system_of_maps
from .laws.table import group_layout, law_groups
from .maps.networks import map_networks


def check(study: Pnn) -> list[Fault]:
    """Every fault and note of the symbolic stage. Raises Faults."""
    if study.is_table:
        problem = law_problem(study)
        group_layout(problem, law_groups(problem))
    else:
        moving = system_of_maps(study)
        map_networks(network_space(study, moving.problem.words), moving)
    return []
