"""What is known of a number beforehand, as a study writes it: "normal(9.81, 0.02)"."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, ClassVar

from actionrun.spec.expressions.errors import ExpressionFault
from actionrun.spec.text.span import WHOLE, Key
from pydantic import ValidationInfo

from .common import attempt
from .leaves import Leaf, Reading, Row, Value, reading_of

NORMAL = re.compile(r"\s*normal\s*\(([^,()]+),([^,()]+)\)\s*")
ONE = Value("1", Fraction(1))
HINT = 'write "normal(9.81, 0.02)": the mean and the standard deviation'


def is_distribution(raw: Any) -> bool:
    """Whether a text is meant as a distribution, well written or not."""
    return isinstance(raw, str) and raw.lstrip()[:6] == "normal" and "(" in raw


@dataclass(frozen=True)
class NormalPrior(Leaf):
    """A normal distribution; both numbers are 1 where the text was at fault."""

    schema: ClassVar[dict[str, Any]] = {
        "description": 'A normal distribution, "normal(MEAN, STD)".',
        "type": "string",
        "maxLength": 400,
    }
    text: str
    mean: Value = ONE
    std: Value = ONE
    path: Key = field(default=(), compare=False)

    @classmethod
    def read(cls, raw: Any, reading: Reading, formula: bool = False) -> NormalPrior:
        """`formula`: the mean may be one, as of a number that is known by trial."""
        path: Key = getattr(raw, "path", ())
        match = NORMAL.fullmatch(raw) if isinstance(raw, str) else None
        if match is None or len(raw) > 400:
            reading.faults.append((path, ExpressionFault(
                "value.prior", "no distribution that a prior can be", WHOLE, HINT)))  # fmt: skip
            return cls(str(raw)[:400], path=path)
        try:
            mean, std = (Value._read(part.strip(), path, reading) for part in match.groups())
        except ExpressionFault as fault:
            reading.faults.append((path, ExpressionFault(fault.code, fault.message, WHOLE, HINT)))
            return cls(str(raw), path=path)
        dimensions = {value.unit.dimension if value.unit else None for value in (mean, std)}
        is_formula = formula and mean.tree is not None  # whose dimension is not seen here
        if std.tree is not None or (not is_formula and (mean.tree or len(dimensions) > 1)):
            reading.faults.append((path, ExpressionFault(
                "value.prior", "a prior holds two numbers, or two quantities of one dimension",
                WHOLE, HINT)))  # fmt: skip
            return cls(str(raw), path=path)
        if std.number is None or not std.number > 0:
            reading.faults.append((path, ExpressionFault(
                "value.prior", "a standard deviation is above zero", WHOLE, HINT)))  # fmt: skip
            return cls(str(raw), path=path)
        reading.values[path] = mean
        reading.values[(*path, "std")] = std
        return cls(str(raw), mean, std, path)


def read_priors(raw: Any, info: ValidationInfo) -> Any:
    """One prior, or a list of them, one a trial."""
    reading = reading_of(info)
    if isinstance(raw, Row):
        return tuple(attempt(NormalPrior.read, one, reading) for one in raw)
    return NormalPrior.read(raw, reading)


PRIORS_SCHEMA = {
    "anyOf": [NormalPrior.schema, {"type": "array", "items": NormalPrior.schema, "minItems": 1}]
}
