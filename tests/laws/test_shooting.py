"""Periodic orbits and boundary values beside what is known of them."""

import numpy as np
import pytest
from actionrun.spec import Faults, loads
from scipy.integrate import solve_ivp
from scipy.special import ellipk
from test_dense_output import PENDULUM, run

ARENSTORF = """\
study = "ggl"
[system]
coordinates = ["x", "y"]
lagrangian = "(x'^2 + y'^2)/2 + x*y' - y*x' + (x^2 + y^2)/2 + pull"
[parameters]
mu = 0.012277471
[define]
pull = "(1-mu)/sqrt((x+mu)^2 + y^2) + mu/sqrt((x-1+mu)^2 + y^2)"
[start]
position = { x = 0.994, y = 0.0 }
velocity = { x = 0.0, y = -2.0015 }
"""
EIGHT = """\
study = "ggl"
[system]
coordinates = { a = 2, b = 2, c = 2 }
lagrangian = "(dot(a', a') + dot(b', b') + dot(c', c'))/2 + 1/|a-b| + 1/|b-c| + 1/|a-c|"
[start]
position = { a = [0.97000436, -0.24308753], b = [-0.97000436, 0.24308753], c = [0.0, 0.0] }
[start.velocity]
a = [0.466203685, 0.43236573]
b = [0.466203685, 0.43236573]
c = [-0.93240737, -0.86473146]
"""


def test_a_pendulum_closes_and_reaches():
    """The period by its elliptic integral; a velocity that ends at an angle, by Newton on SciPy."""
    more = """[analysis]
periodic = { section = "q'", free = ["start.velocity.q"] }
reach = { position = { q = -1.0 }, by = ["start.velocity.q"] }
"""
    out = run(PENDULUM, 6, 0.1, 95, more)
    assert out.metrics["periodic.period"] == pytest.approx(4 * ellipk(np.sin(1.0) ** 2), abs=1e-11)
    assert out.metrics["periodic.closure"] < 1e-12
    assert abs(out.metrics["periodic.start.velocity.q"]) < 1e-4  # all of its motions are periodic
    multipliers = np.linalg.eigvals(out.arrays["periodic_monodromy"].data)
    np.testing.assert_allclose(multipliers, 1, atol=1e-5)  # a double one: the root of round-off
    start = [2.0, out.metrics["reach.start.velocity.q"]]
    motion = lambda t, y: [y[1], -np.sin(y[0])]  # noqa: E731
    end = solve_ivp(motion, (0, 9.5), start, "DOP853", rtol=1e-12, atol=1e-12).y[0, -1]
    assert end == pytest.approx(-1, abs=1e-9)


@pytest.mark.slow
def test_the_figure_eight():
    """Of three bodies: it closes to round-off, and its multipliers are of modulus 1, in pairs."""
    free = ", ".join(f'"start.velocity.{b}[{k}]"' for b in "abc" for k in (1, 2))
    more = f'[analysis]\nperiodic = {{ section = "c[2]", free = [{free}], returns = 2 }}\n'
    out = run(EIGHT, 8, 0.05, 140, more)
    assert out.metrics["periodic.closure"] < 1e-12
    assert out.metrics["periodic.period"] == pytest.approx(6.32591398, abs=1e-6)
    assert out.metrics["periodic.pairs"] < 1e-3
    multipliers = np.linalg.eigvals(out.arrays["periodic_monodromy"].data)
    apart = multipliers[np.abs(multipliers - 1) > 0.05]  # the others are 1 with Jordan blocks
    assert len(apart) == 4
    np.testing.assert_allclose(np.abs(apart), 1, atol=1e-8)


@pytest.mark.slow
def test_an_arenstorf_orbit():
    """Restricted three bodies, from a velocity that is a part in a thousand off."""
    more = '[analysis]\nperiodic = { section = "y", free = ["start.velocity.y"], returns = 3 }\n'
    out = run(ARENSTORF.replace("-2.0015", "-2.00158510637908"), 12, 0.0017, 10100, more)
    assert out.metrics["periodic.closure"] < 1e-11
    assert out.metrics["periodic.period"] == pytest.approx(17.0652165601579, abs=1e-8)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('periodic = { section = "q", free = ["start.position.x"] }', "no entry of [start]"),
        ('periodic = { section = "u", free = ["start.position.q"] }', "u"),
        ('reach = { by = ["start.velocity.q"] }', "nothing is to be reached"),
        ('reach = { position = { q = 1.0 }, velocity = { q = 0 }, by = ["start.velocity.q"] }',
         "2 numbers"),
    ],
)  # fmt: skip
def test_bad_input(line, words):
    text = f"{PENDULUM}[integrator]\ndt = 0.1\nsteps = 10\n[analysis]\n{line}\n"
    with pytest.raises(Faults) as caught:
        loads(text)
    (fault,) = caught.value.faults
    assert words in fault.message and fault.line_text == line


STEEP = PENDULUM.replace("cos(q)", "cos(q) - exp(q) - exp(-q)")
FREE = 'free = ["start.velocity.q"] }'


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        pytest.param(STEEP, 'reach = { position = { q = 50.0 }, by = ["start.velocity.q"] }',
                     "does not reach", marks=pytest.mark.slow),
        (PENDULUM, 'periodic = { section = "q - 3", ' + FREE, "0 times"),
        (PENDULUM.replace("cos(q)", "cos(q - t)"), 'periodic = { section = "q", ' + FREE,
         "with the time"),
    ],
)  # fmt: skip
def test_what_is_out_of_reach(text, line, words):
    """One located message: a place that no velocity leads to, a section that is not met."""
    with pytest.raises(Faults) as caught:
        run(text, 4, 0.1, 60, f"[analysis]\n{line}\n")
    (fault,) = caught.value.faults
    assert words in fault.message and fault.line_text == line
