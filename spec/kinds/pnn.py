"""`study = "pnn"`: what is the simplest law behind these data?

The data are motions of the study's own Lagrangian, one step apart (a map), or a table (a law).
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Annotated, Any, Literal, Self, get_args

from actionrun.spec.tables.common import NAME_PATTERN, VALUE_SCHEMA, Table
from actionrun.spec.tables.data import FileFormat, TableColumns
from actionrun.spec.tables.leaves import Expression, Reading, Text, Value, reading_of, type_error
from actionrun.spec.tables.system import System
from actionrun.spec.text.files import FileTable
from pydantic import (
    Field,
    PlainValidator,
    PrivateAttr,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticKnownError

from .experiment import Experiment

LATER = re.compile(r"\(\s*t\s*\+\s*dt\s*\)\s*")


class Output(Expression):
    """What is to be predicted: a formula, or a coordinate one step later, `x(t+dt)`."""

    schema = Expression.schema | {
        "description": "A formula, or a coordinate one step later: x(t+dt)."
    }

    @classmethod
    def read(cls, raw: Any, reading: Reading) -> Self:
        if not isinstance(raw, str) or (match := LATER.search(raw)) is None:
            return super().read(raw, reading)
        now = Text(raw[: match.start()])
        now.path = getattr(raw, "path", ())
        output = super().read(now, reading)
        if rest := raw[match.end() :].strip():
            reading.blame(
                output.path, "expression.later", f'"{rest[:40]}" after the time t+dt',
                "an output of a map is one coordinate or velocity: x(t+dt), x'(t+dt)",
            )  # fmt: skip
        later = cls(str(raw), output.tree, output.path)
        if output.path in reading.expressions:
            reading.expressions[output.path] = later
        return later

    @property
    def later(self) -> bool:
        """Whether it is meant one step later."""
        return LATER.search(self.text) is not None


def read_weight(raw: Any, info: ValidationInfo) -> Any:
    return "trainable" if raw == "trainable" else Value.read(raw, reading_of(info))


Weight = Annotated[
    Value | Literal["trainable"], PlainValidator(read_weight), WithJsonSchema(VALUE_SCHEMA)
]


def read_force(raw: Any) -> Any:
    if raw == "network" or (isinstance(raw, int) and not isinstance(raw, bool) and raw >= 1):
        return str(raw) if isinstance(raw, str) else int(raw)
    hint = 'write the number of the layer that feels the force, force = 2, or "network"'
    raise type_error(raw, "a layer", hint)


Force = Annotated[
    int | Literal["network"],
    PlainValidator(read_force),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"const": "network"}]}),
]
Count = Annotated[int, Field(ge=1, le=1000)]
Score = Annotated[int, Field(ge=0, le=1000)]
Rate = Annotated[float, Field(ge=0, le=1)]
Activations = Literal[
    "linear", "relu", "tanh", "elu", "sigmoid", "silu", "softplus", "square", "cube", "inverse",
    "product", "power", "sqrt", "abs", "exp", "log", "sin", "cos", "tan", "asin", "acos", "sinh",
    "cosh",
]  # fmt: skip


class OwnActivation(Table):
    """A function of the study's own, { name = "langevin", is = "1/tanh(x) - 1/x" }."""

    name: str = Field(pattern=NAME_PATTERN, description="Its name.")
    formula: Expression = Field(alias="is", description="What it is of x.")
    score: Score | None = Field(
        default=None, description="Its complexity, counted squared; its place in the list."
    )


def read_activation(raw: Any, info: ValidationInfo) -> Any:
    """A name, or a table that defines a function."""
    if isinstance(raw, dict):
        return OwnActivation.model_validate(raw, context=info.context)
    names = get_args(Activations)
    if isinstance(raw, str):
        if raw in names:
            return str(raw)
        expected = f"{', '.join(map(repr, names[:-1]))} or {names[-1]!r}"
        raise PydanticKnownError("literal_error", {"expected": expected})
    raise type_error(raw, "an activation", "known: " + " ".join(names))


Activated = Annotated[
    Activations | OwnActivation,
    PlainValidator(read_activation),
    WithJsonSchema({
        "anyOf": [
            {"enum": [*get_args(Activations)]},
            {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "pattern": NAME_PATTERN},
                    "is": Expression.schema,
                    "score": {"type": "integer", "minimum": 0, "maximum": 1000},
                },
                "required": ["name", "is"],
                "additionalProperties": False,
            },
        ]
    }),
]  # fmt: skip


class Energies(Table):
    """Energies of the motions, in units of `energy_unit`; each motion starts at the minimum of the
    potential and moves inward."""

    train: tuple[Value, ...] = Field(min_length=1, max_length=1000, description="To fit.")
    validation: tuple[Value, ...] = Field(default=(), max_length=1000, description="To select.")
    test: tuple[Value, ...] = Field(default=(), max_length=1000, description="To report.")


class Samples(FileFormat):
    """The data: a table in a CSV file, or motions of the study's own Lagrangian."""

    file: str | None = Field(
        default=None, min_length=1, max_length=1000, description="CSV file, below the folder."
    )
    columns: TableColumns | None = Field(
        default=None, description='Names and their columns: rho = "density [g/cm^3]".'
    )
    sigma: Expression | None = Field(
        default=None,
        description='Standard deviation of the output\'s column: "s_y" (a column), "0.01*y".',
    )
    energies: Energies | None = Field(default=None, description="Motions by energy.")
    energy_unit: Value | None = Field(default=None, description="What energies are multiples of.")
    dt: Value | None = Field(default=None, description="Time from a state to the next.")
    points: int | None = Field(
        default=None, ge=10, le=10**9, description="Pairs of states per energy."
    )
    substeps: int = Field(
        default=10, ge=1, le=10**6, description="Steps of velocity Verlet in one dt."
    )

    @property
    def names(self) -> tuple[str, ...]:
        return () if self.file is None else (self.file,)


