"""What is known of a number beforehand, as a study writes it: "normal(9.81, 0.02)"."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, ClassVar

from actionrun.spec.expressions.errors import ExpressionFault
from actionrun.spec.text.span import WHOLE, Key

from .leaves import Leaf, Reading, Value

NORMAL = re.compile(r"\s*normal\s*\(([^,()]+),([^,()]+)\)\s*")
ONE = Value("1", Fraction(1))
HINT = 'write "normal(9.81, 0.02)": the mean and the standard deviation'


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
    def read(cls, raw: Any, reading: Reading) -> NormalPrior:
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
        if mean.tree is not None or std.tree is not None or len(dimensions) > 1:
            reading.faults.append((path, ExpressionFault(
                "value.prior", "a prior holds two numbers, or two quantities of one dimension",
                WHOLE, HINT)))  # fmt: skip
            return cls(str(raw), path=path)
        if std.number is None or not std.number > 0:
            reading.faults.append((path, ExpressionFault(
                "value.prior", "a standard deviation is above zero", WHOLE, HINT)))  # fmt: skip
            return cls(str(raw), path=path)
        reading.values[path] = mean
        return cls(str(raw), mean, std, path)
