"""Lowering: SymPy to JAX by one table, folded over expressions.

Powers are lowered with care, since they are most of the time of a force: integers by repeated
multiplication, half-integers through a square root, never `pow` where it can be avoided.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import sympy as sp
from jax.typing import ArrayLike

from .histories import History, evaluated_history

TABLE: dict[type, Callable[..., jax.Array]] = {
    sp.sin: jnp.sin,
    sp.cos: jnp.cos,
    sp.tan: jnp.tan,
    sp.asin: jnp.arcsin,
    sp.acos: jnp.arccos,
    sp.atan: jnp.arctan,
    sp.atan2: jnp.arctan2,
    sp.sinh: jnp.sinh,
    sp.cosh: jnp.cosh,
    sp.tanh: jnp.tanh,
    sp.exp: jnp.exp,
    sp.log: jnp.log,
    sp.Abs: jnp.abs,
    sp.sign: jnp.sign,
    sp.Min: lambda *x: reduce(jnp.minimum, x),
    sp.Max: lambda *x: reduce(jnp.maximum, x),
    sp.Heaviside: lambda x, *_: jnp.heaviside(x, 0.5),
    sp.DiracDelta: lambda x, *_: jnp.zeros_like(x),  # almost everywhere: Newton's slope of a jump
}


class Lowered(eqx.Module):
    """Expressions as a function of arrays.

    Called with one array per argument; all broadcast together. Returns one array per expression,
    each of the broadcast shape of what it depends on (a constant stays a Python float).
    """

    arguments: tuple[sp.Symbol, ...] = eqx.field(static=True)
    shared: tuple[tuple[sp.Symbol, sp.Expr], ...] = eqx.field(static=True)
    results: tuple[sp.Expr, ...] = eqx.field(static=True)

    @property
    def arity(self) -> int:
        return len(self.arguments)

    @property
    def outputs(self) -> int:
        return len(self.results)

    def __call__(self, *values: ArrayLike) -> list[jax.Array | float]:
        known: dict[sp.Basic, Any] = dict(zip(self.arguments, values, strict=True))
        for name, expression in self.shared:
            known[name] = _fold(expression, known)
        return [_fold(expression, known) for expression in self.results]


def lowered(expressions: Sequence[sp.Expr], arguments: Sequence[sp.Symbol]) -> Lowered:
    """Compile expressions to a function of `arguments`, common subexpressions shared.

    Raises ValueError when an expression holds a symbol that is not an argument.
    """
    unknown = set().union(*(e.free_symbols for e in expressions)) - set(arguments)
    if unknown:
        raise ValueError(f"unbound symbols: {sorted(map(str, unknown))}")
    shared, results = sp.cse(list(expressions), symbols=sp.numbered_symbols("_x"), order="none")
    return Lowered(tuple(arguments), tuple(shared), tuple(results))


def _fold(expression: sp.Basic, known: Mapping[sp.Basic, Any]):
    if expression in known:
        return known[expression]
    if isinstance(expression, sp.Number | sp.NumberSymbol):
        return float(expression)
    if isinstance(expression, sp.Add):
        return reduce(_add, [_fold(a, known) for a in expression.args])
    if isinstance(expression, sp.Mul):
        return _product(expression, known)
    if isinstance(expression, sp.Pow):
        return _power(expression, known)
    if isinstance(expression, History):
        return evaluated_history(expression.func, _fold(expression.args[0], known))
    function = TABLE.get(expression.func)
    if function is None:
        raise NotImplementedError(f"no JAX function for {expression.func.__name__}")
    return function(*(_fold(a, known) for a in expression.args))


def _quick(of: Callable[..., Any], lax: Callable[..., Any]) -> Callable[..., Any]:
    """An operator by `lax`, which is traced in half the time, where that needs no promotion."""

    def quick(x, y):
        if isinstance(x, jax.Array) and isinstance(y, jax.Array):
            alike = x.dtype == y.dtype and len({x.ndim, y.ndim} - {0}) < 2
            if alike and jnp.issubdtype(x.dtype, jnp.floating):
                return lax(x, y)
        return of(x, y)

    return quick


_add = _quick(operator.add, jax.lax.add)
_multiply = _quick(operator.mul, jax.lax.mul)
_divide = _quick(operator.truediv, jax.lax.div)


def _product(expression: sp.Mul, known):
    """Numerators times numerators over denominators: one division instead of many."""
    top, bottom = [], []
    for factor in expression.args:
        if isinstance(factor, sp.Pow) and factor.exp.is_Rational and factor.exp < 0:
            bottom.append(_fold(factor.base**-factor.exp, known))
        else:
            top.append(_fold(factor, known))
    numerator = reduce(_multiply, top) if top else 1.0
    return _divide(numerator, reduce(_multiply, bottom)) if bottom else numerator


def _power(expression: sp.Pow, known):
    base, exponent = expression.args
    if base == sp.E:
        return jnp.exp(_fold(exponent, known))
    value = _fold(base, known)
    if isinstance(exponent, sp.Rational) and exponent.q in (1, 2) and abs(exponent) <= 64:
        whole, half = divmod(abs(exponent.p), exponent.q)
        factors = [_whole_power(value, whole)] if whole else []
        result = reduce(_multiply, [*factors, jnp.sqrt(value)] if half else factors)
        return _divide(1.0, result) if exponent < 0 else result
    return jnp.power(value, _fold(exponent, known))


def _whole_power(value, exponent: int):
    """value**exponent by squaring; exponent >= 1."""
    result, square = None, value
    while exponent:
        if exponent & 1:
            result = square if result is None else _multiply(result, square)
        exponent >>= 1
        if exponent:
            square = _multiply(square, square)
    return result
