"""[start]: the state at t = 0, numbers or ranges to draw from."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, PlainValidator, ValidationInfo, WithJsonSchema

from .common import VALUE_SCHEMA, Table, attempt
from .distributions import NormalPrior, is_distribution
from .leaves import Range, Reading, Row, Value, reading_of, type_error
from .per_body import read_bodies

One = Value | Range | NormalPrior
Component = One | tuple[One, ...] | tuple[tuple[Value, ...], ...]


def read_components(raw: Any, info: ValidationInfo) -> dict[str, Any]:
    reading = reading_of(info)
    if not isinstance(raw, dict):
        raise type_error(raw, "a table by coordinate", "write { q = 1.0 }")
    return {name: attempt(_component(name), item, reading) for name, item in raw.items()}


def _component(name: str) -> Any:
    def read(raw: Any, reading: Reading) -> Component | None:
        size = reading.coordinates.get(name)
        if size is None:
            return None  # the name is at fault, and says so itself
        if reading.bodies:
            return read_bodies(raw, reading, name)
        if not reading.vectors:
            return _one(raw, reading, name)
        hint = f"write {name} = [{', '.join(['0.0'] * min(size, 4))}]"
        if not isinstance(raw, Row):
            reading.blame(
                getattr(raw, "path", ()), "start.shape",
                f"{name} is a vector of {size} component{'s' * (size > 1)}, not one number", hint,
            )  # fmt: skip
            return None
        if len(raw) != size:
            reading.blame(
                raw.path, "start.shape",
                f"{name} has {size} component{'s' * (size > 1)}, this list has {len(raw)}", hint,
            )  # fmt: skip
        items = (attempt(lambda one, reading: _one(one, reading, name), item, reading)
                 for item in raw)  # fmt: skip
        return tuple(item for item in items if item is not None)

    return read


def _one(raw: Any, reading: Reading, name: str) -> One | None:
    if reading.kind == "family" and is_distribution(raw):
        return NormalPrior.read(raw, reading, formula=True)
    if not isinstance(raw, Row):
        return Value.read(raw, reading)
    if reading.kind != "family":
        reading.blame(
            raw.path, "start.range", f"a list, where {name} starts from one number",
            "a range to draw from has a meaning in a family only"
            if not reading.vectors and len(raw) == 2
            else f"write one number; for a vector declare coordinates = {{ {name} = {len(raw)} }}",
        )  # fmt: skip
        return None
    if len(raw) != 2:
        reading.blame(
            raw.path, "start.range", f"a list of {len(raw)}, where a range is wanted",
            f"write [low, high]; for a vector declare coordinates = {{ {name} = {len(raw)} }}",
        )  # fmt: skip
        return None
    low, high = (attempt(Value.read, item, reading) for item in raw)
    return None if low is None or high is None else Range(low, high)


COMPONENT_SCHEMA = {
    "type": "object",
    "additionalProperties": {
        "anyOf": [
            *VALUE_SCHEMA["anyOf"],
            {
                "type": "array",
                "items": {
                    "anyOf": [*VALUE_SCHEMA["anyOf"], {"type": "array", "items": VALUE_SCHEMA}]
                },
            },
        ]
    },
}
Components = Annotated[
    dict[str, Any], PlainValidator(read_components), WithJsonSchema(COMPONENT_SCHEMA)
]


class Start(Table):
    """The state at t = 0, by coordinate."""

    position: Components = Field(
        default={},
        description="Positions by coordinate: { q = 1.0 }; of measured motions also what "
        'is known of them: { q = "normal(1.0, 0.02)" }.',
    )
    velocity: Components | None = Field(
        default=None, description="Velocities by coordinate; or momentum."
    )
    momentum: Components | None = Field(
        default=None, description="Canonical momenta by coordinate; or velocity."
    )

    def holds(self, what: type) -> bool:
        """Whether some of its numbers is a range, or a distribution."""
        tables = (self.position, self.velocity or {}, self.momentum or {})
        return any(isinstance(one, what) for table in tables for entry in table.values()
                   for one in (entry if isinstance(entry, tuple) else (entry,)))  # fmt: skip


class WholeStart(Start):
    """A start that says every position."""

    model_config = ConfigDict(json_schema_extra={"required": ["position"]})
