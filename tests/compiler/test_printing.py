"""Printing: text that a study accepts and that means the same, LaTeX, and rounding."""

import math

import numpy as np
import pytest
import sympy as sp
from actionrun.compiler.symbolic.equations import numeric_equations, symbolic_equations
from actionrun.compiler.symbolic.printing import (
    component_latex,
    digits,
    latex,
    name_latex,
    numeric,
    text,
)
from actionrun.compiler.symbolic.vocabulary import Vocabulary, vocabulary
from actionrun.spec import Faults
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from studies_text import of, study

# No bare numbers: SymPy can spend hours on the sign of a tower of constants.
LEAVES = st.sampled_from(
    ["q", "q'", "x", "a", "b_2", "t", "2*q", "q/3", "0.25*x", "pi*a", "1e-3*t", "(1 - x)"]
)
NAMES = ("sin", "cos", "tanh", "atan", "sqrt", "abs", "log")
ONE = (
    *(f"{name}({{}})" for name in NAMES),
    *("-({})", "|{}|", "({})^2", "({})^3", "({})^(-1)", "({})^(1/2)", "({})^(-3/2)"),
    "exp(sin({}))",
)
PAIRED = ("min", "max", "atan2")
TWO = ("({} + {})", "({} - {})", "{}*{}", "({})/({})", *(f"{f}({{}}, {{}})" for f in PAIRED))


def wider(inner):
    return st.one_of(
        st.tuples(st.sampled_from(TWO), inner, inner).map(lambda x: x[0].format(x[1], x[2])),
        st.tuples(st.sampled_from(ONE), inner).map(lambda x: x[0].format(x[1])),
    )


TEXTS = st.recursive(LEAVES, wider, max_leaves=5)


def read(expression: str) -> tuple[Vocabulary, sp.Expr]:
    """The vocabulary of a study with coordinates q and x, and what the expression means in it."""
    given = study(f'lagrangian = "{expression}"', "a = 1.5\nb_2 = 0.7", q=None, x=None)
    words = vocabulary(given)
    return words, words.scalar(given.system.lagrangian)


def value(expression: sp.Expr, words) -> complex:
    at = {"q": 0.3, "x": 0.71, "t": 1.1, "a": 1.5, "b_2": 0.7}
    known = {s: at[n] for n, s in zip(words.names, words.q, strict=True)}
    known |= {s: at[n] - 0.2 for n, s in zip(words.names, words.v, strict=True)}
    known |= {s: at[n] for n, s in words.constants.items()} | {words.t: at["t"]}
    return complex(sp.N(expression.subs(known), 20))


@settings(max_examples=150)
@given(expression=TEXTS)
def test_what_is_written_is_read_again(expression):
    try:
        words, first = read(expression)
    except Faults:  # a constant division by zero, say: another test's business
        assume(False)
        return
    expected = value(first, words)
    assume(not first.has(sp.I) and math.isfinite(abs(expected)) and abs(expected) < 1e9)
    again, second = read(text(first, words))
    assert value(second, again) == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_symbolic_equations_of_the_damped_oscillator():
    result = {
        e.name: e
        for e in symbolic_equations(
            of(
                'lagrangian = "m*q\'^2/2 - k*q^2/2"\nnonconservative = "-lam*q_plus\'*q_minus"',
                "m = 1\nk = 1\nlam = 0.1",
            )
        )
    }
    assert squeezed(result["Lagrangian"].latex) == r"L=\frac{m\dot{q}^{2}}{2}-\frac{kq^{2}}{2}"
    assert squeezed(result["Nonconservative part"].latex) == r"K=-\lambda\dot{q}_{+}q_{-}"
    assert squeezed(result["Equation of motion"].latex) == r"m\ddot{q}=-\lambda\dot{q}-kq"
    assert result["Momentum"].text == "m*q'"
    assert result["Energy"].text == "m*q'^2/2 + k*q^2/2"


