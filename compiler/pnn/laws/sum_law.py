"""Laws that are a function of a sum of few terms, or of a quotient of two such sums."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import sympy as sp
from actionrun.compiler.numerics.genomes.few_constants import (
    damped_gauss_newton,
    linear_least_squares,
)
from actionrun.compiler.pnn.genome import Layout

from .terms import Term

STEPS = 60  # of a fit


@dataclass(frozen=True)
class Link:
    """y = h(u): values of u for y, of y and its slope for u, the symbols of y; which activation it
    is of a network."""

    name: str
    activation: str
    to: Callable[[np.ndarray], np.ndarray]
    back: Callable[[np.ndarray], np.ndarray]
    slope: Callable[[np.ndarray], np.ndarray]
    symbolic: Callable[[sp.Expr], sp.Expr]


LINKS = (
    Link("itself", "linear", lambda y: y, lambda u: u, np.ones_like, lambda u: u),
    Link("inverse", "inverse", lambda y: 1 / y, lambda u: 1 / u, lambda u: -1 / u**2,
         lambda u: 1 / u),
    Link("exp", "exp", np.log, np.exp, np.exp, sp.exp),
    Link("root", "sqrt", np.square, np.sqrt, lambda u: 0.5 / np.sqrt(u), sp.sqrt),
    Link("inverse root", "sqrt", lambda y: y**-2.0, lambda u: u**-0.5,
         lambda u: -0.5 * u**-1.5, lambda u: 1 / sp.sqrt(u)),
    Link("square", "square", np.sqrt, np.square, lambda u: 2 * u, lambda u: u**2),
    Link("asin", "asin", np.sin, np.arcsin, lambda u: (1 - u**2) ** -0.5, sp.asin),
    Link("acos", "acos", np.cos, np.arccos, lambda u: -((1 - u**2) ** -0.5), sp.acos),
    Link("log", "log", np.exp, np.log, lambda u: 1 / u, sp.log),
    Link("tanh", "tanh", np.arctanh, np.tanh, lambda u: 1 / np.cosh(u) ** 2, sp.tanh),
    Link("tan", "tan", np.arctan, np.tan, lambda u: 1 / np.cos(u) ** 2, sp.tan),
    Link("sinh", "sinh", np.arcsinh, np.sinh, np.cosh, sp.sinh),
)  # fmt: skip
POSITIVE = {"exp", "root", "inverse root", "square"}  # links of numbers of one sign


@dataclass(frozen=True)
class SumLaw:
    """y = sign * h((sum of a * term) / (1 + sum of b * term))."""

    link: Link
    sign: float
    above: tuple[Term, ...]
    below: tuple[Term, ...] = ()

    def expression(self, inputs: Sequence[sp.Expr], constants: Sequence[sp.Symbol]) -> sp.Expr:
        top = sp.Add(*(c * t.expression(inputs)
                       for c, t in zip(constants, self.above, strict=False)))  # fmt: skip
        rest = constants[len(self.above) :]
        bottom = sp.Add(
            1, *(c * t.expression(inputs) for c, t in zip(rest, self.below, strict=True))
        )
        return int(self.sign) * self.link.symbolic(top / bottom)

    def formula(
        self, inputs: Sequence[sp.Expr], symbols: Sequence[sp.Symbol], values: np.ndarray
    ) -> tuple[sp.Expr, np.ndarray]:
        """The expression with its constants' symbols, and their values; (a + b t)/(1 + c t) as a
        constant and a pole, b t/(1 + c t) as saturation."""
        flat, split = Term((0,) * len(inputs)), len(self.above)
        if len(self.below) == 1 and self.below[0] != flat and {*self.above} <= {flat, *self.below}:
            a = dict(zip(self.above, values, strict=False))
            b, t = values[split], self.below[0].expression(inputs)
            level, place = a.get(self.below[0], 0.0) / b, 1 / b
            if flat not in a:
                inner, numbers = symbols[0] * t / (t + symbols[1]), [level, place]
            elif self.below[0] in a:
                inner = symbols[0] + symbols[1] / (t + symbols[2])
                numbers = [level, (a[flat] - level) / b, place]
            else:
                inner, numbers = symbols[0] / (t + symbols[1]), [a[flat] / b, place]
            return int(self.sign) * self.link.symbolic(inner), np.array(numbers)
        return self.expression(inputs, symbols), values

    def _terms(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values of the terms above and below, (rows, terms) each."""
        nothing = np.zeros((len(inputs), 0))
        return (
            np.stack([t.values(inputs) for t in self.above], axis=1) if self.above else nothing,
            np.stack([t.values(inputs) for t in self.below], axis=1) if self.below else nothing,
        )

    def fit(
        self, inputs: np.ndarray, y: np.ndarray, precision: np.ndarray, steps: int = STEPS
    ) -> tuple[np.ndarray, float]:
        """Constants and the weighed mean square over rows; infinite where that fails."""
        with np.errstate(all="ignore"):
            above, below = self._terms(inputs)
        return fit_sum_law(self, above, below, y, precision, steps)

    def output(self, inputs: np.ndarray, constants: np.ndarray) -> np.ndarray:
        """y (rows,)."""
        split = len(self.above)
        with np.errstate(all="ignore"):
            above, below = self._terms(inputs)
            inner = (above @ constants[:split]) / (1 + below @ constants[split:])
            return self.sign * self.link.back(inner)

    @property
    def constants(self) -> int:
        return len(self.above) + len(self.below)

    def complexity(self, layout: Layout) -> int:
        """That of a network that says it: 2 for each constant, 1 for each other weight, each
        activation once."""
        used = set().union(*(term.activations() for term in (*self.above, *self.below)))
        used |= {self.link.activation} | ({"inverse", "product"} if self.below else set())
        scores = dict(zip(layout.activations, layout.scores, strict=True))
        dearest = max(layout.scores)
        price = sum(scores.get(name, dearest) ** 2 for name in used - {"linear"})
        weights = sum(term.cost for term in (*self.above, *self.below))
        return 2 * self.constants + weights + price


def fit_sum_law(
    law: SumLaw,
    above: np.ndarray,
    below: np.ndarray,
    y: np.ndarray,
    precision: np.ndarray,
    steps: int = STEPS,
) -> tuple[np.ndarray, float]:
    """Constants and the weighed mean square over rows, for the terms' values (rows, terms): linear
    least squares in u, then Gauss-Newton with Marquardt's damping in y. The mean square is infinite
    where that fails."""
    link, sign = law.link, law.sign
    with np.errstate(all="ignore"):
        u = link.to(sign * y)
        slope = np.abs(link.slope(u))
        weight = np.where(np.isfinite(slope), slope, 0.0) * precision
        weight = np.minimum(weight, 1e6 * max(np.median(weight), 1e-300))
        sound = np.isfinite(u)
        columns = np.concatenate([above, -np.where(sound, u, 0)[:, None] * below], axis=1)
        use = sound & (weight > 0)
        constants = linear_least_squares(columns[use] * weight[use, None], u[use] * weight[use])
        if constants is None:
            return np.zeros(law.constants), np.inf
        split = above.shape[1]

        def value(c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            bottom = 1 + below @ c[split:]
            inner = (above @ c[:split]) / bottom
            missed = (sign * link.back(inner) - y) * precision
            steep = sign * link.slope(inner) / bottom * precision
            return missed, steep[:, None] * np.concatenate([above, -inner[:, None] * below], axis=1)

        constants, cost = damped_gauss_newton(value, constants, steps, steps < STEPS)
    return constants, cost / len(y)
