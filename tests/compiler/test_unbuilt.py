"""What the language knows and this version cannot do is refused, and never passed over."""

import pytest
from actionrun.compiler import compile, require_built
from actionrun.spec import Faults, loads

GGL = """
study = "ggl"
[system]
coordinates = ["q"]
lagrangian = "q'^2/2 - q^2/2"
[start]
position = { q = 1.0 }
velocity = { q = 0.0 }
[integrator]
dt = 0.1
steps = 10
"""
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
        (GGL + '[sweep]\n"integrator.r" = [1, 2]\n', "[sweep]"),
        (FAMILY + "[sweep]\nseed = 5\n", "[sweep]"),
        (FAMILY + "[training]\nminutes = 1.0\n", "minutes = 1.0"),
    ],
    ids=["sweep of a motion", "sweep of a family", "minutes"],
)
def test_what_is_not_built_is_refused_at_its_place(text, place):
    with pytest.raises(Faults) as caught:
        compile(loads(text))
    (fault,) = caught.value.faults
    assert fault.code == "not-built" and fault.line_text == place


def test_a_sweep_is_refused_before_a_run_folder_is_made():
    with pytest.raises(Faults):
        require_built(loads(GGL + '[sweep]\n"integrator.r" = [1, 2]\n'))
    require_built(loads(GGL))
