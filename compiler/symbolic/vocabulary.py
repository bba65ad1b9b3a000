"""Syntax tree to SymPy: the only place where a user's words become symbols.

Every name of a study has one symbol (or one per component). The plus variables of Galley's doubled
coordinates are the coordinates themselves, so that the physical limit is `minus = 0`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import sympy as sp
from actionrun.compiler.errors import study_error
from actionrun.spec import Expression, Faults, Study
from actionrun.spec.expressions import syntax_tree as syntax

Vector = tuple[sp.Expr, ...]
Meaning = sp.Expr | Vector

FUNCTIONS = {
    "sin": sp.sin,
    "cos": sp.cos,
    "tan": sp.tan,
    "asin": sp.asin,
    "acos": sp.acos,
    "atan": sp.atan,
    "atan2": sp.atan2,
    "sinh": sp.sinh,
    "cosh": sp.cosh,
    "tanh": sp.tanh,
    "exp": sp.exp,
    "log": sp.log,
    "sqrt": sp.sqrt,
    "abs": sp.Abs,
    "min": sp.Min,
    "max": sp.Max,
}


def symbol(name: str) -> sp.Symbol:
    """A real symbol; names come from the grammar, so they hold letters, digits and `_` only."""
    return sp.Symbol(name, real=True)


def component_names(name: str, dimension: int, vector: bool) -> tuple[str, ...]:
    """`q` for a scalar, `q[1]`, `q[2]`, ... for a vector."""
    return tuple(f"{name}[{k + 1}]" for k in range(dimension)) if vector else (name,)


@dataclass(frozen=True)
class Vocabulary:
    """What every name of a study stands for.

    `q`, `v`, `a` hold the components of all coordinates in order; `minus` and `minus_v` their
    doubled partners. `names` are the components as a user writes them.
    """

    study: Study
    t: sp.Symbol
    names: tuple[str, ...]
    q: tuple[sp.Symbol, ...]
    v: tuple[sp.Symbol, ...]
    a: tuple[sp.Symbol, ...]
    minus: tuple[sp.Symbol, ...]
    minus_v: tuple[sp.Symbol, ...]
    slices: dict[str, slice]
    constants: dict[str, sp.Symbol]
    cache: dict[str, Meaning] = field(default_factory=dict, compare=False)

    def components(self, name: str, of: tuple[sp.Symbol, ...]) -> Meaning:
        part = of[self.slices[name]]
        return tuple(part) if self.study.system.is_vector(name) else part[0]

    def meaning(self, expression: Expression) -> Meaning:
        """The SymPy expression (or vector) that an expression of the study stands for."""
        return Reader(self, expression).read(expression.tree)

    def scalar(self, expression: Expression) -> sp.Expr:
        """Like `meaning`, where only a number makes sense. Raises Faults for a vector."""
        value = self.meaning(expression)
        if isinstance(value, tuple):
            raise study_error(
                self.study,
                expression,
                "vector-for-scalar",
                "this is a vector, but a number is needed here",
                "use dot(a, b), norm(a) or a component such as q[1]",
            )
        return value


def vocabulary(study: Study) -> Vocabulary:
    """Symbols for every name that the study declares."""
    names: list[str] = []
    slices: dict[str, slice] = {}
    for name, dimension in study.system.coordinates.items():
        parts = component_names(name, dimension, study.system.is_vector(name))
        slices[name] = slice(len(names), len(names) + len(parts))
        names += parts
    constants = [*study.parameters, *getattr(study, "coefficients", {})]
    return Vocabulary(
        study=study,
        t=symbol("t"),
        names=tuple(names),
        q=tuple(symbol(n) for n in names),
        v=tuple(symbol(f"{n}'") for n in names),
        a=tuple(symbol(f"{n}''") for n in names),
        minus=tuple(symbol(f"{n}_minus") for n in names),
        minus_v=tuple(symbol(f"{n}_minus'") for n in names),
        slices=slices,
        constants={name: symbol(name) for name in constants},
    )


class Reader:
    """Folds a syntax tree into SymPy; faults point into the expression being read."""

    def __init__(self, words: Vocabulary, expression: Expression):
        self.words = words
        self.expression = expression

    def fail(self, node: syntax.Node, code: str, message: str, hint: str = "") -> Faults:
        return Faults((self.words.study.fault(self.expression, node.span, code, message, hint),))

    def read(self, node: syntax.Node) -> Meaning:
        match node:
            case syntax.Number():
                return sp.Rational(node.value.numerator, node.value.denominator)
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
        raise self.fail(
            node,
            "not-built",
            "sums over many bodies are not built yet for this kind of study",
            "write the terms out, one by one",
        )

    def name(self, node: syntax.Name) -> Meaning:
        words, name = self.words, node.name
        if name in words.slices:
            return words.components(name, words.q)
        base, _, sign = name.rpartition("_")
        if base in words.slices and sign in ("plus", "minus"):
            return words.components(base, words.q if sign == "plus" else words.minus)
        if name in words.constants:
            return words.constants[name]
        if name in words.study.define:
            if name not in words.cache:
                words.cache[name] = words.meaning(words.study.define[name])
            return words.cache[name]
        if name == "t":
            return words.t
        if name == "pi":
            return sp.pi
        value = words.study.constant(name)
        return sp.Rational(value) if isinstance(value, int) else sp.Float(float(value), 17)

    def derivative(self, node: syntax.Derivative) -> Meaning:
        words, name = self.words, node.base.name
        if node.order > 2:
            raise self.fail(node, "derivative-order", "derivatives go up to the second, q''")
        base, _, sign = name.rpartition("_")
        if name in words.slices:
            return words.components(name, words.v if node.order == 1 else words.a)
        if node.order == 1 and sign in ("plus", "minus"):
            return words.components(base, words.v if sign == "plus" else words.minus_v)
        raise self.fail(node, "derivative-of", f"{name} has no time derivative here")

    def binary(self, node: syntax.Binary) -> Meaning:
        left, right = self.read(node.left), self.read(node.right)
        vectors = isinstance(left, tuple), isinstance(right, tuple)
        if node.op in "+-":
            if vectors[0] != vectors[1]:
                raise self.fail(node, "vector-for-scalar", "a vector is added to a number")
            sign = 1 if node.op == "+" else -1
            if isinstance(left, tuple) and isinstance(right, tuple):
                return tuple(x + sign * y for x, y in zip(left, right, strict=True))
            return left + sign * right  # type: ignore[operator]
        if node.op == "*" and not all(vectors):
            if isinstance(left, tuple):
                return tuple(x * right for x in left)  # type: ignore[operator]
            if isinstance(right, tuple):
                return tuple(left * x for x in right)
            return left * right
        if node.op == "/" and not vectors[1]:
            if right == 0:
                raise self.fail(node, "division-by-zero", "this divides by zero")
            return tuple(x / right for x in left) if isinstance(left, tuple) else left / right
        if node.op == "^" and not any(vectors):
            return left**right  # type: ignore[operator]
        raise self.fail(node, "vector-for-scalar", f"'{node.op}' is not defined for vectors")

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
                return (
                    x[1] * y[2] - x[2] * y[1],
                    x[2] * y[0] - x[0] * y[2],
                    x[0] * y[1] - x[1] * y[0],
                )
        raise self.fail(node, "vector-size", "cross takes two 2-vectors or two 3-vectors")

    def index(self, node: syntax.Index) -> Meaning:
        value = self.read(node.base)
        index = node.indices[0]
        if not (isinstance(value, tuple) and isinstance(index, syntax.Number)):
            raise self.fail(node, "index", "components are written q[1], q[2], ...")
        place = int(index.value)
        if not 1 <= place <= len(value):
            raise self.fail(node, "index", f"this vector has components 1 to {len(value)}")
        return value[place - 1]


def _dot(x: Vector, y: Vector) -> sp.Expr:
    return sp.Add(*(a * b for a, b in zip(x, y, strict=True)))


def _norm(x: Vector) -> sp.Expr:
    return sp.sqrt(_dot(x, x))
