"""[analysis]: what is asked of a motion beside itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from pydantic import Field

from .common import Table

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

    def asked(self) -> dict[str, Any]:
        """What is asked for, by key."""
        return {key: value for key, value in self.__dict__.items() if value}
