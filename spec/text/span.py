"""Places in a study: the key of a value in the document, and a range of offsets in a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

Key = tuple[str | int, ...]  # where a value is in the document: ("system", "constraints", 0)


@dataclass(frozen=True, slots=True)
class Span:
    """Offsets in a text, half open."""

    start: int
    stop: int


Range = tuple[int, int]


class Place(NamedTuple):
    """The offsets of a key and, for what has one, of its value."""

    key: Range
    value: Range | None


WHOLE = Span(-1, -1)  # a fault's span where all of the value is odd
