"""[data]: files, how they are written, and what their columns hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from actionrun.spec.text.files import NamedFile, data_folder, files_of
from actionrun.spec.text.source import Source
from actionrun.spec.text.span import Key
from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    PrivateAttr,
    ValidationInfo,
    WithJsonSchema,
)

from .common import VALUES_SCHEMA, Table, attempt
from .leaves import Column, Expression, Row, Value, reading_of, type_error
from .observables import short_columns

Encoding = Literal[
    "utf-8", "utf-16", "latin-1", "cp1252", "cp1250", "cp1251", "mac-roman", "shift-jis",
    "gb18030", "big5", "euc-kr", "koi8-r",
]  # fmt: skip


COLUMNS = "a table of columns"


def read_columns(raw: Any, info: ValidationInfo) -> dict[str, Any]:
    reading = reading_of(info)
    if not isinstance(raw, dict):
        raise type_error(raw, COLUMNS, 'write { t = "t", q = "x [m]" }')
    short = short_columns([*reading.coordinates])
    columns: dict[str, Any] = {}
    for key, item in raw.items():
        name = short.get(str(key), str(key))
        if isinstance(item, Row):
            columns[name] = tuple(attempt(Column.read, one, reading) for one in item)
        else:
            columns[name] = attempt(Column.read, item, reading)
    return columns


def read_column(raw: Any, info: ValidationInfo) -> Any:
    return Column.read(raw, reading_of(info))


def read_inputs(raw: Any, info: ValidationInfo) -> dict[str, Any]:
    reading = reading_of(info)
    if not isinstance(raw, dict):
        raise type_error(raw, COLUMNS, 'write inputs = { torque = "torque [N*m]" }')
    return {str(name): attempt(Column.read, item, reading) for name, item in raw.items()}


def read_constants(raw: Any, info: ValidationInfo) -> dict[str, Any]:
    reading = reading_of(info)
    if not isinstance(raw, dict):
        raise type_error(raw, COLUMNS, 'write constants = { l = "length [m]" }')
    return {
        str(name): tuple(attempt(Value.read, one, reading) for one in item)
        if isinstance(item, Row)
        else attempt(Column.read, item, reading)
        for name, item in raw.items()
    }


def read_files(raw: Any) -> Any:
    return (raw,) if isinstance(raw, str) else raw


FileName = Annotated[str, Field(min_length=1, max_length=1000)]
COLUMN_SCHEMA = {"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 1}]}
COLUMNS_SCHEMA = {
    "type": "object",
    "additionalProperties": {
        "anyOf": [*COLUMN_SCHEMA["anyOf"], {"type": "array", "items": COLUMN_SCHEMA}]
    },
}
INPUTS_SCHEMA = {"type": "object", "additionalProperties": COLUMN_SCHEMA}
CONSTANTS_SCHEMA = {
    "type": "object",
    "additionalProperties": {"anyOf": [*COLUMN_SCHEMA["anyOf"], VALUES_SCHEMA]},
}
Columns = Mapping[str, Column | tuple[Column, ...]]
TableColumns = Annotated[
    dict[str, Any], PlainValidator(read_columns), WithJsonSchema(COLUMNS_SCHEMA)
]


class FileFormat(Table):
    """How a data file is written; what is not said is found by looking."""

    header: int | None = Field(
        default=None, ge=0, le=10**6, description="Line of the names of columns; 0: there are none."
    )
    delimiter: Literal[",", ";", "tab", "space", "\t", " "] | None = Field(
        default=None, description="What separates fields."
    )
    decimal: Literal[".", ","] | None = Field(default=None, description="The decimal mark.")
    encoding: Encoding | None = Field(default=None, description="The encoding of the text.")
    sheet: str | None = Field(
        default=None, min_length=1, max_length=100, description="Of a workbook (.xlsx): its sheet."
    )
    rate: Value | None = Field(
        default=None, description='Rows a unit of time, instead of a column t: "240 Hz".'
    )
    duplicates: Literal["first"] | None = Field(
        default=None, description="Of rows at one time, keep the first; without it they are faults."
    )
    _paths: tuple[Path, ...] = PrivateAttr(default=())

    @property
    def names(self) -> tuple[str, ...]:
        """The files as the study names them; one of them may be a pattern."""
        return ()

    @property
    def where(self) -> Key:
        """The key that names the files."""
        return "data", "file"

    def place_files(self, source: Source) -> None:
        folder = data_folder(source)
        self._paths = tuple(path for name in self.names for path in files_of(folder, name))

    def named_files(self, source: Source) -> Iterator[NamedFile]:
        for number, name in enumerate(self.names):
            key = (*self.where, number) if self.where[-1] == "files" else self.where
            path = next(iter(files_of(data_folder(source), name)), Path(name))
            hint = "put it there before the run, or give another with --data FILE"
            yield NamedFile(key, name, path, hint)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files' places on this machine, those of a pattern in the order of their names."""
        return self._paths


