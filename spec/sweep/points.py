"""The points of a sweep: each a study of its own, read and checked as if written so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from actionrun.spec.kinds.registry import KINDS
from actionrun.spec.study import validate
from actionrun.spec.text.source import Faults

from .sweep import combinations, placed, swept

if TYPE_CHECKING:
    from actionrun.spec.kinds.registry import Study


@dataclass(frozen=True)
class Point:
    """One study of a sweep; `values` are what it takes on, by dotted key."""

    index: int
    values: Mapping[str, Any]
    study: Study


def points(study: Study) -> Iterator[Point]:
    """The studies of a sweep, in order. Raises Faults, at the entry, for one that is no study."""
    entries = swept(study)
    for index, choice in enumerate(combinations(entries)):
        values = {one.name: one.values[at] for one, at in zip(entries, choice, strict=True)}
        yield point(study, index, values)


def point(study: Study, index: int, values: Mapping[str, Any]) -> Point:
    """The study of a sweep at these values, by dotted key. Raises Faults, at the entry."""
    meaning, entries = study._meaning, swept(study)
    settings = [
        (one, values[one.name],
         one.where(one.values.index(values[one.name]) if one.space is None else 0))
        for one in entries
    ]  # fmt: skip
    source, changed = placed(meaning.source, meaning.raw, settings)
    made, faults = validate(source, changed, KINDS[study.study])
    errors = [fault for fault in faults if fault.severity == "error"]
    if made is None or errors:
        raise Faults(errors)
    return Point(index, values, made)
