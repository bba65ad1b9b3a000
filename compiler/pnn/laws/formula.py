"""A law as a formula: what a genome says, its constants with their uncertainties, in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import sympy as sp
from actionrun.compiler.pnn.genome import Layout
from actionrun.compiler.pnn.genome_expression import network_outputs
from actionrun.compiler.symbolic.printing import (
    Rounded,
    digits,
    exact_text,
    latex,
    spread,
    text,
)
from actionrun.compiler.symbolic.vocabulary import symbol

from .constant_units import PLAIN, ConstantUnit
from .table import Groups

MOST_TERMS = 60  # that a law is multiplied out to
MOST_CONSTANTS = 999
SURE = 1e-6  # relative deviation, below which a factor of 1 need not be written


@dataclass(frozen=True)
class ShownConstant:
    """A constant by its value and standard deviation in a unit of its own."""

    name: str
    value: float
    std: float | None
    unit: str
    more_digits: int

    @property
    def written(self) -> str:
        """The number, rounded."""
        sign = "-" if self.value < 0 else ""
        return sign + digits_written(self.value, self.std, self.more_digits)

    @property
    def quantity(self) -> str:
        return f"{self.written} {self.unit}".rstrip()

    @property
    def latex(self) -> str:
        digits, _, power = self.written.partition("e")
        number = rf"{digits} \cdot 10^{{{int(power)}}}" if power else digits
        return number + (rf" \, \text{{{self.unit}}}" if self.unit else "")

    @property
    def short(self) -> str | None:
        return shortest_number(self.value, self.std)


@dataclass(frozen=True)
class LawFormula:
    """What a law says of the target (or of the output, where that cannot be read back).

    `expression` holds the symbols of `constants`, whose numbers are `values` and standard
    deviations `stds` (None: the data do not determine it), in the study's base units; they are
    shown in `units` of their own, where they have some. `more_digits` than two of each deviation
    are written.
    """

    left: sp.Expr
    expression: sp.Expr
    constants: tuple[sp.Symbol, ...]
    values: tuple[float, ...]
    stds: tuple[float | None, ...]
    groups: Groups
    units: tuple[ConstantUnit, ...] = ()
    more_digits: int = 0

    @property
    def shown(self) -> list[ShownConstant]:
        """The constants as they are written."""
        units = self.units or (PLAIN,) * len(self.constants)
        return [
            ShownConstant(
                str(name), value / unit.factor, None if std is None else std / unit.factor,
                unit.label, self.more_digits,
            )
            for name, value, std, unit in zip(
                self.constants, self.values, self.stds, units, strict=True
            )
        ]  # fmt: skip

    @property
    def rounded_values(self) -> np.ndarray:
        """The values as they are written, in base units."""
        units = self.units or (PLAIN,) * len(self.constants)
        pairs = zip(self.shown, units, strict=True)
        return np.array([float(one.written) * unit.factor for one, unit in pairs])

    @property
    def has_units(self) -> bool:
        return any(unit.label for unit in self.units)

    def numbers(self) -> tuple[sp.Expr, Rounded]:
        """The expression with its numbers put in, and how they are written."""
        rounded = Rounded()
        numbers = {}
        for name, one in zip(self.constants, self.shown, strict=True):
            number = float(one.written)
            rounded.decimals[abs(number)] = one.written.lstrip("-")
            sure = one.std is not None and one.std <= SURE * abs(one.value)
            unit = sure and abs(number) == 1
            numbers[name] = sp.Integer(int(number)) if unit else sp.Float(number, 17)
        shown = self.expression.xreplace(numbers)
        for number in map(abs, map(float, shown.atoms(sp.Float))):
            rounded.decimals.setdefault(number, f"{number:.12g}")
        return shown, rounded

    @property
    def sympy(self) -> str:
        """The right side for SymPy, its numbers unrounded: see `in_file_units`."""
        return sp.sstr(self.in_file_units, full_prec=True)

    @property
    def exact(self) -> str:
        """The law in the study language with every digit, in columns as they stand in the file."""
        words = self.groups.words
        return f"{exact_text(self.left, words)} = {exact_text(self.in_file_units, words)}"

    @property
    def in_file_units(self) -> sp.Expr:
        """The right side with its numbers: columns as they stand in the file go in, and what comes
        out is in the unit that the left side has there."""
        values = map(float, self.values)
        numbers = {c: sp.Float(v, 17) for c, v in zip(self.constants, values, strict=True)}
        units = self.groups.quantities.file_units
        columns = {symbol(n): sp.Float(f, 17) * symbol(n) for n, f in units.items() if f != 1}
        whole = self.groups.in_columns(self.expression).xreplace(numbers).xreplace(columns)
        return whole / units.get(str(self.left), 1)

    @property
    def text(self) -> str:
        """In the study language, numbers put in; constants that have units stand behind it."""
        if self.has_units:
            return ", ".join([self.symbolic, *(f"{c.name} = {c.quantity}" for c in self.shown)])
        shown, rounded = self.numbers()
        words = self.groups.words
        return f"{text(self.left, words)} = {text(shown, words, rounded)}"

    @property
    def latex(self) -> str:
        words = self.groups.words
        if self.has_units:
            law = f"{latex(self.left, words)} = {latex(self.expression, words)}"
            parts = (rf"{latex(c, words)} = {one.latex}"
                     for c, one in zip(self.constants, self.shown, strict=True))  # fmt: skip
            return r", \quad ".join([law, *parts])
        shown, rounded = self.numbers()
        return f"{latex(self.left, words)} = {latex(shown, words, rounded)}"

    @property
    def symbolic(self) -> str:
        """In the study language, with the names of the constants."""
        return f"{text(self.left, self.groups.words)} = {text(self.expression, self.groups.words)}"

    @property
    def words(self) -> str:
        """One sentence."""
        free = set(self.constants)
        terms = [_spoken(term, free, self.groups) for term in sp.Add.make_args(self.expression)]
        name = text(self.left, self.groups.words)
        if not self.expression.free_symbols - free:
            return f"{name} is the same everywhere"
        if len(terms) == 1:
            lead, of = terms[0]
            return f"{name} is {'proportional to' if lead else 'equal to'} {of}"
        spelt = [f"{'a constant times ' if lead else ''}{of}" for lead, of in terms]
        spelt = [one.replace("a constant times 1", "a constant") for one in spelt]
        return f"{name} is the sum of {', '.join(spelt[:-1])} and {spelt[-1]}"


def law_formula(
    layout: Layout,
    genome: np.ndarray,
    weights: np.ndarray,
    covariance: np.ndarray | None,
    groups: Groups,
) -> LawFormula:
    """The law of a genome with its fitted weights (weights,); `covariance` (free, free) of the
    trained ones, None where the data do not determine them."""
    settings = [layout.values[code] for code in genome[layout.units :]]
    trained = {symbol(f"#{w}"): float(weights[w]) for w, v in enumerate(settings) if v is None}
    filled = [symbol(f"#{w}") if v is None else _exact(v) for w, v in enumerate(settings)]
    (network,) = network_outputs(layout, genome, filled, groups.inputs, pieces=True)
    output = groups.back(network)
    options = [output]
    if _terms(output) <= MOST_TERMS:
        options = [sp.expand(output, multinomial=False), sp.expand_mul(output, deep=False), output]
    shapes = [_parted(one, trained, groups) for one in options]
    expression, parts = min(shapes, key=lambda one: (len(one[1]), one[0].count_ops()))
    if isinstance(expression, sp.Add):
        expression = sp.collect(expression, list(parts))
    values, stds = [], []
    for constant in parts.values():
        values.append(float(constant.xreplace({k: sp.Float(v, 17) for k, v in trained.items()})))
        std = None
        if covariance is not None:
            numbers = {k: sp.Float(v, 17) for k, v in trained.items()}
            slope = np.array([float(sp.diff(constant, c).xreplace(numbers)) for c in trained])
            std = float(np.sqrt(max(slope @ covariance @ slope, 0.0)))
        stds.append(std)
    return LawFormula(groups.left, expression, tuple(parts), tuple(values), tuple(stds), groups)


def _exact(value: Fraction | float) -> sp.Expr:
    if isinstance(value, Fraction):
        return sp.Rational(value)
    return sp.Float(value, 17)


def _terms(expression: sp.Expr) -> int:
    """At most how many terms its products multiply out to; formulas may be of any size."""
    if isinstance(expression, sp.Add):
        return sum(map(_terms, expression.args))
    if isinstance(expression, sp.Mul):
        return math.prod(map(_terms, expression.args))
    return max(map(_terms, expression.args), default=1)


def constant_names(count: int, groups: Groups) -> tuple[sp.Symbol, ...]:
    """c1, c2, ..., or k1, ... where a column has such a name."""
    taken = {*groups.words.constants}
    numbers = range(1, MOST_CONSTANTS + 1)
    stem = next(s for s in ("c", "k", "C", "const") if not {f"{s}{n}" for n in numbers} & taken)
    return tuple(symbol(f"{stem}{n}") for n in numbers[:count])


def _parted(
    expression: sp.Expr, trained: Mapping[sp.Symbol, float], groups: Groups
) -> tuple[sp.Expr, dict[sp.Symbol, sp.Expr]]:
    """The expression with each largest part that is made of trained weights alone as a constant of
    its own: c1, c2, ... (or k1, ... where these are taken)."""
    parts: dict[sp.Expr, sp.Symbol] = {}
    names = constant_names(MOST_CONSTANTS, groups)
    free = set(trained)

    def constant(part: sp.Expr) -> sp.Expr:
        if not part.free_symbols & free:
            return part
        if part not in parts:
            parts[part] = names[len(parts)]
        return parts[part]

    def replaced(part: sp.Expr) -> sp.Expr:
        if part.free_symbols <= free:
            return constant(part)
        if isinstance(part, sp.Mul | sp.Add):
            inside = [a for a in part.args if a.free_symbols <= free]
            rest = [a for a in part.args if not a.free_symbols <= free]
            return part.func(constant(part.func(*inside)), *(replaced(a) for a in rest))
        return part.func(*(replaced(a) for a in part.args)) if part.args else part

    whole = replaced(expression)
    return whole, {name: part for part, name in parts.items()}


def digits_written(value: float, std: float | None, more: int = 0) -> str:
    """|value| to two digits of its standard deviation, to two of its own where that is larger: a
    number in a law is never dropped. And so many digits more."""
    if std is None or not math.isfinite(std):
        return f"{abs(value):.{6 + more}g}"
    if std >= abs(value):
        return f"{abs(value):.{2 + more}g}"
    return digits(value, std / 10**more)


def with_spread(value: float, std: float) -> str:
    """A number with its spread, where there is one."""
    if std <= 1e-9 * abs(value):
        return f"{value:.4g}"
    return f"{digits(value, std)} ± {spread(value, std)}"


def shortest_number(value: float, std: float | None) -> str | None:
    """The number of fewest digits within one standard deviation of `value`, the nearest of these;
    None where there is no uncertainty, or where zero lies within it."""
    if std is None or not math.isfinite(std) or std <= 0 or std >= abs(value):
        return None
    for places in range(1, 8):
        written = f"{value:.{places}g}"
        if abs(float(written) - value) <= std:
            number = float(written)
            return (
                f"{number:.{places}g}"
                if abs(number) < 1e-3 or abs(number) >= 1e6
                else f"{number:.12g}"
            )
    return None


def _spoken(term: sp.Expr, free: set[sp.Symbol], groups: Groups) -> tuple[bool, str]:
    """Whether a term has a constant of its own, and the rest of it."""
    constant, rest = term.as_independent(*(term.free_symbols - free), as_Add=False)
    if rest == 1:
        return True, "1"
    named = dict.fromkeys(free, symbol("constant"))
    inner = rest.xreplace(named)
    top, bottom = sp.fraction(inner)
    spelt = _product(top, groups)
    if bottom != 1:
        spelt = (
            f"{spelt} over {_product(bottom, groups)}"
            if top != 1
            else f"1 over {_product(bottom, groups)}"
        )
    return bool(constant.free_symbols & free) or constant != 1, spelt


def _product(expression: sp.Expr, groups: Groups) -> str:
    powers = {sp.Integer(2): "squared", sp.Integer(3): "cubed"}
    factors = []
    for factor in sp.Mul.make_args(expression):
        base, power = factor.as_base_exp()
        if power in powers and isinstance(base, sp.Symbol):
            factors.append(f"{text(base, groups.words)} {powers[power]}")
        elif power == sp.Rational(1, 2) and isinstance(base, sp.Symbol):
            factors.append(f"the root of {text(base, groups.words)}")
        else:
            spelt = text(factor, groups.words)
            factors.append(f"({spelt})" if isinstance(factor, sp.Add) else spelt)
    return " times ".join(factors)
