"""Observables that a study writes as formulas, compiled."""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp
from actionrun.compiler.family.settings import MeasuredFormula
from actionrun.compiler.numerics.inference.measured_expressions import MeasuredExpressions
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem
from actionrun.compiler.symbolic.lowering import lowered
from actionrun.compiler.symbolic.structure import equations_of_motion


def measured_expressions(
    columns: Sequence[MeasuredFormula], system: LagrangianSystem
) -> MeasuredExpressions | None:
    """The formulas of [data.observables]; None where there are none."""
    if not columns:
        return None
    words = system.words
    formulas: list[sp.Expr] = [words.driven.in_time(words.scalar(one.formula)) for one in columns]
    state = [*words.q, *words.v, words.t, *system.constants]
    pushes = None
    if any(formula.free_symbols & {*words.a} for formula in formulas):
        rights = [words.driven.in_time(right) for _, right in equations_of_motion(system)]
        pushes = lowered(rights, state)
    values = lowered(formulas, [*words.q, *words.v, *words.a, *state[2 * system.n :]])
    return MeasuredExpressions(values, pushes, tuple(one.period for one in columns))
