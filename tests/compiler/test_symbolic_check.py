"""What the symbolic stage says of a study beforehand: ranks, limits of the step, constraints."""

import math

import numpy as np
import pytest
import sympy as sp
from actionrun.compiler import symbolic_check
from actionrun.compiler.numerics.integrators.variational import GGL
from actionrun.compiler.symbolic.evaluation import numbers
from actionrun.compiler.symbolic.lagrangian_system import lagrangian_system
from actionrun.compiler.symbolic.linear_stability import half_trace, limit, rates
from actionrun.compiler.symbolic.lowered_system import mechanics, parameters
from actionrun.compiler.symbolic.lowering import lowered
from actionrun.spec import loads

FAMILY = """study = "family"
[system]
coordinates = ["q"]
{law}
[coefficients]
{coefficients}
[start]
position = {{ q = 0.3 }}
velocity = {{ q = 0.0 }}
[integrator]
dt = 0.01
steps = 40
[observe]
variables = {seen}
"""
OSCILLATOR = """study = "ggl"
[system]
coordinates = ["q"]
lagrangian = "q'^2/2 - {k}*q^2/2"
[start]
position = {{ q = 1.0 }}
velocity = {{ q = 0.0 }}
[integrator]
r = {r}
dt = {dt}
steps = 10
"""
DAMPED = 'lagrangian = "c1*q\'^2 - c2*q^2"\nnonconservative = "-c3*q_plus\'*q_minus"'
ROD = """study = "ggl"
[system]
coordinates = ["x", "y"]
lagrangian = "(x'^2 + y'^2)/2 - y"
constraints = {constraints}
[start]
position = {{ x = 0.6, y = 0.8 }}
velocity = {{ x = 0.0, y = 0.0 }}
[integrator]
dt = 0.01
steps = 10
"""


def codes(text: str) -> list[str]:
    return [fault.code for fault in symbolic_check(loads(text))]


def ranges(names: str) -> str:
    return "\n".join(f"{name} = [0.5, 2.0]" for name in names.split())


@pytest.mark.parametrize(
    ("law", "names", "seen", "answer"),
    [
        (DAMPED, "c1 c2 c3", '["q", "pi"]', "rank 3 of 3: motions determine all coefficients"),
        (DAMPED, "c1 c2 c3", '["q"]', "rank 2 of 3: motions determine c2/c1 and c3/c1, not"),
        (DAMPED, "c1 c2 c3", '["q", "velocity"]', "rank 2 of 3: motions determine c2/c1 and"),
        ("lagrangian = \"m*l^2*q'^2/2 + m*g*l*cos(q)\"", "m l g", '["q", "pi"]',
         "rank 2 of 3: motions determine m*l^2 and m*l*g, not m, l, g apart"),
        ("lagrangian = \"m*l^2*q'^2/2 + m*g*l*cos(q)\"", "m l g", '["q"]',
         "rank 1 of 3: motions determine g/l, not m, l, g apart"),
        ("lagrangian = \"q'^2/2 - (a + b)*q^2\"", "a b", '["q"]', "rank 1 of 2"),
        ("lagrangian = \"q'^2/2 + a*q*q' - b*q^2\"", "a b", '["q"]', "rank 1 of 2: motions "
         "determine b, not a apart"),  # a total derivative moves nothing
    ],
)  # fmt: skip
def test_what_motions_determine(law, names, seen, answer):
    text = FAMILY.format(law=law, coefficients=ranges(names), seen=seen)
    (note,) = (fault for fault in symbolic_check(loads(text)) if fault.code == "deep.rank")
    assert note.message.startswith(answer) and note.severity == "note"
    assert note.line_text == "[coefficients]"
    assert bool(note.hint) == ("all coefficients" not in answer)


def test_limits_of_the_step():
    assert limit(0) == pytest.approx(2, abs=1e-6)  # Stoermer-Verlet
    assert limit(1) == pytest.approx(math.sqrt(8), abs=1e-6)
    known = [2.00, 2.84, 3.12, 6.07]  # measured on a prototype, to one step of its scan
    assert [limit(r) for r in range(4)] == pytest.approx(known, rel=6e-3)
    assert limit(40) > 60


