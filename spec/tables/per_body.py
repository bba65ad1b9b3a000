"""Many bodies in a ggl study: each has the coordinates, and numbers may differ from body to body.

`i` is the number of a body, from 1: in [start] and [exact] a formula of `i` serves all of them, and
a list in [parameters] has an entry for each. Sums over bodies and pairs are never written out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from actionrun.spec.expressions.constant_evaluation import evaluated
from actionrun.spec.expressions.errors import ExpressionFault
from actionrun.spec.expressions.syntax_tree import Binary, Index, Name, Node, Number
from actionrun.spec.text.span import WHOLE
from actionrun.spec.units.quantities import Units
from actionrun.spec.units.unit_table import CONSTANTS
from pydantic import PlainValidator, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from .common import VALUE_SCHEMA, VALUES_SCHEMA, attempt
from .leaves import Reading, Row, Value, reading_of


def read_parameter(raw: Any, info: ValidationInfo) -> Any:
    """A number, or a list with one for each body. Raises PydanticCustomError."""
    reading = reading_of(info)
    if not isinstance(raw, Row):
        return Value.read(raw, reading)
    if not reading.bodies:
        raise PydanticCustomError(
            "bodies.list", "a list where a number is wanted",
            {"hint": "a list has an entry for each body: write particles = N in [system]"},
        )  # fmt: skip
    if len(raw) != reading.bodies:
        reading.blame(raw.path, "bodies.size",
                      f"{len(raw)} entries, and there are {reading.bodies} bodies",
                      "write one for each body, or one number for all")  # fmt: skip
    return tuple(attempt(Value.read, item, reading) for item in raw)


Parameter = Annotated[
    Any,
    PlainValidator(read_parameter),
    WithJsonSchema({"anyOf": [*VALUE_SCHEMA["anyOf"], VALUES_SCHEMA]}),
]


def read_bodies(raw: Any, reading: Reading, name: str) -> Any:
    """A coordinate at the start: a formula of `i` (one a component), or a list of all bodies."""
    size, count, vector = reading.coordinates[name], reading.bodies, reading.vectors
    one = f"[{', '.join(['0.0'] * min(size, 4))}]" if vector else "0.0"
    if not isinstance(raw, Row):
        if not vector:
            return Value.read(raw, reading)
        reading.blame(
            getattr(raw, "path", ()), "start.shape",
            f"{name} is a vector of {size} component{'s' * (size > 1)}, not one number",
            f"write {name} = {one} for all bodies, or a list of such lists",
        )  # fmt: skip
        return None
    rows = vector and any(isinstance(item, Row) for item in raw)
    wanted = size if vector and not rows else count
    if len(raw) != wanted:
        every = rows or not vector
        what = f"there are {count} bodies" if every else f"{name} has {size} components"
        shown = f"[{one}, {one}, ...]" if every else one
        reading.blame(raw.path, "start.shape",
                      f"this list has {len(raw)} entries, and {what}",
                      f"write {name} = {shown}")  # fmt: skip
        return None
    if not rows:
        return tuple(attempt(Value.read, item, reading) for item in raw)
    bodies = []
    for item in raw:
        if not isinstance(item, Row) or len(item) != size:
            reading.blame(getattr(item, "path", raw.path), "start.shape",
                          f"a body has {size} components of {name}", f"write {one}")  # fmt: skip
            return None
        bodies.append(tuple(attempt(Value.read, part, reading) for part in item))
    return tuple(bodies)


def each(
    value: Value, count: int, units: Units, constants: Mapping[str, float],
    lists: Mapping[str, Sequence[float]],
) -> tuple[float, ...]:  # fmt: skip
    """A value in base units for each of `count` bodies. Raises ExpressionFault."""
    if value.number is not None:
        return (units.number(value.number, value.unit),) * count
    tree = value.tree
    if tree is None:
        raise ExpressionFault("value.constant", "no number", WHOLE)

    def of(body: int) -> float:
        def lookup(name: Name | Index) -> float:
            if isinstance(name, Index) and isinstance(name.base, Name):
                numbers = lists.get(name.base.name, ())
                place = numbered(name.indices[0], body)
                if 1 <= place <= len(numbers):
                    return numbers[place - 1]
                raise ExpressionFault("value.constant", f"there is no entry {place}", name.span)
            if isinstance(name, Name) and name.name in constants:
                return constants[name.name]
            if isinstance(name, Name) and name.name == "i":
                return float(body)
            if isinstance(name, Name) and name.name in CONSTANTS and not units.reduced:
                return units.constant(name.name)
            raise ExpressionFault("value.constant", "a constant is wanted here", name.span)

        return evaluated(tree, lookup)

    return tuple(of(body) for body in range(1, count + 1))


def numbered(index: Node, body: int) -> int:
    """The number of a body that `3`, `i` or `i+1` means for i = body."""
    match index:
        case Number(value):
            return int(value)
        case Binary(op, _, Number(step)):
            return body + int(step if op == "+" else -step)
        case _:
            return body
