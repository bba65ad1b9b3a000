"""Histories: inputs of an integration as functions of time that differentiate and evaluate.

A history is a SymPy function of t whose samples a file gives; an expression that holds one depends
on time explicitly, and whatever asks an expression for that needs to know nothing of files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
import sympy as sp
from actionrun.compiler.numerics.inference.driving import ORDERS, Between, piecewise


class History(sp.Function):
    """An input or a derivative of it: polynomials between the begins of pieces (pieces,), told by
    their derivatives there (4, pieces). Without samples it stands for any smooth function."""

    nargs = 1
    label: ClassVar[str] = ""
    order: ClassVar[int] = 0
    begins: ClassVar[np.ndarray] = np.zeros(1)
    derivatives: ClassVar[np.ndarray | None] = None
    rate: ClassVar[type[History] | None] = None

    def _eval_is_real(self) -> bool:
        return True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return sp.Integer(0) if self.rate is None else self.rate(self.args[0])

    def _sympystr(self, printer: Any) -> str:
        return self.label + "'" * self.order

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        base = printer.doprint(sp.Symbol(self.label, real=True))
        text = rf"\{'d' * self.order}ot{{{base}}}" if self.order else base
        return text if exp is None else f"{text}^{{{exp}}}"


def evaluated_history(of: type[History], t: Any, arrays: Any = jnp) -> Any:
    """Values of a history at times, by JAX or by NumPy."""
    if of.derivatives is None:
        return arrays.sin(1.3 * t + 0.7 + 0.5 * np.pi * of.order)  # any smooth function does
    begins, table = arrays.asarray(of.begins), arrays.asarray(of.derivatives)
    t = arrays.asarray(t)
    piece = arrays.clip(arrays.searchsorted(begins, t, side="right") - 1, 0, len(of.begins) - 1)
    since = t - begins[piece]
    value = 0 * since
    for k in range(ORDERS - 1, of.order - 1, -1):
        value = value * since / max(k - of.order + 1, 1) + table[k][piece]
    return value


def history(
    name: str, begins: np.ndarray | None = None, derivatives: np.ndarray | None = None
) -> type[History]:
    """The function of an input, and by it those of its derivatives."""
    samples: dict[str, Any] = {}
    if begins is not None:
        samples = {"begins": begins, "derivatives": derivatives}

    def of_order(order: int, rate: type[History] | None) -> type[History]:
        members = {"label": name, "order": order, "rate": rate, **samples}
        return type(History)(f"{name}_{order}", (History,), members)

    rate = None
    for order in range(ORDERS - 1, 0, -1):
        rate = of_order(order, rate)
    return of_order(0, rate)


def histories(
    names: Iterable[str], between: Between, columns: Mapping[str, np.ndarray] | None
) -> dict[str, type[History]]:
    """Histories of inputs by their names, of columns with the times `t`."""
    result = {}
    for name in names:
        if columns is None:
            result[name] = history(name)
            continue
        known = np.isfinite(columns[name])
        pieces = piecewise(columns["t"][known], columns[name][known], between)
        result[name] = history(name, *pieces)
    return result
