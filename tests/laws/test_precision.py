"""Single precision: seven digits in every step, and no more lost over many of them."""

import numpy as np
import pytest
from actionrun.compiler import compile, explain
from actionrun.spec import Faults, loads
from programs import ran, text

SINGLE = np.finfo(np.float32).eps
OSCILLATOR = 'coordinates = ["q"]\nlagrangian = "q\'^2/2 - q^2/2"'
PENDULUM = 'coordinates = ["q"]\nlagrangian = "q\'^2/2 + cos(q)"'
KEPLER = "coordinates = { q = 2 }\nlagrangian = \"dot(q', q')/2 + 1/|q|\""
EXACT = '[exact]\nq = "cos(t)"'
CHAIN = (
    'particles = 40\ncoordinates = ["q"]\nlagrangian = '
    '"sum(i, q\'[i]^2/2) - sum(i, (q[i+1] - q[i])^2/2) - (q[1]^2 + q[40]^2)/2"'
)


def study(system: str, place: str, speed: str, r: int, h: float, steps: int, more: str = "",
          precision: str = "single") -> str:  # fmt: skip
    return text(system, place, speed, r, h, steps, f'precision = "{precision}"\n{more}')


def test_an_oscillator_ends_at_round_off_of_single_precision():
    run = ran(study(OSCILLATOR, "q = 1.0", "q = 0.0", 4, 0.1, 5000, EXACT))
    assert run.q.dtype == np.float32 and run.t.dtype == np.float64
    error = run.findings().metrics["exact_error_max"]
    assert SINGLE / 100 < error < 50 * SINGLE  # 5000 steps, and not 5000 rounding errors


@pytest.mark.parametrize("system", [PENDULUM, OSCILLATOR], ids=["iterated", "mapped"])
def test_it_follows_the_motion_in_double(system):
    start = ("q = 1.0", "q = 0.2", 3, 0.1, 1000)
    single, double = (ran(study(system, *start, precision=p)) for p in ("single", "double"))
    apart = np.max(np.abs(single.q - double.q))
    assert 0 < apart < 200 * SINGLE


def test_the_energy_of_an_orbit_does_not_drift():
    """A bias in the weights of the rule would show over 20 000 steps."""
    run = ran(study(KEPLER, "q = [0.8, 0.0]", "q = [0.0, 1.2]", 4, 0.1, 20_000, "save_every = 100"))
    findings = run.findings()
    assert findings.metrics["energy_error_max"] < 100 * SINGLE
    assert all(check.passed for check in findings.checks)  # charges to seven digits as well


def test_many_bodies():
    mode = 'q = "sin(pi*i/41)"'
    more = '[exact]\nq = "cos(2*sin(pi/82)*t)*sin(pi*i/41)"'
    run = ran(study(CHAIN, mode, "q = 0.0", 2, 0.5, 400, more))
    assert run.q.dtype == np.float32
    assert SINGLE / 100 < run.findings().metrics["exact_error_max"] < 50 * SINGLE


def test_its_cost_is_told():
    sections = explain(loads(study(PENDULUM, "q = 1.0", "q = 0.2", 3, 0.1, 10)))
    assert any("7 digits" in section.text for section in sections)
    findings = ran(study(PENDULUM, "q = 1.0", "q = 0.2", 3, 0.1, 10)).findings()
    assert ("precision", "single, 7 digits") in findings.summary


@pytest.mark.parametrize(
    "more", ['time_transform = "1"', "[output]\nevery = 0.05", "[compare]\nmethods = ['rk4']"]
)
def test_refused_with_what_it_does_not_serve_yet(more):
    with pytest.raises(Faults) as caught:
        compile(loads(study(PENDULUM, "q = 1.0", "q = 0.2", 3, 0.1, 10, more)))
    assert caught.value.faults[0].code == "not-built"
    assert "precision" in caught.value.faults[0].line_text


@pytest.mark.parametrize(
    ("position", "h", "said"),
    [("q = 1e60", 0.1, "a position of the start is 1e+60"), ("q = 1.0", 1e-46, "integrator.dt")],
)
def test_numbers_beyond_its_range(position, h, said):
    with pytest.raises(Faults) as caught:
        compile(loads(study(PENDULUM, position, "q = 0.2", 3, h, 10)))
    (fault,) = caught.value.faults
    assert fault.code == "precision-range" and said in fault.message and fault.line


def test_a_family_has_none():
    family = (
        'study = "family"\n[system]\ncoordinates = ["q"]\nlagrangian = "c*q\'^2 - q^2"\n'
        "[coefficients]\nc = [0.5, 2.0]\n[start]\nposition = { q = 0.0 }\nmomentum = { q = 1.0 }\n"
        '[integrator]\ndt = 0.1\nsteps = 10\nprecision = "single"\n'
    )
    with pytest.raises(Faults) as caught:
        loads(family)
    assert [fault.code for fault in caught.value.faults] == ["key.unknown"]
