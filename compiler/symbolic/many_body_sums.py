"""Sums over bodies and pairs as single expressions: their algebra does not grow with the bodies.

A summand is an expression of symbols that each stand for a number of one body: of body i, of its
neighbour i+1, of the other body j of a pair, or of body 3 by its number. Letters as in `problem`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import sympy as sp
from actionrun.compiler.errors import study_error
from actionrun.spec import Expression, Study
from actionrun.spec.expressions import syntax_tree as syntax
from actionrun.spec.expressions.shape_inference import summed
from actionrun.spec.tables.per_body import numbered

from .vocabulary import Meaning, Reader, component_names, symbol

Kind = Literal["bodies", "pairs", "single"]  # a sum over i, over i<j, or no sum


class Slot(NamedTuple):
    """Which body: ("i", 1) is the neighbour after i, ("j", 0) the other of a pair, ("", 3) one by
    its number."""

    letter: str
    number: int

    def __str__(self) -> str:
        if not self.letter:
            return str(self.number)
        return self.letter + (f"{self.number:+d}" if self.number else "")


class Seat(NamedTuple):
    """What a symbol stands for: `what` is "q", "v", "minus", "minus_v" (then `of` is a component),
    "list" (a parameter's name) or "number" (of the body, from 1)."""

    what: str
    of: int | str
    slot: Slot


OTHER = {"i": Slot("j", 0), "j": Slot("i", 0)}  # of a pair


@dataclass(frozen=True)
class Words:
    """What the names of a study of bodies stand for. `names` are the components of one body, as in
    `r[1]`; `slices` their places by coordinate; `sums` the sums read so far, by their marks."""

    study: Study
    t: sp.Symbol
    names: tuple[str, ...]
    slices: dict[str, slice]
    constants: dict[str, sp.Symbol]
    lists: tuple[str, ...]
    seats: dict[sp.Symbol, Seat] = field(default_factory=dict, compare=False)
    sums: dict[sp.Symbol, tuple[Kind, sp.Expr]] = field(default_factory=dict, compare=False)
    cache: dict[str, Meaning] = field(default_factory=dict, compare=False)

    def at(self, what: str, of: int | str, slot: Slot) -> sp.Symbol:
        """The symbol of a seat."""
        dash = "'" if what in ("v", "minus_v") else ""
        sign = "_minus" if what.startswith("minus") else ""
        if what == "number":
            name = f"number of {slot}"  # no name of a study
        elif isinstance(of, str):
            name = f"{of}[{slot}]"
        else:
            coordinate, bracket, component = self.names[of].partition("[")
            name = f"{coordinate}{sign}{dash}[{slot}]{bracket}{component}"
        found = symbol(name)
        self.seats[found] = Seat(what, of, slot)
        return found

    def of(self, what: str) -> set[sp.Symbol]:
        """The symbols of one kind that were read so far."""
        return {s for s, seat in self.seats.items() if seat.what == what}

    @property
    def moving(self) -> set[sp.Symbol]:
        return {s for s, seat in self.seats.items() if seat.what not in ("list", "number")}

    def meaning(self, expression: Expression) -> Meaning:
        return BodyReader(self, expression).read(expression.tree)

    def scalar(self, expression: Expression, each: bool = False) -> sp.Expr:
        """A formula as one number; `each`: of body i."""
        reader = BodyReader(self, expression)
        reader.bound = {"i": "i"} if each else {}
        value = reader.read(expression.tree)
        if isinstance(value, tuple):
            raise reader.fail(expression.tree, "vector-for-scalar", "a number is wanted here")
        return value


def words_of(study: Study) -> Words:
    """The vocabulary of a study of bodies, still without any seat."""
    names: list[str] = []
    slices: dict[str, slice] = {}
    for name, size in study.system.coordinates.items():
        parts = component_names(name, size, study.system.is_vector(name))
        slices[name] = slice(len(names), len(names) + len(parts))
        names += parts
    lists = tuple(n for n, value in study.parameters.items() if isinstance(value, tuple))
    constants = {name: symbol(name) for name in study.parameters if name not in lists}
    return Words(study, symbol("t"), tuple(names), slices, constants, lists)


class BodyReader(Reader):
    """Folds a syntax tree into SymPy; a sum becomes a mark, its summand is kept beside it."""

    words: Words  # pyright: ignore[reportIncompatibleVariableOverride]

    def __init__(self, words: Words, expression: Expression):
        self.words = words
        self.expression = expression
        self.bound: Mapping[str, str] = {}  # the user's letters to i and j

    def sum(self, node: syntax.Sum) -> Meaning:
        words, kind = self.words, "bodies" if len(node.indices) == 1 else "pairs"
        self.bound = dict(zip(node.indices, "ij", strict=False))
        body = self.read(node.body)
        self.bound = {}
        assert isinstance(body, sp.Expr)
        mark = symbol(f"_sum_{len(words.sums) + 1}")
        words.sums[mark] = (kind, body)
        return mark

    def name(self, node: syntax.Name) -> Meaning:
        if node.name in self.bound:
            return self.words.at("number", "", Slot(self.bound[node.name], 0))
        return super().name(node)

    def index(self, node: syntax.Index) -> Meaning:
        if isinstance(node.base, syntax.Index):
            value, place = self.read(node.base), node.indices[0]
            assert isinstance(value, tuple) and isinstance(place, syntax.Number)
            return value[int(place.value) - 1]
        slots = [self.slot(index) for index in node.indices]
        order = node.base.order if isinstance(node.base, syntax.Derivative) else 0
        name = node.base.base.name if isinstance(node.base, syntax.Derivative) else node.base.name
        if name in self.words.lists:
            return self.words.at("list", name, slots[0])
        if len(slots) == 1:
            return self.body(node, name, order, slots[0])
        coordinates = [*self.words.slices]
        name = coordinates[0] if name == "r" and name not in coordinates else name
        ends = (self.body(node, name, 0, slot) for slot in slots)
        one, other = (x if isinstance(x, tuple) else (x,) for x in ends)
        apart = [a - b for a, b in zip(one, other, strict=True)]
        return sp.sqrt(sp.Add(*(x**2 for x in apart))) if len(apart) > 1 else sp.Abs(apart[0])

    def slot(self, index: syntax.Node) -> Slot:
        if isinstance(index, syntax.Number):
            return Slot("", int(index.value))
        letter = index.left if isinstance(index, syntax.Binary) else index
        assert isinstance(letter, syntax.Name)
        return Slot(self.bound[letter.name], numbered(index, 0))

    def body(self, node: syntax.Node, name: str, order: int, slot: Slot) -> Meaning:
        """The coordinate of one body, or its derivative."""
        words = self.words
        base, _, sign = name.rpartition("_")
        if name not in words.slices and sign in ("plus", "minus"):
            name, what = base, "minus" if sign == "minus" else "q"
        else:
            what = "q"
        if order > 1:
            raise self.fail(node, "derivative-order", "a law of motion holds first derivatives")
        if order:
            what = "minus_v" if what == "minus" else "v"
        part = words.slices[name]
        parts = tuple(words.at(what, k, slot) for k in range(part.start, part.stop))
        return parts if words.study.system.is_vector(name) else parts[0]


@dataclass(frozen=True)
class Summand:
    """One expression that is summed over bodies (all i for which its neighbours exist), over pairs
    i<j, or that stands alone. `symmetric`: a pair's does not change when its bodies do."""

    kind: Kind
    expression: sp.Expr
    seats: Mapping[sp.Symbol, Seat] = field(compare=False)
    symmetric: bool = False

    def symbols(self, *whats: str) -> list[sp.Symbol]:
        """The symbols in it of some kinds, in the order of their names."""
        free = self.expression.free_symbols
        return sorted((s for s in free if s in self.seats and self.seats[s].what in whats), key=str)

    @property
    def reach(self) -> tuple[int, int]:
        """The farthest neighbours before and after i."""
        steps = [self.seats[s].slot.number for s in self.expression.free_symbols
                 if s in self.seats and self.seats[s].slot.letter]  # fmt: skip
        return min([0, *steps]), max([0, *steps])


@dataclass(frozen=True)
class Held:
    """A holonomic constraint of bodies: the sum of its parts is zero, or of its one part for `each`
    body i."""

    where: Expression
    each: bool
    parts: tuple[Summand, ...]


def held(words: Words, where: Expression, vanishes: Callable[[sp.Expr], bool]) -> Held:
    """A constraint. Raises Faults where it is more than a sum of sums, or a formula of i."""
    if summed(where.tree):
        return Held(where, False, summands(words, where, vanishes))
    formula = words.scalar(where, each=True)
    if any(words.seats[s].slot.letter for s in formula.free_symbols & {*words.seats}):
        return Held(where, True, (Summand("bodies", formula, words.seats),))
    return Held(where, False, (Summand("single", formula, words.seats),))


def summands(
    words: Words, where: Expression, vanishes: Callable[[sp.Expr], bool]
) -> tuple[Summand, ...]:
    """The sums that a formula consists of. Raises Faults where it is more than a sum of sums."""
    whole = words.scalar(where)
    marks = sorted((m for m in words.sums if whole.has(m)), key=str)
    found: dict[tuple[Kind, tuple[int, int]], sp.Expr] = {}
    for mark in marks:
        factor = sp.diff(whole, mark)
        if factor.free_symbols & ({*marks} | words.moving):
            raise study_error(
                words.study, where, "sum-in-formula",
                "a sum over bodies stands inside a function, or is multiplied by what moves",
                "a law is a sum of sums, each with a constant factor: a*sum(i, ...) + ...",
            )  # fmt: skip
        kind, body = words.sums[mark]
        key = kind, Summand(kind, body, words.seats).reach
        found[key] = found.get(key, sp.Integer(0)) + factor * body
    rest = whole.xreplace(dict.fromkeys(marks, sp.Integer(0)))
    parts = [Summand(kind, body, words.seats) for (kind, _), body in found.items()]
    if rest != 0:
        parts.append(Summand("single", rest, words.seats))
    return tuple(
        replace(s, symmetric=s.kind == "pairs" and vanishes(s.expression - swapped(words, s)))
        for s in parts
    )


def swapped(words: Words, summand: Summand) -> sp.Expr:
    """A pair's summand with its two bodies exchanged."""
    turn = {}
    for s in summand.expression.free_symbols & {*words.seats}:
        seat = words.seats[s]
        if seat.slot.letter:
            turn[s] = words.at(seat.what, seat.of, OTHER[seat.slot.letter])
    return summand.expression.xreplace(turn)


def moved(words: Words, expression: sp.Expr, step: int) -> sp.Expr:
    """An expression of i with all bodies moved on by `step`: i+1 becomes i+1+step."""
    turn = {}
    for s in expression.free_symbols & {*words.seats}:
        what, of, slot = words.seats[s]
        if slot.letter == "i":
            turn[s] = words.at(what, of, Slot("i", slot.number + step))
    return expression.xreplace(turn)
