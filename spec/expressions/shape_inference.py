"""Scalars and vectors: every expression has a shape, and most mistakes with vectors show there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import assert_never

from .errors import ExpressionFault
from .name_resolution import Names
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
    text,
    walk,
)

Shape = int  # 0 for a scalar, else the number of components of a vector


@dataclass
class Shapes:
    """The shapes of the names of a study; `define` is filled in order of use."""

    names: Names
    define: dict[str, Shape | None] = field(default_factory=dict)

    def of(self, node: Node, bound: frozenset[str] = frozenset()) -> Shape | None:
        """The shape of an expression, None where a fault elsewhere leaves it open.

        Raises ExpressionFault at the first mismatch.
        """
        match node:
            case Number():
                return 0
            case Name(name):
                return self._name(name) if name in bound else self._alone(node, name)
            case Derivative(base):
                return self._alone(node, base.name)
            case Negate(operand):
                return self.of(operand, bound)
            case Bars(operand):
                self.of(operand, bound)
                return 0
            case Relation(_, left, right):
                self._both(node, self.of(left, bound), self.of(right, bound))
                if self.of(left, bound):
                    raise ExpressionFault("shape.relation", "a relation between vectors", node.span,
                                          "write one a component: q[1] = 0")  # fmt: skip
                return 0
            case Binary(op, left, right):
                return self._binary(node, op, self.of(left, bound), self.of(right, bound))
            case Call(_, arguments):
                return self._call(node, [self.of(a, bound) for a in arguments])
            case Index():
                return self._index(node, bound)
            case Sum(indices, body):
                self._range(node, bound)
                if self.of(body, bound | {*indices}):
                    raise ExpressionFault("shape.sum", "a sum of vectors", body.span,
                                          "an energy is a scalar")  # fmt: skip
                return 0
            case _:
                assert_never(node)

    def _name(self, name: str) -> Shape | None:
        if name in self.names.define:
            return self.define.get(name)
        coordinate = name if name in self.names.coordinates else self.names.doubled(name)
        if coordinate is not None and self.names.vectors:
            return self.names.coordinates[coordinate]
        return 0

    def _alone(self, node: Node, name: str) -> Shape | None:
        """The shape of a name without an index, which a coordinate of many bodies needs."""
        names = self.names
        moving = name in names.coordinates or names.doubled(name)
        if names.count and moving:
            dash = "'" * node.order if isinstance(node, Derivative) else ""
            raise ExpressionFault(
                "bodies.index", f"{name} is a coordinate of {names.count} bodies", node.span,
                f"write {name}{dash}[i] inside sum(i, ...), or {name}{dash}[1] of the first body",
            )  # fmt: skip
        if name in names.lists:
            raise ExpressionFault("bodies.index", f"{name} has a number for each body", node.span,
                                  f"write {name}[i] inside sum(i, ...)")  # fmt: skip
        return self._name(name)

    def _range(self, node: Sum, bound: frozenset[str]) -> None:
        """Whether a sum has bodies to run over, and runs over them."""
        names = self.names
        if names.count and (bound or len(node.indices) > 2):
            what = "a sum inside a sum" if bound else "a sum over triples"
            raise ExpressionFault("bodies.sum", what, node.span,
                                  "over all pairs write sum(i<j, ...)")  # fmt: skip
        if bound & {*node.indices}:
            raise ExpressionFault("bodies.sum", "two sums with one index", node.span,
                                  "take another one of i, j and k")  # fmt: skip
        if len(bound) + len(node.indices) > 3:
            raise ExpressionFault("bodies.sum", "a formula joins up to three bodies", node.span,
                                  "write sum(i, sum(j<k, ...))")  # fmt: skip
        if not names.bodies and not names.open:
            raise ExpressionFault(
                "bodies.sum", "a sum runs over bodies, and this system has none", node.span,
                'write particles = 10 and coordinates = ["q"] in [system]: each has a q',
            )  # fmt: skip
        if not names.count:
            return
        if len(node.indices) > 1 and names.count < 2:
            raise ExpressionFault("bodies.sum", "one body makes no pair", node.span,
                                  "write particles = 2 or more")  # fmt: skip
        used = {
            letter.name
            for one in walk(node.body) if isinstance(one, Index)
            for part in one.indices for letter in walk(part) if isinstance(letter, Name)
        }  # fmt: skip
        for letter in node.indices:
            if letter not in used:
                raise ExpressionFault(
                    "bodies.sum", f"nothing in this sum belongs to the body {letter}", node.span,
                    f"write q[{letter}] in it, or leave the sum out",
                )  # fmt: skip

    def _both(self, node: Binary | Relation, a: Shape | None, b: Shape | None) -> None:
        if a is None or b is None or a == b:
            return
        if a and b:
            raise ExpressionFault(
                "shape.sum", f"vectors of {a} and {b} components", node.right.span,
                "their dimensions have to agree",
            )  # fmt: skip
        vector, scalar = (node.left, node.right) if a else (node.right, node.left)
        raise ExpressionFault(
            "shape.sum", f"a vector and a scalar: {brief(vector)} has {a or b} components, "
            f"{brief(scalar)} is one number", node.right.span,
            f"a component is {_component(vector)}, the length |{brief(vector)}|",
        )  # fmt: skip

    def _binary(self, node: Binary, op: str, a: Shape | None, b: Shape | None) -> Shape | None:
        if op in "+-":
            self._both(node, a, b)
            return b if a is None else a
        if op == "^":
            if a:
                power = node.right
                square = isinstance(power, Number) and power.value == 2
                word = brief(node.left)
                raise ExpressionFault(
                    "shape.power", "a power of a vector", node.span,
                    f"write dot({word}, {word}) or |{word}|^2" if square else f"write |{word}|^n",
                )  # fmt: skip
            if b:
                raise ExpressionFault("shape.power", "an exponent is a scalar", node.right.span)
            return None if a is None or b is None else 0
        if op == "/" and b:
            word = brief(node.right)
            raise ExpressionFault("shape.quotient", "a division by a vector", node.right.span,
                                  f"divide by its length |{word}| or a component")  # fmt: skip
        if a and b:
            x, y = brief(node.left), brief(node.right)
            raise ExpressionFault("shape.product", "a product of two vectors", node.span,
                                  f"write dot({x}, {y}) or cross({x}, {y})")  # fmt: skip
        return None if a is None or b is None else a or b

    def _call(self, node: Call, shapes: list[Shape | None]) -> Shape | None:
        function, arguments = node.function, node.arguments
        if function in ("dot", "cross", "norm"):
            for argument, shape in zip(arguments, shapes, strict=True):
                if shape == 0:
                    way = {"norm": "write |x| or abs(x) for a number",
                           "dot": "write a*b for numbers"}.get(function)  # fmt: skip
                    raise ExpressionFault(
                        "shape.vector",
                        f"{function} takes vectors, and {brief(argument)} is a scalar",
                        argument.span,
                        way,
                    )
            known = [shape for shape in shapes if shape is not None]
            if function == "norm" or len(known) < 2:
                return 0 if function != "cross" else None
            if known[0] != known[1]:
                raise ExpressionFault(
                    "shape.vector", f"vectors of {known[0]} and {known[1]} components", node.span,
                    "their dimensions have to agree",
                )  # fmt: skip
            if function == "dot":
                return 0
            if known[0] not in (2, 3):
                raise ExpressionFault("shape.vector", f"cross takes vectors of 2 or 3 components, "
                                      f"not {known[0]}", node.span)  # fmt: skip
            return 3 if known[0] == 3 else 0
        for argument, shape in zip(arguments, shapes, strict=True):
            if shape:
                word = brief(argument)
                raise ExpressionFault(
                    "shape.scalar",
                    f"{function} takes scalars, and {word} is a vector",
                    argument.span,
                    f"the length is |{word}|, a component {_component(argument)}",
                )
        return 0

    def _index(self, node: Index, bound: frozenset[str]) -> Shape | None:
        if isinstance(node.base, Index):
            return self._component(node, node.base, bound)
        base = node.base if isinstance(node.base, Name) else node.base.base
        name = base.name
        known = name in self.names.coordinates or self.names.doubled(name)
        if self.names.count and (known or name in self.names.lists or name == "r"):
            return self._body(node, name, bound)
        letters = [one for one in node.indices if isinstance(one, Name)]
        for letter in letters:
            if letter.name not in bound:
                raise ExpressionFault(
                    "shape.index", f"{letter.name} is no index here", letter.span,
                    "write a number, q[1]; letters have a meaning inside sum(i<j, ...)",
                )  # fmt: skip
        if letters:  # a place, where bodies have no coordinates of their own: a vector
            return None if name == "r" and len(node.indices) == 1 else 0
        size = self._name(name)
        if size is None:
            return None
        if size == 0:
            hint = None
            if name in self.names.coordinates or self.names.doubled(name):
                q = self.names.doubled(name) or name
                hint = f"for a vector declare coordinates = {{ {q} = 2 }}"
            raise ExpressionFault("shape.index", f"{name} is a scalar and has no components",
                                  node.span, hint)  # fmt: skip
        if len(node.indices) != 1:
            raise ExpressionFault("shape.index", "one index for a component of a vector", node.span,
                                  f"write {name}[1]")  # fmt: skip
        index = node.indices[0]
        if isinstance(index, Number) and not 1 <= index.value <= size:
            raise ExpressionFault(
                "shape.index",
                f"{name} has the components 1 to {size}",
                index.span,
                "counting begins at 1" if index.value == 0 else None,
            )
        return 0

    def _component(self, node: Index, base: Index, bound: frozenset[str]) -> Shape | None:
        """`r[i][1]`: the component of a body's vector."""
        size = self._index(base, bound)
        if not self.names.count or size == 0:
            raise ExpressionFault("shape.index", f"{brief(base)} is a scalar and has no components",
                                  node.span)  # fmt: skip
        index = node.indices[0]
        if size is not None and not (
            len(node.indices) == 1 and isinstance(index, Number) and 1 <= index.value <= size
        ):
            raise ExpressionFault("shape.index", f"{brief(base)} has the components 1 to {size}",
                                  index.span, f"write {brief(base)}[1]")  # fmt: skip
        return 0 if size is not None else None

    def _body(self, node: Index, name: str, bound: frozenset[str]) -> Shape | None:
        """`r[i]`, `m[i]`, `q[i+1]` and `q[3]` of many bodies, and the distance `r[i,j]`."""
        names = self.names
        for one in node.indices:
            self._number(one, node, bound)
        if len(node.indices) == 1:
            if name in names.lists:
                return 0
            if name in names.coordinates or names.doubled(name):
                return self._name(name)
        if len(node.indices) == 2 and name not in names.lists:
            single = name == "r" and len(names.coordinates) == 1
            if (name in names.coordinates or names.doubled(name) or single) and isinstance(
                node.base, Name
            ):
                return 0
        what = "a distance" if len(node.indices) == 2 else "the body"
        raise ExpressionFault(
            "bodies.index", f"{brief(node)} is no {what.split()[-1]} here", node.span,
            f"the distance of two bodies is {next(iter(names.coordinates), 'r')}[i,j]",
        )  # fmt: skip

    def _number(self, one: Node, node: Index, bound: frozenset[str]) -> None:
        """Whether an index says which body: a number, the letter of a sum, or a neighbour."""
        count = self.names.count
        if isinstance(one, Number):
            if not 1 <= one.value <= count:
                raise ExpressionFault("bodies.index", f"the bodies are numbered 1 to {count}",
                                      one.span)  # fmt: skip
            return
        step = one.right if isinstance(one, Binary) else None
        letter = one.left if isinstance(one, Binary) else one
        if not isinstance(letter, Name):
            return  # the parser reads no other index
        if letter.name not in bound:
            raise ExpressionFault(
                "shape.index", f"{letter.name} is no index here", letter.span,
                f"write the number of a body, or sum({letter.name}, ...) around it",
            )  # fmt: skip
        if isinstance(step, Number):
            if len(bound) > 1:
                raise ExpressionFault("bodies.index", "a neighbour in a sum over pairs", one.span,
                                      "neighbours belong into sum(i, ...)")  # fmt: skip
            if step.value >= count:
                raise ExpressionFault("bodies.index", f"there are {count} bodies", one.span)


def summed(tree: Node) -> bool:
    """Whether a formula holds a sum over bodies; one that holds none may be of any body i."""
    return any(isinstance(node, Sum) for node in walk(tree))


def brief(node: Node) -> str:
    """A short name of an operand for messages."""
    words = text(node)
    return words if len(words) <= 24 else words[:21] + "..."


def _component(node: Node) -> str:
    words = brief(node)
    single = isinstance(node, Name | Derivative | Index)
    return f"{words}[1]" if single else "that of a coordinate, q[1]"


def filled(names: Names, sequence: list[str], trees: Mapping[str, Node]) -> Shapes:
    """The shapes of all definitions, each after what it uses; a faulty one stays open."""
    shapes = Shapes(names)
    for name in sequence:
        if name in names.define and name in trees:
            try:
                shapes.define[name] = shapes.of(trees[name])
            except ExpressionFault:
                shapes.define[name] = None
    return shapes
