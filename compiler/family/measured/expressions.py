"""Observables that a study writes as formulas, compiled."""

from __future__ import annotations

import sympy as sp
from actionrun.compiler.numerics.inference.measured_expressions import MeasuredExpressions
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem
from actionrun.compiler.symbolic.lowering import lowered
from actionrun.compiler.symbolic.structure import equations_of_motion
from actionrun.spec.kinds.family import Family


def measured_expressions(study: Family, system: LagrangianSystem) -> MeasuredExpressions | None:
    """The formulas of [data.observables]; None where there are none."""
    if not study.observables:
        return None
    words = system.words
    formulas: list[sp.Expr] = [
        words.driven.in_time(words.scalar(one.formula)) for _, one in study.observables
    ]
    state = [*words.q, *words.v, words.t, *system.constants]
    pushes = None
    if any(formula.free_symbols & {*words.a} for formula in formulas):
        rights = [words.driven.in_time(right) for _, right in equations_of_motion(system)]
        pushes = lowered(rights, state)
    values = lowered(formulas, [*words.q, *words.v, *words.a, *state[2 * system.n :]])
    periods = tuple(
        0.0 if one.wrap is None else study.number(one.wrap) for _, one in study.observables
    )
    return MeasuredExpressions(values, pushes, periods)
