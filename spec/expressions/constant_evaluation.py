"""Constant expressions as numbers: over parameters, definitions and known constants, in floats.

No user text reaches Python here: the tree is walked.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import assert_never

from .errors import ExpressionFault
from .syntax_tree import (
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

UNARY: dict[str, Callable[[float], float]] = {
    "sin": math.sin, "cos": math.cos, "tan": math.tan, "asin": math.asin, "acos": math.acos,
    "atan": math.atan, "sinh": math.sinh, "cosh": math.cosh, "tanh": math.tanh, "exp": math.exp,
    "log": math.log, "sqrt": math.sqrt, "abs": abs,
}  # fmt: skip
DOMAIN = {
    "sqrt": ("a square root of a negative number", "value.root"),
    "log": ("a logarithm of a number that is not positive", "value.log"),
    "asin": ("asin of a number beyond 1", "value.domain"),
    "acos": ("acos of a number beyond 1", "value.domain"),
}

Lookup = Callable[[Name | Index], float]


def evaluated(node: Node, lookup: Lookup) -> float:
    """The value of a constant expression; `lookup` knows its names (and indices, or raises).

    Raises ExpressionFault for division by zero, a root of a negative number, a result that is not
    finite, and for what is no constant.
    """
    try:
        value = _evaluated(node, lookup)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise ExpressionFault("value.finite", "this overflows", node.span,
                              "choose units in which the numbers are of moderate size")  # fmt: skip
    return value


def _evaluated(node: Node, lookup: Lookup) -> float:
    match node:
        case Number(value):
            return float(value)
        case Name("pi"):
            return math.pi
        case Name() | Index():
            return lookup(node)
        case Negate(operand):
            return -_evaluated(operand, lookup)
        case Bars(operand):
            return abs(_evaluated(operand, lookup))
        case Binary(op, left, right):
            return _binary(node, op, _evaluated(left, lookup), _evaluated(right, lookup))
        case Call(function, arguments):
            return _call(node, function, [_evaluated(a, lookup) for a in arguments])
        case Derivative() | Sum() | Relation():
            raise ExpressionFault("value.constant", "a constant is wanted here", node.span)
        case _:
            assert_never(node)


def _binary(node: Binary, op: str, a: float, b: float) -> float:
    match op:
        case "+":
            return a + b
        case "-":
            return a - b
        case "*":
            return a * b
        case "/":
            if b == 0:
                raise ExpressionFault("value.zero", "a division by zero", node.right.span)
            return a / b
        case _:
            if a == 0 and b < 0:
                raise ExpressionFault("value.zero", "a division by zero", node.span)
            if a < 0 and b != int(b):
                raise ExpressionFault("value.root", "a root of a negative number", node.span)
            return a**b


def _call(node: Call, function: str, arguments: list[float]) -> float:
    match function:
        case "min":
            return min(arguments)
        case "max":
            return max(arguments)
        case "atan2":
            return math.atan2(*arguments)
        case "dot" | "cross" | "norm":
            raise ExpressionFault("value.constant", "a constant is wanted here", node.span)
        case _:
            try:
                return UNARY[function](arguments[0])
            except ValueError:
                message, code = DOMAIN.get(
                    function, (f"{function} has no value here", "value.domain")
                )
                hint = f"its argument is {arguments[0]:.6g}"
                raise ExpressionFault(code, message, node.span, hint) from None
