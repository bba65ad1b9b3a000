"""What only the symbolic stage sees of a pnn study: forces that depend on more than positions,
groups that columns do not form, outputs that are no state, networks that are too large."""

from __future__ import annotations

from actionrun.compiler.pnn.laws.table import group_layout, law_groups
from actionrun.compiler.pnn.maps.data import moving_system
from actionrun.compiler.pnn.maps.networks import map_networks
from actionrun.spec import Fault
from actionrun.spec.kinds.pnn import Pnn


def check(study: Pnn) -> list[Fault]:
    """Every fault and note of the symbolic stage. Raises Faults."""
    if study.system.coordinates:
        map_networks(study, moving_system(study))
    else:
        group_layout(study, law_groups(study))
    return []
