"""Located errors of a study: faults that only the mathematics can see."""

from __future__ import annotations

from typing import Protocol

from actionrun.spec import Expression, Fault, Faults, Span, Value

Place = Expression | Value | tuple[str | int, ...]


class Locator(Protocol):
    """What knows where the text of a study says what: the study, or what was made of it."""

    def fault(
        self, where: Place, span: Span | None, code: str, message: str, hint: str | None = None
    ) -> Fault: ...


def study_error(
    study: Locator,
    where: Place | None,
    code: str,
    message: str,
    hint: str | None = None,
    span: Span | None = None,
) -> Faults:
    """Faults of one located error, to be raised; `where` None points at [system]."""
    place = ("system",) if where is None else where
    return Faults((study.fault(place, span, code, message, hint),))
