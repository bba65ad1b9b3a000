"""Symbolic checks of an om study: kinks, constants, sums of other things."""

from __future__ import annotations

from actionrun.spec import Fault
from actionrun.spec.kinds.om import Om

from .path_problem import path_problem


def check(study: Om) -> list[Fault]:
    """Every fault and note of the symbolic stage. Raises Faults."""
    path_problem(study)
    return []
