"""The function of arrays that a formula is, by NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from inspect import Parameter, Signature
from typing import Any

import numpy as np
import sympy as sp
from actionrun.compiler.symbolic.evaluation import array_value


@dataclass(frozen=True)
class ArrayFunction:
    """A formula as a function of arrays, which broadcast.

    Takes `arguments` in their order or by name and returns what `gives` names: the right side of a
    law, an acceleration, "value" of an expression, or "residual", left side minus right side of an
    equation.
    """

    expression: sp.Expr
    symbols: tuple[sp.Symbol, ...]
    gives: str

    @property
    def arguments(self) -> tuple[str, ...]:
        return tuple(map(str, self.symbols))

    @cached_property
    def __signature__(self) -> Signature:
        kind = Parameter.POSITIONAL_OR_KEYWORD
        return Signature([Parameter(name, kind) for name in self.arguments])

    def __call__(self, *values: Any, **named: Any) -> np.ndarray:
        bound = self.__signature__.bind(*values, **named).arguments
        arrays = [np.asarray(bound[name], dtype=float) for name in self.arguments]
        shape = np.broadcast_shapes(*(one.shape for one in arrays))
        with np.errstate(all="ignore"):
            value = array_value(self.expression, dict(zip(self.symbols, arrays, strict=True)))
        return np.array(np.broadcast_to(value, shape), dtype=float)

    def __repr__(self) -> str:
        return f"<{self.gives} of ({', '.join(self.arguments)})>"


def array_function(expression: sp.Expr, symbols: Sequence[sp.Symbol], gives: str) -> ArrayFunction:
    """The function of those symbols that an expression holds."""
    there = expression.free_symbols
    return ArrayFunction(expression, tuple(s for s in symbols if s in there), gives)
