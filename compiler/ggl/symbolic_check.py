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

from .build import build

NEAR = 0.9  # share of the limit from which on a step is told


def check(study: Ggl) -> list[Fault]:
    """Every fault and note of the symbolic stage. Raises Faults."""
    if study.system.particles is not None:
        build(study)
        return []
    symbolic = lagrangian_system(study)
    if symbolic.constraints:
        build(study)
    return list(_step(study, symbolic))


def _step(study: Ggl, symbolic: LagrangianSystem) -> Iterator[Fault]:
    """The step of a ggl study against the limit of stability, where its motion starts."""
    if symbolic.constraints or study.integrator.time_transform is not None:
        return
    fast = fastest_rates(symbolic, study.start, study.number)
    if not np.isfinite(fast).all() or not len(fast):
        return
    r, h = study.integrator.r, study.number(study.integrator.dt)
    x, most = h * float(fast.max()), limit(r)
    words = f"dt*omega = {x:.3g} at the start, and r = {r} is stable up to {most:.3g}"
    hint = f"take dt = {0.5 * h * most / x:.2g}, or a larger r" if x > 0 else None
    where = ("integrator", "dt")
    certain = structure(symbolic).linear and symbolic.conservative
    if certain and abs(half_trace(np.array([x]), r)[0]) > 1 + 1e-6:
        yield study.fault(where, None, "deep.unstable", f"every motion of this system diverges: "
                          f"{words}", hint)  # fmt: skip
    elif x > NEAR * most:
        word = "the step is too long" if x > most else "the step is near its limit"
        yield study.fault(where, None, "deep.step", f"{word}: {words}", hint, severity="note")
