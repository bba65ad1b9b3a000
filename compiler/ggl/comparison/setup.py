"""What a comparison is made of: a start, the methods, what stands for the true motion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from actionrun.compiler.ggl.settings import Settings
from actionrun.compiler.numerics.integrators.mechanics import ExactSolution
from actionrun.compiler.numerics.integrators.runge_kutta import Tableau

from .propagators import (
    ExactMethod,
    ExplicitMethod,
    InitialValueProblem,
    Rows,
    VariationalMethod,
)

FACTORS = (8, 4, 2, 1, 1 / 2, 1 / 4)  # of the step, in a work-precision figure
Course = ExplicitMethod | VariationalMethod
Truth = ExactMethod | VariationalMethod


@dataclass(frozen=True)
class Comparison:
    """What is asked for in [compare], ready to be run; `exact` are the true positions of t."""

    settings: Settings
    setting: InitialValueProblem
    methods: tuple[Tableau, ...]
    steps: int
    exact: ExactSolution | None

    @property
    def r(self) -> int:
        return self.setting.integrator.r

    @property
    def constrained(self) -> bool:
        return self.setting.surface is not None

    def truth(self, setting: InitialValueProblem) -> Truth:
        """The true motion in the steps of a setting, or what stands for it."""
        if self.exact is not None:
            return ExactMethod(setting, self.exact)
        return VariationalMethod(setting, self.r + 2)

    @property
    def way(self) -> str:
        """In words: what steps are of, and what the other methods do about constraints."""
        words, transform = "", self.settings.time_transform
        if transform is not None:
            words = (
                f" Steps are of s, dt = g ds with g = {transform.text}: the others integrate "
                "dq/ds = g q', dq'/ds = g q'', dt/ds = g."
            )
        if self.constrained:
            words += (
                " The others integrate the accelerations that keep the second derivative of every "
                "constraint at zero; nothing pulls them back to the constraints, which they leave."
            )
        return words

    def energy_truth(self) -> Truth | None:
        """What gives the true energy; None where it is the energy at the start."""
        if self.exact is None and self.setting.system.conservative:
            return None
        return self.truth(self.setting)

    @property
    def reference(self) -> str:
        """Where the true energy comes from, in words."""
        if self.exact is not None:
            return "the energy of the exact solution"
        if self.setting.system.conservative:
            return "the energy at the start"
        return f"the energy of our own run with r = {self.r + 2}"


def distance(rows: Rows, true: Rows) -> float:
    """The largest error of a position."""
    return float(np.max(np.abs(rows.q - true.q)))


def label(name: str, r: int) -> str:
    """A method as a legend names it."""
    return f"GGL r = {r}" if name == "ggl" else name
