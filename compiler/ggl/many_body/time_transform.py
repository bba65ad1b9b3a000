"""Time transformation of many bodies: dt = g ds with one g of all their positions, as arrays."""

from __future__ import annotations

import equinox as eqx
import jax
import numpy as np
import sympy as sp
from actionrun.compiler.errors import study_error
from actionrun.compiler.ggl.stepper import require_running
from actionrun.compiler.numerics.integrators.constrained import Constrained
from actionrun.compiler.numerics.integrators.many_body.constraints import BodyConstraints
from actionrun.compiler.numerics.integrators.many_body.flattened import Flat
from actionrun.compiler.numerics.integrators.many_body.mechanics import Bodies
from actionrun.compiler.numerics.integrators.many_body.time_transform import (
    BodyClock,
    Formula,
    SlowBodies,
)
from actionrun.compiler.numerics.integrators.time_transformed import Transformed
from actionrun.compiler.numerics.integrators.variational import GGL
from actionrun.compiler.symbolic.lowering import lowered
from actionrun.compiler.symbolic.many_body_sums import Summand
from actionrun.compiler.symbolic.many_body_system import BodyProblem
from actionrun.spec import Expression
from actionrun.spec.kinds.ggl import Ggl

from .lowering import place, term


def formula(problem: BodyProblem, expression: Expression) -> Formula:
    """A number of all bodies as a function of arrays: sums may stand anywhere in it."""
    words = problem.words
    whole = words.scalar(expression)
    marks = sorted((m for m in words.sums if whole.has(m)), key=str)
    sums = [Summand(*words.sums[mark], words.seats) for mark in marks]
    singles = sorted((s for s in whole.free_symbols if s in words.seats), key=str)
    return Formula(
        tuple(term(problem, one, [one.expression], ()) for one in sums),
        tuple(place(words, words.seats[s]) for s in singles),  # type: ignore[index]
        lowered([whole], [*marks, *singles, *problem.constants]),  # type: ignore[list-item]
        len(problem.values),
    )


def slowed(
    study: Ggl,
    problem: BodyProblem,
    stepper: Bodies,
    theta,
    q: np.ndarray,
    p: np.ndarray,
    held: BodyConstraints | None = None,
) -> tuple[Transformed, np.ndarray, np.ndarray]:
    """The integrator of a transformed time and its start (n + 1,): time and -energy stand behind
    positions and momenta. `held` are constraints, which the start fulfils. Raises Faults where time
    would not go on."""
    assert study.integrator.time_transform is not None
    if any(s.symbols("minus_v") for s in problem.nonconservative):
        raise study_error(
            study, study.system.nonconservative, "not-built",
            "minus velocities in K are not built yet together with time_transform",
            "integrate by parts: B*q_minus'[i] acts as -B'*q_minus[i]",
        )  # fmt: skip
    t, drifts = problem.words.t, []
    for one in problem.constraints:
        if any(part.expression.has(t) for part in one.parts):
            raise study_error(
                study, one.where, "not-built",
                "constraints that hold t are not built yet together with time_transform",
                "delete integrator.time_transform",
            )  # fmt: skip
    for one in problem.lagrangian:
        rate = -sp.diff(one.expression, t)
        if rate != 0:
            drifts.append(term(problem, one, [rate], ()))
    plain, pace = stepper.mechanics, formula(problem, study.integrator.time_transform)
    clock = BodyClock(pace, plain, tuple(drifts), problem.count)
    at = jax.device_put((q, p))
    energy, _ = eqx.filter_jit(lambda q, p: stepper.energies(q, p, 0.0, theta))(*at)
    require_running(study, clock, q, theta, float(energy))
    inner = GGL(Flat(SlowBodies(plain, pace), problem.count), study.integrator.r, clock)
    inner = inner if held is None else Constrained(inner, held)
    found = Transformed(inner, Flat(plain, problem.count))
    return found, np.append(q, 0.0), np.append(p, -float(energy))
