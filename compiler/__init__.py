"""What it means: symbols, then arrays. No disk, no screen, no clock.

The stages, each a file:

1. `symbols`: syntax trees of the study become SymPy.
2. `problem`: L and K become forces and momenta, the physical limit taken symbolically.
3. `mechanics`: what can be said with pencil and paper (structure, equations of motion, scalings).
4. `lower`, `arrays`: expressions become JAX functions.
5. one file a kind (`ggl`, `family`): a `Program` for the runtime out of the `modules`.
6. `lift`, `derived`: values come back as equations with numbers, as text and as LaTeX.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

import numpy as np

from ..spec import Faults, Study
from ..spec.family import Family
from ..spec.ggl import Ggl
from ..spec.om import Om
from ..spec.pnn import Pnn
from .program import Program, Search, Section


def compile(study: Study, observations: Mapping[str, np.ndarray] | None = None) -> Program | Search:
    """The program of a study; `observations` are the columns of its [data], if it has any.

    Raises `spec.Faults` where the mathematics does not work out, pointing into the study.
    """
    require_built(study)
    match study:
        case Ggl():
            from . import ggl

            return ggl.compile(study)
        case Family():
            from . import family

            return family.compile(study, observations)
        case Om():
            from . import om

            return om.compile(study, observations)
        case Pnn():
            from . import pnn

            return pnn.compile(study, observations)
        case _:
            assert_never(study)


def explain(study: Study) -> tuple[Section, ...]:
    """What a study means: Lagrangian, momenta, equations of motion, what its kind adds, the doubled
    system, symmetries and their charges, the loss, and what motions determine."""
    match study:
        case Ggl():
            from . import ggl
            from .meaning import meaning

            of_bodies = study.system.particles is not None
            return (*ggl.explain(study), *(() if of_bodies else meaning(study)))
        case Family():
            from . import family
            from .meaning import meaning

            return (*family.explain(study), *meaning(study))
        case Om():
            from . import om

            return om.explain(study)
        case Pnn():
            from . import pnn

            return pnn.explain(study)
        case _:
            assert_never(study)


def require_built(study: Study) -> None:
    """Raises Faults for what this version reads and cannot run yet: some tables."""
    lacking = (
        (
            ("system", "particles"),
            "a system of many bodies",
            study.study not in ("om", "ggl") and study.system.particles,
            None,
        ),
    )
    faults = [
        study.fault(key, None, "not-built", f"{what} is not built yet in this version", hint)
        for key, what, wanted, hint in lacking
        if wanted
    ]
    if faults:
        raise Faults(faults)
