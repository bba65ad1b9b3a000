"""`study = "om"`: which path of least action joins these two states?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path as File
from typing import Annotated, Any, Literal

from actionrun.spec.tables.common import VALUE_SCHEMA, Layer, Table, read_hidden
from actionrun.spec.tables.learning import HIDDEN_SCHEMA, Activation
from actionrun.spec.tables.leaves import Expression, Value, reading_of, type_error
from actionrun.spec.tables.species import Parameter
from actionrun.spec.tables.start import read_components
from actionrun.spec.tables.system import System
from actionrun.spec.text.files import FileTable, NamedFile
from actionrun.spec.text.source import Source
from actionrun.spec.units.energy_unit import EnergyUnit, energy_unit
from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    PrivateAttr,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from .experiment import Experiment, StructureFiles


class Reference(Table):
    """The molecular dynamics run (velocity Verlet) that gives the two ends."""

    dt: Value = Field(description="Time step of the reference run.")
    equilibration: Value = Field(description="Time of melting and thermostat before the start.")


FRAME = re.compile(r"(.+\.[A-Za-z0-9]+)@(-?[0-9]{1,9})")


def file_and_frame(name: str) -> tuple[str, int | None]:
    """The file and the structure in it that "a.xyz@2" names: from 0, or from -1 for the last."""
    match = FRAME.fullmatch(name)
    return (match[1], int(match[2])) if match else (name, None)


def read_end(raw: Any, info: ValidationInfo) -> Any:
    if isinstance(raw, dict):
        return read_components(raw, info)
    if not isinstance(raw, str) or not 0 < len(raw) <= 1000:
        hint = 'write the name of an XYZ file, "structures/start.xyz", or { q = 0.0 }'
        raise type_error(raw, "a state", hint)
    return str(raw)


End = Annotated[
    str | dict[str, Any],
    PlainValidator(read_end),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "minLength": 1, "maxLength": 1000},
                {
                    "type": "object",
                    "additionalProperties": {
                        "anyOf": [
                            *VALUE_SCHEMA["anyOf"],
                            {"type": "array", "items": VALUE_SCHEMA},
                        ]
                    },
                },
            ]
        }
    ),
]


Components = Annotated[
    dict[str, Any],
    PlainValidator(read_components),
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": {
                "anyOf": [*VALUE_SCHEMA["anyOf"], {"type": "array", "items": VALUE_SCHEMA}]
            },
        }
    ),
]

SYMMETRIES = ("rotation", "inversion", "permutation")


def read_alignment(raw: Any) -> tuple[str, ...]:
    """The symmetries that identify two structures. Raises PydanticCustomError."""
    if isinstance(raw, bool):
        return SYMMETRIES if raw else ()
    if isinstance(raw, list | tuple) and {*map(str, raw)} <= {*SYMMETRIES}:
        return tuple(name for name in SYMMETRIES if name in raw)
    raise PydanticCustomError(
        "value.choice", "symmetries are rotation, inversion and permutation",
        {"hint": 'write align = ["rotation", "permutation"], true for all three, or false'},
    )  # fmt: skip


Align = Annotated[
    tuple[str, ...],
    PlainValidator(read_alignment),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "boolean"},
                {"type": "array", "items": {"enum": [*SYMMETRIES]}, "uniqueItems": True},
            ]
        }
    ),
]


class Ends(Table):
    """The two states: from a reference run, or given."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [{"required": ["from", "temperature", "md"]}, {"required": ["start", "end"]}]
        }
    )

    origin: Literal["md"] | None = Field(
        default=None, alias="from", description='"md": a reference run gives both ends.'
    )
    given: tuple[Literal["positions", "velocities"], ...] = Field(
        default=("positions",),
        min_length=1,
        max_length=2,
        description="What is given at both ends; with velocities the path is unique.",
    )
    temperature: Value | None = Field(default=None, description="Of the reference run.")
    md: Reference | None = Field(default=None, description="The reference run.")
    start: End | None = Field(default=None, description="XYZ file, or positions { q = 0.0 }.")
    end: End | None = Field(default=None, description="XYZ file, or positions { q = 1.0 }.")
    start_velocity: Components | None = Field(
        default=None, description="Of Langevin dynamics with inertia: { q = 0.0 }."
    )
    end_velocity: Components | None = Field(
        default=None, description="Likewise; without both, velocities are free at the ends."
    )
    align: Align = Field(
        default=(),
        description='Symmetries by which two structures are one: "rotation", "inversion", '
        '"permutation"; true: all three, false: none. The end is brought near the start by them.',
    )
    _folder: File = PrivateAttr(default_factory=File)

    def place_files(self, source: Source) -> None:
        self._folder = source.folder

    def named_files(self, source: Source) -> Iterator[NamedFile]:
        for name, end in (("start", self.start), ("end", self.end)):
            if isinstance(end, str):
                hint = "put it there before the run: XYZ or extended XYZ"
                yield NamedFile(("ends", name), end, self.path(end), hint)

    def path(self, file: str) -> File:
        """The place of a structure's file on this machine."""
        return self._folder / file_and_frame(file)[0]


def read_duration(raw: Any, info: ValidationInfo) -> Any:
    """A time, or "free"."""
    return "free" if raw == "free" else Value.read(raw, reading_of(info))


Duration = Annotated[
    Value | Literal["free"],
    PlainValidator(read_duration),
    WithJsonSchema({"anyOf": [*VALUE_SCHEMA["anyOf"], {"const": "free"}]}),
]


