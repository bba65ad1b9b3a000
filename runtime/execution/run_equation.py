"""An equation of a run as a value: SymPy, LaTeX, a function of arrays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from actionrun.compiler.findings import Equation
from actionrun.runtime.errors import Refused

if TYPE_CHECKING:
    from actionrun.compiler.formulas.array_function import ArrayFunction
    from actionrun.compiler.formulas.reader import Formula


@dataclass(frozen=True)
class RunEquation(Equation):
    """An equation of a run. `text` and `latex` are as the report has it, rounded; what `sympy` and
    `function` give has every digit. `moving`: coordinates and inputs, in the study's order.

    A coordinate q, its velocity and its acceleration are the symbols q, qdot and qddot, without
    assumptions; components are q_1, qdot_1. A name that Python keeps for itself has a `_` behind it
    (`in_`; lambda is SymPy's lamda). Columns of a law are as they stand in their file.
    """

    moving: tuple[str, ...] = ()

    @cached_property
    def _formula(self) -> Formula:
        # at start-up: SymPy, for those who ask for it
        from actionrun.compiler.formulas.reader import FormulaError, formula

        try:
            return formula(self.exact or self.text)
        except FormulaError as reason:
            raise Refused(f"{self.name}: {reason}") from None

    def sympy(self, *, functions: bool = False) -> Any:
        """The equation as sympy.Eq, or the expression where it has no two sides; `functions`: with
        coordinates as functions of t and their derivatives, as sympy.dsolve takes it.

        Raises Refused for what is no formula of numbers: sums over bodies, maps of an unknown
        force, an action.
        """
        return self._formula.of_time(self.moving) if functions else self._formula.whole

    def function(self) -> ArrayFunction:
        """A function of NumPy arrays, which broadcast: of an expression its value, of a law its
        right side, of an equation of motion with one acceleration that acceleration, of another
        equation the left side minus the right.

        It takes coordinates, velocities, accelerations, t and constants, in this order, by place or
        by name: `arguments` lists them, `gives` names what comes out. Raises Refused, see `sympy`.
        """
        return self._formula.function(self.moving)

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex}$"


def run_equation(equation: Equation, moving: tuple[str, ...]) -> RunEquation:
    """The equation of a run whose study has these coordinates and inputs."""
    return RunEquation(
        equation.name, equation.latex, equation.text, equation.values, equation.exact, moving
    )
