"""The closed table of units, each exact in SI base units.

Sources: SI brochure (9th ed., 2019) for what is defined; CODATA 2022 for what is measured (u, the
electron mass, the Bohr radius, the hartree, G_N); IAU 2012/2015 for au, pc, ly and the nominal GM
of the Sun (with CODATA's G_N for its mass).

A dimension is a tuple of exponents in the order of `DIMENSIONS`.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

Dimension = tuple[int | Fraction, ...]
DIMENSIONS = ("length", "mass", "time", "charge", "temperature", "amount")
SI = ("m", "kg", "s", "C", "K", "mol")
NONE: Dimension = (0,) * 6

PREFIXES = {
    "Q": 30, "R": 27, "Y": 24, "Z": 21, "E": 18, "P": 15, "T": 12, "G": 9, "M": 6, "k": 3, "h": 2,
    "da": 1, "d": -1, "c": -2, "m": -3, "u": -6, "n": -9, "p": -12, "f": -15, "a": -18, "z": -21,
    "y": -24, "r": -27, "q": -30,
}  # fmt: skip

LENGTH, MASS, TIME, CHARGE, TEMPERATURE, AMOUNT = (
    tuple(int(i == j) for j in range(6)) for i in range(6)
)
ENERGY: Dimension = (2, 1, -2, 0, 0, 0)
FORCE: Dimension = (1, 1, -2, 0, 0, 0)
PRESSURE: Dimension = (-1, 1, -2, 0, 0, 0)
FREQUENCY: Dimension = (0, 0, -1, 0, 0, 0)

E_CHARGE = Fraction("1.602176634e-19")
C_LIGHT = Fraction(299792458)
HBAR = Fraction("6.62607015e-34") / Fraction("6.283185307179586476925286766559005768")
K_B = Fraction("1.380649e-23")
N_A = Fraction("6.02214076e23")
G_N = Fraction("6.67430e-11")
DEGREE = Fraction("3.141592653589793238462643383279502884") / 180


class Known(NamedTuple):
    factor: Fraction
    dimension: Dimension


def _known(factor: str | int | Fraction, dimension: Dimension) -> Known:
    return Known(Fraction(factor), dimension)


PREFIXED = {  # units that take an SI prefix
    "m": _known(1, LENGTH),
    "g": _known("0.001", MASS),
    "s": _known(1, TIME),
    "C": _known(1, CHARGE),
    "K": _known(1, TEMPERATURE),
    "mol": _known(1, AMOUNT),
    "A": _known(1, (0, 0, -1, 1, 0, 0)),
    "J": _known(1, ENERGY),
    "eV": _known(E_CHARGE, ENERGY),
    "cal": _known("4.184", ENERGY),
    "N": _known(1, FORCE),
    "Pa": _known(1, PRESSURE),
    "bar": _known(100000, PRESSURE),
    "W": _known(1, (2, 1, -3, 0, 0, 0)),
    "Hz": _known(1, FREQUENCY),
    "V": _known(1, (2, 1, -2, -1, 0, 0)),
    "ohm": _known(1, (2, 1, -1, -2, 0, 0)),
    "F": _known(1, (-2, -1, 2, 2, 0, 0)),
    "H": _known(1, (2, 1, 0, -2, 0, 0)),
    "T": _known(1, (0, 1, -1, -1, 0, 0)),
    "Wb": _known(1, (2, 1, -1, -1, 0, 0)),
    "L": _known("0.001", (3, 0, 0, 0, 0, 0)),
    "pc": _known(Fraction("3.0856775814913673e16"), LENGTH),
    "yr": _known(31557600, TIME),
    "rad": _known(1, NONE),
    "S": _known(1, (-2, -1, 1, 2, 0, 0)),
    "G": _known("0.0001", (0, 1, -1, -1, 0, 0)),
    "Wh": _known(3600, ENERGY),
    "Ah": _known(3600, CHARGE),
    "P": _known("0.1", (-1, 1, -1, 0, 0, 0)),
    "St": _known("0.0001", (2, 0, -1, 0, 0, 0)),
    "M": _known(1000, (-3, 0, 0, 0, 0, 1)),
    "Torr": _known(Fraction(101325, 760), PRESSURE),
}
PLAIN = {
    "angstrom": _known("1e-10", LENGTH),
    "au": _known(149597870700, LENGTH),
    "ly": _known(9460730472580800, LENGTH),
    "bohr": _known("5.29177210544e-11", LENGTH),
    "inch": _known("0.0254", LENGTH),
    "ft": _known("0.3048", LENGTH),
    "mile": _known("1609.344", LENGTH),
    "u": _known("1.66053906892e-27", MASS),
    "Da": _known("1.66053906892e-27", MASS),
    "m_e": _known("9.1093837139e-31", MASS),
    "tonne": _known(1000, MASS),
    "lb": _known("0.45359237", MASS),
    "M_sun": _known(Fraction("1.3271244e20") / G_N, MASS),
    "M_earth": _known(Fraction("3.986004e14") / G_N, MASS),
    "M_jup": _known(Fraction("1.2668653e17") / G_N, MASS),
    "R_sun": _known("6.957e8", LENGTH),
    "R_earth": _known("6.3781e6", LENGTH),
    "R_jup": _known("7.1492e7", LENGTH),
    "L_sun": _known("3.828e26", (2, 1, -3, 0, 0, 0)),
    "oz": _known("0.028349523125", MASS),
    "yd": _known("0.9144", LENGTH),
    "nmi": _known(1852, LENGTH),
    "knot": _known(Fraction(1852, 3600), (1, 0, -1, 0, 0, 0)),
    "mph": _known("0.44704", (1, 0, -1, 0, 0, 0)),
    "kph": _known(Fraction(1000, 3600), (1, 0, -1, 0, 0, 0)),
    "week": _known(604800, TIME),
    "rpm": _known(6 * DEGREE, FREQUENCY),
    "rev": _known(360 * DEGREE, NONE),
    "lbf": _known("4.4482216152605", FORCE),
    "kgf": _known("9.80665", FORCE),
    "psi": _known(Fraction("4.4482216152605") / Fraction("0.0254") ** 2, PRESSURE),
    "mmHg": _known("133.322387415", PRESSURE),
    "BTU": _known("1055.05585262", ENERGY),
    "hp": _known(Fraction("4.4482216152605") * Fraction("0.3048") * 550, (2, 1, -3, 0, 0, 0)),
    "degC": _known(1, TEMPERATURE),
    "degF": _known(Fraction(5, 9), TEMPERATURE),
    "%": _known("0.01", NONE),
    "‰": _known("0.001", NONE),
    "ppm": _known("1e-6", NONE),
    "ppb": _known("1e-9", NONE),
    "min": _known(60, TIME),
    "h": _known(3600, TIME),
    "day": _known(86400, TIME),
    "d": _known(86400, TIME),
    "e": _known(E_CHARGE, CHARGE),
    "hartree": _known("4.3597447222060e-18", ENERGY),
    "Ry": _known(Fraction("4.3597447222060e-18") / 2, ENERGY),
    "erg": _known("1e-7", ENERGY),
    "dyn": _known("1e-5", FORCE),
    "atm": _known(101325, PRESSURE),
    "deg": _known(DEGREE, NONE),
    "arcmin": _known(DEGREE / 60, NONE),
    "arcsec": _known(DEGREE / 3600, NONE),
}
SHIFTS = {"degC": Fraction("273.15"), "degF": Fraction("459.67")}  # from absolute zero, in degrees
SPELLINGS = {  # other ways to write a unit of the table
    "Å": "angstrom", "Angstrom": "angstrom", "Ang": "angstrom", "AU": "au", "amu": "u",
    "dalton": "Da", "year": "yr", "years": "yr", "days": "day", "hour": "h", "hours": "h",
    "minute": "min", "minutes": "min", "sec": "s", "second": "s", "seconds": "s",
    "meter": "m", "metre": "m", "meters": "m", "metres": "m", "kilogram": "kg", "gram": "g",
    "kelvin": "K", "newton": "N", "joule": "J", "watt": "W", "pascal": "Pa", "hertz": "Hz",
    "volt": "V", "coulomb": "C", "ampere": "A", "tesla": "T", "degree": "deg", "degrees": "deg",
    "radian": "rad", "radians": "rad", "Ha": "hartree", "Hartree": "hartree", "a_0": "bohr",
    "Bohr": "bohr", "litre": "L", "liter": "L", "l": "L", "Ω": "ohm", "°": "deg", "in": "inch",
    "celsius": "degC", "Celsius": "degC", "fahrenheit": "degF", "Fahrenheit": "degF",
    "percent": "%", "gauss": "G", "siemens": "S", "torr": "Torr", "poise": "P",
}  # fmt: skip

CONSTANTS = {  # known by name wherever units are used
    "hbar": Known(HBAR, (2, 1, -1, 0, 0, 0)),
    "k_B": Known(K_B, (2, 1, -2, 0, -1, 0)),
    "G_N": Known(G_N, (3, -1, -2, 0, 0, 0)),
    "c_light": Known(C_LIGHT, (1, 0, -1, 0, 0, 0)),
    "e_charge": Known(E_CHARGE, CHARGE),
    "N_A": Known(N_A, (0, 0, 0, 0, 0, -1)),
}


def known_unit(symbol: str) -> tuple[str, Known] | None:
    """The unit of a symbol in its usual spelling, with any SI prefix; None if there is none."""
    symbol = SPELLINGS.get(symbol, symbol)
    if known := PREFIXED.get(symbol) or PLAIN.get(symbol):
        return symbol, known
    for size in (1, 2):
        prefix, rest = symbol[:size], symbol[size:]
        if prefix in PREFIXES and rest in PREFIXED:
            factor, dimension = PREFIXED[rest]
            return symbol, Known(factor * Fraction(10) ** PREFIXES[prefix], dimension)
    return None


def all_symbols() -> list[str]:
    """Symbols for suggestions: the table, and the prefixes in common use."""
    common = [prefix + unit for unit in PREFIXED for prefix in "kMGmunpf"]
    return [*PREFIXED, *PLAIN, *SPELLINGS, *common]
