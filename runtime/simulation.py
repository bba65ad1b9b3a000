"""`actionrun.simulate`: the motion of a study as a function, for one's own optimisation."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from actionrun.spec.kinds.family import Family
from actionrun.spec.kinds.ggl import Ggl
from actionrun.spec.kinds.registry import Study

from .environment.jax_setup import set_switches_unless_imported
from .errors import Refused

if TYPE_CHECKING:
    from actionrun.compiler.formulas.motion import Simulation, Simulator

MOST_KEPT = 32  # studies whose compiled motion is kept
_kept: OrderedDict[int, tuple[Ggl | Family, Simulator]] = OrderedDict()


def simulate(
    study: Study,
    *,
    theta: Mapping[str, Any] | None = None,
    start: Mapping[str, Mapping[str, Any]] | None = None,
    steps: int | None = None,
    every: int = 1,
) -> Simulation:
    """The motion of a study by the GGL integrator, whose r and dt are the study's.

    A pure function of JAX arrays: it may stand inside `jax.jit`, `jax.grad` and `jax.vmap`.

    `theta`: parameters (and coefficients of a family) by their names, by default the study's;
    `start`: {"position": {"q": ...}, "velocity" or "momentum": {"q": ...}}, vectors as arrays (n,),
    what is left out is the study's. `steps` of dt, by default the study's, kept every `every`-th
    with the start. Numbers are in the study's base units. Returns t (samples,), q, p (samples, n)
    and `change`, which is large where a step did not converge. A study compiles once for each
    number of steps. Raises Faults, Refused.
    """
    set_switches_unless_imported(doubles=True)
    # at start-up: jax, for those who simulate
    from actionrun.compiler.formulas.motion import FormulaError, simulator

    if not sys.modules["jax"].config.jax_enable_x64:
        raise Refused("simulate needs doubles: jax.config.update('jax_enable_x64', True)")
    if not isinstance(study, Ggl | Family):
        raise Refused(f"simulate is for studies of kind ggl and family, not {study.study}")
    if steps is None:
        own = study.integrator
        steps = study.step_count if isinstance(study, Ggl) else own.steps if own else None
    if not steps or min(steps, every) < 1 or steps % every:
        raise Refused("give steps, a whole multiple of every")
    try:
        if id(study) not in _kept:
            _kept[id(study)] = study, simulator(study)
        _kept.move_to_end(id(study))
        while len(_kept) > MOST_KEPT:
            _kept.popitem(last=False)
        return _kept[id(study)][1](theta or {}, start or {}, steps, every)
    except FormulaError as reason:
        raise Refused(str(reason)) from None
