"""The symbolic problem of many bodies: forces by differentiation of summands, never of sums.

As in `problem`, for each summand: momentum dL/dv + [dK/dv-]_PL and force dL/dq + [dK/dq-]_PL of
every body in it. The kinetic matrix has to be diagonal and constant: one mass a body and component.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import sympy as sp
from actionrun.compiler.errors import study_error
from actionrun.spec import Expression
from actionrun.spec.kinds.ggl import Ggl

from .lagrangian_system import vanishes
from .many_body_sums import Held, Seat, Summand, Words, held, summands, words_of
from .printing_sums import text

Derivatives = tuple[tuple[int, Seat, sp.Expr], ...]  # summand's place, seat, expression

MOST_IN_PAIRS = 4000  # bodies of a sum over pairs: each pair is a number of every array


@dataclass(frozen=True)
class BodyProblem:
    """A Lagrangian system of `count` bodies with the components `words.names` each.

    `lagrangian` and `nonconservative` are sums; `force`, `push` (the part of K in it), `momentum`
    and `mass` (its derivative by the velocity) are of the summands at a place of `parts`.
    """

    words: Words
    count: int
    lagrangian: tuple[Summand, ...]
    nonconservative: tuple[Summand, ...]
    force: Derivatives
    push: Derivatives
    momentum: Derivatives
    mass: Derivatives
    energy: tuple[Summand, ...]
    values: dict[sp.Symbol, float]
    lists: dict[str, tuple[float, ...]]
    positional: bool
    bare: bool
    constraints: tuple[Held, ...] = ()

    @property
    def parts(self) -> tuple[Summand, ...]:
        return (*self.lagrangian, *self.nonconservative)

    @property
    def n(self) -> int:
        """Degrees of freedom."""
        return len(self.words.names) * self.count

    @property
    def constants(self) -> tuple[sp.Symbol, ...]:
        return tuple(self.values)

    @property
    def conservative(self) -> bool:
        """Whether the energy is a constant of the motion."""
        laws = (*self.lagrangian, *(part for held in self.constraints for part in held.parts))
        timed = any(s.expression.has(self.words.t) for s in laws)
        return not self.nonconservative and not timed


def by_body(problem: BodyProblem, rows: np.ndarray, name: str, vector: bool) -> np.ndarray:
    """From (..., n): (..., bodies) of a scalar, (..., bodies, components) of a vector."""
    part = problem.words.slices[name]
    folded = rows.reshape((*rows.shape[:-1], len(problem.words.names), problem.count))
    return np.moveaxis(folded[..., part, :], -2, -1) if vector else folded[..., part.start, :]


def many_body_system(study: Ggl) -> BodyProblem:
    """The symbolic problem of a study with particles. Raises Faults that point at what is wrong."""
    words, count = words_of(study), study.system.particles
    law = study.system.lagrangian
    assert law is not None and count is not None
    lagrangian = summands(words, law, vanishes)
    coupling: tuple[Summand, ...] = ()
    if study.system.nonconservative is not None:
        coupling = summands(words, study.system.nonconservative, vanishes)
        for one in coupling:
            _require_odd(study, words, one)
    _require_real(study, law, (*lagrangian, *coupling))
    held_ = tuple(held(words, one, vanishes) for one in study.system.holonomic)
    for one in held_:
        _require_real(study, one.where, one.parts)
    if count > MOST_IN_PAIRS and any(s.kind == "pairs" for s in (*lagrangian, *coupling)):
        raise study_error(
            study, ("system", "particles"), "too-many-bodies",
            f"a sum over all pairs of {count} bodies, {MOST_IN_PAIRS} at most",
            "take fewer bodies, or let neighbours alone act on each other: sum(i, ...q[i+1]...)",
        )  # fmt: skip
    limit = dict.fromkeys(words.of("minus") | words.of("minus_v"), sp.Integer(0))
    force, push, momentum = [], [], []
    for place, one in enumerate(lagrangian):
        force += _by(place, one, "q")
        momentum += _by(place, one, "v")
    for place, one in enumerate(coupling, len(lagrangian)):
        push += [(k, seat, e.subs(limit)) for k, seat, e in _by(place, one, "minus")]
        momentum += [(k, seat, e.subs(limit)) for k, seat, e in _by(place, one, "minus_v")]
    force += push
    velocities = {seat: s for s, seat in words.seats.items() if seat.what == "v"}
    mass = _mass(study, law, words, momentum, velocities)
    bare = all(
        sp.expand(e - m * velocities[seat]) == 0
        for (_, seat, e), (_, _, m) in zip(momentum, mass, strict=True)
    )
    positional = bare and not any(e.free_symbols & words.of("v") for _, _, e in force)
    return BodyProblem(
        words, count, lagrangian, coupling, tuple(force), tuple(push), tuple(momentum), mass,
        tuple(_energy(words, one) for one in lagrangian),
        {words.constants[n]: study.number(v) for n, v in study.parameters.items()
         if n not in words.lists},
        {name: study.numbers(name) for name in words.lists}, positional, bare, held_,
    )  # fmt: skip


def _by(place: int, one: Summand, what: str) -> list[tuple[int, Seat, sp.Expr]]:
    """The derivatives of a summand by its symbols of a kind; of a pair that may be exchanged, by
    those of its first body alone."""
    found = []
    for symbol in one.symbols(what):
        seat = one.seats[symbol]
        if one.symmetric and seat.slot.letter == "j":
            continue
        place_of = {"minus": "q", "minus_v": "v"}.get(what, what)
        slope = sp.diff(one.expression, symbol)
        if slope != 0:
            found.append((place, Seat(place_of, seat.of, seat.slot), slope))
    return found


def _energy(words: Words, one: Summand) -> Summand:
    """v dL/dv - L of a summand."""
    velocities = one.symbols("v")
    kinetic = sp.Add(*(v * sp.diff(one.expression, v) for v in velocities))
    terms = [sp.expand_mul(t, deep=False) for t in sp.Add.make_args(kinetic - one.expression)]
    return replace(one, expression=sp.Add(*terms))


def _mass(
    study: Ggl, law: Expression, words: Words, momentum: list[tuple[int, Seat, sp.Expr]],
    velocities: Mapping[Seat, sp.Symbol],
) -> Derivatives:  # fmt: skip
    """dP/dv of each body and component. Raises Faults where it is more than a constant mass."""
    found = []
    for place, seat, expression in momentum:
        own = velocities.get(seat)
        if own is None:  # K alone holds this velocity, as a minus variable
            own = words.at("v", seat.of, seat.slot)
        for other in sorted(words.of("v"), key=str):
            if other != own and sp.expand(sp.diff(expression, other)) != 0:
                raise study_error(
                    study, law, "mass-not-diagonal",
                    f"the momentum of {own} holds the velocity {other}: the kinetic energy of "
                    "many bodies is a sum of squares",
                    "write sum(i, m[i]*dot(r'[i], r'[i])/2), or mass times velocity^2 a body",
                )  # fmt: skip
        mass = sp.expand(sp.diff(expression, own))
        if mass.free_symbols & (words.moving | {words.t}):
            raise study_error(
                study, law, "mass-not-constant",
                f"the mass in {own} changes with the motion: {text(mass, words)}",
                "the masses of many bodies are constant numbers; write such a system with "
                "coordinates of its own, without particles",
            )  # fmt: skip
        found.append((place, seat, mass))
    return tuple(found)


def require_masses(problem: BodyProblem, inverse: np.ndarray, study: Ggl) -> None:
    """Raises Faults where a mass, given by its inverse (components, bodies), is none."""
    bad = ~(np.isfinite(inverse) & (inverse != 0))
    if not bad.any():
        return
    component, body = (int(x[0]) for x in np.nonzero(bad))
    coordinate, bracket, rest = problem.words.names[component].partition("[")
    name = f"{coordinate}'[{body + 1}]{bracket}{rest}"
    raise study_error(
        study, study.system.lagrangian, "degenerate",
        f"the Lagrangian has no kinetic term in {name}, so its velocity does not follow from "
        "its momentum",
        "a sum runs over those i for which every body in it exists: with q[i+1] it ends one "
        "early, so give the kinetic energy a sum of its own",
    )  # fmt: skip


def _require_odd(study: Ggl, words: Words, one: Summand) -> None:
    """K must change sign with the minus variables (Galley's antisymmetry under 1 <-> 2)."""
    flip = {m: -m for m in one.symbols("minus", "minus_v")}
    for term in sp.Add.make_args(sp.expand(one.expression)):
        both = term + term.subs(flip, simultaneous=True)
        if sp.expand(both) != 0 and not vanishes(both):
            raise study_error(
                study, study.system.nonconservative, "k-not-odd",
                "K must be odd in the minus variables, but the term "
                f"{text(term, words, doubled=True)} is not",
                "every term needs an odd number of factors q_minus[i] or q_minus'[i], "
                "as in sum(i, -c*q_plus'[i]*q_minus[i])",
            )  # fmt: skip


def _require_real(study: Ggl, law: Expression, parts: tuple[Summand, ...]) -> None:
    odd = (sp.zoo, sp.nan, sp.oo, -sp.oo, sp.I)
    for one in parts:
        if one.expression.has(*odd):
            raise study_error(
                study, law, "not-finite",
                "a constant in this law is not a finite real number",
                "look for a division by zero, log(0) or the root of a negative number",
            )  # fmt: skip
        if any(sp.diff(one.expression, s).has(sp.DiracDelta) for s in one.symbols("q", "v")):
            raise study_error(
                study, law, "kink",
                "the equations of motion need derivatives that do not exist here",
                "replace a kink such as |q'| by a smooth function, sqrt(q'^2 + eps^2)",
            )  # fmt: skip
