"""Units of the free constants of a formula: what its columns and its value leave them.

The dimension of each constant is unknown, and every sum, function and power of the formula says
something linear of it. What is determined is spelled in the units that the columns are given in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import sympy as sp
from actionrun.compiler.pnn.settings import Quantities
from actionrun.spec.expressions.syntax_tree import Bars, Binary, Call, Name, Negate, Node, Number
from actionrun.spec.units.quantities import Unit, Units, spelled
from actionrun.spec.units.unit_table import CONSTANTS, NONE, Dimension

Form = dict[str, tuple[Fraction, ...]]  # of "" a dimension, of each unknown one its power


@dataclass(frozen=True)
class ConstantUnit:
    """A unit by its number in the study's base units; its label is empty for plain numbers."""

    factor: float = 1.0
    label: str = ""


PLAIN = ConstantUnit()


def constant_units(
    of: Quantities, formula: Node, constants: Sequence[str], target: str | None
) -> tuple[ConstantUnit, ...]:
    """The unit of each constant of a formula for the column `target` (None: for a plain number)."""
    if of.units.reduced or not constants:
        return (PLAIN,) * len(constants)
    equations = _Equations(of, constants)
    value = NONE if target is None else of.dimensions.get(target) or NONE
    equations.same(equations.of(formula), {"": tuple(map(Fraction, value))})
    columns = of.columns
    named: list[str] = [*([target] if target else []), *equations.seen, *columns]
    units = [columns[name].unit for name in dict.fromkeys(named) if name in columns]
    units = [one for one in units if one is not None]
    solved = equations.solved()
    return tuple(_unit(of.units, solved.get(name), units) for name in constants)


def _unit(system: Units, dimension: Dimension | None, units: Sequence[Unit]) -> ConstantUnit:
    """A unit of a dimension as a product of powers of others; the system's own where it is none."""
    if dimension is None or not any(dimension):
        return PLAIN
    matrix = sp.Matrix([[sp.Rational(x) for x in one.dimension] for one in units]).T
    try:
        powers, free = matrix.gauss_jordan_solve(sp.Matrix([sp.Rational(x) for x in dimension]))
    except ValueError:
        return ConstantUnit(1.0, system.label(dimension))
    factor, parts = 1.0, {}
    for one, power in zip(units, powers.subs(dict.fromkeys(free, 0)), strict=True):
        exponent = Fraction(power)
        factor *= system.number(1, one) ** float(exponent)
        for symbol, own in one.parts:
            parts[symbol] = parts.get(symbol, Fraction(0)) + own * exponent
    return ConstantUnit(factor, spelled(parts.items()))


class _Equations:
    """What a formula says of the dimensions of its constants, `rows` of a linear system."""

    def __init__(self, of: Quantities, constants: Sequence[str]):
        self.dimensions, self.constants = of.dimensions, constants
        self.rows: list[Form] = []
        self.seen: list[str] = []

    def of(self, node: Node) -> Form:
        """The dimension of a part."""
        match node:
            case Name(name):
                self.seen.append(name)
                if name in self.constants:
                    return {name: (Fraction(1),)}
                known = self.dimensions.get(name)
                if known is None and name in CONSTANTS:
                    known = CONSTANTS[name][1]
                return {"": tuple(map(Fraction, known or NONE))}
            case Negate(operand) | Bars(operand):
                return self.of(operand)
            case Binary("+" | "-", left, right):
                first = self.of(left)
                self.same(first, self.of(right))
                return first
            case Binary("*" | "/" as op, left, right):
                return _sum(self.of(left), self.of(right), Fraction(1 if op == "*" else -1))
            case Binary(_, left, right):
                power = _number(right)
                if power is not None:
                    return _sum({}, self.of(left), power)
                self.same(self.of(left), {})
                self.same(self.of(right), {})
            case Call("sqrt", (inner,)):
                return _sum({}, self.of(inner), Fraction(1, 2))
            case Call("abs" | "min" | "max", (first, *others)):
                own = self.of(first)
                for other in others:
                    self.same(own, self.of(other))
                return own
            case Call(function, inner):
                for one in inner:
                    self.same(self.of(one), self.of(inner[0]) if function == "atan2" else {})
        return {}

    def same(self, one: Form, other: Form) -> None:
        self.rows.append(_sum(one, other, Fraction(-1)))

    def solved(self) -> Mapping[str, Dimension]:
        """Dimensions of the constants that have one; none where the formula contradicts itself."""
        zero = (Fraction(0),)
        matrix = sp.Matrix([
            [*(sp.Rational(row.get(name, zero)[0]) for name in self.constants),
             *(-sp.Rational(x) for x in row.get("", zero * len(NONE)))]
            for row in self.rows
        ])  # fmt: skip
        reduced, pivots = matrix.rref()
        count = len(self.constants)
        if any(pivot >= count for pivot in pivots):
            return {}
        alone: dict[str, sp.Matrix] = {
            self.constants[int(pivot)]: reduced[k, count:]
            for k, pivot in enumerate(pivots)
            if all(reduced[k, j] == 0 for j in range(count) if j != pivot)
        }
        return {name: tuple(Fraction(x) for x in row) for name, row in alone.items()}


def _sum(one: Form, other: Form, factor: Fraction) -> Form:
    """one + factor * other."""
    result = dict(one)
    for name, powers in other.items():
        own = result.get(name, (Fraction(0),) * len(powers))
        result[name] = tuple(a + factor * b for a, b in zip(own, powers, strict=True))
    return result


def _number(node: Node) -> Fraction | None:
    """A part that is a number, such as 3/4."""
    match node:
        case Number(value):
            return Fraction(value)
        case Negate(operand):
            inner = _number(operand)
            return None if inner is None else -inner
        case Binary("/", left, right):
            top, bottom = _number(left), _number(right)
            return None if top is None or not bottom else top / bottom
    return None
