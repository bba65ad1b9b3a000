"""`study = "ggl"`: how does this Lagrangian system move?"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from actionrun.spec.expressions.errors import ExpressionFault
from actionrun.spec.tables.analysis import Analysis
from actionrun.spec.tables.common import VALUE_SCHEMA, Compare, Integrator, Table, attempt
from actionrun.spec.tables.data import Inputs
from actionrun.spec.tables.events import Event
from actionrun.spec.tables.leaves import Expression, Row, Value, reading_of
from actionrun.spec.tables.per_body import Parameter, each
from actionrun.spec.tables.start import WholeStart
from actionrun.spec.tables.system import System
from actionrun.spec.text.files import FileTable
from actionrun.spec.text.source import Faults
from pydantic import Field, PlainValidator, ValidationInfo, WithJsonSchema

from .experiment import Experiment

MOST_TIMES = 1_000_000  # of output


def read_exact(raw: Any, info: ValidationInfo) -> Any:
    reading = reading_of(info)
    if isinstance(raw, Row):
        return tuple(attempt(Expression.read, item, reading) for item in raw)
    return Expression.read(raw, reading)


Exact = Annotated[
    Any,
    PlainValidator(read_exact),
    WithJsonSchema({"anyOf": [*VALUE_SCHEMA["anyOf"], {"type": "array", "items": VALUE_SCHEMA}]}),
]


class Output(Table):
    """The motion at other times than those of the steps: give `times` or `every`."""

    times: tuple[Value, ...] | None = Field(
        default=None, max_length=10_000, description="Times of output, from 0 to the end."
    )
    every: Value | None = Field(default=None, description="Output at 0 and after each so long.")


class Steps(Integrator):
    """The Galerkin-Gauss-Lobatto variational integrator."""

    duration: Value | None = Field(
        default=None, description='The time of the run, a whole number of steps: "10 s".'
    )
    precision: Literal["double", "single"] = Field(
        default="double",
        description="Of all numbers: double (16 digits) or single (7 digits, half the memory).",
    )


class Ggl(Experiment):
    """The motion of a Lagrangian system from a given start."""

    study: Literal["ggl"]
    system: System = Field(description="What moves, and by which law.")
    parameters: dict[str, Parameter] = Field(  # pyright: ignore[reportIncompatibleVariableOverride]
        default={},
        description="Fixed numbers and quantities; of many bodies, lists with one for each.",
    )
    start: WholeStart = Field(description="The state at t = 0.")
    integrator: Steps = Field(description="How time is stepped.")
    exact: dict[str, Exact] = Field(
        default={},
        description="The solution by coordinate, an expression of t, to measure the error.",
    )
    output: Output | None = Field(
        default=None, description="The motion at other times than those of the steps."
    )
    events: dict[str, Event] = Field(
        default={},
        max_length=100,
        description="Expressions of q, q' and t by name: when each crosses zero is found; or "
        "tables that say what is done there.",
    )
    analysis: Analysis | None = Field(
        default=None, description="Derivatives of the motion: exponents, sensitivities."
    )
    inputs: Inputs | None = Field(
        default=None, description="Known functions of time, from a file; the law may hold them."
    )
    compare: Compare | None = Field(
        default=None, description="Other integrators on the same problem."
    )

    @property
    def step_count(self) -> int:
        """Steps of the run. Raises Faults for a number without a value."""
        of = self.integrator
        if of.duration is None:
            return of.steps or 0
        return round(self.number(of.duration) / self.number(of.dt))

    @property
    def acting_events(self) -> dict[str, Event]:
        """The events at which something is done."""
        return {name: event for name, event in self.events.items() if event.acts}

    @property
    def file_tables(self) -> tuple[FileTable, ...]:
        return () if self.inputs is None else (self.inputs,)

    @property
    def data_table(self) -> Inputs | None:
        return self.inputs

    @property
    def driven(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return (() if self.inputs is None else tuple(self.inputs.inputs)), ()

    def numbers(self, name: str) -> tuple[float, ...]:
        """A parameter in base units for each body."""
        return self._meaning.lists[name]

    def bodies(self, given: Any) -> tuple[tuple[float, ...], ...]:
        """A coordinate of [start] in base units, a row of its components for each body."""
        count = self.system.particles or 0
        meaning = self._meaning

        def worked_out(value: Value, count: int) -> tuple[float, ...]:
            try:
                return each(value, count, meaning.units, meaning.constants, meaning.lists)
            except ExpressionFault as fault:
                raise Faults(
                    [self.fault(value, fault.span, fault.code, fault.message, fault.hint)]
                ) from None

        if isinstance(given, Value):
            return tuple((x,) for x in worked_out(given, count))
        if isinstance(given[0], tuple):
            return tuple(tuple(worked_out(x, 1)[0] for x in row) for row in given)
        if self.system.coordinates.vectors:
            return tuple(zip(*(worked_out(x, count) for x in given), strict=True))
        return tuple((worked_out(x, 1)[0],) for x in given)
