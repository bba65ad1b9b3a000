"""Why a motion broke down: the term of the law to blame, the likely cause, and what to change.

All that is known is the last good state. From there the body would fly on straight for a step: a
term that is not a finite real number on that way is to blame, else the one that pushes hardest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import sympy as sp
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem
from actionrun.compiler.symbolic.linear_stability import fastest, limit
from actionrun.compiler.symbolic.lowered_system import many_body_mechanics, parameters
from actionrun.compiler.symbolic.printing import OVER, text

FLIGHT = (0.0, 0.25, 0.5, 0.75, 1.0)  # of a step
MUCH = 1e3  # a push that has grown by this factor since the start has a cause of its own
MOST_LETTERS = 70
MOST_RATES = 24  # degrees of freedom whose rates are worked out


@dataclass(frozen=True)
class Point:
    """Positions and velocities (n,) at a time; those that are not finite count as zero."""

    q: np.ndarray
    v: np.ndarray
    t: float

    def later(self, h: float) -> Point:
        return Point(self.q + h * self.v, self.v, self.t + h)


def cause(problem: LagrangianSystem, start: Point, last: Point, h: float, r: int) -> str:
    """The term, the likely cause and what to change, in two or three sentences."""
    if problem.body_count:
        return _strongest(_pushes_of_bodies(problem, start, last), start, last)
    terms = _terms(problem)
    if words := _too_long(problem, terms, start, h, r):
        return words
    for share in FLIGHT:
        at = last.later(share * h)
        for name, slopes in terms:
            if not np.isfinite(_size(problem, slopes, at)):
                return (
                    f"The term {name} is not a finite number at {_shown(problem, at)}, where the "
                    "motion leads. Likely cause: a root, a logarithm or a quotient beyond its "
                    "bounds. Change that term or the start, or end earlier: integrator.steps"
                )
    sizes = [
        (name, _size(problem, slopes, start), _size(problem, slopes, last))
        for name, slopes in terms
    ]
    return _strongest(sizes, start, last)


def _too_long(
    problem: LagrangianSystem, terms: Sequence[tuple[str, list[sp.Expr]]], start: Point, h: float,
    r: int,
) -> str:  # fmt: skip
    """That the step is beyond the limit of stability at the start; nothing where it is not."""
    words, most = problem.words, limit(r)
    at = dict(zip((*words.q, *words.v), np.array([*start.q, *start.v])[:, None], strict=True))
    at |= {**problem.values, words.t: np.array([start.t])}
    fast = float(fastest(problem, at, 1)[0]) if problem.n <= MOST_RATES else np.nan
    if not h * fast > most:
        return ""
    away = start.later(h)
    hardest = max(((_size(problem, slopes, away), name) for name, slopes in terms), default=(0, ""))
    return (
        f"The term {hardest[1]} pushes hardest. Likely cause: the step is too long for it: "
        f"dt*omega = {h * fast:.3g} at the start, and r = {r} is stable up to {most:.3g}. "
        f"Take dt = {0.5 * most / fast:.2g}, or a larger r"
    )


def _strongest(sizes: Sequence[tuple[str, float, float]], start: Point, last: Point) -> str:
    """What is to blame where nothing is infinite: names with the pushes at the start and now."""
    if not sizes:
        return "No term depends on the positions. Make integrator.dt smaller"
    name, before, now = max(sizes, key=lambda one: one[2] if np.isfinite(one[2]) else np.inf)
    words = f"The term {name} pushes hardest there, with {now:.3g}"
    if not now > MUCH * before > 0:
        return (
            f"{words}. Likely cause: the step is too long for it. Make integrator.dt smaller, "
            "a half at a time"
        )
    words += f", {now / before:.2g} times as hard as at the start"
    far = np.max(np.abs(last.q)) > MUCH * max(np.max(np.abs(start.q)), np.finfo(float).tiny)
    if far:
        return (
            f"{words}. Likely cause: the motion runs away, as the term has the wrong sign or the "
            "step is too long. Check its sign, else make integrator.dt smaller"
        )
    return (
        f"{words}. Likely cause: a close approach. Make integrator.dt smaller, or let "
        "integrator.time_transform shorten the steps there"
    )


def _terms(problem: LagrangianSystem) -> list[tuple[str, list[sp.Expr]]]:
    """Names of the terms that push, and by how much (n,)."""
    words, names = problem.words, []
    limit = dict.fromkeys((*words.minus, *words.minus_v), sp.Integer(0))
    parts = [("the Lagrangian", problem.lagrangian, words.q, False)]
    if problem.nonconservative is not None:
        parts.append(("the nonconservative part", problem.nonconservative, words.minus, True))
    parts += [("a constraint", phi, words.q, False) for phi in problem.constraints]
    for where, expression, symbols, doubled in parts:
        for term in sp.Add.make_args(expression):
            slopes = [sp.diff(term, s).subs(limit) for s in symbols]
            if any(slope != 0 for slope in slopes):
                names.append((f"{_cut(text(term, words, doubled=doubled))} of {where}", slopes))
    return names


def _size(problem: LagrangianSystem, slopes: Sequence[sp.Expr], at: Point) -> float:
    """The norm of slopes at a point, inf where one is no finite real number there."""
    words = problem.words
    values = {**problem.values, **dict(zip(words.q, at.q, strict=True)),
              **dict(zip(words.v, at.v, strict=True)), words.t: at.t}  # fmt: skip
    numbers = []
    for slope in slopes:
        try:
            number = complex(sp.N(slope.subs({s: sp.Float(x) for s, x in values.items()})))
        except (TypeError, OverflowError):
            return np.inf
        if not np.isfinite(number) or number.imag:
            return np.inf
        numbers.append(number.real)
    return float(np.linalg.norm(numbers))


def _pushes_of_bodies(
    problem: LagrangianSystem, start: Point, last: Point
) -> list[tuple[str, float, float]]:
    theta, pushing = parameters(problem), []
    for place, one in enumerate(problem.parts):
        mine = tuple(entry for entry in problem.force_terms if entry.part == place)
        if not mine:
            continue
        alone = many_body_mechanics(replace(problem, force_terms=mine))
        pushes = [
            float(np.linalg.norm(alone.force(_folded(x.q, problem), _folded(x.v, problem), x.t,
                                             theta)))
            for x in (start, last)
        ]  # fmt: skip
        doubled = place >= len(problem.lagrangian_terms)
        over = OVER[one.domain][0]
        term = text(one.expression, problem.words, doubled=doubled)
        where = "the nonconservative part" if doubled else "the Lagrangian"
        pushing.append((f"{_cut(f'sum({over}{term})' if over else term)} of {where}", *pushes))
    return pushing


def _folded(x: np.ndarray, problem: LagrangianSystem) -> np.ndarray:
    return np.reshape(x, (-1, problem.body_count))


def _shown(problem: LagrangianSystem, at: Point) -> str:
    pairs = zip(problem.words.names[:6], at.q, strict=False)
    return ", ".join(f"{name} = {value:.4g}" for name, value in pairs)


def _cut(words: str) -> str:
    return words if len(words) <= MOST_LETTERS else f"{words[: MOST_LETTERS - 1]}…"
