"""What the language knows and this version cannot do is refused, and never passed over."""

import pytest
from actionrun.compiler import compile
from actionrun.spec import Faults, loads

FAMILY = """
study = "family"
[system]
coordinates = ["q"]
lagrangian = "c*q'^2 - q^2"
[coefficients]
c = [0.5, 2.0]
[start]
position = { q = 0.0 }
momentum = { q = 1.0 }
[integrator]
dt = 0.1
steps = 10
"""


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (FAMILY + 'time_transform = "1 + q^2"\n', 'time_transform = "1 + q^2"'),
    ],
    ids=["time_transform"],
)
def test_what_is_not_built_is_refused_at_its_place(text, place):
    with pytest.raises(Faults) as caught:
        loads(text)
    (fault,) = caught.value.faults
    assert fault.code == "not-built" and fault.line_text == place


def test_epochs_want_a_set_to_pass_over():
    with pytest.raises(Faults) as caught:
        loads(FAMILY + "[training]\nepochs = 3\n")
    (fault,) = caught.value.faults
    assert fault.code == "training.epochs" and "systems = 100000" in (fault.hint or "")
    study = loads(FAMILY + "[training]\nepochs = 3\nsystems = 1000\nbatch = 100\n")
    assert compile(study).total == 30
