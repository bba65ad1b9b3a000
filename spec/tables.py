"""The tables that the kinds of study share. One spelling from TOML key to field to argument."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    PrivateAttr,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from .leaves import Column, Constraint, Expression, Range, Reading, Row, Value, described
from .species import Species
from .tree import Relation

NAME_PATTERN = r"^[A-Za-z][A-Za-z0-9_]{0,39}$"


class Table(BaseModel):
    """A table of a study: frozen, and unforgiving about keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and dict(self) == dict(other)  # type: ignore[call-overload]

    __hash__ = None  # type: ignore[assignment]


def field_keys(model: type[BaseModel]) -> dict[str, str]:
    """The TOML keys of a table and the fields that hold them (`from` is no name in Python)."""
    return {field.alias or name: name for name, field in model.model_fields.items()}


class Coordinates(dict[str, int]):
    """Coordinates by name with their dimensions. `vectors`: declared as a table, `{ q = 2 }`; then
    a coordinate of dimension 1 is a vector of one component, not a scalar."""

    vectors: bool = False

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other) and self.vectors == getattr(other, "vectors", False)

    __hash__ = None  # type: ignore[assignment]


MAX_DIMENSION = 1000


def read_coordinates(raw: Any) -> Coordinates:
    """`["q"]` or `{ q = 2 }`. Raises PydanticCustomError."""
    hint = 'write coordinates = ["x", "y"], or for vectors coordinates = { q = 2 }'
    if isinstance(raw, list | tuple):
        if not 0 < len(raw) <= MAX_DIMENSION or not all(isinstance(name, str) for name in raw):
            raise PydanticCustomError("value.type", "a list of names is wanted", {"hint": hint})
        if len({*raw}) < len(raw):
            raise PydanticCustomError("name.clash", "a coordinate is listed twice", {"hint": hint})
        return Coordinates((str(name), 1) for name in raw)
    if isinstance(raw, dict) and 0 < len(raw) <= MAX_DIMENSION:
        found = Coordinates()
        found.vectors = True
        for name, size in raw.items():
            if (
                isinstance(size, bool)
                or not isinstance(size, int)
                or not 1 <= size <= MAX_DIMENSION
            ):
                raise PydanticCustomError(
                    "value.type", "the dimension of {name} is a whole number from 1",
                    {"hint": hint, "name": name},
                )  # fmt: skip
            found[name] = int(size)
        return found
    raise PydanticCustomError("value.type", "names of coordinates are wanted", {"hint": hint})


def read_each(read: Any) -> Any:
    """A validator of a value, or of a table of values by coordinate."""

    def reader(raw: Any, info: ValidationInfo) -> Any:
        reading: Reading = info.context  # type: ignore[assignment]
        if isinstance(raw, dict):
            return {name: attempt(read, item, reading, name) for name, item in raw.items()}
        return read(raw, reading)

    return reader


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
EACH_SCHEMA = {
    "anyOf": [*VALUE_SCHEMA["anyOf"], {"type": "object", "additionalProperties": VALUE_SCHEMA}]
}
Mass = Annotated[
    Value | dict[str, Value], PlainValidator(read_each(Value.read)), WithJsonSchema(EACH_SCHEMA)
]


class Box(Table):
    """A periodic box of many bodies: `density` (number per volume) or `length` (of its edges)."""

    density: Value | None = Field(default=None, description="Particles per volume.")
    length: Value | None = Field(default=None, description="Edge of a cubic box.")


class System(Table):
    """What moves, and by which law."""

    coordinates: Annotated[
        Coordinates,
        PlainValidator(read_coordinates),
        WithJsonSchema(
            {
                "anyOf": [
                    {
                        "type": "array",
                        "items": {"type": "string", "pattern": NAME_PATTERN},
                        "minItems": 1,
                    },
                    {"type": "object", "additionalProperties": {"type": "integer", "minimum": 1}},
                ]
            }
        ),
    ] = Field(
        default_factory=Coordinates,
        description='Names ["x", "y"], or vectors by dimension { q = 2 }.',
    )
    lagrangian: Expression | None = Field(default=None, description="L(q, q', t).")
    nonconservative: Expression | None = Field(
        default=None,
        description="Galley's K(q_plus, q_plus', q_minus, ...): odd in the minus variables.",
    )
    constraints: tuple[Constraint, ...] = Field(
        default=(),
        description='Holonomic equations "x^2 + y^2 = l^2"; bounds on coefficients "c1 > 0".',
    )
    mass: Mass | None = Field(
        default=None, description="With potential or pair: one mass, or one a coordinate."
    )
    potential: Expression | None = Field(
        default=None, description="V(q, t); the Lagrangian is T - V."
    )
    particles: int | None = Field(
        default=None,
        ge=1,
        le=10_000_000,
        description="Number of bodies; with coordinates, each body has these.",
    )
    dimension: int | None = Field(
        default=None, ge=1, le=3, description="Dimension of space of the bodies."
    )
    species: Species | None = Field(
        default=None, description="Numbers of bodies by species: { Ar = 20, Kr = 12 }."
    )
    pair: Expression | None = Field(default=None, description="Potential of a pair at distance r.")
    external: Expression | None = Field(default=None, description="Potential of one body.")
    cutoff: Value | None = Field(
        default=None, description="Distance beyond which pairs do not act."
    )
    box: Box | None = Field(default=None, description="The periodic box.")

    def is_vector(self, name: str) -> bool:
        """Whether a coordinate is a vector: declared in a table, `{ q = 1 }` included."""
        return self.coordinates.vectors and name in self.coordinates

    @property
    def holonomic(self) -> tuple[Expression, ...]:
        """The constraints that are equations."""
        return tuple(
            c for c in self.constraints if isinstance(c.tree, Relation) and c.tree.op == "="
        )

    @property
    def inequalities(self) -> tuple[Expression, ...]:
        """The constraints that bound coefficients."""
        return tuple(
            c for c in self.constraints if isinstance(c.tree, Relation) and c.tree.op != "="
        )


