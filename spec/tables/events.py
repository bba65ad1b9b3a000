"""[events]: expressions whose zeros are looked for, and what is done there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from actionrun.spec.expressions.errors import ExpressionFault
from actionrun.spec.expressions.parser import parse
from actionrun.spec.expressions.syntax_tree import Derivative, Index, Name, Node, Number
from pydantic import (
    Field,
    GetJsonSchemaHandler,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from .common import Table, attempt, with_short_form
from .leaves import Expression, Value, reading_of, type_error

KEYS = "coordinates q, q[1] and velocities q', q'[1]"


def read_settings(raw: Any, info: ValidationInfo) -> dict[str, Any]:
    reading = reading_of(info)
    if not isinstance(raw, dict):
        raise type_error(raw, "a table by coordinate or velocity", 'write { "q\'" = "-q\'" }')
    return {str(key): attempt(Expression.read, item, reading) for key, item in raw.items()}


def setting_target(
    key: str, coordinates: Mapping[str, int], vectors: bool
) -> tuple[str, int, bool] | None:
    """The coordinate that a key of `set` names, its component from 0 (of a scalar 0) and whether
    its velocity is meant; None where it names none."""
    try:
        node: Node = parse(key)
    except ExpressionFault:
        return None
    component = 0
    if isinstance(node, Index):
        index = node.indices[0] if len(node.indices) == 1 else None
        if not (vectors and isinstance(index, Number) and index.value.denominator == 1):
            return None
        node, component = node.base, int(index.value) - 1
    elif vectors:
        return None
    moving = isinstance(node, Derivative)
    if isinstance(node, Derivative):
        if node.order != 1:
            return None
        node = node.base
    if not isinstance(node, Name) or not 0 <= component < coordinates.get(node.name, 0):
        return None
    return node.name, component, moving


class Event(Table):
    """An expression whose zeros are looked for: its text alone, or a table that says more."""

    when: Expression = Field(description="An expression of q, q' and t that crosses zero there.")
    direction: Literal["up", "down", "both"] = Field(
        default="both", description="Crossings that count: from below, from above, all."
    )
    after: Value | None = Field(default=None, description="Crossings up to this time do not count.")
    count: int | None = Field(
        default=None, ge=1, le=10**9,
        description="With stop: the number of the crossing that ends the run (1); else how often "
        "`set` acts (every time).",
    )  # fmt: skip
    stop: bool = Field(default=False, description="End the run there.")
    set: Annotated[
        dict[str, Any],
        PlainValidator(read_settings),
        WithJsonSchema({
            "type": "object", "additionalProperties": {"type": ["string", "number"]}
        }),
    ] = Field(
        default={},
        description="New positions and velocities, of those before: { \"y'\" = \"-0.9*y'\" }.",
    )  # fmt: skip

    @property
    def acts(self) -> bool:
        """Whether something is done there."""
        return self.stop or bool(self.set)

    @model_validator(mode="before")
    @classmethod
    def _short(cls, raw: Any) -> Any:
        return raw if isinstance(raw, dict) else {"when": raw}

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: Any, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Both forms: the expression, and the table."""
        return with_short_form(core, handler, dict(Expression.schema))
