"""[compare]: the methods beside ours do what they are said to do, and are measured rightly."""

import sys

import numpy as np
import pytest
from actionrun.compiler import compile
from actionrun.compiler.ggl.comparison.propagators import ExplicitMethod, VariationalMethod
from actionrun.compiler.ggl.comparison.tableaux import tableaux
from actionrun.compiler.numerics.integrators.runge_kutta import OWN
from actionrun.compiler.program import Reported
from actionrun.compiler.symbolic.vocabulary import vocabulary
from actionrun.spec import Faults, loads

OSCILLATOR = """\
study = "ggl"

[system]
coordinates = ["q"]
lagrangian = "q'^2/2 - q^2/2"
nonconservative = "-lam*q_plus'*q_minus"

[parameters]
lam = 0.1

[define]
w = "sqrt(1 - lam^2/4)"

[start]
position = { q = 1.0 }
velocity = { q = 0.0 }

[integrator]
r = 2
dt = 0.1
steps = 1000

[exact]
q = "exp(-lam*t/2)*(cos(w*t) + lam/(2*w)*sin(w*t))"

[compare]
methods = ["rk2", "rk4"]
"""
DRIVEN_BEAD = """\
study = "ggl"

[system]
coordinates = ["x"]
lagrangian = "(1 + 4*x^2)*x'^2/2 - x^2 + x*cos(t)"
nonconservative = "-0.2*x_plus'*x_minus"

[start]
position = { x = 0.4 }
velocity = { x = 0.3 }

[integrator]
r = 3
dt = 0.1
steps = 30

[compare]
methods = [METHODS]
"""
DIFFRAX = {"heun": 2, "midpoint": 2, "ralston": 2, "bosh3": 3, "tsit5": 5, "dopri5": 5, "dopri8": 8}


def found(text):
    """The findings of a study, marched in one piece."""
    program = compile(loads(text))
    assert isinstance(program, Reported)
    state, report = program.advance(program.start(), 0, program.total)
    assert report.diverged is None
    return program.findings(state, report.samples, lambda *_: None)


def setting_of(text):
    """The setting of a study's comparison."""
    return compile(loads(text)).report.comparison.setting


def bead(*methods):
    return DRIVEN_BEAD.replace("METHODS", ", ".join(f'"{name}"' for name in methods))


@pytest.mark.parametrize("name", [*OWN, *DIFFRAX])
def test_order(name):
    """On a driven, damped bead whose mass depends on its place."""
    if name in DIFFRAX:
        pytest.importorskip("diffrax")
    (method,) = tableaux([name], vocabulary(loads(bead(name))))
    assert method.order == {"rk2": 2, "rk4": 4, **DIFFRAX}[name]
    n, setting = 12 if method.order > 5 else 60, setting_of(bead(name))
    truth = VariationalMethod(setting._replace(h=1.5 / n), 8).next_block(2 * n).q[1::2]
    coarse = ExplicitMethod(setting._replace(h=3 / n), method).next_block(n).q
    fine = ExplicitMethod(setting._replace(h=1.5 / n), method).next_block(2 * n).q[1::2]
    slope = np.log2(np.max(np.abs(coarse - truth)) / np.max(np.abs(fine - truth)))
    assert -0.3 < slope - method.order < 1.1  # the next order still shows at these steps


@pytest.mark.parametrize("name", DIFFRAX)
def test_the_same_numbers_as_diffrax_itself(name):
    diffrax = pytest.importorskip("diffrax")
    setting = setting_of(bead(name))
    (method,) = tableaux([name], vocabulary(loads(bead(name))))
    course = ExplicitMethod(setting, method)
    start = course.y
    ours = course.next_block(30)
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(lambda t, y, theta: course.motion.rate(y, t, theta)),
        getattr(diffrax, name.capitalize())(), 0.0, 3.0, None, start, setting.theta,
        stepsize_controller=diffrax.StepTo(ts=np.linspace(0.0, 3.0, 31)),
    )  # fmt: skip
    np.testing.assert_allclose(ours.q[-1], solution.ys[-1, 0], rtol=1e-13)
    np.testing.assert_allclose(ours.v[-1], solution.ys[-1, 1], rtol=1e-13)


@pytest.mark.parametrize(
    "course", [lambda s: VariationalMethod(s, 2), lambda s: ExplicitMethod(s, OWN["rk4"])]
)
def test_blocks_do_not_show(course):
    setting = setting_of(bead("rk4"))
    whole, parts = course(setting), course(setting)
    once = whole.next_block(30)
    twice = [parts.next_block(11), parts.next_block(19)]
    for a, *b in zip(once, *twice, strict=True):
        assert np.array_equal(a, np.concatenate(b))
    assert whole.evaluations == parts.evaluations > 0