Component = Value | Range | tuple[Value | Range, ...] | tuple[tuple[Value, ...], ...]


def read_components(raw: Any, info: ValidationInfo) -> dict[str, Any]:
    reading: Reading = info.context  # type: ignore[assignment]
    if not isinstance(raw, dict):
        raise PydanticCustomError(
            "value.type", "{what} where a table by coordinate is wanted",
            {"what": described(raw), "hint": "write { q = 1.0 }"},
        )  # fmt: skip
    return {name: attempt(_component(name), item, reading) for name, item in raw.items()}


def _component(name: str) -> Any:
    def read(raw: Any, reading: Reading) -> Component | None:
        size = reading.coordinates.get(name)
        if size is None:
            return None  # the name is at fault, and says so itself
        if reading.bodies:
            from .many import read_bodies

            return read_bodies(raw, reading, name)
        if not reading.vectors:
            return _range_or_value(raw, reading, name)
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
        items = (attempt(lambda one, reading: _range_or_value(one, reading, name), item, reading)
                 for item in raw)  # fmt: skip
        return tuple(item for item in items if item is not None)

    return read


def _range_or_value(raw: Any, reading: Reading, name: str) -> Value | Range | None:
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

    position: Components = Field(description="Positions by coordinate: { q = 1.0 }.")
    velocity: Components | None = Field(
        default=None, description="Velocities by coordinate; or momentum."
    )
    momentum: Components | None = Field(
        default=None, description="Canonical momenta by coordinate; or velocity."
    )


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

    variables: tuple[Literal["q", "velocity", "pi"], ...] = Field(
        default=("q", "pi"),
        min_length=1,
        description="All positions, velocities, discrete momenta.",
    )
    noise: float | None = Field(
        default=None,
        ge=0,
        le=10,
        description="Noise of each variable over its RMS; 0 where not given.",
    )
    every: int = Field(default=1, ge=1, le=10**9, description="See every n-th step.")


def read_columns(raw: Any, info: ValidationInfo) -> dict[str, Any]:
    reading: Reading = info.context  # type: ignore[assignment]
    if not isinstance(raw, dict):
        raise PydanticCustomError(
            "value.type", "{what} where a table of columns is wanted",
            {"what": described(raw), "hint": 'write { t = "t", q = "x [m]" }'},
        )  # fmt: skip
    single = next(iter(reading.coordinates), None) if len(reading.coordinates) == 1 else None
    short = {"velocity": f"v_{single}", "pi": f"pi_{single}"} if single else {}
    found: dict[str, Any] = {}
    for key, item in raw.items():
        name = short.get(str(key), str(key))
        if isinstance(item, Row):
            found[name] = tuple(attempt(Column.read, one, reading) for one in item)
        else:
            found[name] = attempt(Column.read, item, reading)
    return found


COLUMNS_SCHEMA = {
    "type": "object",
    "additionalProperties": {
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]
    },
}


class Data(Table):
    """A measured motion in a CSV file. `velocity` and `pi` are kept as `v_NAME` and `pi_NAME`."""

    file: str = Field(
        min_length=1, max_length=1000, description="CSV file, below the study's folder."
    )
    columns: Annotated[
        dict[str, Any], PlainValidator(read_columns), WithJsonSchema(COLUMNS_SCHEMA)
    ] = Field(description='Columns by what they hold: { t = "time [s]", q = "x [m]", v_q = "v" }.')
    _path: Path = PrivateAttr(default_factory=Path)

    @property
    def path(self) -> Path:
        """The file's place on this machine."""
        return self._path


Columns = Mapping[str, Column | tuple[Column, ...]]


def read_hidden(raw: Any) -> Any:
    return (raw,) if isinstance(raw, int) and not isinstance(raw, bool) else raw


Layer = Annotated[int, Field(ge=1, le=1_000_000)]
