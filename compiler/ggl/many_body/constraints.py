"""Holonomic constraints of many bodies: between them all (sums), or one for every body i."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import sympy as sp
from actionrun.compiler.errors import study_error
from actionrun.compiler.numerics.integrators.constrained import Constrained
from actionrun.compiler.numerics.integrators.many_body.constraints import BodyConstraints
from actionrun.compiler.numerics.integrators.many_body.flattened import Flat
from actionrun.compiler.numerics.integrators.many_body.mechanics import Bodies
from actionrun.compiler.numerics.integrators.variational import GGL
from actionrun.compiler.symbolic.constraints import start_on_constraints, sum_of_sizes
from actionrun.compiler.symbolic.many_body_sums import Held, Summand
from actionrun.compiler.symbolic.many_body_system import BodyProblem
from actionrun.spec import Expression
from actionrun.spec.kinds.ggl import Ggl

from .lowering import term

MOST = 3000  # unknowns of a step with constraints: its matrix is dense


def constraints(problem: BodyProblem) -> BodyConstraints:
    """The constraints of a problem as array functions of flat positions."""

    def terms(held: Held, expressions: Sequence[sp.Expr]):
        return tuple(
            term(problem, replace(part, expression=e), [e], ())
            for part, e in zip(held.parts, expressions, strict=True)
        )

    values, sizes = [], []
    for held in problem.constraints:
        values.append(terms(held, [part.expression for part in held.parts]))
        lone = len(held.parts) == 1 and (held.each or held.parts[0].kind == "single")
        sizes.append(terms(held, [_size(part, lone) for part in held.parts]))
    return BodyConstraints(
        m=sum(count for _, _, count in numbered(problem)),
        values=tuple(values), gradients=None, drifts=None, sizes=tuple(sizes),
        each=tuple(held.each for held in problem.constraints),
        components=len(problem.words.names), scalars=len(problem.values),
    )  # fmt: skip


def _size(part: Summand, lone: bool) -> sp.Expr:
    """The sum of the sizes of a summand's terms; `lone`: 1 where it is the one term there is."""
    return (
        sum_of_sizes(part.expression)
        if lone
        else sp.Add(*map(sp.Abs, sp.Add.make_args(part.expression)))
    )


def numbered(problem: BodyProblem) -> list[tuple[Held, int, int]]:
    """Of each formula: the first body i (from 1) that it holds for, and how many there are."""
    found = []
    for held in problem.constraints:
        before, after = held.parts[0].reach if held.each else (0, problem.count - 1)
        found.append((held, 1 - before, problem.count + before - after))
    return found


def surface(
    study: Ggl, problem: BodyProblem, stepper: Bodies, theta, q: np.ndarray, p: np.ndarray
) -> tuple[BodyConstraints, np.ndarray, np.ndarray]:
    """The constraints, and the start (n,) on them. Raises Faults that name constraint and body."""
    found, r = constraints(problem), study.integrator.r
    unknowns = (problem.n + found.m) * (r + 1)
    if unknowns > MOST:
        raise study_error(
            study, ("system", "constraints"), "too-many-bodies",
            f"a step of {problem.count} bodies with constraints has {unknowns} unknowns, "
            f"{MOST} at most",
            "take fewer bodies, or a smaller integrator.r",
        )  # fmt: skip
    names: list[tuple[Expression, str]] = []
    for held, first, count in numbered(problem):
        names += [
            (held.where, held.where.text + (f" at i = {first + k}" if held.each else ""))
            for k in range(count)
        ]
    flat = GGL(Flat(stepper.mechanics, problem.count), r)
    return found, *start_on_constraints(study, Constrained(flat, found), theta, q, p, names)
