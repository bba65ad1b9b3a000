"""The symbolic problem of many bodies as array functions, a start, and a ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import numpy as np
import sympy as sp
from actionrun.compiler.numerics.integrators.many_body.mechanics import (
    AtAll,
    Bodies,
    BodyLedger,
    Place,
    Summed,
    Term,
)
from actionrun.compiler.numerics.integrators.mechanics import Clock
from actionrun.compiler.numerics.integrators.variational import GGL
from actionrun.compiler.symbolic.lowering import lowered
from actionrun.compiler.symbolic.many_body_sums import Seat, Summand, Words
from actionrun.compiler.symbolic.many_body_system import BodyProblem, Derivatives
from actionrun.spec.kinds.ggl import Ggl

from .charges import charges


def place(words: Words, seat: Seat) -> Place:
    """Where the number of a seat is found."""
    of = words.lists.index(seat.of) if isinstance(seat.of, str) and seat.of else seat.of
    return Place(seat.what, of if isinstance(of, int) else 0, *seat.slot)


def term(
    problem: BodyProblem, one: Summand, expressions: Sequence[sp.Expr], targets: Sequence[Seat]
) -> Term:
    """Expressions of a summand's symbols as array functions."""
    words = problem.words
    free = set[sp.Basic]().union(*(e.free_symbols for e in expressions))
    symbols = sorted((s for s in free if s in words.seats), key=str)
    before, after = one.reach
    return Term(
        kind=one.kind,
        symmetric=one.symmetric,
        first=-before,
        last=max(problem.count - after, -before),
        places=tuple(place(words, words.seats[s]) for s in symbols),  # type: ignore[index]
        values=lowered(expressions, [*symbols, words.t, *problem.constants]),  # type: ignore[list-item]
        targets=tuple(place(words, seat) for seat in targets),
    )


def _terms(problem: BodyProblem, entries: Derivatives) -> tuple[Term, ...]:
    """One term a summand, all its derivatives at once, so that they share what they can."""
    found = []
    for place, one in enumerate(problem.parts):
        mine = [(seat, e) for where, seat, e in entries if where == place and e != 0]
        if mine:
            found.append(term(problem, one, [e for _, e in mine], [seat for seat, _ in mine]))
    return tuple(found)


def mechanics(problem: BodyProblem) -> Summed:
    """Forces, momenta, masses and energy of all bodies, compiled."""
    return Summed(
        n=len(problem.words.names),
        scalars=len(problem.values),
        positional=problem.positional,
        bare=problem.bare,
        forces=_terms(problem, problem.force),
        pushes=_terms(problem, problem.push),
        momenta=_terms(problem, problem.momentum),
        masses=_terms(problem, problem.mass),
        energies=tuple(term(problem, one, [one.expression], ()) for one in problem.energy),
    )


def parameters(problem: BodyProblem) -> tuple[Any, ...]:
    """The numbers of the parameters, then the lists (bodies,)."""
    numbers = [np.float64(value) for value in problem.values.values()]
    return jax.device_put(
        (*numbers, *(np.asarray(rows, np.float64) for rows in problem.lists.values()))
    )


@eqx.filter_jit
def _momenta(mechanics: Summed, at, theta):
    """Momenta and inverse masses at (q, v) (components, bodies)."""
    q, v = at
    return mechanics.momentum(q, v, 0.0, theta), mechanics.inverse_mass(q, v, 0.0, theta)


def start(
    study: Ggl, problem: BodyProblem, stepper: Bodies, theta
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Initial positions and discrete momenta (n,), component by component, and what one over the
    mass is of each (components, bodies)."""
    given = study.start

    def rows(by_name) -> np.ndarray:
        parts = [np.array(study.bodies(by_name[name])).T for name in problem.words.slices]
        return np.concatenate(parts)

    q = rows(given.position)
    v = np.zeros(q.shape) if given.velocity is None else rows(given.velocity)
    at = jax.device_put(q), jax.device_put(v)
    p, inverse = map(np.asarray, _momenta(stepper.mechanics, at, theta))
    p = p if given.momentum is None else rows(given.momentum)
    return q.ravel(), p.ravel(), inverse


def exact(study: Ggl, problem: BodyProblem) -> AtAll | None:
    """The true positions of all bodies at a time; None where the study does not give them."""
    if not study.exact:
        return None
    words, parts = problem.words, []
    for name in words.slices:
        given = study.exact[name]
        parts += [words.scalar(e, each=True)
                  for e in (given if isinstance(given, tuple) else (given,))]  # fmt: skip
    free = set[sp.Basic]().union(*(e.free_symbols for e in parts))
    symbols = sorted((s for s in free if s in words.seats), key=str)
    return AtAll(
        problem.count,
        len(problem.values),
        tuple(place(words, words.seats[s]) for s in symbols),  # type: ignore[index]
        lowered(parts, [*symbols, words.t, *problem.constants]),  # type: ignore[list-item]
    )


def stepper_of(study: Ggl, problem: BodyProblem) -> Bodies:
    return Bodies(GGL(mechanics(problem), study.integrator.r), problem.count)


def ledger_of(
    problem: BodyProblem, stepper: Bodies, clock: Clock | None = None
) -> tuple[BodyLedger | None, str]:
    """The ledger of a study of bodies, and why there is none; `clock`: of a transformed time."""
    if any(s.symbols("minus_v") for s in problem.nonconservative):
        return None, ("no ledger: minus velocities in K are not followed for many bodies in this "
                      "version")  # fmt: skip
    kept = charges(problem)
    if not kept:
        return None, ""
    return BodyLedger(stepper, kept, bool(problem.nonconservative), clock), ""