def squeezed(latex: str) -> str:
    return latex.replace(r"\,", "").replace(" ", "")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("q", "q"),
        ("c1", "c_{1}"),
        ("lam", r"\lambda"),
        ("omega_0", r"\omega_{0}"),
        ("GM", r"\mathrm{GM}"),
        ("w2", "w_{2}"),
        ("k_B", "k_{B}"),
        ("rho_max", r"\rho_{\mathrm{max}}"),
    ],
)
def test_names_in_latex(name, expected):
    assert name_latex(name) == expected


@given(st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,12}", fullmatch=True))
def test_no_name_breaks_out_of_its_latex(name):
    """No raw underscore outside a subscript, balanced braces, only known commands."""
    result = name_latex(name)
    depth = 0
    for character in result:
        depth += (character == "{") - (character == "}")
        assert depth >= 0
        assert character.isalnum() or character in "\\{}_,"
    assert depth == 0 and result
    assert result.count("_") <= 1  # a second subscript on one base is an error in LaTeX


@pytest.mark.parametrize(
    ("name", "mark", "dots", "expected"),
    [
        ("x_left", "", 0, r"x_{\mathrm{left}}"),
        ("x_left", "", 1, r"\dot{x}_{\mathrm{left}}"),
        ("theta_ab[2]", "+", 2, r"\ddot{\theta}_{\mathrm{ab},2,+}"),
        ("q12[1]", "", 0, "q_{12,1}"),
    ],
)
def test_components_in_latex(name, mark, dots, expected):
    assert component_latex(name, mark, dots) == expected


def test_vectors_in_text_and_latex():
    result = of("lagrangian = \"dot(q', q')/2 - q[1]^2*q'[2]\"", q=2)
    written = text(result.momentum[1], result.words)
    assert written == "q'[2] - q[1]^2"
    assert squeezed(latex(result.momentum[1], result.words)) == r"\dot{q}_{2}-q_{1}^{2}"


@pytest.mark.parametrize(
    ("number", "std", "expected"),
    [
        (1.23456, 0.01, "1.235"),
        (-1.23456, 0.012, "1.235"),
        (1356.04, 3.1, "1356.0"),
        (2.9591e-4, 6.6e-10, "2.9591000e-4"),
        (0.0, 0.1, "0"),
        (0.5, None, "0.5"),
        (1 / 3, None, "0.333333"),
        (2.0, 0.0, "2"),
    ],
)
def test_rounded_as_the_uncertainty_allows(number, std, expected):
    result = digits(number, std)
    assert result.replace("e-04", "e-4") == expected


@given(
    st.floats(1e-12, 1e12).map(lambda x: round(x, 15)).filter(bool),
    st.floats(1e-6, 1.0),
)
def test_rounding_stays_within_a_twentieth_of_the_uncertainty(value, relative):
    std = relative * value
    assert abs(float(digits(value, std)) - value) <= 0.051 * std + 1e-11 * value


def test_numbers_with_uncertainty_are_put_in():
    """2*c1 is one number whose uncertainty is twice that of c1."""
    result = of('lagrangian = "c1*q\'^2 - c2*q^2"', "c1 = 1.0\nc2 = 1.0")
    c1, c2 = (result.words.constants[n] for n in ("c1", "c2"))
    covariance = np.diag([0.001**2, 0.02**2])
    momentum, rounded = numeric(
        result.momentum[0], result.words, {c1: 1.23456, c2: 4.0}, covariance, [c1, c2]
    )
    assert text(momentum, result.words, rounded) == "2.4691*q'"
    (lagrangian, *_, motion) = numeric_equations(
        result, {"c1": (1.23456, 0.001), "c2": (4.0, 0.02)}, covariance, ["c1", "c2"]
    )
    assert lagrangian.text == "1.2346*q'^2 - 4.000*q^2"
    assert lagrangian.values["c2"] == (4.0, 0.02)
    # q'' = -(c2/c1) q: 3.2400 +- sqrt((0.02/4)^2 + (0.001/1.23456)^2)*3.24 = 0.0164
    assert motion.text == "q'' = -3.240*q"
