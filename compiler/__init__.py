"""What it means: symbols, then arrays. No disk, no screen, no clock.

The stages, each with what goes in and what comes out:

1. `symbolic.vocabulary`: syntax trees of the study -> SymPy.
2. `symbolic.lagrangian_system`: L and K -> forces and momenta, the physical limit of K taken.
3. `symbolic.structure`, `noether`, `scaling`: what can be said with pencil and paper.
4. `symbolic.lowering`, `lowered_system`: expressions -> JAX functions.
5. a wing a kind (`ggl`, `family`, `om`, `pnn`): functions and `numerics` -> a `Program`.
6. `symbolic.printing`, `equations`: values -> equations with numbers, as text and as LaTeX.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from actionrun.compiler.findings import Section
from actionrun.compiler.kinds import KINDS
from actionrun.compiler.program import Program, Search
from actionrun.spec import Fault, Faults, Study


def compile(study: Study, observations: Mapping[str, np.ndarray] | None = None) -> Program | Search:
    """The program of a study; `observations` are the columns of its [data], if it has any.

    Raises `spec.Faults` where the mathematics does not work out, pointing into the study.
    """
    return KINDS[study.study].build(study, observations)


def explain(study: Study) -> tuple[Section, ...]:
    """What a study means: Lagrangian, momenta, equations of motion, what its kind adds, the doubled
    system, symmetries and their charges, the loss, and what motions determine."""
    return KINDS[study.study].explain(study)


def symbolic_check(study: Study) -> list[Fault]:
    """Every fault and note of the symbolic stage, without a run. Raises nothing for what a study
    says."""
    try:
        return KINDS[study.study].check(study)
    except Faults as faults:
        return list(faults.faults)
