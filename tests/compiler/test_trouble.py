"""Where a motion breaks down, its law's term is named, with a likely cause and what to change."""

from __future__ import annotations

import numpy as np
import pytest
from actionrun.compiler import compile
from actionrun.compiler.ggl.diagnosis import Point, cause
from actionrun.compiler.program import Reported
from actionrun.compiler.symbolic.lagrangian_system import lagrangian_system
from actionrun.runtime import run
from actionrun.runtime.errors import Diverged
from actionrun.spec import loads

STUDY = """study = "ggl"
title = "A fall"
[system]
coordinates = ["q"]
lagrangian = "{law}"
{further}
[start]
position = {{ q = {q} }}
velocity = {{ q = {v} }}
[integrator]
r = 1
dt = 0.1
steps = 200
"""
BODIES = """study = "ggl"
title = "Bodies"
[system]
particles = 3
coordinates = { r = 2 }
lagrangian = "sum(i, dot(r'[i], r'[i])/2) + sum(i<j, 1/|r[i,j]|) - sum(i, dot(r[i], r[i]))"
[start]
position = { r = [[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0]] }
velocity = { r = [[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]] }
[integrator]
dt = 0.2
steps = 20
"""


def study(law: str, further: str = "", q: float = 1.0, v: float = 0.0):
    return loads(STUDY.format(law=law, further=further, q=q, v=v))


def at(q: float, v: float = 0.0, t: float = 0.0) -> Point:
    return Point(np.array([q]), np.array([v]), t)


@pytest.mark.parametrize(
    ("law", "further", "start", "last", "words"),
    [
        ("q'^2/2 - q^2 + log(q)", "", at(1.0), at(0.05, -1.0), ["term log(q) of the Lag", "q = 0"]),
        ("q'^2/2 + q^4 - q", "", at(1.0), at(1e5, 1.0), ["term q^4", "runs away"]),
        ("q'^2/2 + 1/q^2 - q", "", at(1.0), at(0.01), ["term q^(-2)", "close approach"]),
        ("q'^2/2 - 900*q^2 - q", "", at(1.0), at(2.0), ["-900*q^2", "too long for it"]),
        (
            "q'^2/2 - q^2/2", "nonconservative = \"-5*q_plus'^3*q_minus\"", at(1.0),
            at(1.0, 9.0), ["q_plus'^3*q_minus of the nonconservative part", "integrator.dt"],
        ),
    ],
    ids=["bounds", "runaway", "close", "stiff", "drag"],
)  # fmt: skip
def test_the_term_and_its_cause_are_named(law, further, start, last, words):
    message = cause(lagrangian_system(study(law, further)), start, last, 0.1, 1)
    assert all(word in message for word in words), message


def test_of_bodies_the_sum_is_named():
    flat = [0.0, 1.0, -1.0, 0.0, 0.0, 0.0]
    near = [0.0, 1e-3, -1.0, 0.0, 0.0, 0.0]
    start, last = (Point(np.array(q), np.zeros(6), 0.0) for q in (flat, near))
    message = cause(lagrangian_system(loads(BODIES)), start, last, 0.1, 2)
    assert "sum(i<j, 1/r[i,j]) of the Lagrangian" in message and "close approach" in message, (
        message
    )


def test_a_run_stops_at_that_step_with_the_state_before_it(tmp_path):
    with pytest.raises(Diverged) as caught:
        run(study("q'^2/2 + sqrt(1 - q^2)", q=0.0, v=1.5), out=tmp_path / "run")
    said = str(caught.value)
    assert "after step 7 of 200: step 8" in said and "term sqrt(-q^2 + 1)" in said, said
    assert max((tmp_path / "run" / "checkpoint").glob("step-*")).stem.endswith("0007")
    assert caught.value.code == 65


def test_a_step_beyond_its_limit_is_named_first():
    """A stiff spring pendulum, dt*omega = 10: no root and no quotient is to blame."""
    text = """study = "ggl"
[system]
coordinates = ["x", "y"]
lagrangian = "(x'^2 + y'^2)/2 - g*y - k/2*(sqrt(x^2 + y^2) - 1)^2"
[parameters]
g = 9.81
k = 1e6
[start]
position = { x = 1.0, y = 0.0 }
velocity = { x = 0.0, y = 0.0 }
[integrator]
r = 2
dt = 0.01
steps = 500
"""
    program = compile(loads(text))
    _, report = program.advance(program.start(), 0, 500)
    assert report.diverged is not None
    assert "the step is too long for it: dt*omega = 10 at the start" in report.diverged
    assert "r = 2 is stable up to 3.11" in report.diverged and "root" not in report.diverged


def test_a_blow_up_is_called_so():
    """Errors of the energy are relative to what was there at the start."""
    text = """study = "ggl"
[system]
coordinates = ["x", "z"]
lagrangian = "x'^2/2 + z'^2/2 - 5000*x^2 - z^2/2"
[start]
position = { x = 1e-3, z = 1.0 }
velocity = { x = 0.0, z = 0.0 }
[integrator]
r = 2
dt = 0.1
steps = 100
"""
    program = compile(loads(text))
    assert isinstance(program, Reported)
    state, report = program.advance(program.start(), 0, 100)
    findings = program.findings(state, report.samples, lambda *_: None)
    assert findings.metrics["energy_error_max"] > 1e200
    (energy,) = (check for check in findings.checks if check.name == "energy")
    assert not energy.passed and energy.text.startswith("the run blew up")
