"""SymPy to NumPy by a tape of operations, for equations that are too many to compile each.

`lowering` traces what is compiled once and run for long; a search tries hundreds of laws for a few
sweeps each.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import reduce

import numpy as np
import sympy as sp

FUNCTIONS: dict[type, Callable[..., np.ndarray]] = {
    sp.Add: lambda *x: reduce(operator.add, x),
    sp.Mul: lambda *x: reduce(operator.mul, x),
    sp.sin: np.sin,
    sp.cos: np.cos,
    sp.tan: np.tan,
    sp.asin: np.arcsin,
    sp.acos: np.arccos,
    sp.atan: np.arctan,
    sp.atan2: np.arctan2,
    sp.sinh: np.sinh,
    sp.cosh: np.cosh,
    sp.tanh: np.tanh,
    sp.exp: np.exp,
    sp.log: np.log,
    sp.Abs: np.abs,
    sp.sign: np.sign,
    sp.Min: lambda *x: reduce(np.minimum, x),
    sp.Max: lambda *x: reduce(np.maximum, x),
    sp.Heaviside: lambda x, *_: np.heaviside(x, 0.5),
    sp.DiracDelta: lambda x, *_: np.zeros_like(x),  # almost everywhere
}
MOST_MULTIPLIED = 8  # powers by repeated multiplication


class ArrayProgram:
    """Expressions (m,) as a function of one array per argument: (m, ...) of all together."""

    def __init__(self, arguments: Sequence[sp.Symbol], expressions: Sequence[sp.Expr]):
        shared, results = sp.cse(list(expressions), sp.numbered_symbols("_x"), order="none")
        self._tape: list[tuple[int, Callable[..., np.ndarray], tuple[int, ...]]] = []
        self._constants: dict[int, float] = {}
        self._places: dict[sp.Basic, int] = {x: k for k, x in enumerate(arguments)}
        self._count = self._arity = len(arguments)
        for name, expression in shared:
            self._places[name] = self._place(expression)
        self._results = [self._place(one) for one in results]

    def __call__(self, *values: np.ndarray) -> np.ndarray:
        slots: list[np.ndarray | float] = [0.0] * self._count
        slots[: self._arity] = values
        for k, constant in self._constants.items():
            slots[k] = constant
        with np.errstate(all="ignore"):
            for at, function, operands in self._tape:
                slots[at] = function(*(slots[k] for k in operands))
        wide = np.broadcast_shapes(*(np.shape(one) for one in values))
        result = np.empty((len(self._results), *wide))
        for k, at in enumerate(self._results):
            result[k] = slots[at]
        return result

    def _new(self) -> int:
        self._count += 1
        return self._count - 1

    def _place(self, expression: sp.Basic) -> int:
        """The slot of an expression's value, its operations before it on the tape."""
        if expression in self._places:
            return self._places[expression]
        if isinstance(expression, sp.Number | sp.NumberSymbol):
            at = self._new()
            self._constants[at] = float(expression)
        elif isinstance(expression, sp.Pow):
            at = self._power(*expression.args)
        else:
            function = FUNCTIONS.get(expression.func)
            if function is None:
                raise NotImplementedError(f"no NumPy function for {expression.func.__name__}")
            at = self._operation(function, *(self._place(a) for a in expression.args))
        self._places[expression] = at
        return at

    def _operation(self, function: Callable[..., np.ndarray], *operands: int) -> int:
        at = self._new()
        self._tape.append((at, function, operands))
        return at

    def _power(self, base: sp.Basic, exponent: sp.Basic) -> int:
        if base == sp.E:
            return self._operation(np.exp, self._place(exponent))
        value = self._place(base)
        if isinstance(exponent, sp.Rational) and abs(exponent) <= MOST_MULTIPLIED:
            whole, half = divmod(abs(exponent.p), exponent.q)
            if exponent.q in (1, 2):
                factors = [value] * whole
                if half:
                    factors.append(self._operation(np.sqrt, value))
                result = self._operation(FUNCTIONS[sp.Mul], *factors)
                one = self._place(sp.Integer(1))
                return self._operation(operator.truediv, one, result) if exponent < 0 else result
        return self._operation(np.power, value, self._place(exponent))
