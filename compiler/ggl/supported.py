"""Single precision: the range of its numbers, and what it costs."""

from __future__ import annotations

import numpy as np
from actionrun.compiler.errors import study_error
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem

from .settings import Settings


def require_room(settings: Settings, problem: LagrangianSystem, q, p) -> None:
    """Raises Faults for a step, a parameter or a start (n,) beyond the range of the precision."""
    if settings.precision == "double":
        return
    known = {"integrator.dt": settings.h} | {str(s): x for s, x in problem.values.items()}
    known |= {f"{what} of the start": np.max(np.abs(x))
              for what, x in (("a position", q), ("a momentum", p))}  # fmt: skip
    room = np.finfo(np.float32)
    for name, x in known.items():
        if x and not float(room.tiny) <= abs(x) <= float(room.max):
            raise study_error(
                problem.words, ("integrator", "precision"), "precision-range",
                f"{name} is {x:.3g}, and single precision holds numbers from 1.2e-38 to 3.4e+38",
                'write precision = "double"',
            )  # fmt: skip


def cost(settings: Settings) -> str:
    """What single precision costs, in words; nothing of double precision."""
    if settings.precision == "double":
        return ""
    return (
        ", in single precision: half the memory, and 7 digits instead of 16 in every step (sums "
        "over the steps are compensated, so that the errors of steps add up as a random walk)"
    )
