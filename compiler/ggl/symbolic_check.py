"""What only the symbolic stage sees of a ggl study: constraints that fail, steps too long."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem, lagrangian_system
from actionrun.compiler.symbolic.linear_stability import half_trace, limit
from actionrun.compiler.symbolic.step_limits import fastest_rates
from actionrun.compiler.symbolic.structure import structure
from actionrun.spec import Fault
from actionrun.spec.kinds.ggl import Ggl

from .build import build, settings
from .settings import Settings

NEAR = 0.9  # share of the limit from which on a step is told


def check(study: Ggl) -> list[Fault]:
    """Every fault and note of the symbolic stage. Raises Faults."""
    if study.system.particles is not None:
        build(study)
        return []
    symbolic = lagrangian_system(study)
    of = settings(study, symbolic)
    if symbolic.constraints:
        build(study)
    elif of.time_transform is None:
        fast = fastest_rates(symbolic, study.start, study.number)
        return list(_step(of, symbolic, fast))
    return []


def _step(of: Settings, symbolic: LagrangianSystem, fast: np.ndarray) -> Iterator[Fault]:
    """The step against the limit of stability, for the rates `fast` where the motion starts."""
    if not np.isfinite(fast).all() or not len(fast):
        return
    r, h = of.r, of.h
    x, most = h * float(fast.max()), limit(r)
    words = f"dt*omega = {x:.3g} at the start, and r = {r} is stable up to {most:.3g}"
    hint = f"take dt = {0.5 * h * most / x:.2g}, or a larger r" if x > 0 else None
    where, fault = ("integrator", "dt"), symbolic.words.fault
    certain = structure(symbolic).linear and symbolic.conservative
    if certain and abs(half_trace(np.array([x]), r)[0]) > 1 + 1e-6:
        yield fault(where, None, "deep.unstable", f"every motion of this system diverges: {words}",
                    hint)  # fmt: skip
    elif x > NEAR * most:
        word = "the step is too long" if x > most else "the step is near its limit"
        yield fault(where, None, "deep.step", f"{word}: {words}", hint, severity="note")
