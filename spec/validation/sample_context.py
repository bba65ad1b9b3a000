"""What a kind's rules see of the files that a study names: counts of rows, ends of a path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from actionrun.spec.text.source import Fault
from actionrun.spec.text.span import Key


class Rows(Protocol):
    """The rows of a data file; those of a measured motion belong to trials."""

    @property
    def count(self) -> int: ...

    def complete(self, names: Sequence[str]) -> list[int]:
        """How many rows of each trial, in their order, lack none of these columns."""
        ...

    def samples(self, names: Sequence[str]) -> list[int]:
        """How many samples of these columns each trial has, in their order."""
        ...

    def wrapped(self, name: str, period: float) -> list[int]:
        """The lines of the file where samples of a column jump over a period that they lie in."""
        ...

    def pairs(self, names: Sequence[str], dt: float) -> int:
        """How many complete rows are followed by a complete one of their trial dt later."""
        ...


@dataclass(frozen=True)
class EndStructure:
    """One end of a path from a file: names of its atoms, vectors of its cell in base units, along
    which of them it repeats (None where the file says nothing), atoms that its mask holds."""

    species: tuple[str, ...]
    velocities: bool
    cell: tuple[tuple[float, ...], ...] | None = None
    periodic: tuple[bool, ...] | None = None
    frozen: frozenset[int] | None = None


@dataclass
class SampleContext:
    """Where the rules of `check_samples` look, and where they put what is wrong."""

    study: Any
    rows: Rows | None = None
    ends: Mapping[str, EndStructure] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def add(self, where: Key, code: str, message: str, hint: str | None = None) -> None:
        self.faults.append(self.study.fault(where, None, code, message, hint))
