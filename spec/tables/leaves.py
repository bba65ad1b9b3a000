"""The leaves of a study: values, expressions, columns, and how they are read from TOML.

Every leaf knows its key, so that a later stage can point at it. A leaf that cannot be read leaves
its fault with the `Reading` and goes on as a broken leaf: the rest of the file is still checked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, ClassVar, Self, cast

from actionrun.spec.expressions.errors import ExpressionFault
from actionrun.spec.expressions.parser import parse
from actionrun.spec.expressions.syntax_tree import Node, Number
from actionrun.spec.text.span import WHOLE, Key
from actionrun.spec.units.quantities import QUANTITY, Unit, quantity, unit
from pydantic import GetJsonSchemaHandler, ValidationInfo
from pydantic_core import PydanticCustomError, core_schema

MAX_CHARACTERS = 200_000  # of all formulas of a file together
MAX_FORMULAS = 1000


class Text(str):
    """A string of the document that knows its key."""

    path: Key = ()


class Whole(int):
    path: Key = ()


class Real(float):
    path: Key = ()


class Row(tuple[Any, ...]):
    path: Key = ()


def marked(raw: Any, path: Key = ()) -> Any:
    """The document with the key of every leaf on it."""
    match raw:
        case dict():
            return {name: marked(item, (*path, name)) for name, item in raw.items()}
        case list():
            result: Any = Row(marked(item, (*path, i)) for i, item in enumerate(raw))
        case str():
            result = Text(raw)
        case bool():
            return raw
        case int():
            result = Whole(raw)
        case float():
            result = Real(raw)
        case _:
            return raw
    result.path = path
    return result


def plain(leaf: str | int | float) -> str:
    """A leaf as it reads in an expression."""
    return (
        str(leaf)
        if isinstance(leaf, str)
        else repr(int(leaf) if isinstance(leaf, int) else float(leaf))
    )


@dataclass
class Reading:
    """What the validators know of the study, and what they find out."""

    kind: str
    coordinates: Mapping[str, int] = field(default_factory=dict)
    vectors: bool = False
    dotted: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    bodies: int = 0  # that each have the coordinates
    species: tuple[str, ...] = ()
    values: dict[Key, Value] = field(default_factory=dict)
    expressions: dict[Key, Expression] = field(default_factory=dict)
    columns: dict[Key, Column] = field(default_factory=dict)
    faults: list[tuple[Key, ExpressionFault]] = field(default_factory=list)

    budget: int = MAX_CHARACTERS
    formulas: int = 0

    def parse(self, words: str, relation: bool = False) -> Node:
        """The tree of a formula of this study. Raises ExpressionFault."""
        self.budget -= len(words)
        self.formulas += 1
        if self.budget < 0 or self.formulas > MAX_FORMULAS:
            raise ExpressionFault(
                "expression.size",
                f"more than {MAX_FORMULAS} formulas, or {MAX_CHARACTERS} characters in all of them",
                WHOLE,
                "write numbers without quotation marks, or many bodies as a sum(i<j, ...)",
            )
        return parse(words, relation=relation, dotted=self.dotted)

    def blame(self, key: Key, code: str, message: str, hint: str | None = None) -> None:
        """A fault at the whole value of a key."""
        self.faults.append((key, ExpressionFault(code, message, WHOLE, hint)))


def reading_of(info: ValidationInfo) -> Reading:
    """The reading that a model is validated with."""
    return cast("Reading", info.context)


class Leaf:
    """What `read(raw, reading)` makes of a leaf, and what the JSON schema says of it."""

    schema: ClassVar[dict[str, Any]]
    read: ClassVar[Callable[..., Any]]

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(
            lambda raw, info: cls.read(raw, info.context)
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: Any, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return dict(cls.schema)


@dataclass(frozen=True)
class Value(Leaf):
    """A number, a quantity, or an expression over [parameters] and [define].

    `number` and `unit` for the first two (`number` in its own unit), `tree` for the last; all None
    where the text was at fault.
    """

    schema: ClassVar[dict[str, Any]] = {
        "description": 'A number, a quantity "2 fs", or a constant expression "2*pi/80".',
        "anyOf": [{"type": "number"}, {"type": "string", "minLength": 1, "maxLength": 4000}],
    }
    text: str
    number: Fraction | float | None = None
    unit: Unit | None = None
    tree: Node | None = field(default=None, compare=False)
    path: Key = field(default=(), compare=False)

    @classmethod
    def read(cls, raw: Any, reading: Reading) -> Value:
        if isinstance(raw, bool) or not isinstance(raw, str | int | float):
            raise not_a_value(raw)
        path: Key = getattr(raw, "path", ())
        value = cls(plain(raw), path=path)
        try:
            value = cls._read(raw, path, reading)
        except ExpressionFault as fault:
            reading.faults.append((path, fault))
        reading.values[path] = value
        return value

    @classmethod
    def _read(cls, raw: str | int | float, path: Key, reading: Reading) -> Value:
        if not isinstance(raw, str):
            if not math.isfinite(raw) if isinstance(raw, float) else abs(raw) > 10**300:
                raise ExpressionFault("value.finite", "a number out of range", WHOLE,
                                      "write a finite number, |x| <= 1e300")  # fmt: skip
            number = Fraction(int(raw)) if isinstance(raw, int) else float(raw)
            return cls(plain(raw), number, path=path)
        if number_unit := quantity(raw):
            return cls(str(raw), number_unit[0], number_unit[1], path=path)
        try:
            tree = reading.parse(raw)
        except ExpressionFault as fault:
            if fault.code == "expression.product" and QUANTITY.match(raw):
                raise ExpressionFault(
                    "unit.formula", "a quantity is one number and its unit, not part of a formula",
                    fault.span, 'give it a name in [parameters], a = "1 kg", and write a + b',
                ) from None  # fmt: skip
            raise
        if isinstance(tree, Number):
            return cls(str(raw), tree.value, path=path)
        return cls(str(raw), tree=tree, path=path)


def type_error(raw: Any, wanted: str, hint: str) -> PydanticCustomError:
    """What is said of a value of one type where another is wanted."""
    return PydanticCustomError(
        "value.type", "{what} where {wanted} is wanted",
        {"what": described(raw), "wanted": wanted, "hint": hint},
    )  # fmt: skip


def not_a_value(raw: Any) -> PydanticCustomError:
    return type_error(
        raw, "a number", 'write a number, a quantity "2 fs" or an expression "2*pi/80"'
    )


@dataclass(frozen=True)
class Expression(Leaf):
    """A formula of the study language and its syntax tree."""

    schema: ClassVar[dict[str, Any]] = {
        "description": "A formula of the study language: m*q'^2/2 - k*q^2/2.",
        "type": ["string", "number"],
        "maxLength": 4000,
    }
    relation = False  # whether one =, <, <=, > or >= stands in it
    text: str
    tree: Node = field(compare=False)
    path: Key = field(default=(), compare=False)

    @classmethod
    def read(cls, raw: Any, reading: Reading) -> Self:
        if isinstance(raw, bool) or not isinstance(raw, str | int | float):
            raise PydanticCustomError(
                "expression.type", "{what} where a formula is wanted",
                {"what": described(raw), "hint": "write it in quotation marks: \"m*q'^2/2\""},
            )  # fmt: skip
        path: Key = getattr(raw, "path", ())
        words = plain(raw)
        try:
            expression = cls(words, reading.parse(words, cls.relation), path)
            reading.expressions[path] = expression
            return expression
        except ExpressionFault as fault:
            reading.faults.append((path, fault))
            return cls(words, Number(Fraction(0)), path)


class Constraint(Expression):
    """A formula with one `=`, `<`, `<=`, `>` or `>=`."""

    relation = True


def heading(text: str) -> tuple[str, str | None, int]:
    """Name and unit of a column's heading "density [g/cm^3]", and where the unit's text begins."""
    shown = text.rstrip()
    opening = shown.rfind("[")
    if not shown.endswith("]") or opening < 0 or "]" in shown[opening:-1]:
        return text.strip(), None, 0
    return text[:opening].strip(), shown[opening + 1 : -1], opening + 1


@dataclass(frozen=True)
class Column:
    """A column of a data file: its name there and the unit of its numbers, "density [g/cm^3]"; or
    its number, from 1. `heading` is the name as it is written, with the unit."""

    name: str
    unit: Unit | None = None
    path: Key = field(default=(), compare=False)
    number: int | None = None
    heading: str = field(default="", compare=False)

    @classmethod
    def read(cls, raw: Any, reading: Reading) -> Column:
        path: Key = getattr(raw, "path", ())
        if isinstance(raw, int) and not isinstance(raw, bool) and raw >= 1:
            column = cls(f"column {int(raw)}", None, path, int(raw))
            reading.columns[path] = column
            return column
        if not isinstance(raw, str):
            raise PydanticCustomError(
                "data.column", "{what} where the name of a column is wanted",
                {"what": described(raw), "hint": 'write it as in the file, "t" or "x [m]", '
                 "or its number, from 1"},
            )  # fmt: skip
        name, inside, begin = heading(raw)
        column = cls(name, None, path, heading=str(raw))
        try:
            if not name:
                raise ExpressionFault("data.column", "a column without a name", WHOLE,
                                      'write it as in the file: "t" or "x [m]"')  # fmt: skip
            if inside is not None and inside.strip() not in ("", "1", "-"):
                column = cls(name, unit(inside, begin), path, heading=str(raw))
        except ExpressionFault as fault:
            reading.faults.append((path, fault))
        reading.columns[path] = column
        return column

    @property
    def text(self) -> str | int:
        """As a study has it."""
        if self.number is not None:
            return self.number
        return f"{self.name} [{self.unit.text}]" if self.unit else self.heading or self.name


@dataclass(frozen=True)
class Range:
    """From low to high: what the systems of a family start from."""

    low: Value
    high: Value


def described(raw: Any) -> str:
    """A TOML value in words, for messages."""
    match raw:
        case bool():
            return "a boolean"
        case str():
            return "a string"
        case int() | float():
            return "a number"
        case tuple() | list():
            return "a list"
        case dict():
            return "a table"
        case _:
            return f"a {type(raw).__name__}"
