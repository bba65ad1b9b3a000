"""Quantities: "NUMBER UNIT", units in brackets, and the coherent system that a study computes in.

The system's base units are the study's own: for each base dimension the first unit of it that the
file names, the SI unit where it names none. A study in u, eV, angstrom and fs computes in u,
angstrom and fs; its energies are u*angstrom^2/fs^2.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from actionrun.spec.expressions.errors import ExpressionFault
from actionrun.spec.expressions.lexer import NUMBER, tokens
from actionrun.spec.text.characters import SUPERSCRIPTS
from actionrun.spec.text.source import nearest
from actionrun.spec.text.span import Span

from .unit_table import (
    CONSTANTS,
    DIMENSIONS,
    NONE,
    SHIFTS,
    SI,
    Dimension,
    all_symbols,
    known_unit,
)

SYMBOL = re.compile(rf"[^\W\d_{''.join(SUPERSCRIPTS)}]+(?:_[A-Za-z0-9]+)?|[°%‰]")
POWER = re.compile(r"(?:\^|\*\*)\s*(\(\s*[+-]?\d{1,2}\s*(?:/\s*\d{1,2}\s*)?\)|[+-]?\d{1,2})")
RAISED = re.compile(f"[{''.join(SUPERSCRIPTS)}]+")
QUANTITY = re.compile(rf"\s*+([+-]?+)\s*+((?>{NUMBER.pattern}))\s*(?=[^\W\d]|[°%‰])")
MAX_UNIT = 80  # characters
ORDER = (1, 0, 2, 3, 4, 5)  # mass first, as energies are usually written


@dataclass(frozen=True)
class Unit:
    """A unit as it was written, exact in SI, with the symbols and exponents it is made of.

    A degree of a scale with a zero of its own (degC, degF) that stands alone is a temperature on
    that scale, `shift` degrees from absolute zero; within a product it is a difference.
    """

    text: str
    factor: Fraction
    dimension: Dimension
    parts: tuple[tuple[str, int | Fraction], ...] = ()

    @property
    def shift(self) -> Fraction:
        """What is added to numbers in this unit before they are scaled."""
        if len(self.parts) != 1 or self.parts[0][1] != 1:
            return Fraction(0)
        return SHIFTS.get(self.parts[0][0], Fraction(0))


def dimension_product(a: Dimension, b: Dimension, sign: int = 1) -> Dimension:
    return tuple(x + sign * y for x, y in zip(a, b, strict=True))


def dimension_power(a: Dimension, power: int | Fraction) -> Dimension:
    return tuple(_whole(x * power) for x in a)


def _whole(number: int | Fraction) -> int | Fraction:
    return int(number) if number.denominator == 1 else number


def unit(text: str, offset: int = 0) -> Unit:
    """The unit that a text spells: "m/s^2", "angstrom^-1", "g/cm³", "eV*ps/angstrom^2".

    Spans of faults are shifted by `offset`. Raises ExpressionFault.
    """
    if len(text) > MAX_UNIT:
        raise ExpressionFault(
            "unit.syntax", f"a unit of {len(text)} characters, {MAX_UNIT} at most",
            Span(offset, offset + len(text)),
        )  # fmt: skip
    reader = UnitReader(text, offset)
    factor, dimension, parts = reader.product(0)
    if reader.at < len(text):
        raise reader.fault("not understood in a unit", reader.at, len(text))
    return Unit(text.strip(), factor, dimension, tuple(parts))


Product = tuple[Fraction, Dimension, list[tuple[str, int | Fraction]]]


class UnitReader:
    def __init__(self, text: str, offset: int):
        self.text, self.offset, self.at = text, offset, 0

    def fault(self, message: str, start: int, stop: int, **more: str | None) -> ExpressionFault:
        word = self.text[start:stop]
        span = Span(self.offset + start, self.offset + max(stop, start + 1))
        hint = more.pop("hint", None) or "write units as m/s^2, g/cm^3, angstrom^-1 or eV*ps"
        return ExpressionFault("unit.syntax", f'"{word}" is {message}', span, hint)

    def skip(self) -> None:
        while self.text[self.at : self.at + 1].isspace():
            self.at += 1

    def product(self, level: int) -> Product:
        factor, dimension, parts = self.term(level, first=True)
        while True:
            self.skip()
            start = self.at
            sign = 1
            if self.text[self.at : self.at + 1] in ("*", "/", "·", "⋅") and self.at < len(
                self.text
            ):
                sign = -1 if self.text[self.at] == "/" else 1
                self.at += 1
                self.skip()
            elif self.at >= len(self.text) or self.text[self.at] == ")":
                return factor, dimension, parts
            if self.at >= len(self.text):
                raise self.fault("at the end of a unit", start, len(self.text))
            other, more, names = self.term(level)
            factor = factor * other**sign
            dimension = dimension_product(dimension, more, sign)
            parts = parts + [(name, sign * power) for name, power in names]

    def term(self, level: int, first: bool = False) -> Product:
        self.skip()
        start = self.at
        if self.text.startswith("(", start) and level < 3:
            self.at += 1
            inner = self.product(level + 1)
            if not self.text.startswith(")", self.at):
                raise self.fault("not closed", start, len(self.text))
            self.at += 1
            return self.powered(inner, start)
        if (
            first
            and self.text.startswith("1", start)
            and not self.text[start + 1 : start + 2].isdigit()
        ):
            self.at += 1
            return Fraction(1), NONE, []
        match = SYMBOL.match(self.text, start)
        if match is None:
            raise self.fault("no unit", start, len(self.text))
        self.at = match.end()
        symbol = unicodedata.normalize("NFC", match.group()).replace("µ", "u").replace("μ", "u")
        known = known_unit(symbol)
        if known is None:
            raise self.unknown(match.group(), start)
        name, (factor, dimension) = known
        return self.powered((factor, dimension, [(name, 1)]), start)

    def powered(self, base: Product, start: int) -> Product:
        power: int | Fraction = 1
        if match := POWER.match(self.text, self.at):
            power = _whole(Fraction(re.sub(r"[()\s]", "", match.group(1))))
        elif match := RAISED.match(self.text, self.at):
            digits = "".join(SUPERSCRIPTS[char] for char in match.group())
            if not re.fullmatch(r"-?\d{1,2}", digits):
                raise self.fault("no power of a unit", self.at, match.end())
            power = int(digits)
        if match is None:
            return base
        self.at = match.end()
        if abs(power) > 24:
            raise self.fault("a power beyond 24", start, self.at)
        factor, dimension, parts = base
        scaled = factor**power
        return (
            scaled if isinstance(scaled, Fraction) else Fraction(float(scaled)),
            dimension_power(dimension, power),
            [(name, _whole(inner * power)) for name, inner in parts],
        )

    def unknown(self, symbol: str, start: int) -> ExpressionFault:
        span = Span(self.offset + start, self.offset + start + len(symbol))
        close = nearest(symbol, all_symbols()) if len(symbol) > 1 else None
        hint = (
            None
            if close
            else (
                "known: m s kg g u A C e K mol N J eV Pa bar Hz V T rad deg angstrom au day yr "
                "and their SI prefixes"
            )
        )
        return ExpressionFault("unit.unknown", f"there is no unit {symbol}", span, hint, close)


def quantity(text: str) -> tuple[Fraction, Unit] | None:
    """The number and unit of "2 fs" or "9.81 m/s^2"; None where the text is no quantity."""
    match = QUANTITY.match(text)
    if match is None:
        return None
    number = tokens(match.group(2))[0].value  # the same limits as in an expression
    rest = text[match.end() :]
    if any(char in rest for char in "+|[]'<>=,"):
        return None
    return (-number if match.group(1) == "-" else number), unit(rest, match.end())


@dataclass(frozen=True)
class Units:
    """The coherent system of a study. `used` says which base dimensions its file gives units to;
    the others are in plain numbers (dimensionless). With none used the study is reduced."""

    base: tuple[str, ...] = SI
    factors: tuple[Fraction, ...] = (Fraction(1),) * 6
    used: tuple[bool, ...] = (False,) * 6

    @property
    def reduced(self) -> bool:
        return not any(self.used)

    def scale(self, dimension: Dimension) -> Fraction | float:
        """How many SI units one coherent unit of the dimension is."""
        result: Fraction | float = Fraction(1)
        for factor, power in zip(self.factors, dimension, strict=True):
            if power:
                result = result * factor**power
        return result

    def number(self, value: Fraction | float, unit: Unit | None) -> float:
        """A quantity's number in this system, correctly rounded where the unit is exact."""
        if unit is None:
            return float(value)
        scale = self.scale(unit.dimension)
        if isinstance(scale, Fraction):
            return float((Fraction(value) + unit.shift) * unit.factor / scale)
        return (float(value) + float(unit.shift)) * float(unit.factor) / scale

    def constant(self, name: str) -> float:
        """hbar, k_B, G_N, c_light, e_charge, N_A in this system."""
        factor, dimension = CONSTANTS[name]
        return float(factor / self.scale(dimension))

    def label(self, dimension: Dimension | None) -> str:
        """The coherent unit of a dimension in words: "kg*m^2/s^2"; "" where there is none."""
        if dimension is None or self.reduced:
            return ""
        return spelled((self.base[i], dimension[i]) for i in ORDER)

    @property
    def time(self) -> Dimension:
        """The dimension of time: none where the study gives no time a unit."""
        return (0, 0, int(self.used[2]), 0, 0, 0)


