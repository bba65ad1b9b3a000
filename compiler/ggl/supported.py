"""What a ggl study may ask for and this version cannot do, and what single precision costs."""

from __future__ import annotations

import numpy as np
from actionrun.compiler.errors import study_error
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem
from actionrun.spec.kinds.ggl import Ggl


def require_built(study: Ggl) -> None:
    """Raises Faults for combinations that are not built yet."""
    constrained, transform = study.system.holonomic, study.integrator.time_transform
    asked = (
        ("constraints", ("system", "constraints"), constrained),
        ("a time_transform", ("integrator", "time_transform"), transform is not None),
        ("comparisons", ("compare",), study.compare is not None),
        ("outputs between the steps", ("output",), study.output is not None),
        ("events", ("events",), study.events),
    )
    for what, _, given in asked:
        if given and study.integrator.precision == "single":
            raise study_error(
                study, ("integrator", "precision"), "not-built",
                f"not built yet in single precision in this version: {what}",
                'write precision = "double"',
            )  # fmt: skip


def require_room(study: Ggl, problem: LagrangianSystem, h: float, q, p) -> None:
    """Raises Faults for a step, a parameter or a start (n,) beyond the range of the precision."""
    if study.integrator.precision == "double":
        return
    known = {"integrator.dt": h} | {str(s): x for s, x in problem.values.items()}
    known |= {f"{what} of the start": np.max(np.abs(x))
              for what, x in (("a position", q), ("a momentum", p))}  # fmt: skip
    room = np.finfo(np.float32)
    for name, x in known.items():
        if x and not float(room.tiny) <= abs(x) <= float(room.max):
            raise study_error(
                study, ("integrator", "precision"), "precision-range",
                f"{name} is {x:.3g}, and single precision holds numbers from 1.2e-38 to 3.4e+38",
                'write precision = "double"',
            )  # fmt: skip


def cost(study: Ggl) -> str:
    """What single precision costs, in words; nothing of double precision."""
    if study.integrator.precision == "double":
        return ""
    return (
        ", in single precision: half the memory, and 7 digits instead of 16 in every step (sums "
        "over the steps are compensated, so that the errors of steps add up as a random walk)"
    )