class Search(Table):
    """The networks that are searched, and how."""

    inputs: tuple[Expression, ...] = Field(
        default=(),
        max_length=100,
        description="Formulas of coordinates or columns; left out in a table: groups are found.",
    )
    outputs: tuple[Output, ...] = Field(
        min_length=1, max_length=100, description="What is predicted; x(t+dt): one step later."
    )
    layers: tuple[Count, ...] = Field(
        default=(), max_length=20, description="Units of the hidden layers; of a table [3]."
    )
    force: Force | None = Field(
        default=None,
        description='The layer that also feels the force of the Lagrangian; "network": learned.',
    )
    bias: bool | Literal["all"] = Field(
        default=False, description='A constant in the output; "all": in every unit.'
    )
    activations: tuple[Activated, ...] = Field(
        default=("linear", "relu", "tanh", "elu"),
        min_length=1,
        description="To choose from; of a table algebra, exp, log, sin, cos, tanh, asin, acos.",
    )
    scores: tuple[Score, ...] | None = Field(
        default=None, description="Complexity of each activation, counted squared: 0, 1, 2, ..."
    )
    weights: tuple[Weight, ...] = Field(
        default=("trainable",),
        min_length=1,
        max_length=100,
        description='To choose from; of a table ["0", "1", "trainable"].',
    )
    parsimony: float = Field(default=1.0, ge=0, le=1e6, description="Price of complexity.")
    method: Literal["nsga2", "paper"] = Field(
        default="nsga2", description='"paper": the published genetic algorithm.'
    )
    population: int = Field(default=200, ge=4, le=10**6, description="Networks of a generation.")
    generations: int = Field(default=50, ge=1, le=10**6, description="Generations.")
    crossover: Rate = Field(default=0.5, description="Probability of a two-point crossover.")
    mutation: Rate = Field(default=0.3, description="Probability that a network is mutated.")
    gene_mutation: Rate = Field(default=0.3, description="Probability of each gene in it.")
    tournament: int = Field(default=10, ge=1, le=10**6, description="Size of a tournament.")


TABLE_SEARCH: dict[str, Any] = {  # what a search of a table's laws is where it is not said
    "layers": (3,),
    "bias": True,
    "activations": (
        "linear", "product", "square", "inverse", "sqrt", "exp", "log", "sin", "cos", "tanh",
        "asin", "acos",
    ),
    "scores": (0, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3),  # of these activations alone
    "weights": (Value("0", Fraction(0)), Value("1", Fraction(1)), "trainable"),
    "population": 40,
    "generations": 6,
}  # fmt: skip


SEARCHED = {"layers", "population", "generations", "method"}  # keys that ask for a search


class MapTraining(Table):
    """How the trainable weights of each network are fitted."""

    optimizer: Literal["levenberg-marquardt", "adam"] = Field(
        default="levenberg-marquardt", description="Method of the fit."
    )
    epochs: int = Field(default=60, ge=1, le=10**7, description="Most iterations.")
    learning_rate: float = Field(default=1e-3, gt=0, le=100, description="Of adam.")
    starts: int = Field(default=2, ge=1, le=1000, description="Starting points.")


class Holdout(Table):
    """Rows that the search never sees, and how it is validated on the others."""

    fraction: float = Field(default=0.2, ge=0, lt=1, description="Share of rows held out.")
    folds: int = Field(default=5, ge=2, le=1000, description="Folds of the cross-validation.")
    repeats: int = Field(default=5, ge=1, le=100, description="How often folds are drawn anew.")


class Pnn(Experiment):
    """The search for the simplest network, and so for the law, that predicts the data."""

    study: Literal["pnn"]
    system: System = Field(
        default_factory=lambda: System(), description="What moves; not for a table."
    )
    data: Samples = Field(description="What the law is found from.")
    search: Search = Field(description="The space of networks, and the search.")
    training: MapTraining = Field(
        default_factory=lambda: MapTraining(), description="The fit of the weights."
    )
    test: Holdout = Field(default_factory=lambda: Holdout(), description="Held-out rows.")
    compare: dict[str, Expression] = Field(
        default={}, description="Named rival formulas; names not declared are constants to fit."
    )

    _asked: bool = PrivateAttr(default=True)

    @property
    def search_is_asked(self) -> bool:
        """Whether networks are searched in any case: a study that says nothing of them is content
        with a law that is solved for and leaves little."""
        return self._asked

    @model_validator(mode="after")
    def _search_of_a_table(self) -> Self:
        """A search of laws has defaults of its own."""
        if self.is_table:
            given = self.search.model_fields_set
            self._asked = not SEARCHED.isdisjoint(given)
            lacking = {k: v for k, v in TABLE_SEARCH.items() if k not in given}
            if "activations" in given:
                lacking.pop("scores", None)
            object.__setattr__(self, "search", self.search.model_copy(update=lacking))
        return self

    @property
    def file_tables(self) -> tuple[FileTable, ...]:
        return (self.data,)

    @property
    def data_table(self) -> Samples | None:
        return None if self.data.file is None else self.data

    @property
    def is_table(self) -> bool:
        return not self.system.coordinates