def coherent(units: Iterable[Unit]) -> Units:
    """The system of a file that names these units, in this order."""
    base: dict[int, tuple[str, Fraction]] = {}
    used = [False] * 6
    for one in units:
        for symbol, _ in one.parts:
            if (known := known_unit(symbol)) is None:
                continue
            _, (factor, dimension) = known
            present = [i for i, power in enumerate(dimension) if power]
            for i in present:
                used[i] = True
            if len(present) == 1 and dimension[present[0]] == 1:
                degree = symbol in SHIFTS  # no unit that numbers are computed in
                base.setdefault(present[0], ("K", Fraction(1)) if degree else (symbol, factor))
    pairs = [base.get(i, (SI[i], Fraction(1))) for i in range(6)]
    return Units(tuple(p[0] for p in pairs), tuple(p[1] for p in pairs), tuple(used))


def spelled(powers: Iterable[tuple[str, int | Fraction]]) -> str:
    """`kg*m^2/s^2` from symbols and exponents."""
    above, below = [], []
    for symbol, power in powers:
        if power:
            size = abs(power)
            mark = "" if size == 1 else f"^{size}" if size.denominator == 1 else f"^({size})"
            (above if power > 0 else below).append(symbol + mark)
    if not below:
        return "*".join(above)
    if not above:
        return "*".join(_inverse(word) for word in below)
    return "*".join(above) + "/" + (below[0] if len(below) == 1 else f"({'*'.join(below)})")


def _inverse(word: str) -> str:
    symbol, _, power = word.partition("^")
    return f"{symbol}^(-{power.strip('()')})" if "/" in power else f"{symbol}^-{power or 1}"


def dimension_words(dimension: Dimension) -> str:
    """`mass*length^2/time^2`, or "a plain number"."""
    return spelled((DIMENSIONS[i], dimension[i]) for i in ORDER) or "a plain number"
