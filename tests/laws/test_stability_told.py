"""A run says how near its step is to the limit of stability: exactly where the system is linear."""

import jax.numpy as jnp
import numpy as np
import pytest
from actionrun.compiler.findings import Findings
from actionrun.compiler.symbolic.linear_stability import limit, linear, step_map
from orders import orders
from programs import ran, text
from systems import DAMPED, integrator, symbolic

COUPLED = """\
coordinates = ["a", "b"]
lagrangian = "a'^2/2 + b'^2 + a'*b'/3 - a^2/2 - 3*b^2/2 - a*b/4 + a'*b/5"
nonconservative = "-0.2*a_plus'*b_minus - 0.1*b_plus'*b_minus + 0.1*a_plus*b_minus'"
"""
SPRING = 'coordinates = ["q"]\nlagrangian = "q\'^2/2 - q^2/2"'
PENDULUM = 'coordinates = ["q"]\nlagrangian = "q\'^2/2 + cos(q)"'


@pytest.mark.parametrize("system", [DAMPED, COUPLED], ids=["damped", "coupled"])
@pytest.mark.parametrize("r", orders(0, 4, slow=(1, 12)))
def test_the_matrix_of_a_step_is_that_of_the_integrator(system, r):
    ggl, theta = integrator(system, r)
    increment, _ = ggl.affine(jnp.asarray(0.3), theta)
    matrix = step_map(linear(symbolic(system)), 0.3, r)
    assert np.asarray(increment) + np.eye(len(matrix)) == pytest.approx(matrix, abs=1e-14)


def found(system: str, r: int, h: float, q: float = 0.1, steps: int = 20) -> Findings:
    return ran(text(system, f"q = {q}", "q = 0.0", r, h, steps)).findings()


def step_of(findings: Findings):
    (check,) = (c for c in findings.checks if c.name == "step size")
    return check


@pytest.mark.parametrize("r", orders(0, 3, slow=(1,)))
def test_a_short_step_is_no_matter(r):
    findings = found(SPRING, r, 0.1)
    assert step_of(findings).passed and not findings.notes
    assert findings.metrics["step_over_limit"] == pytest.approx(0.1 / limit(r))


@pytest.mark.parametrize("r", orders(0, 3, slow=(1,)))
def test_near_the_limit_the_step_and_a_better_one_are_named(r):
    h = 0.95 * limit(r)
    findings = found(SPRING, r, h)
    (note,) = findings.notes
    assert step_of(findings).passed and "near its limit" in note
    assert f"dt = {h:.4g}" in note and f"{limit(r):.3g}" in note and "take dt = " in note
    better = float(note.split("take dt = ")[1].split(",")[0])
    assert not found(SPRING, r, better).notes


@pytest.mark.parametrize("r", orders(0, 2, slow=(1,)))
def test_beyond_the_limit_the_check_fails(r):
    """As it does: the motion grows, or stays, as the check says."""
    h = limit(r) + 1e-3
    run = ran(text(SPRING, "q = 0.1", "q = 0.0", r, h, 4000))
    assert not step_of(run.findings()).passed and np.max(np.abs(run.q)) > 1


def test_friction_may_hold_a_step_that_is_too_long():
    """At the first limit of r = 2 the band is narrow, and a damped mode does not grow in it."""
    h = limit(2) + 1e-3
    run = ran(text(SPRING + '\nnonconservative = "-0.1*q_plus\'*q_minus"',
                   "q = 0.1", "q = 0.0", 2, h, 400))  # fmt: skip
    findings = run.findings()
    assert step_of(findings).passed and np.max(np.abs(run.q[-10:])) < 0.01
    assert "happens to be stable" in findings.notes[0]


def test_along_a_motion_the_fastest_place_counts():
    """A pendulum from rest at 2 rad is fastest at the lowest point, where omega is 1."""
    findings = found(PENDULUM, 1, 0.2, q=2.0, steps=100)
    assert findings.metrics["step_over_limit"] == pytest.approx(0.2 / limit(1), rel=0.02)
    assert "at t = " in step_of(findings).text


def test_a_chain_is_judged_by_its_fastest_mode():
    chain = (
        'particles = 50\ncoordinates = ["q"]\n'
        'lagrangian = "sum(i, q\'[i]^2/2) - sum(i, (q[i+1] - q[i])^2/2)"'
    )
    findings = ran(text(chain, 'q = "sin(i)"', "q = 0.0", 1, 1.35, 5)).findings()
    assert findings.metrics["step_over_limit"] == pytest.approx(2 * 1.35 / limit(1), rel=0.03)
    assert "near its limit" in findings.notes[0]
