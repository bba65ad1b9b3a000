"""Located errors of a study: faults that only the mathematics can see."""

from __future__ import annotations

from actionrun.spec import Expression, Faults, Span, Study, Value


def study_error(
    study: Study,
    where: Expression | Value | tuple[str | int, ...] | None,
    code: str,
    message: str,
    hint: str | None = None,
    span: Span | None = None,
) -> Faults:
    """Faults of one located error, to be raised; `where` None points at [system]."""
    place = ("system",) if where is None else where
    return Faults((study.fault(place, span, code, message, hint),))
