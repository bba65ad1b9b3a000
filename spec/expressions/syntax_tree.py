"""The syntax tree of an expression, and the way back to text.

Nodes compare without their spans: two trees are equal when they say the same thing, wherever it
stood. Numbers are exact: `0.1` is the fraction 1/10.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, ClassVar, Literal, assert_never, dataclass_transform

from actionrun.spec.text.span import Span

FUNCTIONS: dict[str, tuple[int, int]] = {  # least and most number of arguments
    **dict.fromkeys(
        [
            "sin",
            "cos",
            "tan",
            "asin",
            "acos",
            "atan",
            "sinh",
            "cosh",
            "tanh",
            "exp",
            "log",
            "sqrt",
            "abs",
        ],
        (1, 1),
    ),
    **dict.fromkeys(["atan2", "dot", "cross"], (2, 2)),
    **dict.fromkeys(["min", "max"], (2, 20)),
    "norm": (1, 1),
}

NOWHERE = Span(0, 0)


@dataclass_transform(frozen_default=True)
class Syntax:
    """A node: frozen, compared without its span. At start-up: ten dataclasses would take 10 ms."""

    __match_args__: ClassVar[tuple[str, ...]] = ()
    span: Span = NOWHERE

    def __init_subclass__(cls) -> None:
        cls.__match_args__ = tuple(cls.__annotations__)

    def __init__(self, *parts: Any, **named: Any):
        self.__dict__.update(zip(self.__match_args__, parts, strict=False), **named)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a node of syntax is frozen: {name}")

    def _parts(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.__match_args__ if name != "span")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Syntax) or type(self) is not type(other):
            return False
        return self._parts() == other._parts()

    def __hash__(self) -> int:
        return hash((type(self), self._parts()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}{self._parts()}"


class Number(Syntax):
    value: Fraction
    span: Span = NOWHERE


class Name(Syntax):
    """A declared name in ASCII (`β` is `beta`, `q₊` is `q_plus`)."""

    name: str
    span: Span = NOWHERE


class Derivative(Syntax):
    """The time derivative of a coordinate, of order 1 or more."""

    base: Name
    order: int
    span: Span = NOWHERE


class Negate(Syntax):
    operand: Node
    span: Span = NOWHERE


BinaryOp = Literal["+", "-", "*", "/", "^"]
RelationOp = Literal["=", "<", "<=", ">", ">="]
OPERATORS: dict[str, BinaryOp] = {"+": "+", "-": "-", "*": "*", "/": "/", "^": "^"}
RELATIONS: dict[str, RelationOp] = {
    "=": "=", "==": "=", "<": "<", "<=": "<=", ">": ">", ">=": ">="
}  # fmt: skip


class Binary(Syntax):
    op: BinaryOp
    left: Node
    right: Node
    span: Span = NOWHERE


class Call(Syntax):
    function: str
    arguments: tuple[Node, ...]
    span: Span = NOWHERE


class Bars(Syntax):
    """`|x|`: the magnitude of a scalar, the length of a vector."""

    operand: Node
    span: Span = NOWHERE


class Index(Syntax):
    """`q[1]`, `q'[2]`; of many bodies `r[i]`, `q[i+1]`, `r[i][2]`, and the distance `r[i,j]`."""

    base: Name | Derivative | Index
    indices: tuple[Node, ...]
    span: Span = NOWHERE


class Sum(Syntax):
    """`sum(i<j, body)` over pairs, `sum(i, body)` over bodies, `sum(i<j<k, body)` over triples;
    never unrolled."""

    indices: tuple[str, ...]
    body: Node
    span: Span = NOWHERE


class Relation(Syntax):
    """An equation or inequality; only in constraints."""

    op: RelationOp
    left: Node
    right: Node
    span: Span = NOWHERE


Node = Number | Name | Derivative | Negate | Binary | Call | Bars | Index | Sum | Relation


def children(node: Node) -> tuple[Node, ...]:
    """The nodes directly below `node`, left to right."""
    match node:
        case Number() | Name():
            return ()
        case Derivative(base):
            return (base,)
        case Negate(operand) | Bars(operand):
            return (operand,)
        case Binary(_, left, right) | Relation(_, left, right):
            return (left, right)
        case Call(_, arguments):
            return arguments
        case Index(base, indices):
            return (base, *indices)
        case Sum(_, body):
            return (body,)
        case _:
            assert_never(node)


def walk(node: Node) -> Iterator[Node]:
    """Every node of the tree, parents first, left to right, without recursion."""
    stack = [node]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(children(node)))


def depth(node: Node) -> int:
    """The number of levels of the tree, without recursion."""
    level, layer = 0, [node]
    while layer:
        level += 1
        layer = [child for parent in layer for child in children(parent)]
    return level


SUM, PRODUCT, UNARY, POWER, ATOM = 1, 2, 3, 4, 5
LEVEL = {"+": SUM, "-": SUM, "*": PRODUCT, "/": PRODUCT, "^": POWER}


def text(node: Node) -> str:
    """The expression in the study language; parsing it again gives an equal tree."""
    return _text(node, 0)


def _text(node: Node, least: int) -> str:
    match node:
        case Number(value):
            words, level = _decimal(value)
        case Name(name):
            words, level = name, ATOM
        case Derivative(base, order):
            words, level = base.name + "'" * order, ATOM
        case Negate(operand):
            words, level = "-" + _text(operand, UNARY), UNARY
        case Binary("^", left, right):
            words, level = f"{_text(left, ATOM)}^{_text(right, UNARY)}", POWER
        case Binary(op, left, right):
            level = LEVEL[op]
            space = " " if level == SUM else ""
            words = f"{_text(left, level)}{space}{op}{space}{_text(right, level + 1)}"
        case Call(function, arguments):
            words, level = f"{function}({', '.join(_text(a, 0) for a in arguments)})", ATOM
        case Bars(operand):
            words, level = f"|{_text(operand, 0)}|", ATOM
        case Index(base, indices):
            inside = ",".join(_text(i, 0).replace(" ", "") for i in indices)
            words, level = f"{_text(base, ATOM)}[{inside}]", ATOM
        case Sum(indices, body):
            words, level = f"sum({'<'.join(indices)}, {_text(body, 0)})", ATOM
        case Relation(op, left, right):
            words, level = f"{_text(left, SUM)} {op} {_text(right, SUM)}", 0
        case _:
            assert_never(node)
    return f"({words})" if level < least else words


def _decimal(value: Fraction) -> tuple[str, int]:
    """A number in digits, exactly; one that has no finite decimal form as a quotient."""
    if value < 0:
        words, level = _decimal(-value)
        return "-" + (words if level == ATOM else f"({words})"), UNARY
    twos = fives = 0
    rest = value.denominator
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    if rest != 1:
        return f"{value.numerator}/{value.denominator}", PRODUCT
    shift = max(twos, fives)
    digits = str(value.numerator * 10**shift // value.denominator)
    if len(digits.rstrip("0")) == 0:
        return "0", ATOM
    exponent = len(digits) - 1 - shift
    digits = digits.rstrip("0")
    if -5 <= exponent < 0:
        return "0." + "0" * (-exponent - 1) + digits, ATOM
    if 0 <= exponent < 16:
        whole, part = digits[: exponent + 1].ljust(exponent + 1, "0"), digits[exponent + 1 :]
        return whole + ("." + part if part else ""), ATOM
    return digits[0] + ("." + digits[1:] if digits[1:] else "") + f"e{exponent}", ATOM
