"""Laws that are a function of a sum of terms, one of which has constants inside (`shapes`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import sympy as sp
from actionrun.compiler.numerics.genomes.few_constants import (
    damped_gauss_newton,
    linear_least_squares,
)
from actionrun.compiler.pnn.genome import Layout
from actionrun.compiler.pnn.laws.sum_law import STEPS, Link
from actionrun.compiler.pnn.laws.terms import Base, Term

from .shapes import Shape


@dataclass(frozen=True)
class ShapedLaw:
    """y = sign * h(sum of a * term + factor * sum of b * shape(u; c)); a fit of c begins at
    `start`. Constants in this order: a, b, c. `place`: of the shape among those allowed."""

    link: Link
    sign: float
    above: tuple[Term, ...]
    factor: Term
    shape: Shape
    base: Base
    start: tuple[float, ...]
    place: int = 0

    below = ()

    @property
    def constants(self) -> int:
        return len(self.above) + self.shape.functions + self.shape.constants

    @property
    def _linear(self) -> int:
        return len(self.above) + self.shape.functions

    def columns(self, inputs: np.ndarray, inside: np.ndarray) -> np.ndarray:
        """What the linear constants multiply, (rows, linear constants)."""
        parts = [term.values(inputs)[:, None] for term in self.above]
        shape = self.shape.values(self.base.values(inputs), inside)
        return np.concatenate([*parts, self.factor.values(inputs)[:, None] * shape], axis=1)

    def output(self, inputs: np.ndarray, constants: np.ndarray) -> np.ndarray:
        """y (rows,)."""
        with np.errstate(all="ignore"):
            inner = self.columns(inputs, constants[self._linear :]) @ constants[: self._linear]
            return self.sign * self.link.back(inner)

    def fit(
        self, inputs: np.ndarray, y: np.ndarray, precision: np.ndarray, steps: int = STEPS
    ) -> tuple[np.ndarray, float]:
        """Constants and the weighed mean square over rows; infinite where that fails."""
        with np.errstate(all="ignore"):
            u = self.link.to(self.sign * y)
            slope = np.abs(self.link.slope(u))
            weight = np.where(np.isfinite(slope), slope, 0.0) * precision
            weight = np.minimum(weight, 1e6 * max(np.median(weight), 1e-300))
            use = np.isfinite(u) & (weight > 0)
            columns = self.columns(inputs, np.array(self.start))
            linear = linear_least_squares(columns[use] * weight[use, None], u[use] * weight[use])
            if linear is None:
                return np.zeros(self.constants), np.inf
            of = self.base.values(inputs)
            factor = self.factor.values(inputs)

            def value(c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
                inside, before = c[self._linear :], c[len(self.above) : self._linear]
                columns = self.columns(inputs, inside)
                inner = columns @ c[: self._linear]
                missed = (self.sign * self.link.back(inner) - y) * precision
                steep = self.sign * self.link.slope(inner) * precision
                within = factor[:, None] * np.einsum(
                    "rfc,f->rc", self.shape.slopes(of, inside), before
                )
                return missed, steep[:, None] * np.concatenate([columns, within], axis=1)

            constants, cost = damped_gauss_newton(
                value, np.concatenate([linear, self.start]), steps, steps < STEPS
            )
            spread = float(np.ptp(of))
            if not self.shape.lives(constants[self._linear :], spread):
                return constants, np.inf
            return constants, cost / len(y)

    def expression(self, inputs: Sequence[sp.Expr], constants: Sequence[sp.Symbol]) -> sp.Expr:
        inside = constants[self._linear :]
        shape = self.shape.expression(self.base.expression(inputs), inside)
        parts = [*(term.expression(inputs) for term in self.above)]
        parts += [self.factor.expression(inputs) * one for one in shape]
        inner = sp.Add(*(c * one for c, one in zip(constants, parts, strict=False)))
        return int(self.sign) * self.link.symbolic(inner)

    def formula(
        self, inputs: Sequence[sp.Expr], symbols: Sequence[sp.Symbol], values: np.ndarray
    ) -> tuple[sp.Expr, np.ndarray]:
        """The expression with its constants' symbols, and their values; a sine and a cosine as one
        sine with a phase."""
        count = len(self.above)
        if self.shape.functions == 1:
            return self.expression(inputs, symbols), values
        size, phase = symbols[count], symbols[count + 1]
        inside = symbols[self._linear :]
        u = self.base.expression(inputs)
        wave = self.shape.expression(u, inside)[1]
        wave = wave.xreplace({sp.sin(inside[0] * u): sp.sin(inside[0] * u + phase)})
        parts = [c * term.expression(inputs) for c, term in zip(symbols, self.above, strict=False)]
        inner = sp.Add(*parts, size * self.factor.expression(inputs) * wave)
        cos, sin = values[count : count + 2]
        told = values.copy()
        told[count : count + 2] = np.hypot(cos, sin), np.arctan2(cos, sin)
        return int(self.sign) * self.link.symbolic(inner), told

    def complexity(self, layout: Layout) -> int:
        """That of a network that says it: 2 for each constant, 1 for each other weight, each
        activation once."""
        used = set().union(*(term.activations() for term in (*self.above, self.factor)))
        used |= Term(self.base.one).activations() | self.shape.activations
        used |= {self.link.activation} | ({"product"} if any(self.factor.powers) else set())
        scores = dict(zip(layout.activations, layout.scores, strict=True))
        dearest = max(layout.scores)
        price = sum(scores.get(name, dearest) ** 2 for name in used - {"linear"})
        weights = sum(term.cost for term in (*self.above, self.factor)) + self.base.cost
        return 2 * self.constants + weights + price
