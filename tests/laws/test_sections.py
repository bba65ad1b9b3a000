"""The Poincare section of an event."""

import numpy as np
import pytest
from test_dense_output import run

PAIR = """\
study = "ggl"
[system]
coordinates = ["x", "y"]
lagrangian = "(x'^2 + y'^2)/2 - x^2/2 - y^2"
[start]
position = { x = 0.0, y = 0.3 }
velocity = { x = 0.5, y = 0.0 }
"""


@pytest.mark.slow
def test_the_section_of_a_torus():
    """Of two oscillators: the plane of the other one, an ellipse; rising crossings alone."""
    out = run(PAIR, 6, 0.2, 500, '[events]\nfront = "x"\n')
    (figure,) = [f for f in out.figures if f.name == "section_front"]
    (panel,) = figure.panels
    (curve,) = panel.curves
    assert panel.x.label == "y" and panel.y.label == "y'"
    np.testing.assert_allclose(curve.y**2 / 2 + curve.x**2, 0.3**2, rtol=1e-9)
    up = out.arrays["event_front_direction"].data
    assert len(curve.x) == np.sum(up == up[0]) == len(up) // 2 + len(up) % 2
