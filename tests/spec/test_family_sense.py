"""Slips in a family study: one message each, at its place, and what to type."""

import pytest
from actionrun.spec import Faults, loads

FAMILY = """\
study = "family"
[system]
coordinates = ["q"]
lagrangian = "c1*q'^2 - c2*q^2"
[coefficients]
c1 = [0.5, 2.0]
c2 = [0.5, 2.0]
[start]
position = { q = 0.0 }
momentum = { q = 1.0 }
[integrator]
dt = 0.1
steps = 40
[observe]
variables = ["q", "pi"]
[network]
kind = "mlp"
[test]
cases = [{ c1 = 1.0, c2 = 1.0 }]
"""


@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        ("[coefficients]", "[coefficients", 5, "write [coefficients]"),
        ("[start]", "[strat]", 8, 'did you mean "start"'),
        ('"pi"]', '"q"]', 15, "write it once"),
        ('["q", "pi"]', '["p"]', 15, 'did you mean "pi"'),
        ('["q", "pi"]', "[]", 15, "at least 1"),
        ('["q", "pi"]', '["q"]\nevery = 30', 16, "write every = 20"),
        ("steps = 40", "steps = 1", 13, "write steps = 40"),
        (
            "c1 = [0.5, 2.0]\nc2 = [0.5, 2.0]",
            "c1 = { fixed = 1 }\nc2 = { fixed = 2 }",
            5,
            "write c1 = [0.0, 10.0]",
        ),
        ('"mlp"', '"conv"\nhidden = []', 18, "write hidden = [64, 64]"),
        ("c2*q^2", "c2*q^2 - k*q", 4, "in [coefficients], e.g. k = [0.0, 10.0]"),
    ],
)
def test_one_message_a_slip(old, new, line, told):
    assert FAMILY.count(old) == 1
    with pytest.raises(Faults) as caught:
        loads(FAMILY.replace(old, new))
    (fault,) = caught.value.faults
    said = f'{fault.hint} did you mean "{fault.suggestion}"'
    assert fault.line == line and told in said


def test_as_it_is_there_is_no_fault():
    loads(FAMILY)
