"""[compare] of many bodies: the other methods see the same bodies, and are measured rightly."""

import numpy as np
import pytest
from actionrun.compiler.ggl.build import build
from actionrun.compiler.ggl.comparison.propagators import ExplicitMethod, Rows, VariationalMethod
from actionrun.compiler.ggl.comparison.setup import Comparison
from actionrun.compiler.ggl.report import IntegrationReport
from actionrun.spec import loads
from programs import ran, text

RK4 = '[compare]\nmethods = ["rk4"]\n'
PAIR = """\
coordinates = { a = 2, b = 2 }
lagrangian = "dot(a', a')/2 + dot(b', b') + 2/|a - b|"
"""
AS_BODIES = """\
particles = 2
coordinates = { r = 2 }
lagrangian = "sum(i, m[i]*dot(r'[i], r'[i])/2) + sum(i<j, m[i]*m[j]/r[i,j])"
"""
GAUGED = """\
particles = 3
coordinates = ["q"]
lagrangian = "sum(i, q'[i]^2/2 + t*q[i]*q'[i])"
"""
SWINGING = """\
particles = 3
coordinates = ["q"]
lagrangian = "sum(i, q'[i]^2/2 - q[i]^2/2)"
nonconservative = "-lam*sum(i, q_plus'[i]*q_minus[i])"
"""


def comparison_of(study: str) -> Comparison:
    report = build(loads(study)).report
    assert isinstance(report, IntegrationReport) and report.comparison is not None
    return report.comparison


def rk4_of(study: str) -> Rows:
    comparison = comparison_of(study)
    (method,) = comparison.methods
    return ExplicitMethod(comparison.setting, method).next_block(50)


def test_bodies_are_compared_as_coordinates_are():
    one = rk4_of(text(PAIR, "a = [1.0, 0.0], b = [-0.5, 0.1]", "a = [0.0, 0.8], b = [0.1, -0.4]",
                      2, 0.1, 50, RK4))  # fmt: skip
    two = rk4_of(text(AS_BODIES, "r = [[1.0, 0.0], [-0.5, 0.1]]", "r = [[0.0, 0.8], [0.1, -0.4]]",
                      2, 0.1, 50, RK4 + "[parameters]\nm = [1.0, 2.0]\n"))  # fmt: skip
    by_body = two.q.reshape((50, 2, 2)).swapaxes(1, 2).reshape((50, 4))  # components come first
    assert by_body == pytest.approx(one.q, abs=1e-12)
    assert two.energy == pytest.approx(one.energy, rel=1e-12) and np.ptp(two.energy) > 1e-12


def test_momenta_that_hold_places():
    """L + d(t q^2/2)/dt moves as L does, an oscillator; its momentum is q' + t q."""
    study = text(GAUGED, "q = [1.0, 2.0, 3.0]", "q = [0.0, 0.0, 0.0]", 3, 0.05, 40, RK4)
    comparison = comparison_of(study)
    setting, (rk4,) = comparison.setting, comparison.methods
    t = 0.05 * np.arange(1, 41)
    for course, off in (
        (ExplicitMethod(setting, rk4), 5e-6),
        (VariationalMethod(setting, 3), 1e-10),
    ):
        rows = course.next_block(40)
        assert rows.q == pytest.approx(np.cos(t)[:, None] * [1, 2, 3], abs=off)
        assert rows.v == pytest.approx(-np.sin(t)[:, None] * [1, 2, 3], abs=off)


def test_against_an_exact_solution():
    """Energies and places of damped bodies beside the closed form; work and precision too."""
    exact = '[exact]\nq = "i*exp(-lam*t/2)*(cos(w*t) + lam/(2*w)*sin(w*t))"\n'
    more = f"{RK4}work_precision = true\n{exact}[parameters]\nlam = 0.1\n"
    more += '[define]\nw = "sqrt(1 - lam^2/4)"\n'
    study = text(SWINGING, "q = [1.0, 2.0, 3.0]", "q = [0.0, 0.0, 0.0]", 3, 0.1, 40, more)
    found = ran(study).findings()
    assert found.metrics["compare.ggl.position_error_max"] < 1e-12
    assert found.metrics["compare.ggl.energy_error_max"] < 1e-12
    assert 1e-7 < found.metrics["compare.rk4.position_error_max"] < 1e-5
    (table,) = (table for table in found.tables if table.name == "work_precision")
    errors = [row[-1] for row in table.rows if row[0] == "rk4"]
    assert np.log2(errors[2] / errors[3]) == pytest.approx(4, abs=0.2)
