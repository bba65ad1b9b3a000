"""Vocabulary, or symbol table: syntax trees to SymPy, the only place where words become symbols.

Every name of a study has one symbol (or one per component). The plus variables of Galley's doubled
coordinates are the coordinates themselves, so that the physical limit is `minus = 0`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal, NamedTuple

import sympy as sp
from actionrun.compiler.errors import study_error
from actionrun.compiler.units import UnitLabels
from actionrun.spec import Expression, Fault, Faults, Study
from actionrun.spec.expressions import syntax_tree as syntax
from actionrun.spec.tables.per_body import numbered

from .driven import DrivenQuantities, coefficients_by_trial, driven_quantities, trial_marks

Vector = tuple[sp.Expr, ...]
Meaning = sp.Expr | Vector
Domain = Literal["bodies", "pairs", "single"]  # a sum over i, over i<j, or no sum
MARKS = {  # of the symbols of the motion: behind a coordinate's name, then the dashes
    "q": ("", ""), "v": ("", "'"), "a": ("", "''"), "minus": ("_minus", ""),
    "minus_v": ("_minus", "'"),
}  # fmt: skip

FUNCTIONS = {
    "sin": sp.sin, "cos": sp.cos, "tan": sp.tan, "asin": sp.asin, "acos": sp.acos, "atan": sp.atan,
    "atan2": sp.atan2, "sinh": sp.sinh, "cosh": sp.cosh, "tanh": sp.tanh, "exp": sp.exp,
    "log": sp.log, "sqrt": sp.sqrt, "abs": sp.Abs, "min": sp.Min, "max": sp.Max,
}  # fmt: skip
OPERATORS: dict[str, Callable[[sp.Expr, sp.Expr], sp.Expr]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv,
    "^": operator.pow,
}  # fmt: skip


def symbol(name: str) -> sp.Symbol:
    """A real symbol; names come from the grammar, so they hold letters, digits and `_` only."""
    return sp.Symbol(name, real=True)


def component_names(name: str, dimension: int, vector: bool) -> tuple[str, ...]:
    """`q` for a scalar, `q[1]`, `q[2]`, ... for a vector."""
    return tuple(f"{name}[{k + 1}]" for k in range(dimension)) if vector else (name,)


class BodyIndex(NamedTuple):
    """Which body: ("i", 1) is the neighbour after i, ("j", 0) the other of a pair, ("", 3) one by
    its number, `ALONE` none: the coordinate stands for itself."""

    letter: str
    number: int

    def __str__(self) -> str:
        if not self.letter:
            return str(self.number or "")
        return self.letter + (f"{self.number:+d}" if self.number else "")


ALONE = BodyIndex("", 0)


class ArgumentPlace(NamedTuple):
    """What a symbol stands for: `what` is "q", "v", "a", "minus", "minus_v" (then `of` is a
    component), "list" (a parameter's name) or "number" (of the body, from 1)."""

    what: str
    of: int | str
    body: BodyIndex


@dataclass(frozen=True)
class Vocabulary:
    """Symbol table: what every name of a study stands for.

    `names` are the components as a user writes them (of one body, where there are bodies), `slices`
    their places by coordinate. `q`, `v`, `a` hold these components in order, `minus` and `minus_v`
    their doubled partners; they are empty where there are bodies. `places` tell what a symbol of
    the motion is (of bodies, one read so far), `sums` are the sums over bodies read so far, by
    their marks; `lists` the parameters with a number for each body. `number` gives a constant's,
    `fault` locates a message.
    """

    body_count: int
    t: sp.Symbol
    names: tuple[str, ...]
    q: tuple[sp.Symbol, ...]
    v: tuple[sp.Symbol, ...]
    a: tuple[sp.Symbol, ...]
    minus: tuple[sp.Symbol, ...]
    minus_v: tuple[sp.Symbol, ...]
    slices: dict[str, slice]
    vectors: frozenset[str]
    constants: dict[str, sp.Symbol]
    lists: tuple[str, ...]
    define: Mapping[str, Expression]
    by_trial: Mapping[str, tuple[sp.Symbol, ...]]
    number: Callable[[str], float | Fraction]
    driven: DrivenQuantities
    fault: Callable[..., Fault] = field(compare=False)
    unit: UnitLabels = field(compare=False)
    places: dict[sp.Symbol, ArgumentPlace] = field(default_factory=dict, compare=False)
    sums: dict[sp.Symbol, tuple[Domain, sp.Expr]] = field(default_factory=dict, compare=False)
    cache: dict[str, Meaning] = field(default_factory=dict, compare=False)

    def at(self, what: str, of: int | str, body: BodyIndex) -> sp.Symbol:
        """The symbol of a place."""
        place = ArgumentPlace(what, of, body)
        if body == ALONE and isinstance(of, int):
            return getattr(self, what)[of]
        result = symbol(f"number of {body}" if what == "number" else self.spelling(place))
        self.places[result] = place
        return result

    def spelling(self, place: ArgumentPlace, doubled: bool = False) -> str:
        """A place in the study language; `doubled`: q is written q_plus."""
        what, of, body = place
        if what == "number":
            return str(body)
        index = "" if body == ALONE else f"[{body}]"
        if isinstance(of, str):
            return f"{of}{index}"
        coordinate, bracket, component = self.names[of].partition("[")
        sign, dash = MARKS[what]
        sign = "_plus" if doubled and what in ("q", "v") else sign
        return f"{coordinate}{sign}{dash}{index}{bracket}{component}"

    def of(self, *whats: str) -> set[sp.Symbol]:
        """The symbols of some kinds; of bodies, those read so far."""
        return {s for s, place in self.places.items() if place.what in whats}

    @property
    def moving(self) -> set[sp.Symbol]:
        return self.of(*MARKS)

    def components(self, name: str, of: tuple[sp.Symbol, ...]) -> Meaning:
        return of[self.slices[name]] if name in self.vectors else of[self.slices[name]][0]

    def meaning(self, expression: Expression) -> Meaning:
        """The SymPy expression (or vector) that an expression of the study stands for."""
        return Reader(self, expression).read(expression.tree)

    def scalar(self, expression: Expression, each: bool = False) -> sp.Expr:
        """Like `meaning`, where only a number makes sense; `each`: of body i. Raises Faults for a
        vector."""
        reader = Reader(self, expression)
        reader.bound = {"i": "i"} if each else {}
        value = reader.read(expression.tree)
        if isinstance(value, tuple) and self.body_count:
            raise reader.fail(expression.tree, "vector-for-scalar", "a number is wanted here")
        if isinstance(value, tuple):
            raise study_error(
                self, expression, "vector-for-scalar",
                "this is a vector, but a number is needed here",
                "use dot(a, b), norm(a) or a component such as q[1]",
            )  # fmt: skip
        return value


def vocabulary(
    study: Study, body_count: int = 0, histories: Any = None, trials: int = 0
) -> Vocabulary:
    """Symbols for every name that the study declares. With `trials` a coefficient that each of them
    has of its own is a sum of as many, each times a driven number that is 1 in its trial, else 0.
    """
    names: list[str] = []
    slices: dict[str, slice] = {}
    for name, dimension in study.system.coordinates.items():
        parts = component_names(name, dimension, study.system.is_vector(name))
        slices[name] = slice(len(names), len(names) + len(parts))
        names += parts
    lists = [n for n, value in study.parameters.items() if body_count and isinstance(value, tuple)]
    coefficients = getattr(study, "coefficients", {})
    constants = [*study.parameters, *coefficients]
    own = [name for name, one in coefficients.items() if trials and one.per == "trial"]
    by_trial = coefficients_by_trial(own, trials)
    inputs, numbers = study.driven
    numbers = (*numbers, *(trial_marks(trials) if own else ()))
    driven = driven_quantities(symbol("t"), inputs, numbers, histories)
    of = {
        what: tuple(symbol(n + sign + dash) for n in names if not body_count)
        for what, (sign, dash) in MARKS.items()
    }
    return Vocabulary(
        body_count=body_count,
        t=symbol("t"),
        names=tuple(names),
        q=of["q"], v=of["v"], a=of["a"], minus=of["minus"], minus_v=of["minus_v"],
        slices=slices,
        vectors=frozenset(n for n in slices if study.system.is_vector(n)),
        constants={n: symbol(n) for n in constants if n not in lists and n not in by_trial}
        | driven.by_name | {c.name: c for each in by_trial.values() for c in each},
        lists=tuple(lists),
        define=study.define,
        by_trial=by_trial,
        number=study.constant,
        fault=study.fault,
        driven=driven,
        unit=UnitLabels(study.unit),
        places={s: ArgumentPlace(w, k, ALONE) for w in of for k, s in enumerate(of[w])},
        cache={name: driven.of_its_trial(each) for name, each in by_trial.items()},
    )  # fmt: skip


class Reader:
    """Folds a syntax tree into SymPy; faults point into the expression being read."""

    def __init__(self, words: Vocabulary, expression: Expression):
        self.words = words
        self.expression = expression
        self.bound: Mapping[str, str] = {}  # the user's letters to i and j, in a sum over bodies

    def fail(self, node: syntax.Node, code: str, message: str, hint: str = "") -> Faults:
        return Faults((self.words.fault(self.expression, node.span, code, message, hint),))

    def read(self, node: syntax.Node) -> Meaning:
        match node:
            case syntax.Number():
                return sp.Rational(node.value)
            case syntax.Name():
                return self.name(node)
            case syntax.Derivative():
                return self.derivative(node)
            case syntax.Negate():
                value = self.read(node.operand)
                return tuple(-x for x in value) if isinstance(value, tuple) else -value
            case syntax.Binary():
                return self.binary(node)
            case syntax.Bars():
                value = self.read(node.operand)
                return _norm(value) if isinstance(value, tuple) else sp.Abs(value)
            case syntax.Call():
                return self.call(node)
            case syntax.Index():
                return self.index(node)
            case syntax.Sum():
                return self.sum(node)
            case syntax.Relation():
                left, right = self.read(node.left), self.read(node.right)
                if isinstance(left, tuple) or isinstance(right, tuple):
                    raise self.fail(node, "vector-for-scalar", "vectors cannot be compared")
                return left - right
        raise AssertionError(node)

    def sum(self, node: syntax.Sum) -> Meaning:
        """A mark; the summand is kept beside it."""
        words = self.words
        if words.body_count:
            self.bound = dict(zip(node.indices, "ij", strict=False))
            body = self.read(node.body)
            self.bound = {}
            if isinstance(body, tuple):
                raise self.fail(node.body, "vector-for-scalar", "a number is wanted here")
            mark = symbol(f"_sum_{len(words.sums) + 1}")
            words.sums[mark] = ("bodies" if len(node.indices) == 1 else "pairs", body)
            return mark
        raise self.fail(
            node, "not-built", "sums over many bodies are not built yet for this kind of study",
            "write the terms out, one by one",
        )  # fmt: skip

    def name(self, node: syntax.Name) -> Meaning:
        words, name = self.words, node.name
        if name in self.bound:
            return words.at("number", "", BodyIndex(self.bound[name], 0))
        if name in words.slices:
            return words.components(name, words.q)
        base, _, sign = name.rpartition("_")
        if base in words.slices and sign in ("plus", "minus"):
            return words.components(base, words.q if sign == "plus" else words.minus)
        if name in words.constants:
            return words.constants[name]
        if name in words.define or name in words.by_trial:
            if name not in words.cache:
                words.cache[name] = words.meaning(words.define[name])
            return words.cache[name]
        if name == "t":
            return words.t
        if name == "pi":
            return sp.pi
        value = words.number(name)
        return sp.Rational(value) if isinstance(value, int) else sp.Float(float(value), 17)

    def derivative(self, node: syntax.Derivative) -> Meaning:
        words, name = self.words, node.base.name
        if node.order > 2:
            raise self.fail(node, "derivative-order", "derivatives go up to the second, q''")
        base, _, sign = name.rpartition("_")
        if name in words.slices:
            return words.components(name, words.v if node.order == 1 else words.a)
        if name in words.driven.rate_of and node.order == 1:
            return words.driven.rate_of[name]
        if node.order == 1 and sign in ("plus", "minus"):
            return words.components(base, words.v if sign == "plus" else words.minus_v)
        raise self.fail(node, "derivative-of", f"{name} has no time derivative here")

    def binary(self, node: syntax.Binary) -> Meaning:
        op, left, right = node.op, self.read(node.left), self.read(node.right)
        if op in "+-" and isinstance(left, tuple) != isinstance(right, tuple):
            raise self.fail(node, "vector-for-scalar", "a vector is added to a number")
        if op == "/" and right == 0:
            raise self.fail(node, "division-by-zero", "this divides by zero")
        if not isinstance(left, tuple) and not isinstance(right, tuple):
            return OPERATORS[op](left, right)
        if isinstance(left, tuple) and isinstance(right, tuple) and op in "+-":
            return tuple(OPERATORS[op](x, y) for x, y in zip(left, right, strict=True))
        if isinstance(left, tuple) and not isinstance(right, tuple) and op in "*/":
            return tuple(OPERATORS[op](x, right) for x in left)
        if isinstance(right, tuple) and not isinstance(left, tuple) and op == "*":
            return tuple(left * x for x in right)
        raise self.fail(node, "vector-for-scalar", f"'{op}' is not defined for vectors")

    def call(self, node: syntax.Call) -> Meaning:
        arguments = [self.read(x) for x in node.arguments]
        if node.function in ("dot", "cross"):
            left, right = arguments
            if not (isinstance(left, tuple) and isinstance(right, tuple)):
                raise self.fail(node, "scalar-for-vector", f"{node.function} takes two vectors")
            return _dot(left, right) if node.function == "dot" else self.cross(node, left, right)
        if node.function == "norm":
            if not isinstance(arguments[0], tuple):
                raise self.fail(node, "scalar-for-vector", "norm takes a vector")
            return _norm(arguments[0])
        if any(isinstance(x, tuple) for x in arguments):
            raise self.fail(node, "vector-for-scalar", f"{node.function} takes numbers")
        return FUNCTIONS[node.function](*arguments)

    def cross(self, node: syntax.Node, x: Vector, y: Vector) -> Meaning:
        match len(x), len(y):
            case 2, 2:
                return x[0] * y[1] - x[1] * y[0]
            case 3, 3:
                pairs = ((1, 2), (2, 0), (0, 1))
                return tuple(x[j] * y[k] - x[k] * y[j] for j, k in pairs)
        raise self.fail(node, "vector-size", "cross takes two 2-vectors or two 3-vectors")

    def index(self, node: syntax.Index) -> Meaning:
        if self.words.body_count and not isinstance(node.base, syntax.Index):
            return self.of_bodies(node, node.base)
        value = self.read(node.base)
        index = node.indices[0]
        if not (isinstance(value, tuple) and isinstance(index, syntax.Number)):
            raise self.fail(node, "index", "components are written q[1], q[2], ...")
        place = int(index.value)
        if not 1 <= place <= len(value):
            raise self.fail(node, "index", f"this vector has components 1 to {len(value)}")
        return value[place - 1]

    def of_bodies(self, node: syntax.Index, base: syntax.Name | syntax.Derivative) -> Meaning:
        """A list's number, or a coordinate, of a body; the distance of two."""
        bodies = [self.body(index) for index in node.indices]
        named, order = (base.base, base.order) if isinstance(base, syntax.Derivative) else (base, 0)
        name = named.name
        if name in self.words.lists:
            return self.words.at("list", name, bodies[0])
        if len(bodies) == 1:
            return self.of_body(node, name, order, bodies[0])
        coordinates = [*self.words.slices]
        name = coordinates[0] if name == "r" and name not in coordinates else name
        ends = (self.of_body(node, name, 0, body) for body in bodies)
        one, other = (x if isinstance(x, tuple) else (x,) for x in ends)
        apart = [a - b for a, b in zip(one, other, strict=True)]
        return _norm(tuple(apart)) if len(apart) > 1 else sp.Abs(apart[0])

    def body(self, index: syntax.Node) -> BodyIndex:
        if isinstance(index, syntax.Number):
            return BodyIndex("", int(index.value))
        letter = index.left if isinstance(index, syntax.Binary) else index
        assert isinstance(letter, syntax.Name)
        return BodyIndex(self.bound[letter.name], numbered(index, 0))

    def of_body(self, node: syntax.Node, name: str, order: int, body: BodyIndex) -> Meaning:
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
        parts = tuple(words.at(what, k, body) for k in range(part.start, part.stop))
        return parts if name in words.vectors else parts[0]


def _dot(x: Vector, y: Vector) -> sp.Expr:
    return sp.Add(*(a * b for a, b in zip(x, y, strict=True)))


def _norm(x: Vector) -> sp.Expr:
    return sp.sqrt(_dot(x, x))
