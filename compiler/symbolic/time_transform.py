"""Time transformation: the Lagrangian by s, dt = g(q) ds, and the clock that goes with it."""

from __future__ import annotations

from dataclasses import replace

import sympy as sp
from actionrun.compiler.errors import study_error
from actionrun.compiler.numerics.integrators.mechanics import Clock
from actionrun.spec.kinds.ggl import Ggl

from .lagrangian_system import LagrangianSystem, distributed
from .lowering import lowered

ENERGY = sp.Symbol("energy at the start of the step", real=True)  # no name of a study


def transformed(study: Ggl, problem: LagrangianSystem) -> tuple[LagrangianSystem, Clock]:
    """g (L(q, q'/g, t) + E) with E as its last constant, and dt/ds = g, dE/ds.

    Velocities by s stand where those by t were. A nonconservative force Q changes the energy by
    Q v - dL/dt. Raises Faults for a K with minus velocities, whose power holds accelerations.
    """
    assert study.integrator.time_transform is not None
    words = problem.words
    for constraint, phi in zip(study.system.holonomic, problem.constraints, strict=True):
        if phi.has(words.t):
            raise study_error(
                study,
                constraint,
                "not-built",
                "constraints that hold t are not built yet together with time_transform",
                "delete integrator.time_transform",
            )
    g = words.scalar(study.integrator.time_transform)
    slow = {v: v / g for v in words.v}
    lagrangian = sp.Add(
        *(g * term for term in sp.Add.make_args(distributed(problem.lagrangian.xreplace(slow)))),
        g * ENERGY,
    )
    force = [sp.diff(lagrangian, q) for q in words.q]
    power = -g * sp.diff(problem.lagrangian, words.t).xreplace(slow)
    if problem.nonconservative is not None:
        at_limit = dict.fromkeys((*words.minus, *words.minus_v), sp.Integer(0))
        if any(sp.diff(problem.nonconservative, m).subs(at_limit) != 0 for m in words.minus_v):
            raise study_error(
                study,
                study.system.nonconservative,
                "not-built",
                "minus velocities in K are not built yet together with time_transform",
                "integrate by parts: B*q_minus' acts as -B'*q_minus",
            )
        for k, minus in enumerate(words.minus):
            pull = sp.diff(problem.nonconservative, minus).subs(at_limit).xreplace(slow)
            force[k] += g * pull
            power += pull * words.v[k]
    found = replace(
        problem,
        lagrangian=lagrangian,
        force=tuple(force),
        momentum=tuple(sp.diff(lagrangian, v) for v in words.v),
        coefficients=(*problem.coefficients, ENERGY),
    )
    arguments = [*words.q, *problem.constants]
    timed = [*words.q, *words.v, words.t, *problem.constants]
    return found, Clock(lowered([g], arguments), lowered([power], timed))