@pytest.mark.parametrize(
    "r", [0, 3, 7, *(pytest.param(r, marks=pytest.mark.slow) for r in (1, 2, 20))]
)
def test_the_trace_is_that_of_the_integrator(r):
    x = np.array([0.3, 1.1, 1.9])
    result = half_trace(x, r)
    study = loads(OSCILLATOR.format(k=1, r=r, dt=0.1))
    symbolic = lagrangian_system(study)
    ggl, theta = GGL(mechanics(symbolic), r), parameters(symbolic)
    for h, trace in zip(x, result, strict=True):
        columns = []
        for q, p in (([1.0], [0.0]), ([0.0], [1.0])):
            q, p = np.array(q), np.array(p)
            step = ggl.newton(q, p, 0.0, h, theta, ggl.guess(q, p, 0.0, theta), 3)
            columns.append((float(step.q[0]), float(step.p[0])))
        assert (columns[0][0] + columns[1][1]) / 2 == pytest.approx(trace, abs=1e-11)
    if r >= 3:  # the motion itself turns by cos(h)
        assert result == pytest.approx(np.cos(x), abs=1e-5)


@pytest.mark.parametrize(
    ("k", "r", "dt", "answer"),
    [
        (1, 0, 1.7, []),
        (1, 0, 1.9, ["deep.step"]),
        (1, 0, 2.1, ["deep.unstable"]),
        (100, 0, 0.21, ["deep.unstable"]),
        (1, 1, 2.9, ["deep.unstable"]),
        (1, 3, 5.0, []),
    ],
)
def test_steps_are_judged(k, r, dt, answer):
    assert codes(OSCILLATOR.format(k=k, r=r, dt=dt)) == answer


def test_rates_of_a_damped_oscillator():
    result = rates(np.eye(1) * 2, np.eye(1) * 0.4, np.eye(1) * 8)
    assert result == pytest.approx([2, 2])


def test_constraints():
    assert codes(ROD.format(constraints='["x^2 + y^2 = 1"]')) == []
    for two in ('["x^2 + y^2 = 1", "2*x^2 + 2*y^2 = 2"]', '["x^2 + y^2 = 1", "x^2 + y^2 = 4"]',
                '["x^2 + y^2 = 4"]'):  # fmt: skip
        (fault,) = symbolic_check(loads(ROD.format(constraints=two)))
        assert (fault.severity == "error" and "constraints" in fault.key) or "start" in fault.key


def test_faults_of_the_mathematics():
    text = OSCILLATOR.format(k=1, r=1, dt=0.1)
    assert codes(text.replace("q'^2/2 -", "q' -")) == ["degenerate"]
    assert codes(text.replace("[start]", 'nonconservative = "q_minus^2"\n[start]')) == ["k-not-odd"]


def test_numbers_agree_with_sympy_and_jax():
    x, y = sp.symbols("x y", real=True)
    expressions = [sp.sin(x) * y**2 / sp.sqrt(x), sp.Abs(x - y) ** sp.Rational(-3, 2), sp.pi * x,
                   sp.Min(x, y) + sp.log(x) - sp.atan2(y, x), sp.Integer(3)]  # fmt: skip
    at = {x: np.array([0.3, 1.7, 4.0]), y: np.array([0.2, -1.1, 2.5])}
    result = numbers(expressions, at)
    for row, expression in zip(result, expressions, strict=True):
        true = [float(expression.subs({x: a, y: b})) for a, b in zip(at[x], at[y], strict=True)]
        assert row == pytest.approx(true, rel=1e-14)
    arrays = lowered(expressions, [x, y])(at[x], at[y])
    for row, array in zip(result, arrays, strict=True):
        assert row == pytest.approx(np.broadcast_to(array, 3), rel=1e-14)
    assert np.isnan(numbers([sp.log(x), 1 / x], {x: np.array([-1.0, 0.0])})).tolist() == [
        [True, True],
        [False, True],
    ]
