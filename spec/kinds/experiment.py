"""What every kind of study has: the top of the file, and the numbers and units of its names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from html import escape
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, Self

from actionrun.spec.expressions.constant_evaluation import evaluated
from actionrun.spec.expressions.errors import ExpressionFault
from actionrun.spec.expressions.syntax_tree import Index, Name, Node
from actionrun.spec.tables.common import Table
from actionrun.spec.tables.leaves import Expression, Value
from actionrun.spec.text.files import FileTable
from actionrun.spec.text.source import Fault, Faults, Source
from actionrun.spec.text.span import WHOLE, Key, Span
from actionrun.spec.units.quantities import Units
from actionrun.spec.units.unit_table import CONSTANTS, Dimension
from pydantic import Field, PrivateAttr


@dataclass(frozen=True)
class Meaning:
    """What the checks found out about a study: its units, constants and dimensions."""

    source: Source
    raw: Mapping[str, Any]
    units: Units = field(default_factory=Units)
    constants: Mapping[str, float] = field(default_factory=dict)
    dimensions: Mapping[str, Dimension | None] = field(default_factory=dict)
    lists: Mapping[str, tuple[float, ...]] = field(default_factory=dict)  # a number for each body


class DataTable(Protocol):
    """A data file of [data], as the study names it and where it is on this machine, how it is
    written, and its columns."""

    names: Any
    columns: Any
    header: Any
    delimiter: Any
    decimal: Any
    encoding: Any
    sheet: Any
    rate: Any
    duplicates: Any

    @property
    def where(self) -> Key: ...

    @property
    def paths(self) -> tuple[Path, ...]: ...

    def model_copy(self, *, update: Mapping[str, Any]) -> Any: ...


@dataclass(frozen=True)
class StructureFiles:
    """The files of a path's ends, by `start` and `end`: as they are written, and where they are on
    this machine; `align`: their atoms may stand in another order; `frames`: which structure of the
    file, None where that is not said."""

    names: Mapping[str, str]
    paths: Mapping[str, Path]
    align: bool
    frames: Mapping[str, int | None] = field(default_factory=dict)


class Reading(Protocol):
    """What makes studies of values."""

    @staticmethod
    def from_dict(tables: Mapping[str, Any], folder: Path) -> Any: ...
    @staticmethod
    def replaced(study: Any, changes: Mapping[str, Any]) -> Any: ...


class Experiment(Table):
    """A study of any kind, read and checked. Each has a `system`; that of a table is empty."""

    title: str = Field(default="", max_length=1000, description="One line that says what is done.")
    seed: int = Field(default=0, ge=0, lt=2**63, description="Seed of all that is random.")
    notes: str = Field(default="", max_length=100_000, description="Free text.")
    parameters: dict[str, Value] = Field(default={}, description="Fixed numbers and quantities.")
    define: dict[str, Expression] = Field(
        default={}, description="Named expressions, usable in every other expression, in any order."
    )
    sweep: dict[str, Any] = Field(
        default={},
        description='Values to sweep: "training.learning_rate" = [1e-3, 1e-4], seed = 5.',
    )
    _meaning: Meaning = PrivateAttr()
    # How one is read, which the reader says when it is imported: it stands on the kinds, and so on
    # this module.
    reading: ClassVar[type[Reading]]

    @classmethod
    def from_dict(cls, tables: Mapping[str, Any], folder: str | Path = ".") -> Any:
        """The study of plain values, as its TOML file would say them: `Study.from_dict({"study":
        "ggl", "system": {...}, ...})`. Paths in it start from `folder`. Raises Faults."""
        return Experiment.reading.from_dict(tables, Path(folder))

    def replace(self, changes: Mapping[str, Any]) -> Self:
        """This study with other values at dotted keys: `study.replace({"integrator.dt": 0.1})`.
        Raises Faults, and UsageFault for a key that the language does not have."""
        return Experiment.reading.replaced(self, changes)

    def __repr__(self) -> str:
        kind = self._meaning.raw.get("study", "")
        tables = ", ".join(key for key, one in self._meaning.raw.items() if isinstance(one, dict))
        return f"<{kind} study {self.title!r}: {tables}>"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        """What a notebook shows: title, kind and laws as they are written."""
        system = self._meaning.raw.get("system")
        laws = system if isinstance(system, dict) else {}
        rows = "".join(
            f"<tr><td>{escape(name)}</td><td><code>{escape(str(law))}</code></td></tr>"
            for name, law in laws.items()
        )
        kind = escape(str(self._meaning.raw.get("study", "")))
        return f"<div><b>{escape(self.title)}</b> ({kind})<table>{rows}</table></div>"

    @property
    def source(self) -> Source:
        """The text that the study was read from."""
        return self._meaning.source

    @property
    def units(self) -> Units:
        """The coherent system that the study computes in."""
        return self._meaning.units

    @property
    def data_table(self) -> DataTable | None:
        """The CSV file that [data] names; None where there is none."""
        return None

    @property
    def driven(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Names of the inputs, and of the numbers that are known by trial."""
        return (), ()

    @property
    def is_table(self) -> bool:
        """Whether the rows of the data file are no motion."""
        return False

    @property
    def structure_files(self) -> StructureFiles | None:
        """The files that [ends] names; None where there are none."""
        return None

    @property
    def file_tables(self) -> tuple[FileTable, ...]:
        """Its tables that name files."""
        return ()

    @property
    def trains_network(self) -> bool:
        """Whether its run leaves a network that names new motions."""
        return False

    def number(self, value: Value) -> float:
        """A value in the study's base units. Raises Faults where it has none."""
        try:
            return number(value, self._meaning.units, self._meaning.constants)
        except ExpressionFault as fault:
            raise Faults(
                [self.fault(value, fault.span, fault.code, fault.message, fault.hint)]
            ) from None

    def number_given(self, value: Value, more: Mapping[str, float]) -> float:
        """A value in base units where names have these numbers, too. Raises ExpressionFault."""
        return number(value, self._meaning.units, {**self._meaning.constants, **more})

    def constant(self, name: str) -> float | Fraction:
        """The number of a parameter (or constant definition) in base units; exact where it was
        written as a whole number or fraction without a unit. Raises KeyError for other names."""
        value = self.parameters.get(name)
        if value is not None and isinstance(value.number, Fraction) and value.unit is None:
            return value.number
        if value is None and name in CONSTANTS and not self._meaning.units.reduced:
            return self._meaning.units.constant(name)
        return self._meaning.constants[name]

    def dimension(self, what: str) -> Dimension | None:
        """The dimension of a thing as `unit` knows it: exponents of length, mass, time, charge,
        temperature and amount; None where it has none of its own."""
        return self._meaning.dimensions.get(what)

    def unit(self, what: str) -> str:
        """The unit of a thing in words, "" where it has none or the study is in plain numbers.

        `what`: "t", a coordinate "q", its velocity "q'", its momentum "pi_q", a force on it
        "force_q", "multiplier_1" of the first constraint, "lagrangian", or the name of a
        parameter, definition or coefficient.
        """
        return self._meaning.units.label(self._meaning.dimensions.get(what))

    def fault(
        self,
        where: Expression | Value | Key,
        span: Span | None,
        code: str,
        message: str,
        hint: str | None = None,
        severity: Literal["error", "note"] = "error",
    ) -> Fault:
        """A fault at an expression, a value or a key, at `span` in its text where one is given."""
        key = where if isinstance(where, tuple) else where.path
        if span is not None and span.start < 0:
            span = None
        return self._meaning.source.fault(
            key, code, message, hint=hint, span=span, severity=severity
        )


def number(value: Value, units: Units, constants: Mapping[str, float]) -> float:
    """A value in base units. Raises ExpressionFault."""
    if value.number is not None:
        return units.number(value.number, value.unit)
    if value.tree is None:
        raise ExpressionFault("value.constant", "no number", WHOLE)
    return constant(value.tree, units, constants)


def constant(tree: Node, units: Units, constants: Mapping[str, float]) -> float:
    """The value of a constant expression in base units. Raises ExpressionFault."""

    def lookup(name: Name | Index) -> float:
        if isinstance(name, Index):
            raise ExpressionFault("value.constant", "a constant is wanted here", name.span)
        if name.name in constants:
            return constants[name.name]
        if name.name in CONSTANTS and not units.reduced:
            return units.constant(name.name)
        raise ExpressionFault(
            "value.constant", f"{name.name} has no fixed number", name.span,
            "a constant expression holds numbers, [parameters] and constants of [define]",
        )  # fmt: skip

    return evaluated(tree, lookup)
