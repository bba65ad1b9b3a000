"""What only the symbolic stage sees of a family: what motions determine, steps too long."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from actionrun.compiler.numerics.inference.observables import by_state
from actionrun.compiler.symbolic.identifiability import monomial
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem, lagrangian_system
from actionrun.compiler.symbolic.linear_stability import limit
from actionrun.compiler.symbolic.step_limits import fastest_rates
from actionrun.spec import Fault
from actionrun.spec.kinds.family import Family

from .bounds import ranges
from .build import library_of, settings
from .settings import Settings
from .symbolic_identifiability import symbolic_identifiability
from .train import population


def check(study: Family) -> list[Fault]:
    """Every fault and note of the symbolic stage. Raises Faults."""
    if (terms := library_of(study)) is not None:
        return [
            study.fault(("library",), None, "library.alike", one.text, severity="note")
            for one in terms.dropped
        ]
    symbolic = lagrangian_system(study)
    of = settings(study, symbolic)
    within = ranges(of, symbolic)
    if symbolic.constraints and of.start is not None:
        population(of, symbolic, within, 1)
    fast = np.zeros(0)
    timed = study.integrator.time_transform is not None
    if study.start is not None and of.start is not None and not timed and not symbolic.constraints:
        dice = np.random.default_rng(of.seed)
        fast = fastest_rates(symbolic, study.start, study.number, study.coefficients, dice)
    measured = study.data is not None
    return [*_identified(of, symbolic, measured), *_family_step(of, symbolic, fast)]


def _identified(of: Settings, symbolic: LagrangianSystem, measured: bool) -> Iterator[Fault]:
    fault = symbolic.words.fault
    if not symbolic.coefficients:
        return
    if of.hides_positions:
        yield fault(("data",), None, "deep.rank",
                          "not every coordinate is seen: what the data determine is the rank of "
                          "the fit", severity="note")  # fmt: skip
        return
    result = symbolic_identifiability(of, symbolic)
    if result is None:
        yield fault(("coefficients",), None, "deep.rank",
                          "no state with finite numbers was found to judge what is identifiable",
                          severity="note")  # fmt: skip
        return
    rank = f"rank {result.rank} of {result.of}"
    if result.rank == result.of:
        message = f"{rank}: motions determine all coefficients"
        yield fault(("coefficients",), None, "deep.rank", message, severity="note")
        return
    known = " and ".join(monomial(c) for c in result.combinations) or "nothing"
    lost = [c.name for c in symbolic.coefficients if c.name in result.lost]
    hint = f"fix one of {', '.join(lost)}, e.g. {lost[0]} = {{ fixed = 1.0 }}"
    if "momentum" not in by_state(of.variables) and not measured:
        hint += '; or observe momenta: variables = ["q", "pi"]'
    elif measured:
        hint += "; or measure momenta too"
    yield fault(("coefficients",), None, "deep.rank",
                      f"{rank}: motions determine {known}, "
                      f"not {', '.join(lost)} apart", hint, severity="note")  # fmt: skip


def _family_step(of: Settings, symbolic: LagrangianSystem, fast: np.ndarray) -> Iterator[Fault]:
    """The share of a family's systems, of rates `fast`, whose steps are too long."""
    fast = fast[np.isfinite(fast)]
    if not len(fast):
        return
    r, h = of.r, of.h
    share, most = float(np.mean(h * fast > limit(r))), limit(r)
    if share > 0.002:
        yield symbolic.words.fault(
            ("integrator", "dt"), None, "deep.step",
            f"the step is too long for {share:.2g} of the systems drawn: dt*omega reaches "
            f"{h * fast.max():.3g}, and r = {r} is stable up to {most:.3g}",
            "take a smaller dt, a larger r or narrower ranges", severity="note",
        )  # fmt: skip