class Inputs(FileFormat):
    """Known functions of time for an integration, from a file."""

    file: str = Field(
        min_length=1, max_length=1000, description="Data file, below the study's folder."
    )
    columns: TableColumns = Field(
        description='The columns of the time t and of each input: { t = "t", torque = "M [N*m]" }.'
    )
    between: Literal["hold", "linear", "cubic"] = Field(
        default="linear", description="Inputs between their samples; cubic: a spline."
    )

    @property
    def names(self) -> tuple[str, ...]:
        return (self.file,)

    @property
    def where(self) -> Key:
        return "inputs", "file"

    @property
    def inputs(self) -> dict[str, Any]:
        """The columns of the inputs by their names."""
        return {name: column for name, column in self.columns.items() if name != "t"}


class MeasuredObservable(Table):
    """What a column shows: an expression of the motion."""

    column: Annotated[
        Column, PlainValidator(read_column), WithJsonSchema(COLUMN_SCHEMA)
    ] = Field(description="The column of its samples.")  # fmt: skip
    formula: Expression | None = Field(
        default=None,
        alias="is",
        description="What it is of q, q', q'', t, coefficients and inputs: \"sqrt(x^2 + y^2)\"; "
        "left out where the observable has the name of a coordinate.",
    )
    wrap: Value | None = Field(
        default=None, description='It is known up to multiples of this: "2*pi", or "360 deg".'
    )


class Data(FileFormat):
    """A measured motion in a file. `velocity` and `pi` are kept as `v_NAME` and `pi_NAME`."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": ["file"]}, {"required": ["files"]}]}
    )

    file: str | None = Field(
        default=None, min_length=1, max_length=1000,
        description="Data file, below the study's folder.",
    )  # fmt: skip
    files: Annotated[tuple[FileName, ...], BeforeValidator(read_files)] | None = Field(
        default=None, min_length=1, max_length=1000,
        description='Data files, each a trial or more: ["run1.csv", "run2.csv"], or "run*.csv".',
    )  # fmt: skip
    columns: TableColumns = Field(
        description='Columns by what they hold, { t = "time [s]", q = "x [m]", v_q = 4 }: by name, '
        "or by number."
    )
    inputs: Annotated[
        dict[str, Any], PlainValidator(read_inputs), WithJsonSchema(INPUTS_SCHEMA)
    ] = Field(
        default={},
        description="Known functions of time and their columns, for use in the law: "
        '{ torque = "torque [N*m]" }.',
    )
    between: Literal["hold", "linear", "cubic"] = Field(
        default="linear", description="Inputs between their samples; cubic: a spline."
    )
    observables: dict[str, MeasuredObservable] = Field(
        default={},
        description='What columns show that are no coordinates: { r = { column = "radius [cm]", '
        'is = "sqrt(x^2 + y^2)" } }.',
    )
    constants: Annotated[
        dict[str, Any], PlainValidator(read_constants), WithJsonSchema(CONSTANTS_SCHEMA)
    ] = Field(
        default={},
        description='Numbers that are known by trial: a column, { l = "length [m]" }, or a list.',
    )

    @property
    def names(self) -> tuple[str, ...]:
        return self.files or (() if self.file is None else (self.file,))

    @property
    def where(self) -> Key:
        return "data", "files" if self.files else "file"
