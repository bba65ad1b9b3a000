"""Symbolic checks of an om study: kinks, constants, sums of other things."""

from __future__ import annotations

from actionrun.spec import Fault
from actionrun.spec.kinds.om import Om

from .build import langevin_problem_of, path_problem_of


def check(study: Om) -> list[Fault]:
    """Every fault and note of the symbolic stage. Raises Faults."""
    if study.path.dynamics != "newton":
        langevin_problem_of(study)
        return []
    path_problem_of(study)
    return []
