"""The limits on constants inside an expression: no bomb reaches a library with exact numbers."""

from __future__ import annotations

from .errors import ExpressionFault
from .syntax_tree import Binary, Negate, Node, Number, walk

MAX_POWER = 64


def check_constants(tree: Node) -> None:
    """Refuse constant exponents beyond 64, quotients by zero and constants out of range."""
    values: dict[int, float | None] = {}
    for node in reversed(list(walk(tree))):
        values[id(node)] = _value(node, values)


def _value(node: Node, values: dict[int, float | None]) -> float | None:
    """The float value of a node that holds nothing but numbers, else None."""
    match node:
        case Number(number):
            return float(number)
        case Negate(operand):
            inner = values[id(operand)]
            return None if inner is None else -inner
        case Binary(op, left, right):
            a, b = values[id(left)], values[id(right)]
            if op == "^" and b is not None and abs(b) > MAX_POWER:
                raise ExpressionFault(
                    "expression.exponent", f"an exponent beyond {MAX_POWER}", right.span,
                    "choose other units, or write exp(n*log(x))",
                )  # fmt: skip
            if op == "/" and b == 0:
                raise ExpressionFault("expression.zero", "division by zero", node.span)
            if a is None or b is None:
                return None
            return _result(node, op, a, b)
        case _:
            return None


def _result(node: Binary, op: str, a: float, b: float) -> float:
    try:
        result = {"+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b,
                  "/": lambda: a / b, "^": lambda: a**b}[op]()  # fmt: skip
    except OverflowError:
        result = float("inf")
    except ZeroDivisionError:
        raise ExpressionFault("expression.zero", "division by zero", node.span) from None
    if isinstance(result, complex):
        raise ExpressionFault(
            "expression.root", "a root of a negative number", node.span,
            "-2^0.5 means -(2^0.5); (-2)^0.5 is not real",
        )  # fmt: skip
    lost = result == 0 and a != 0 and (op in "/^" or (op == "*" and b != 0))
    if abs(result) > 1e300 or lost:
        raise ExpressionFault(
            "expression.number", "a number out of range (1e-300 to 1e300)", node.span,
            "choose units in which the numbers are of moderate size",
        )  # fmt: skip
    return result