class Path(Table):
    """The path, and how it is written down."""

    duration: Duration = Field(
        description='Time from one end to the other; "free": the best one, without noise.'
    )
    dynamics: Literal["newton", "overdamped", "langevin"] = Field(
        default="newton",
        description="Newton's motion, or Langevin's at a temperature, without or with inertia.",
    )
    temperature: Value | None = Field(
        default=None, description="Of the noise; 0: the limit of weak noise (Freidlin-Wentzell)."
    )
    friction: Value | None = Field(
        default=None, description="Drag over velocity; it makes the noise, 2*friction*k_B*T."
    )
    points: int = Field(ge=3, le=10**6, description="Nodes of the action's quadrature.")
    basis: Literal["legendre", "network", "features", "sine"] | None = Field(
        default=None,
        description="Functions of time; network where there is a [network], else legendre.",
    )


def read_boundary(raw: Any) -> Any:
    number = isinstance(raw, int | float) and not isinstance(raw, bool)
    if raw == "exact" or (number and 0 <= raw <= 1e300):
        return "exact" if raw == "exact" else float(raw)
    raise PydanticCustomError(
        "value.choice", 'the boundary is "exact" or a weight from 0',
        {"hint": 'write boundary = "exact" or boundary = 20.0'},
    )  # fmt: skip


Boundary = Annotated[
    float | Literal["exact"],
    PlainValidator(read_boundary),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0}, {"const": "exact"}]}),
]


class Loss(Table):
    """Weights of the terms that are minimised."""

    action: float = Field(default=1.0, ge=0, description="Of the Onsager-Machlup action.")
    boundary: Boundary = Field(
        default="exact", description='Of the misfit at the ends; "exact": held by construction.'
    )
    energy: float = Field(default=0.0, ge=0, description="Of the change of energy on the way.")
    terms: dict[str, Expression] = Field(
        default={},
        description="Formulas of places, velocities and t: the mean over time of the square of each"
        " is added; of bodies, of the place x, y, z of each.",
    )


class PathNetwork(Table):
    """A network from time to positions."""

    hidden: Annotated[
        tuple[Layer, ...], BeforeValidator(read_hidden), WithJsonSchema(HIDDEN_SCHEMA)
    ] = Field(default=(125,), max_length=100, description="Units of the hidden layers.")
    activation: Activation = Field(
        default="sigmoid", description="Activation of the hidden layers."
    )


class PathTraining(Table):
    """How the action is minimised."""

    optimizer: Literal["gauss-newton", "lbfgs", "nadam", "adam", "adamw", "sgd"] = Field(
        default="gauss-newton", description="Method of minimisation."
    )
    epochs: int = Field(default=1000, ge=1, le=10**9, description="Most iterations.")
    learning_rate: float = Field(
        default=1e-3, gt=0, le=100, description="Learning rate of the methods that have one."
    )
    minutes: float | None = Field(
        default=None, gt=0, description="Cap in wall time; a cut run says so."
    )

    @property
    def first_order(self) -> bool:
        """Whether the optimizer goes by the gradient alone, at a learning rate."""
        return self.optimizer not in ("gauss-newton", "lbfgs")


class Saddles(Table):
    """From the path to verified saddles and the minima between them."""

    barrier: bool = Field(default=False, description="Whether to look for the lowest barrier.")
    images: int = Field(default=21, ge=3, le=10_000, description="Images of the string.")
    alignments: int = Field(default=1, ge=1, le=10_000, description="Alignments tried.")
    temperature: Value | None = Field(
        default=None,
        description="For rates: by harmonic transition-state theory, or by Eyring and Kramers.",
    )
    searches: int = Field(default=1000, ge=0, le=10**9, description="Budget of saddle searches.")


class Om(Experiment):
    """The path of least Onsager-Machlup action between two states."""

    study: Literal["om"]
    parameters: dict[str, Parameter] = Field(  # pyright: ignore[reportIncompatibleVariableOverride]
        default={}, description="Fixed numbers and quantities; a table: one for each pair."
    )
    system: System = Field(description="What moves, and by which law.")
    ends: Ends = Field(description="The two states.")
    path: Path = Field(description="The path between them.")
    loss: Loss = Field(default_factory=lambda: Loss(), description="Weights of the loss.")
    network: PathNetwork | None = Field(default=None, description="A network as basis.")
    training: PathTraining = Field(
        default_factory=lambda: PathTraining(), description="How the action is minimised."
    )
    refine: Saddles = Field(default_factory=lambda: Saddles(), description="Saddles on the way.")

    @property
    def file_tables(self) -> tuple[FileTable, ...]:
        return (self.ends,)

    @property
    def structure_files(self) -> StructureFiles | None:
        named = {"start": self.ends.start, "end": self.ends.end}
        given = {key: file for key, file in named.items() if isinstance(file, str)}
        paths = {key: self.ends.path(file) for key, file in given.items()}
        names = {key: file_and_frame(file)[0] for key, file in given.items()}
        frames = {key: file_and_frame(file)[1] for key, file in given.items()}
        relabelled = "permutation" in self.ends.align
        return StructureFiles(names, paths, relabelled, frames) if names else None

    @property
    def energy_unit(self) -> EnergyUnit:
        """The unit in which the energies of this study are told."""
        each = [one for x in self.parameters.values() for one in _values(x)]
        return energy_unit(self.units, self.dimension("lagrangian"), [one.unit for one in each])


def _values(parameter: Any) -> list[Value]:
    return [*parameter.values()] if isinstance(parameter, dict) else [parameter]
