"""`study = "ggl"`: how does this Lagrangian system move?"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, ValidationInfo, WithJsonSchema

from .experiment import Experiment
from .leaves import Expression, Reading, Row
from .tables import VALUE_SCHEMA, Compare, Integrator, Start, System, attempt


def read_exact(raw: Any, info: ValidationInfo) -> Any:
    reading: Reading = info.context  # type: ignore[assignment]
    if isinstance(raw, Row):
        return tuple(attempt(Expression.read, item, reading) for item in raw)
    return Expression.read(raw, reading)


Exact = Annotated[
    Any,
    PlainValidator(read_exact),
    WithJsonSchema({"anyOf": [*VALUE_SCHEMA["anyOf"], {"type": "array", "items": VALUE_SCHEMA}]}),
]


class Ggl(Experiment):
    """The motion of a Lagrangian system from a given start."""

    study: Literal["ggl"]
    system: System = Field(description="What moves, and by which law.")
    start: Start = Field(description="The state at t = 0.")
    integrator: Integrator = Field(description="How time is stepped.")
    exact: dict[str, Exact] = Field(
        default={},
        description="The solution by coordinate, an expression of t, to measure the error.",
    )
    compare: Compare | None = Field(
        default=None, description="Other integrators on the same problem."
    )
