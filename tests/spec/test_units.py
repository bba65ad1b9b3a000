"""Units against an independent library (pint), and the coherent system that a study computes in."""

import math
from fractions import Fraction

import pint
import pytest
from actionrun.spec import Faults, loads
from actionrun.spec.expressions.errors import ExpressionFault
from actionrun.spec.units.quantities import coherent, dimension_product, quantity, spelled, unit
from actionrun.spec.units.unit_table import (
    CONSTANTS,
    PLAIN,
    PREFIXED,
    PREFIXES,
    SPELLINGS,
    known_unit,
)
from hypothesis import given
from hypothesis import strategies as st

REGISTRY = pint.UnitRegistry()
PINT = {
    "u": "unified_atomic_mass_unit",
    "m_e": "electron_mass",
    "e": "elementary_charge",
    "Ry": "hartree / 2",
    "au": "astronomical_unit",
    "yr": "julian_year",
    "pc": "parsec",
    "ly": "light_year",
    "tonne": "metric_ton",
    "L": "liter",
    "d": "day",
    "h": "hour",
    "min": "minute",
    "lb": "pound",
    "bar": "bar",
    "cal": "calorie",
    "inch": "inch",
    "ft": "foot",
    "mile": "mile",
    "Da": "dalton",
    "T": "tesla",
    "H": "henry",
    "F": "farad",
    "C": "coulomb",
    "K": "kelvin",
    "g": "gram",
    "deg": "degree",
    "arcmin": "arcminute",
    "arcsec": "arcsecond",
    "atm": "standard_atmosphere",
    "S": "siemens",
    "G": "1e-4 tesla",
    "Wh": "watt_hour",
    "Ah": "ampere * hour",
    "P": "poise",
    "St": "stokes",
    "M": "molar",
    "Torr": "torr",
    "oz": "ounce",
    "yd": "yard",
    "nmi": "nautical_mile",
    "rpm": "revolutions_per_minute",
    "rev": "revolution",
    "lbf": "force_pound",
    "kgf": "force_kilogram",
    "BTU": "1055.05585262 joule",
    "hp": "horsepower",
    "degC": "delta_degC",
    "degF": "delta_degF",
    "%": "percent",
    "‰": "permille",
    "ppb": "1e-9",
}
NOMINAL = {  # of the IAU 2015, which pint has not
    "M_sun": 1.98841e30, "M_earth": 5.97217e24, "M_jup": 1.898125e27, "R_sun": 6.957e8,
    "R_earth": 6.3781e6, "R_jup": 7.1492e7, "L_sun": 3.828e26,
}  # fmt: skip
MEASURED = 2e-8  # CODATA 2018 and 2022 differ by less


def in_si(expression: str) -> tuple[float, tuple[float, ...]]:
    """Factor and exponents in m, kg, s, C, K, mol by pint."""
    found = (1 * REGISTRY(expression)).to_base_units()
    powers = found.dimensionality
    current = powers.get("[current]", 0)
    dimension = (
        powers.get("[length]", 0),
        powers.get("[mass]", 0),
        powers.get("[time]", 0) + -current,
        current,
        powers.get("[temperature]", 0),
        powers.get("[substance]", 0),
    )
    factor = found.magnitude
    if powers.get("[mass]", 0) and str(REGISTRY.get_base_units("kg")[1]) == "gram":
        factor /= 1000 ** powers["[mass]"]
    return factor, dimension


@pytest.mark.parametrize("symbol", [s for s in (*PREFIXED, *PLAIN) if s not in NOMINAL])
def test_the_table_against_pint(symbol):
    factor, dimension = in_si(PINT.get(symbol, symbol))
    known = {**PREFIXED, **PLAIN}[symbol]
    assert float(known.factor) == pytest.approx(factor, rel=MEASURED)
    assert known.dimension == dimension


@pytest.mark.parametrize("symbol", NOMINAL)
def test_nominal_values_of_the_sun_and_planets(symbol):
    assert float(PLAIN[symbol].factor) == pytest.approx(NOMINAL[symbol], rel=1e-4)


