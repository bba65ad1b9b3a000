"""Time transformation (Sundman): the Lagrangian by s, dt = g(q) ds, and the clock to it.

Velocities by s stand where those by t were. A nonconservative force Q changes the energy by
Q v - dL/dt.
"""

from __future__ import annotations

from dataclasses import replace

import sympy as sp
from actionrun.compiler.errors import study_error
from actionrun.compiler.numerics.integrators.many_body.flattened import FlattenedMechanics
from actionrun.compiler.numerics.integrators.many_body.mechanics import ManyBodyMechanics
from actionrun.compiler.numerics.integrators.many_body.time_transform import (
    Formula,
    ManyBodyTimeTransform,
    TimeTransformedMechanics,
)
from actionrun.compiler.numerics.integrators.mechanics import CoordinateTimeTransform, Mechanics
from actionrun.spec import Expression

from .lagrangian_system import LagrangianSystem, distributed
from .lowered_system import arguments_of, kernel, mechanics
from .lowering import lowered
from .many_body_sums import Derivative, Summand
from .vocabulary import ALONE, ArgumentPlace

ENERGY = sp.Symbol("energy at the start of the step", real=True)  # no name of a study


def transformed(
    system: LagrangianSystem, transform: Expression
) -> tuple[Mechanics, CoordinateTimeTransform]:
    """Of few coordinates: g (L(q, q'/g, t) + E) with E as its last constant, and dt/ds = g, dE/ds.
    Written out, since what g takes off L is then gone: 1/r times r.

    Raises Faults for a K with minus velocities, whose power holds accelerations, and for
    constraints that hold t.
    """
    _require_built(system)
    words = system.words
    g = words.scalar(transform)
    slow = {v: v / g for v in words.v}
    lagrangian = sp.Add(
        *(g * term for term in sp.Add.make_args(distributed(system.lagrangian.xreplace(slow)))),
        g * ENERGY,
    )
    force = [sp.diff(lagrangian, q) for q in words.q]
    power = -g * sp.diff(system.lagrangian, words.t).xreplace(slow)
    for _, place, push in system.coupling_terms:
        k, pull = words.q.index(words.at(*place)), push.xreplace(slow)
        force[k] += g * pull
        power += pull * words.v[k]
    momentum = [sp.diff(lagrangian, v) for v in words.v]

    def terms(what: str, expressions: list[sp.Expr]) -> tuple[Derivative, ...]:
        places = (ArgumentPlace(what, k, ALONE) for k in range(len(expressions)))
        return tuple(map(Derivative, [0] * len(expressions), places, expressions))

    slowed = replace(
        system,
        lagrangian_terms=(Summand("single", lagrangian, words.places),),
        force_terms=terms("q", force),
        momentum_terms=terms("v", momentum),
        coefficients=(*system.coefficients, ENERGY),
    )
    arguments = [*words.q, *system.constants]
    timed = [*words.q, *words.v, words.t, *system.constants]
    clock = CoordinateTimeTransform(lowered([g], arguments), lowered([power], timed))
    return mechanics(slowed), clock


def transformed_bodies(
    system: LagrangianSystem, of: ManyBodyMechanics, transform: Expression
) -> tuple[FlattenedMechanics, ManyBodyTimeTransform]:
    """The same of bodies, with one g of all positions. Raises Faults likewise."""
    _require_built(system)
    rates = [(one, -sp.diff(one.expression, system.words.t)) for one in system.lagrangian_terms]
    drifts = tuple(kernel(system, one, [rate], ()) for one, rate in rates if rate != 0)
    clock = ManyBodyTimeTransform(_formula(system, transform), of, drifts)
    return FlattenedMechanics(TimeTransformedMechanics(of, clock.formula)), clock


def _formula(system: LagrangianSystem, expression: Expression) -> Formula:
    """A number of all bodies as a function of arrays: sums may stand anywhere in it."""
    words = system.words
    whole = words.scalar(expression)
    marks = sorted((m for m in words.sums if whole.has(m)), key=str)
    sums = [Summand(*words.sums[mark], words.places) for mark in marks]
    singles, places = arguments_of(system, [whole])
    return Formula(
        tuple(kernel(system, one, [one.expression], ()) for one in sums),
        places,
        lowered([whole], [*marks, *singles, *system.constants]),
        len(system.values),
    )


def _require_built(system: LagrangianSystem) -> None:
    words = system.words
    for one in system.holonomic:
        if one.expression.has(words.t):
            raise study_error(
                words, one.where, "not-built",
                "constraints that hold t are not built yet together with time_transform",
                "delete integrator.time_transform",
            )  # fmt: skip
    first = len(system.lagrangian_terms)
    if any(d.part >= first and d.expression != 0 for d in system.momentum_terms):
        i = "[i]" if system.body_count else ""
        raise study_error(
            words, ("system", "nonconservative"), "not-built",
            "minus velocities in K are not built yet together with time_transform",
            f"integrate by parts: B*q_minus'{i} acts as -B'*q_minus{i}",
        )  # fmt: skip
