"""[system]: what moves, and by which law."""

from __future__ import annotations

from typing import Annotated, Any

from actionrun.spec.expressions.syntax_tree import Relation
from pydantic import Field, PlainValidator, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from .common import NAME_PATTERN, VALUE_SCHEMA, Table, attempt
from .leaves import Constraint, Expression, Value, reading_of
from .species import Species


class Coordinates(dict[str, int]):
    """Coordinates by name with their dimensions. `vectors`: declared as a table, `{ q = 2 }`; then
    a coordinate of dimension 1 is a vector of one component, not a scalar."""

    vectors: bool = False

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other) and self.vectors == getattr(other, "vectors", False)


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
        coordinates = Coordinates()
        coordinates.vectors = True
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
            coordinates[name] = int(size)
        return coordinates
    raise PydanticCustomError("value.type", "names of coordinates are wanted", {"hint": hint})


def read_each(read: Any) -> Any:
    """A validator of a value, or of a table of values by coordinate."""

    def reader(raw: Any, info: ValidationInfo) -> Any:
        reading = reading_of(info)
        if isinstance(raw, dict):
            return {name: attempt(read, item, reading, name) for name, item in raw.items()}
        return read(raw, reading)

    return reader


def read_vectors(raw: Any, info: ValidationInfo) -> tuple[tuple[Value, ...], ...]:
    """Rows of numbers. Raises PydanticCustomError."""
    size = len(raw) if isinstance(raw, list | tuple) else 0
    if not 1 <= size <= 3 or any(not isinstance(x, list | tuple) or len(x) != size for x in raw):
        raise PydanticCustomError(
            "value.type", "a cell has as many vectors as these have components",
            {"hint": "write cell = [[10.0, 0.0, 0.0], [0.0, 10.0, 0.0], [0.0, 0.0, 12.0]]"},
        )  # fmt: skip
    reading = reading_of(info)
    return tuple(tuple(attempt(Value.read, x, reading) for x in row) for row in raw)


EACH_SCHEMA = {
    "anyOf": [*VALUE_SCHEMA["anyOf"], {"type": "object", "additionalProperties": VALUE_SCHEMA}]
}
Mass = Annotated[
    Value | dict[str, Value], PlainValidator(read_each(Value.read)), WithJsonSchema(EACH_SCHEMA)
]


Vectors = Annotated[
    tuple[tuple[Value, ...], ...],
    PlainValidator(read_vectors),
    WithJsonSchema(
        {"type": "array", "minItems": 1, "maxItems": 3,
         "items": {"type": "array", "items": VALUE_SCHEMA, "minItems": 1, "maxItems": 3}}
    ),
]  # fmt: skip


class Box(Table):
    """A periodic box of many bodies: `density` (number per volume), `length` (of its edges), or
    `cell`, its vectors."""

    density: Value | None = Field(default=None, description="Particles per volume.")
    length: Value | None = Field(default=None, description="Edge of a cubic box.")
    cell: Vectors | None = Field(
        default=None, description="Vectors of the cell, [[a, 0, 0], [b, c, 0], [d, e, f]]."
    )
    periodic: tuple[bool, ...] | None = Field(
        default=None, min_length=1, max_length=3,
        description="Whether the box repeats along each of its vectors; a slab: [true, true, "
        "false].",
    )  # fmt: skip


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
        description='Holonomic equations "x^2 + y^2 = l^2"; bounds on coefficients "c1 > 0". Of '
        'many bodies "r[i,i+1] = l" is one equation for every i for which both bodies exist.',
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
    switch: Value | None = Field(
        default=None,
        description="Distance from which pairs fade, 0.9 of the cutoff by default; the cutoff "
        "itself: for a potential that vanishes there by its own law.",
    )
    box: Box | None = Field(default=None, description="The periodic box.")
    frozen: tuple[int, ...] = Field(
        default=(), description="Bodies that stay where they are at the start: [1, 2, 3], from 1."
    )
    periods: dict[str, Value] = Field(
        default={},
        description='Coordinates that repeat, such as torsions: { phi = "2*pi" }.',
    )

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
