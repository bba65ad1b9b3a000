"""Summands of a law: sums over bodies and pairs whose algebra does not grow with the bodies.

A summand is an expression of symbols that each stand for a number of one body: of body i, of its
neighbour i+1, of the other body j of a pair, or of body 3 by its number. A law of few coordinates
is one summand that stands alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import sympy as sp
from actionrun.compiler.errors import study_error
from actionrun.spec import Expression
from actionrun.spec.expressions.shape_inference import summed

from .evaluation import vanishes
from .vocabulary import ArgumentPlace, BodyIndex, Domain, Vocabulary

OTHER = {"i": BodyIndex("j", 0), "j": BodyIndex("i", 0)}  # of a pair


@dataclass(frozen=True)
class Summand:
    """One expression that is summed over bodies (all i for which its neighbours exist), over pairs
    i<j, or that stands alone. `symmetric`: a pair's does not change when its bodies do."""

    domain: Domain
    expression: sp.Expr
    places: Mapping[sp.Symbol, ArgumentPlace] = field(compare=False)
    symmetric: bool = False

    def symbols(self, *whats: str) -> list[sp.Symbol]:
        """The symbols in it of some kinds, in the order of their names."""
        free = self.expression.free_symbols
        return sorted(
            (s for s in free if s in self.places and self.places[s].what in whats), key=str
        )

    @property
    def reach(self) -> tuple[int, int]:
        """The farthest neighbours before and after i."""
        steps = [self.places[s].body.number for s in self.expression.free_symbols
                 if s in self.places and self.places[s].body.letter]  # fmt: skip
        return min([0, *steps]), max([0, *steps])


@dataclass(frozen=True)
class HolonomicConstraint:
    """phi = 0, where phi is the sum of its parts; of bodies, one for `each` i where it says so."""

    where: Expression
    each: bool
    parts: tuple[Summand, ...]

    @property
    def expression(self) -> sp.Expr:
        return sp.Add(*(part.expression for part in self.parts))


def holonomic_constraint(words: Vocabulary, where: Expression) -> HolonomicConstraint:
    """A constraint of a study. Raises Faults where it is more than a sum of sums, or a formula of
    i."""
    if summed(where.tree):
        return HolonomicConstraint(where, False, summands(words, where))
    formula = words.scalar(where, each=bool(words.body_count))
    each = any(words.places[s].body.letter for s in formula.free_symbols & {*words.places})
    domain = "bodies" if each else "single"
    return HolonomicConstraint(where, each, (Summand(domain, formula, words.places),))


def summands(words: Vocabulary, where: Expression) -> tuple[Summand, ...]:
    """The sums that a formula consists of. Raises Faults where it is more than a sum of sums."""
    whole = words.scalar(where)
    marks = sorted((m for m in words.sums if whole.has(m)), key=str)
    sums: dict[tuple[Domain, tuple[int, int]], sp.Expr] = {}
    for mark in marks:
        factor = sp.diff(whole, mark)
        if factor.free_symbols & ({*marks} | words.moving):
            raise study_error(
                words, where, "sum-in-formula",
                "a sum over bodies stands inside a function, or is multiplied by what moves",
                "a law is a sum of sums, each with a constant factor: a*sum(i, ...) + ...",
            )  # fmt: skip
        domain, body = words.sums[mark]
        key = domain, Summand(domain, body, words.places).reach
        sums[key] = sums.get(key, sp.Integer(0)) + factor * body
    rest = whole.xreplace(dict.fromkeys(marks, sp.Integer(0)))
    parts = [Summand(domain, body, words.places) for (domain, _), body in sums.items()]
    if rest != 0:
        parts.append(Summand("single", rest, words.places))
    return tuple(
        replace(s, symmetric=s.domain == "pairs" and vanishes(s.expression - swapped(words, s)))
        for s in parts
    )


def swapped(words: Vocabulary, summand: Summand) -> sp.Expr:
    """A pair's summand with its two bodies exchanged."""
    turn = {}
    for s in summand.expression.free_symbols & {*words.places}:
        place = words.places[s]
        if place.body.letter:
            turn[s] = words.at(place.what, place.of, OTHER[place.body.letter])
    return summand.expression.xreplace(turn)


def moved(words: Vocabulary, expression: sp.Expr, step: int) -> sp.Expr:
    """An expression of i with all bodies moved on by `step`: i+1 becomes i+1+step."""
    turn = {}
    for s in expression.free_symbols & {*words.places}:
        what, of, body = words.places[s]
        if body.letter == "i":
            turn[s] = words.at(what, of, BodyIndex("i", body.number + step))
    return expression.xreplace(turn)


class Derivative(NamedTuple):
    """Of a summand, by its index among those of L and K, by what stands at a place."""

    part: int
    place: ArgumentPlace
    expression: sp.Expr


def derivatives(part: int, one: Summand, what: str) -> list[Derivative]:
    """The derivatives of a summand by its symbols of a kind; of a pair that may be exchanged, by
    those of its first body alone."""
    slopes = []
    for symbol in one.symbols(what):
        place = one.places[symbol]
        if one.symmetric and place.body.letter == "j":
            continue
        slope = sp.diff(one.expression, symbol)
        if slope != 0:
            plus = {"minus": "q", "minus_v": "v"}.get(what, what)
            slopes.append(Derivative(part, place._replace(what=plus), slope))
    return slopes
