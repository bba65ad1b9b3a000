"""The expression language: text to syntax tree, by hand, with limits. No mathematics is done here,
and nothing is ever evaluated as Python.

    relation   = sum [("=" | "<" | "<=" | ">" | ">=") sum]      only in constraints
    sum        = product {("+" | "-") product}
    product    = unary {("*" | "/") unary}
    unary      = ("-" | "+") unary | power
    power      = postfix ["^" unary]                             to the right; ** and ² too
    postfix    = atom {prime | "[" indices "]"}
    atom       = number | name | name "(" arguments ")" | "(" sum ")" | "|" sum "|"
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from actionrun.spec.text.span import Span

from .constant_limits import check_constants
from .errors import ExpressionFault
from .lexer import Token, tokens
from .parse_errors import RELATION_TOKENS, Complaints
from .syntax_tree import (
    FUNCTIONS,
    OPERATORS,
    RELATIONS,
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
    depth,
    text,
)

__all__ = ["ExpressionFault", "parse", "text"]

MAX_DEPTH = 60
MAX_LEVELS = 300  # of the tree: a sum of n terms has n levels
MAX_ORDER = 9  # of a derivative
INDEX_NAMES = ("i", "j", "k")
Names = Mapping[str, tuple[str, int]]
Limits = Mapping[str, tuple[int, int]]
OPERANDS = ("number", "name", "(", "|")


def parse(
    expression: str, *, relation: bool = False, dotted: Names | None = None,
    functions: Limits = FUNCTIONS,
) -> Node:  # fmt: skip
    """The syntax tree of an expression.

    `relation` admits one equation or inequality. `dotted` says which names are derivatives in
    words: `{"qdot": ("q", 1)}`, `functions` least and most arguments of each. Raises
    `ExpressionFault`, and nothing else, whatever the text.
    """
    parser = Parser(expression, dotted or {}, functions)
    tree = parser.whole(relation)
    if depth(tree) > MAX_LEVELS:
        raise ExpressionFault(
            "expression.size", f"more than {MAX_LEVELS} terms in one chain", tree.span,
            "name parts of it in [define]",
        )  # fmt: skip
    check_constants(tree)
    return tree


class Parser(Complaints):
    def __init__(self, expression: str, dotted: Names, functions: Limits):
        self.expression = expression
        self.functions = functions
        self.tokens = tokens(expression)
        self.dotted = dotted
        self.at = 0
        self.level = 0

    def take(self) -> Token:
        token = self.tokens[self.at]
        self.at += 1
        return token

    def deeper(self, span: Span) -> None:
        self.level += 1
        if self.level > MAX_DEPTH:
            raise ExpressionFault(
                "expression.size", f"nested more than {MAX_DEPTH} deep", span,
                "name parts of it in [define]",
            )  # fmt: skip

    def whole(self, relation: bool) -> Node:
        if self.next.kind == "end":
            raise ExpressionFault(
                "expression.empty", "an empty formula", Span(0, max(1, len(self.expression))),
                "write an expression such as m*q'^2/2",
            )  # fmt: skip
        tree = self.sum()
        token = self.next
        if token.kind in RELATION_TOKENS:
            tree = self.relation(tree, relation)
        if self.next.kind != "end":
            raise self.unexpected(self.next)
        return tree

    def relation(self, left: Node, allowed: bool) -> Node:
        token = self.take()
        if not allowed:
            raise self.misplaced_relation(token)
        if token.kind == "!=":
            raise ExpressionFault(
                "expression.relation", "a constraint cannot say what is not equal", token.span,
                "write an equation (x^2 + y^2 = l^2) or an inequality (c1 > 0)",
            )  # fmt: skip
        right = self.sum()
        if self.next.kind in RELATION_TOKENS:
            raise ExpressionFault(
                "expression.relation", "two relations in one constraint", self.next.span,
                'write two entries: constraints = ["a < b", "b < c"]',
            )  # fmt: skip
        span = Span(left.span.start, right.span.stop)
        return Relation(RELATIONS[token.kind], left, right, span)

    def sum(self) -> Node:
        left = self.product()
        while self.next.kind in ("+", "-"):
            left = self.binary(left, self.take().kind, self.product())
        return left

    def product(self) -> Node:
        left = self.unary()
        while True:
            token = self.next
            if token.kind in ("*", "/"):
                self.take()
                left = self.binary(left, token.kind, self.unary())
            elif token.kind in OPERANDS and not (token.kind == "|" and self.closes()):
                raise self.no_implicit_product(left, token)
            else:
                return left

    def closes(self) -> bool:
        """Whether a bar after an operand closes one that is open."""
        return self.bars > 0

    power_sign = ""  # ^ or **, as the formula has it
    bars = 0  # open at this place, inside the innermost parentheses

    def binary(self, left: Node, op: str, right: Node) -> Binary:
        span = Span(left.span.start, right.span.stop)
        return Binary(OPERATORS[op], left, right, span)

    def unary(self) -> Node:
        token = self.next
        if token.kind not in ("-", "+"):
            return self.power()
        self.take()
        self.deeper(token.span)
        operand = self.unary()
        self.level -= 1
        if token.kind == "+":
            return operand
        return Negate(operand, Span(token.span.start, operand.span.stop))

    def power(self) -> Node:
        base = self.postfix()
        token = self.next
        if token.kind == "power":
            self.take()
            exponent: Node = Number(abs(token.value), token.span)
            if token.value < 0:
                exponent = Negate(exponent, token.span)
            base = self.binary(base, "^", exponent)
            if self.next.kind in ("^", "**", "power"):
                raise ExpressionFault(
                    "expression.power", "a power of a superscript", self.next.span,
                    "write x^(2^3) or (x^2)^3",
                )  # fmt: skip
            return base
        if token.kind in ("^", "**"):
            self.take()
            self.power_sign = self.power_sign or token.kind
            if token.kind != self.power_sign:
                raise ExpressionFault(
                    "expression.power", "^ and ** in one formula", token.span,
                    "both mean the power: write ^ everywhere",
                )  # fmt: skip
            self.deeper(token.span)
            base = self.binary(base, "^", self.unary())
            self.level -= 1
        return base

    def postfix(self) -> Node:
        node = self.atom()
        while True:
            token = self.next
            if token.kind == "prime":
                self.take()
                node = self.differentiated(node, token.order, token.span)
            elif token.kind == "[":
                node = self.index(node)
            else:
                return node

    def differentiated(self, node: Node, order: int, span: Span) -> Derivative | Index:
        whole = Span(node.span.start, max(span.stop, node.span.stop))
        match node:
            case Name():
                result: Derivative | Index = Derivative(node, order, whole)
            case Derivative(base, before):
                result = Derivative(base, before + order, whole)
            case Index(base, indices):
                return Index(self.differentiated(base, order, span), indices, whole)
            case _:
                raise ExpressionFault(
                    "expression.derivative", "only a coordinate has a time derivative here", span,
                    "write the derivative out, e.g. 2*q*q' for that of q^2",
                )  # fmt: skip
        if result.order > MAX_ORDER:
            raise ExpressionFault(
                "expression.derivative", f"a derivative of order {result.order}", whole
            )
        return result

    def index(self, node: Node) -> Node:
        opening = self.take()
        if not isinstance(node, Name | Derivative | Index):
            raise ExpressionFault(
                "expression.index", "only a vector coordinate has components", opening.span,
                "name it first: q[1], q'[2]",
            )  # fmt: skip
        if isinstance(node, Index) and isinstance(node.base, Index):
            raise ExpressionFault(
                "expression.index", "a body, a component, and no more", opening.span,
                "write r[i][1]",
            )  # fmt: skip
        indices: list[Node] = []
        while True:
            token = self.take()
            if token.kind == "number" and token.word.isdigit():
                indices.append(Number(token.value, token.span))
            elif token.kind == "name" and token.word in INDEX_NAMES and not token.order:
                indices.append(self.neighbour(Name(token.word, token.span)))
            else:
                raise ExpressionFault(
                    "expression.index", "an index is a whole number from 1", token.span,
                    "write q[1], or inside a sum r[i,j]",
                )  # fmt: skip
            closing = self.take()
            if closing.kind == "]":
                return Index(node, tuple(indices), Span(node.span.start, closing.span.stop))
            if closing.kind != ",":
                raise ExpressionFault(
                    "expression.index", "this index is not closed", opening.span, "write q[1]"
                )

    def neighbour(self, letter: Name) -> Node:
        """`i`, `i+1` or `i-1` as the number of a body."""
        if self.next.kind not in ("+", "-"):
            return letter
        sign, step = self.take(), self.take()
        if step.kind != "number" or not step.word.isdigit():
            raise ExpressionFault(
                "expression.index", "a neighbour is a whole number away", step.span,
                f"write q[{letter.name}+1]",
            )  # fmt: skip
        return self.binary(letter, sign.kind, Number(step.value, step.span))

    def atom(self) -> Node:
        token = self.take()
        match token.kind:
            case "number":
                return Number(token.value, token.span)
            case "name" if self.next.kind == "(" and not token.order:
                return self.call(token)
            case "name":
                return self.name(token)
            case "(":
                inner = self.enclosed(token, ")")
                self.take()
                return _respanned(inner, Span(token.span.start, self.tokens[self.at - 1].span.stop))
            case "|":
                inner = self.enclosed(token, "|")
                closing = self.take()
                return Bars(inner, Span(token.span.start, closing.span.stop))
            case _:
                raise self.no_operand(token)

    def name(self, token: Token) -> Node:
        word, order = token.word, token.order
        base = Name(word, token.span)
        if not order and word in self.dotted:
            word, order = self.dotted[word]
            base = Name(word, token.span)
        return Derivative(base, order, token.span) if order else base

    def enclosed(self, opening: Token, closing: str) -> Node:
        """A sum up to `closing`, which is not taken."""
        self.deeper(opening.span)
        outer, self.bars = self.bars, 1 if closing == "|" else 0
        inner = self.sum()
        self.bars = outer
        self.level -= 1
        if self.next.kind == closing:
            return inner
        raise self.unclosed(opening, closing)

    def call(self, token: Token) -> Node:
        opening = self.take()
        if token.word == "D":
            return self.total_derivative(token, opening)
        if token.word == "sum":
            return self.many_body_sum(token, opening)
        if token.word not in self.functions:
            raise self.no_function(token)
        arguments = [self.argument(opening)]
        while self.next.kind == ",":
            self.take()
            arguments.append(self.argument(opening))
        closing = self.take()
        span = Span(token.span.start, closing.span.stop)
        least, most = self.functions[token.word]
        if not least <= len(arguments) <= most:
            wanted = str(least) if least == most else f"{least} or more"
            raise ExpressionFault(
                "expression.arguments",
                f"{token.word} takes {wanted} argument{'s' * (wanted != '1')}, "
                f"not {len(arguments)}", span,
                "write a decimal with a point: 0.5" if self.decimal_comma(arguments) else None,
            )  # fmt: skip
        return Call(token.word, tuple(arguments), span)

    def argument(self, opening: Token) -> Node:
        if self.next.kind == ")":
            raise ExpressionFault(
                "expression.arguments", "an argument is missing here", self.next.span
            )
        self.deeper(opening.span)
        outer, self.bars = self.bars, 0
        inner = self.sum()
        self.bars = outer
        self.level -= 1
        if self.next.kind in (",", ")"):
            return inner
        raise self.unclosed(opening, ")")

    def decimal_comma(self, arguments: list[Node]) -> bool:
        return any(
            isinstance(a, Number) and isinstance(b, Number) and a.span.stop + 1 == b.span.start
            for a, b in pairwise(arguments)
        )

    def total_derivative(self, token: Token, opening: Token) -> Node:
        """`D(q, t)` and its nesting, which mean `q'` and `q''`."""
        inner = self.argument(opening)
        comma, time = self.take(), self.take()
        closing = self.take() if time.kind != "end" and comma.kind != "end" else time
        if (comma.kind, time.kind, time.word, closing.kind) != (",", "name", "t", ")"):
            raise ExpressionFault(
                "expression.derivative", "D takes a coordinate and t", token.span, "write D(q, t)"
            )
        whole = Span(token.span.start, closing.span.stop)
        return _respanned(self.differentiated(inner, 1, whole), whole)

    def many_body_sum(self, token: Token, opening: Token) -> Sum:
        """`sum(i<j, body)`, `sum(i, body)` and `sum(i<j<k, body)`."""
        names: list[str] = []
        while True:
            index = self.take()
            if index.kind != "name" or index.word not in INDEX_NAMES or index.word in names:
                raise ExpressionFault(
                    "expression.sum", "a sum begins with its indices", index.span,
                    "write sum(i<j, ...) over pairs or sum(i, ...) over bodies",
                )  # fmt: skip
            names.append(index.word)
            separator = self.take()
            if separator.kind == ",":
                break
            if separator.kind != "<" or len(names) == 3:
                raise ExpressionFault(
                    "expression.sum", "a sum runs over bodies or over pairs", separator.span,
                    "write sum(i<j, ...) over pairs or sum(i, ...) over bodies",
                )  # fmt: skip
        body = self.argument(opening)
        if self.next.kind != ")":
            raise self.unclosed(opening, ")")
        closing = self.take()
        return Sum(tuple(names), body, Span(token.span.start, closing.span.stop))


def _respanned(node: Node, span: Span) -> Node:
    """The node with the parentheses around it in its span."""
    return type(node)(**{**vars(node), "span": span})
