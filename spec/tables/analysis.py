"""[analysis]: what is asked of a motion beside itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from pydantic import Field

from .common import Table
from .leaves import Expression
from .start import Components

ENTRY = re.compile(r"start\.(position|velocity|momentum)\.([A-Za-z]\w*)(?:\[(\d{1,4})\])?")
Name = Annotated[str, Field(min_length=1, max_length=100)]


class StartEntry(NamedTuple):
    """An entry of [start]: its table, coordinate and component from 0."""

    table: str
    coordinate: str
    component: int


def start_entry(text: str, coordinates: Mapping[str, int], vectors: bool) -> StartEntry | None:
    """The entry that a text such as `start.velocity.q[1]` names; None where it names none."""
    match = ENTRY.fullmatch(text)
    if match is None or match[2] not in coordinates or (match[3] is None) == vectors:
        return None
    component = int(match[3] or 1) - 1
    inside = 0 <= component < coordinates[match[2]]
    return StartEntry(match[1], match[2], component) if inside else None


class Periodic(Table):
    """A periodic orbit near the motion, by Newton's method on the end of its steps."""

    section: Expression = Field(
        description="An expression of q, q' and t: where it comes back to zero in the direction of "
        "its first crossing or of the start, a period ends."
    )
    free: tuple[Name, ...] = Field(
        min_length=1, max_length=200,
        description='Entries of the start that are sought beside the period: ["start.velocity.y"].',
    )  # fmt: skip
    returns: int = Field(
        default=1, ge=1, le=1000, description="After so many returns the period ends."
    )


class Reach(Table):
    """A start from which the run ends where it is to."""

    position: Components = Field(default={}, description="Positions at the end: { x = 1.0 }.")
    velocity: Components = Field(default={}, description="Velocities at the end.")
    by: tuple[Name, ...] = Field(
        min_length=1, max_length=200,
        description='Entries of the start that are sought: ["start.velocity.x"].',
    )  # fmt: skip


class Analysis(Table):
    """Derivatives of the motion along itself, those of the steps as they are taken."""

    lyapunov: int | None = Field(
        default=None, ge=1, le=200, description="So many Lyapunov exponents, the largest first."
    )
    megno: bool = Field(
        default=False, description="Mean growth of nearby orbits: 2 where the motion is regular."
    )
    sensitivity: tuple[Name, ...] = Field(
        default=(), max_length=50,
        description='Derivatives of the last state: ["m", "start.velocity.q"].',
    )  # fmt: skip
    monodromy: bool = Field(
        default=False, description="The derivative of the last state by the first, whole."
    )

    periodic: Periodic | None = Field(
        default=None, description="A periodic orbit near the motion, and its Floquet multipliers."
    )
    reach: Reach | None = Field(
        default=None, description="A start from which the run ends at a place."
    )

    def asked(self) -> dict[str, Any]:
        """What is asked for, by key."""
        return {key: value for key, value in self.__dict__.items() if value}