@pytest.mark.parametrize(("text", "kelvin"), [("20 degC", 293.15), ("-40 degF", 233.15)])
def test_a_temperature_on_a_scale_of_its_own(text, kelvin):
    """Alone it has a zero of its own; in a product it is a difference."""
    found = quantity(text)
    assert found is not None
    assert coherent([found[1]]).number(*found) == pytest.approx(kelvin)
    assert coherent([found[1]]).base[4] == "K"
    (difference, rate) = quantity("2 W/degC") or (0, unit("K"))
    assert coherent([rate]).number(difference, rate) == 2


@pytest.mark.parametrize(
    ("name", "pint_name"),
    [
        ("hbar", "hbar"),
        ("k_B", "boltzmann_constant"),
        ("G_N", "newtonian_constant_of_gravitation"),
        ("c_light", "speed_of_light"),
        ("e_charge", "elementary_charge"),
        ("N_A", "avogadro_number / mol"),
    ],
)
def test_constants_against_pint(name, pint_name):
    factor, dimension = in_si(pint_name)
    assert float(CONSTANTS[name].factor) == pytest.approx(factor, rel=1e-12)
    assert CONSTANTS[name].dimension == dimension


@given(st.sampled_from(sorted(PREFIXES)), st.sampled_from(sorted(PREFIXED)))
def test_prefixes(prefix, symbol):
    found = known_unit(prefix + symbol)
    assert found is not None
    if prefix + symbol in {**PLAIN, **PREFIXED, **SPELLINGS}:
        return  # min, cd, Pa, ft: the unit of that name comes first
    powers = [p for p in PREFIXES if (prefix + symbol).startswith(p)]
    ratios = {found[1].factor / known.factor for p in powers
              if (known := PREFIXED.get((prefix + symbol)[len(p) :]))}  # fmt: skip
    assert Fraction(10) ** PREFIXES[prefix] in ratios or found[1].factor in {
        Fraction(10) ** PREFIXES[p] * PREFIXED[(prefix + symbol)[len(p) :]].factor
        for p in powers
        if (prefix + symbol)[len(p) :] in PREFIXED
    }


COMPOUND = st.lists(
    st.tuples(st.sampled_from(sorted({*PREFIXED, *PLAIN} - {"M_sun"})), st.integers(-3, 3)),
    min_size=1,
    max_size=4,
)


@given(COMPOUND)
def test_compound_units_multiply(parts):
    parts = [(symbol, power) for symbol, power in parts if power]
    words = "*".join(f"{symbol}^{power}" for symbol, power in parts)
    if not parts:
        return
    found = unit(words)
    table = {**PREFIXED, **PLAIN}
    expected, dimension = Fraction(1), (0,) * 6
    for symbol, power in parts:
        expected *= table[symbol].factor ** power
        for _ in range(abs(power)):
            dimension = dimension_product(
                dimension, table[symbol].dimension, 1 if power > 0 else -1
            )
    assert found.factor == expected
    assert found.dimension == dimension


@given(COMPOUND)
def test_a_unit_and_its_spelling_are_inverse(parts):
    words = spelled(parts)
    if words:
        again = unit(words)
        assert again.factor == unit(spelled(again.parts)).factor


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("m/s^2", "m*s^-2"),
        ("m/s/s", "m s^-2"),
        ("kg m²", "kg*m^2"),
        ("J/(kg*K)", "m^2/s^2/K"),
        ("g/cm³", "g*cm^-3"),
        ("Å", "angstrom"),
        ("µs", "us"),
        ("μs", "us"),
        ("1/s", "Hz"),
        ("m^(1/2)*m^(1/2)", "m"),
        ("°", "deg"),
        ("N", "kg*m/s^2"),
        ("eV*ps/angstrom^2", "ps*eV/angstrom/angstrom"),
    ],
)
def test_spellings(left, right):
    one, two = unit(left), unit(right)
    assert one.factor == pytest.approx(float(two.factor)) and one.dimension == two.dimension


@pytest.mark.parametrize(
    "text", ["", "m/", "foo", "m^^2", "m^99", "2", "m s)", "(m", "degX", "m^-", "/s", "m" * 90, "€"]
)
def test_what_is_no_unit(text):
    with pytest.raises(ExpressionFault):
        unit(text)


