"""The tables that the kinds of study share. One spelling from TOML key to field to argument."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
)
from pydantic_core import PydanticCustomError

from .leaves import Expression, Reading, Value
from .observables import ObservableKey

NAME_PATTERN = r"^[A-Za-z][A-Za-z0-9_]{0,39}$"


class Table(BaseModel):
    """A table of a study: frozen, and unforgiving about keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]


def field_keys(model: type[BaseModel]) -> dict[str, str]:
    """The TOML keys of a table and the fields that hold them (`from` is no name in Python)."""
    return {field.alias or name: name for name, field in model.model_fields.items()}


def with_short_form(
    core: Any, handler: GetJsonSchemaHandler, short: dict[str, Any], **more: Any
) -> dict[str, Any]:
    """The JSON Schema of a table that may be written short, too; `more`: of the table alone."""
    table = handler.resolve_ref_schema(handler(core))
    whole = {**table, **more}
    table.clear()
    table |= {"description": whole["description"], "anyOf": [short, whole]}
    return table


def attempt(read: Any, raw: Any, reading: Reading, *more: Any) -> Any:
    """Read one leaf of a table; its fault is kept and the rest of the table read."""
    try:
        return read(raw, reading)
    except PydanticCustomError as error:
        context = error.context or {}
        key = getattr(raw, "path", None)
        if key is None:
            raise
        reading.blame(key, error.type, error.message(), context.get("hint"))
        return None


VALUE_SCHEMA = {"anyOf": [{"type": "number"}, {"type": "string"}]}
VALUES_SCHEMA = {"type": "array", "items": VALUE_SCHEMA}


class Integrator(Table):
    """The Galerkin-Gauss-Lobatto variational integrator."""

    r: int = Field(
        default=2, ge=0, le=200, description="Interior points of a step; the order is 2r + 2."
    )
    dt: Value = Field(description="Time step.")
    steps: int | None = Field(default=None, ge=1, le=10**12, description="Number of steps.")
    save_every: int = Field(default=1, ge=1, le=10**12, description="Keep every n-th step.")
    time_transform: Expression | None = Field(
        default=None, description="g(q): the step is of s, dt = g ds."
    )


Method = Literal[
    "rk2", "rk4", "heun", "midpoint", "ralston", "bosh3", "tsit5", "dopri5", "dopri8"
]  # fmt: skip


class Compare(Table):
    """Other methods run on the same problem."""

    methods: tuple[Method, ...] = Field(
        min_length=1,
        description="Integrators to compare with, of constant step: rk2 and rk4 are our own, "
        "the others need the extra actionrun[compare].",
    )
    work_precision: bool = Field(
        default=False,
        description="Draw the error at the end against work, for steps from 8 to 1/4 of dt.",
    )


class Observe(Table):
    """What is seen of a motion."""

    variables: tuple[ObservableKey, ...] = Field(
        default=("q", "pi"),
        min_length=1,
        description="All positions, velocities, discrete momenta.",
    )
    noise: Annotated[float, Field(ge=0, le=10)] | dict[str, Value] | None = Field(
        default=None,
        description="Standard deviation of the noise: a number, of each variable over its RMS "
        "about the mean (0 where not given); or a table by column, absolute: "
        '{ q = "2 mm", v_q = 0.1 }, where the others\' is estimated.',
    )
    correlation: Literal["auto", "none", "ar1"] = Field(
        default="auto",
        description="Noise that remembers, in a fit of measured motions: fitted where the "
        "residuals ask for it, never, or always.",
    )
    every: int = Field(default=1, ge=1, le=10**9, description="See every n-th step.")

    @property
    def relative_noise(self) -> float | None:
        """The noise of every variable over its size, where it is given so."""
        return None if isinstance(self.noise, dict) else self.noise

    @property
    def absolute_noise(self) -> dict[str, Value]:
        """The noise by column, where it is given so."""
        return self.noise if isinstance(self.noise, dict) else {}


def read_hidden(raw: Any) -> Any:
    return (raw,) if isinstance(raw, int) and not isinstance(raw, bool) else raw


Layer = Annotated[int, Field(ge=1, le=1_000_000)]
