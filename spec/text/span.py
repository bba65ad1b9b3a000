"""Places in a study: the key of a value in the document, and a range of offsets in a text."""

from __future__ import annotations

from dataclasses import dataclass

Key = tuple[str | int, ...]  # where a value is in the document: ("system", "constraints", 0)


@dataclass(frozen=True, slots=True)
class Span:
    """Offsets in a text, half open."""

    start: int
    stop: int


WHOLE = Span(-1, -1)  # a fault's span where all of the value is odd