@pytest.mark.parametrize("text", ["2*pi/80", "q", "2", "-1.5", "1 - 2", "2*m", "(2) m", "1e3"])
def test_what_is_no_quantity(text):
    assert quantity(text) is None


@given(st.decimals(-(10**6), 10**6, allow_nan=False, places=6))
def test_the_number_of_a_quantity_is_exact(number):
    found = quantity(f"{number:f} fs")
    assert found is not None and found[0] == Fraction(number)


def test_the_base_units_are_the_files_own():
    words = ["26.982 u", "0.5 eV", "2.5 angstrom", "1 fs"]
    units = coherent(unit(word.partition(" ")[2]) for word in words)
    assert units.base[:3] == ("angstrom", "u", "fs")
    number, one = quantity("0.5 eV")
    expected = REGISTRY.Quantity(0.5, "eV").to("u*angstrom^2/fs^2").magnitude
    assert units.number(number, one) == pytest.approx(expected, rel=MEASURED)
    assert units.label(one.dimension) == "u*angstrom^2/fs^2"
    assert units.number(*quantity("2 fs")) == 2.0
    assert units.number(*quantity("3 angstrom^-1")) == 3.0
    assert units.constant("hbar") == pytest.approx(
        REGISTRY.Quantity(1, "hbar").to("u*angstrom^2/fs").magnitude, rel=MEASURED
    )


def test_the_first_unit_counts_inside_compound_ones_too():
    units = coherent([unit("cm/ms^2"), unit("km"), unit("s")])
    assert (units.base[0], units.base[2]) == ("cm", "ms")
    assert units.number(*quantity("1 km")) == 1e5


PENDULUM = """study = "ggl"
[system]
coordinates = ["q"]
lagrangian = "{lagrangian}"
[parameters]
m = "0.5 kg"
l = "120 cm"
g = "9.81 m/s^2"
[start]
position = {{ q = "60 deg" }}
velocity = {{ q = "0 rad/s" }}
[integrator]
dt = "20 ms"
steps = 10
"""


def test_a_study_in_units():
    study = loads(PENDULUM.format(lagrangian="m*l^2*q'^2/2 + m*g*l*cos(q)"))
    assert study.number(study.start.position["q"]) == pytest.approx(math.pi / 3, rel=1e-15)
    assert study.constant("l") == 120.0 and study.constant("g") == 981.0
    assert study.number(study.integrator.dt) == 0.02
    assert study.unit("pi_q") == "kg*cm^2/s"
    assert (study.unit("t"), study.unit("q"), study.unit("q'")) == ("s", "", "s^-1")
    assert study.unit("lagrangian") == "kg*cm^2/s^2" and study.unit("g") == "cm/s^2"


@pytest.mark.parametrize(
    ("lagrangian", "code"),
    [
        ("m*l^2*q'^2/2 + m*g*cos(q)", "unit.dimension"),
        ("m*l^2*q'^2/2 + m*g*l*cos(l)", "unit.argument"),
        ("m*l^2*q'^2/2 + m*g*l*q^l", "unit.exponent"),
        ("m*l^2*q'^2/2 + m*sqrt(g*l)", "unit.dimension"),
        ("m*l^2*q'^2/2 + max(m, l)", "unit.dimension"),
        ("m*l^2*q'^2/2 - hbar*q", "unit.dimension"),
    ],
)
def test_dimensions_are_checked(lagrangian, code):
    with pytest.raises(Faults) as caught:
        loads(PENDULUM.format(lagrangian=lagrangian))
    assert [fault.code for fault in caught.value.faults] == [code]


@pytest.mark.parametrize(
    "lagrangian",
    [
        "m*l^2*q'^2/2 + m*sqrt(g*l)^2*cos(q)",
        "m*l^2*q'^2/2 + hbar*q'",
        "m*l^2*q'^2/2 + m*l*g*(2*l/g)^(1/2)*q'",
        "m*l^2*q'^2/2 + m*g*l*exp(-q)*min(q, 1) + 0*m",
    ],
)
def test_right_dimensions_pass(lagrangian):
    loads(PENDULUM.format(lagrangian=lagrangian.replace("+ 0*m", "")))
