"""`duration` instead of `steps`: the same run, and one fault where it is none."""

import pytest
from actionrun.compiler import compile
from actionrun.spec import Faults, loads

STUDY = """\
study = "ggl"
[system]
coordinates = ["y"]
lagrangian = "m*y'^2/2 - m*g*y"
[parameters]
m = "1 kg"
g = "9.81 m/s^2"
[start]
position = { y = "1 m" }
velocity = { y = "0 m/s" }
[integrator]
dt = "10 ms"
"""


@pytest.mark.parametrize(("duration", "steps"), [("0.3 s", 30), ("70 ms", 7), ("0.1 min", 600)])
def test_a_duration_is_a_number_of_steps(duration, steps):
    assert compile(loads(f'{STUDY}duration = "{duration}"\n')).total == steps


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ('duration = "0.301 s"', "integrator.duration"),
        ('duration = "-1 s"', "integrator.duration"),
        ('duration = "1 m"', None),
        ('duration = "1 s"\nsteps = 3', "integrator.duration"),
        ('duration = "1 s"\ntime_transform = "1 + (y/m)^2"', None),
        ("", "key.missing"),
    ],
)
def test_one_fault(lines, code):
    with pytest.raises(Faults) as caught:
        loads(f"{STUDY}{lines}\n")
    if code is not None:
        (fault,) = caught.value.faults
        assert fault.code == code