def test_errors_against_the_exact_solution_over_all_steps():
    findings = found(OSCILLATOR)
    t, w = 0.1 * np.arange(1001), np.sqrt(1 - 0.05**2)
    true = np.exp(-0.05 * t) * (np.cos(w * t) + 0.05 / w * np.sin(w * t))
    velocity = -np.exp(-0.05 * t) / w * np.sin(w * t)
    y, rows = np.array([1.0, 0.0]), []
    for _ in t:
        rows.append(y)

        def f(y):
            return np.array([y[1], -y[0] - 0.1 * y[1]])

        y = y + 0.1 * f(y + 0.05 * f(y))
    q, v = np.array(rows).T
    energy = np.max(np.abs((q**2 + v**2) - (true**2 + velocity**2)))
    metrics = findings.metrics
    assert metrics["compare.rk2.position_error_max"] == pytest.approx(np.max(np.abs(q - true)))
    assert metrics["compare.rk2.energy_error_max"] == pytest.approx(energy)
    assert metrics["compare.ggl.position_error_max"] == pytest.approx(
        metrics["exact_error_max"], rel=1e-6
    )
    assert metrics["compare.rk4.position_error_max"] < metrics["compare.rk2.position_error_max"]
    (table,) = (table for table in findings.tables if table.name == "compare")
    assert [row[:3] for row in table.rows] == [("GGL r = 2", 6, None), ("rk2", 2, 2), ("rk4", 4, 4)]
    assert np.max(findings.arrays["compare_rk2_energy_error"].data) == pytest.approx(energy)


def test_without_an_exact_solution_our_own_finer_run_is_the_reference():
    """Taking the error against E0 would show the energy that the damping takes."""
    without = (
        OSCILLATOR[: OSCILLATOR.index("[exact]")] + OSCILLATOR[OSCILLATOR.index("[compare]") :]
    )
    given, own = found(OSCILLATOR).metrics, found(without).metrics
    for name in ("ggl", "rk2", "rk4"):
        key = f"compare.{name}.energy_error_max"
        assert own[key] == pytest.approx(given[key], rel=1e-3)
        assert f"compare.{name}.position_error_max" not in own


def test_conservative_systems_are_measured_against_the_first_energy():
    text = OSCILLATOR.replace('nonconservative = "-lam*q_plus\'*q_minus"\n', "")
    text = text[: text.index("[exact]")] + text[text.index("[compare]") :]
    metrics = found(text).metrics
    growth = (1 + 0.1**4 / 4) ** 1000 - 1  # of the oscillator's energy by the midpoint rule
    assert metrics["compare.rk2.energy_error_max"] == pytest.approx(growth, rel=1e-9)
    assert metrics["compare.ggl.energy_error_max"] == pytest.approx(
        metrics["energy_error_max"], rel=1e-3
    )


def test_a_method_that_explodes_says_so_and_leaves_the_rest():
    text = OSCILLATOR.replace("- q^2/2", "- q^4/4").replace("dt = 0.1", "dt = 0.9")
    text = text[: text.index("[exact]")] + text[text.index("[compare]") :]
    findings = found(text.replace("position = { q = 1.0 }", "position = { q = 2.0 }"))
    lost = [note for note in findings.notes if "rk2 left the finite numbers" in note]
    assert lost
    assert "compare.rk2.energy_error_max" not in findings.metrics
    assert findings.metrics["compare.ggl.energy_error_max"] > 0


def test_work_and_precision():
    findings = found(OSCILLATOR + "work_precision = true\n")
    (figure,) = (figure for figure in findings.figures if figure.name == "work_precision")
    curves = {curve.label: curve for curve in figure.panels[0].curves}
    for name, order in (("rk2", 2), ("rk4", 4), ("GGL r = 2", 6)):
        curve = curves[name]
        slope = np.log(curve.y[3] / curve.y[4]) / np.log(2)
        assert slope == pytest.approx(order, abs=0.3)
        assert np.all(np.diff(curve.x) > 0)
    assert list(curves["rk4"].x) == [500, 1000, 2000, 4000, 8000, 16000]


def test_without_diffrax_the_message_says_what_to_type(monkeypatch):
    monkeypatch.setitem(sys.modules, "diffrax", None)
    with pytest.raises(Faults) as caught:
        compile(loads(OSCILLATOR.replace('"rk4"', '"dopri8"')))
    (fault,) = caught.value.faults
    assert "pip install 'actionrun[compare]'" in fault.hint
    assert fault.line_text[fault.column - 1 :].startswith('"dopri8"')


def test_an_unknown_method_is_told_the_nearest():
    with pytest.raises(Faults) as caught:
        loads(OSCILLATOR.replace('"rk4"', '"dopri9"'))
    (fault,) = caught.value.faults
    assert fault.suggestion == "dopri8"
