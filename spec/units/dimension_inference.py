"""The dimension of every expression, from the leaves up. Only studies with units come here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import assert_never

from actionrun.spec.expressions.errors import ExpressionFault
from actionrun.spec.expressions.shape_inference import brief
from actionrun.spec.expressions.syntax_tree import (
    Bars,
    Binary,
    Call,
    Derivative,
    Index,
    Name,
    Negate,
    Node,
    Number,
    Relation,
    Sum,
)

from .quantities import Units, dimension_power, dimension_product, dimension_words
from .unit_table import CONSTANTS, NONE, Dimension

INDICES = ("i", "j", "k")  # numbers of bodies


@dataclass
class Dimensions:
    """Dimensions of the names of a study. None is a dimension that is not known, or of a zero,
    which has any; it agrees with everything."""

    names: Mapping[str, Dimension | None]
    units: Units
    constant: Callable[[Node], float]  # the number of a constant exponent; raises ExpressionFault

    def of(self, node: Node) -> Dimension | None:
        """The dimension of an expression. Raises ExpressionFault at the first mismatch."""
        match node:
            case Number(value):
                return NONE if value else None
            case Name(name):
                return self._name(name)
            case Derivative(base, order):
                dimension = self._name(base.name)
                time = dimension_power(self.units.time, order)
                return None if dimension is None else dimension_product(dimension, time, -1)
            case Negate(operand) | Bars(operand) | Sum(_, operand):
                return self.of(operand)
            case Index(base):
                return self.of(base)
            case Relation(_, left, right):
                return self._same(node, self.of(left), self.of(right))
            case Binary(op, left, right):
                return self._binary(node, op, left, right)
            case Call(_, arguments):
                return self._call(node, [self.of(a) for a in arguments])
            case _:
                assert_never(node)

    def _name(self, name: str) -> Dimension | None:
        if name == "pi":
            return NONE
        if name in self.names:
            return self.names[name]
        if name == "t":
            return self.units.time
        if name in INDICES:
            return NONE
        if name in CONSTANTS:
            return CONSTANTS[name].dimension
        base, _, sign = name.rpartition("_")
        return self.names.get(base) if sign in ("plus", "minus") else None

    def _same(
        self, node: Binary | Relation, a: Dimension | None, b: Dimension | None
    ) -> Dimension | None:
        if a is None or b is None:
            return b if a is None else a
        if a == b:
            return a
        verb = {"+": "added to", "-": "subtracted from"}.get(node.op)
        left, right = self.words(a), self.words(b)
        what = (
            f"{right} {verb} {left}" if verb
            else f"{left} on one side, {right} on the other"
        )  # fmt: skip
        odd = _last_term(node.left) if verb else node.left
        raise ExpressionFault(
            "unit.dimension", what, node.right.span,
            f"{brief(node.right)} is {right}, {brief(odd)} is {left}",
        )  # fmt: skip

    def words(self, dimension: Dimension) -> str:
        label = self.units.label(dimension)
        words = dimension_words(dimension)
        return f"{words} ({label})" if label else words

    def _binary(self, node: Binary, op: str, left: Node, right: Node) -> Dimension | None:
        if op == "^":
            return self._power(left, right)
        a, b = self.of(left), self.of(right)
        if op in "+-":
            return self._same(node, a, b)
        return None if a is None or b is None else dimension_product(a, b, 1 if op == "*" else -1)

    def _power(self, left: Node, right: Node) -> Dimension | None:
        base, exponent = self.of(left), self.of(right)
        if exponent not in (None, NONE):
            raise ExpressionFault("unit.exponent", f"an exponent of {self.words(exponent)}",
                                  right.span, "an exponent is a plain number")  # fmt: skip
        if base is None or base == NONE:
            return base
        try:
            power = self.constant(right)
        except ExpressionFault:
            raise ExpressionFault(
                "unit.exponent", f"{brief(left)} is {self.words(base)}: its exponent has to be a "
                "fixed number", right.span, "divide by a quantity of the same unit first: (x/x0)^n",
            ) from None  # fmt: skip
        exact = Fraction(power).limit_denominator(60)
        if abs(float(exact) - power) > 1e-9:
            raise ExpressionFault(
                "unit.exponent", f"{brief(left)} is {self.words(base)}, and {power:.6g} is no "
                "simple fraction", right.span, "divide by a quantity of the same unit first",
            )  # fmt: skip
        return dimension_power(base, exact)

    def _call(self, node: Call, given: list[Dimension | None]) -> Dimension | None:
        function, arguments = node.function, node.arguments
        match function:
            case "abs" | "norm":
                return given[0]
            case "sqrt":
                return None if given[0] is None else dimension_power(given[0], Fraction(1, 2))
            case "dot" | "cross":
                a, b = given
                return None if a is None or b is None else dimension_product(a, b)
            case "min" | "max" | "atan2":
                known = [(a, d) for a, d in zip(arguments, given, strict=True) if d is not None]
                for argument, dimension in known[1:]:
                    if dimension != known[0][1]:
                        raise ExpressionFault(
                            "unit.dimension",
                            f"{self.words(known[0][1])} and {self.words(dimension)} "
                            f"in one {function}",
                            argument.span,
                            f"{brief(argument)} is {self.words(dimension)}, "
                            f"{brief(known[0][0])} is {self.words(known[0][1])}",
                        )
                return NONE if function == "atan2" else known[0][1] if known else None
            case _:
                if given[0] not in (None, NONE):
                    raise ExpressionFault(
                        "unit.argument",
                        f"{function} of {self.words(given[0])}",
                        arguments[0].span,
                        f"the argument of {function} is a plain number: "
                        "divide by a quantity of the same unit",
                    )
                return NONE


def _last_term(node: Node) -> Node:
    """The term that a sum's dimension is best explained by: the first one."""
    while isinstance(node, Binary) and node.op in "+-":
        node = node.left
    return node
