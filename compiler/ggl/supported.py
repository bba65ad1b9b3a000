"""What a run has to have room for: numbers of single precision, and inputs over all its time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from actionrun.compiler.errors import study_error
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem

from .settings import Settings

SLACK = 1e-9  # of the end, by which samples may be short of it


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


def require_inputs(
    system: LagrangianSystem, settings: Settings, columns: Mapping[str, np.ndarray] | None
) -> None:
    """Raises Faults for inputs that are not known from 0 to the end of the run."""
    if columns is None:
        return
    end = settings.h * settings.steps
    for name in system.words.driven.functions:
        t = columns["t"][np.isfinite(columns[name])]
        if not len(t) or t[0] > 0 or t[-1] < end * (1 - SLACK):
            known = f"from {t[0]:.6g} to {t[-1]:.6g}" if len(t) else "nowhere"
            raise study_error(
                system.words, ("inputs", "file"), "inputs.range",
                f"{name} is known {known}, and the run goes from 0 to {end:.6g}",
                "bring samples for all of it, or take fewer steps",
            )  # fmt: skip


def require_autonomous(system: LagrangianSystem, settings: Settings) -> None:
    """Raises Faults for a periodic orbit of a law that changes with time."""
    if settings.analysis is not None and settings.analysis.periodic is not None and system.timed:
        raise study_error(
            system.words, ("analysis", "periodic"), "not-built",
            "a periodic orbit of a law that changes with the time is not built yet in this version",
            "take monodromy = true over a run as long as the period of the law",
        )  # fmt: skip


def cost(settings: Settings) -> str:
    """What single precision costs, in words; nothing of double precision."""
    if settings.precision == "double":
        return ""
    return (
        ", in single precision: half the memory, and 7 digits instead of 16 in every step (sums "
        "over the steps are compensated, so that the errors of steps add up as a random walk)"
    )
