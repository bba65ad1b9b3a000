"""Formulas read back from their text are the formulas that were written."""

from __future__ import annotations

import re

import numpy as np
import pytest
import sympy as sp
from actionrun.compiler.formulas.array_function import array_function
from actionrun.compiler.formulas.reader import FormulaError, Quantity, formula
from actionrun.compiler.symbolic.equations import numeric_equations, symbolic_equations
from actionrun.compiler.symbolic.evaluation import numbers
from actionrun.compiler.symbolic.lagrangian_system import lagrangian_system
from actionrun.compiler.symbolic.printing import exact_text
from actionrun.spec import loads
from printed_laws import value_of

TWO = '''
study = "ggl"
[system]
coordinates = { r = 2, s = 1 }
lagrangian = """|r'|^2/2*(1 + 0.1*cos(s[1])) + s[1]'^2/2 + mu/|r| - k*abs(r[1])^1.5
    - tanh(s[1])*r_1*lambda"""
nonconservative = "-gamma*dot(r_plus', r_minus) - 0.37*s_plus[1]'*s_minus[1]"
[parameters]
mu = 1.23456789012345
k = 0.3333333333333
gamma = 0.0312345678901
r_1 = 0.2
lambda = 3
[start.position]
r = [1.0, 0.1]
s = [0.3]
[start.velocity]
r = [0.0, 1.0]
s = [0.1]
[integrator]
dt = 0.05
steps = 20
'''


def points(names, size=7, seed=0):
    dice = np.random.default_rng(seed)
    return {name: dice.uniform(0.3, 1.5, size) for name in names}


def value(text, at=None):
    """By our reader: left side minus right side."""
    read = formula(text)
    expression = read.right if read.left is None else read.left - read.right
    function = array_function(expression, read.arguments(), "value")
    at = points(function.arguments) if at is None else at
    return function(**{name: at[name] for name in function.arguments}), at


def test_every_equation_of_a_system_reads_as_it_was_meant():
    """Against SymPy's own symbols, with a parameter that is called as a component is."""
    system = lagrangian_system(loads(TWO))
    words = system.words
    own = {symbol: name for name, symbol in words.constants.items()}
    own |= {words.constants["lambda"]: "lamda", words.t: "t"}
    for expression, doubled in ((system.lagrangian, False), (system.nonconservative, True),
                                *((m, False) for m in system.momentum)):  # fmt: skip
        plus = "_plus" if doubled else ""
        written = dict(own)
        for symbols, sign in ((words.q, plus), (words.v, f"{plus}dot"), (words.a, "ddot"),
                              (words.minus, "_minus"), (words.minus_v, "_minusdot")):  # fmt: skip
            for name, symbol in zip(words.names, symbols, strict=True):
                base, _, index = name.rstrip("]").partition("[")
                written[symbol] = f"{base}{sign}_{index}"
        at = points(sorted({*written.values(), "r_1_"}))
        text = exact_text(expression, words, doubled)
        clash = Quantity("r_1") in formula(text).quantities.values()
        named = {s: at["r_1_" if clash and s == words.q[0] else n] for s, n in written.items()}
        (direct,) = numbers([expression], named)
        ours, _ = value(text, at)
        assert np.allclose(ours, direct, rtol=1e-14, atol=1e-14), text


@pytest.mark.parametrize("mark", ["", ", in symbols"])
def test_texts_agree_with_python_arithmetic(mark):
    text = TWO.replace("r_1", "w").replace("lambda", "b")
    system = lagrangian_system(loads(text))
    equations = symbolic_equations(system) if mark else numeric_equations(system, {})
    assert len(equations) == (9 if mark else 5)
    for equation in equations:
        said = equation.exact or equation.text
        ours, at = value(said)
        assert np.allclose(ours, value_of(said, at), rtol=1e-12, atol=1e-12), said
        if "|" not in equation.text:
            rounded = value_of(equation.text, at)
            assert np.allclose(ours, rounded, rtol=0, atol=2e-5), equation.text
    if not mark:
        assert "1.23456789012345/" in equations[0].exact, "every digit"


def test_what_a_function_gives():
    law = formula("y = 2.5*a/b + sqrt(a)")
    expression, gives = law.value()
    function = array_function(expression, law.arguments(), gives)
    assert (function.gives, function.arguments) == ("y", ("a", "b"))
    assert np.array_equal(function([1.0, 4.0], b=2.0), [2.25, 7.0])
    with pytest.raises(TypeError, match="b"):
        function(1.0)
    with pytest.raises(TypeError, match="c"):
        function(1.0, 2.0, c=3.0)
    assert np.isnan(function(-1.0, 1.0)), "no real value"
    motion = formula("m*x''*(1 + x^2) + x' = -k*x + t")
    assert motion.value()[1] == "xddot"
    assert [str(s) for s in motion.arguments(["x"])] == ["x", "xdot", "xddot", "t", "m", "k"]
    two = formula("x''*m + y'' = -x")
    assert two.value()[1] == "residual"
    assert formula("x''^2 = 1").value()[1] == "residual"
    assert formula("x^2 + y^2 - 1 = 0").value()[1] == "residual"
    constant = formula("y = 7.25")
    assert array_function(*constant.value()[:1], constant.arguments(), "y")() == 7.25


def test_it_is_sympy():
    whole = formula("q'' = -2.5*q - c*q'^3").whole
    q, qdot, qddot, c = sp.symbols("q qdot qddot c")
    assert whole == sp.Eq(qddot, -2.5 * q - c * qdot**3)
    assert sp.sympify(str(whole)) == whole and sp.latex(qddot) == r"\ddot{q}"
    t = sp.Symbol("t")
    moving = formula("q'' = -4*q + b - u").of_time(["q", "b", "u"])
    f, b, u = (sp.Function(name)(t) for name in "qbu")
    assert moving == sp.Eq(f.diff(t, 2), -4 * f + b - u)
    free = formula("q'' = -4*q").of_time(["q"])
    assert sp.checkodesol(free, sp.dsolve(free, f))[0]
    assert formula("x = 0").whole == sp.Eq(sp.Symbol("x"), 0, evaluate=False)
    assert str(formula("q[1]' + q_1 + qdot_1").whole) in {
        "q_1 + qdot_1 + qdot_1_", "q_1 + qdot_1_ + qdot_1"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("sum(i<j, U(r[i,j]))", "no function U"),
        ("sum(i, m*|q[i]'|^2)/2 - V", "sums over bodies"),
        ("m*q[i]'' = -dV/dq[i]", "words"),
        ("pi_q[i]' = -k*q[i]", "each body"),
        ("r[1][1]^2 = 1", "each body"),
        ("S = integral over time of sum(i, |m*q[i]'' + dV/dq[i]|^2)", "words"),
        ("x(t+dt) = x + x'*dt + F(x + x'*dt/2)*dt^2/(2*m)", "map of one step"),
        ("1/|q|", "earlier version"),
        ("norm(q[1] - q[2]) = 1", "norm takes a vector"),
        ("dot(q[1], q[2]) = 0", "dot takes two vectors"),
        ("c1 > 0", "inequality"),
        ("__import__('os').system('true')", "no formula"),
        ("x" * 5000, "no formula"),
    ],
)
def test_what_is_no_formula_says_why(text, why):
    with pytest.raises(FormulaError, match=re.escape(why)):
        formula(text)
