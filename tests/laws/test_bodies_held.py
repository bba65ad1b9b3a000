"""Constraints of many bodies: the same motion as of coordinates of their own, and what they do."""

import numpy as np
import pytest
from actionrun.compiler import compile, explain
from actionrun.compiler.ggl.comparison.propagators import ExplicitMethod
from actionrun.compiler.numerics.integrators.runge_kutta import OWN
from actionrun.compiler.numerics.integrators.time_marching import constraint_error, energy_error
from actionrun.spec import Faults, loads
from programs import ran, text
from scipy.integrate import solve_ivp
from systems import classical

CHAIN = """\
particles = 3
coordinates = { r = 2 }
lagrangian = "sum(i, m[i]*(dot(r'[i], r'[i])/2 - 9.81*r[i][2]))"
constraints = ["r[1][1]^2 + r[1][2]^2 = 1", "r[i,i+1]^2 = 0.25"]
"""
WRITTEN = """\
coordinates = { a = 2, b = 2, c = 2 }
lagrangian = "dot(a', a')/2 + dot(b', b') + 3*dot(c', c')/2 - 9.81*(a[2] + 2*b[2] + 3*c[2])"
constraints = ["dot(a, a) = 1", "dot(a - b, a - b) = 0.25", "dot(b - c, b - c) = 0.25"]
"""
MASSES = "[parameters]\nm = [1.0, 2.0, 3.0]\n"
START = "r = [[0.6, -0.8], [1.1, -0.8], [1.1, -1.3]]", "r = [0.0, 0.0]"
WRITTEN_START = (
    "a = [0.6, -0.8], b = [1.1, -0.8], c = [1.1, -1.3]",
    "a = [0.0, 0.0], b = [0.0, 0.0], c = [0.0, 0.0]",
)


def by_body(rows: np.ndarray) -> np.ndarray:
    return rows.reshape((-1, 2, 3)).swapaxes(1, 2).reshape((-1, 6))


@pytest.mark.slow
def test_a_chain_of_pendulums():
    """Places and forces as of coordinates that are written out; output between the steps too."""
    one = ran(text(CHAIN, *START, 2, 0.01, 20, MASSES + "[output]\nevery = 0.005\n"))
    two = ran(text(WRITTEN, *WRITTEN_START, 2, 0.01, 20, "[output]\nevery = 0.005\n"))
    np.testing.assert_allclose(by_body(one.q), two.q, rtol=0, atol=1e-13)
    output = by_body(one.samples["output_q"])
    np.testing.assert_allclose(output, two.samples["output_q"], rtol=0, atol=1e-13)
    assert constraint_error(one.state) < 1e-15
    a, b = one.findings(), two.findings()
    found = np.column_stack([a.arrays["multiplier_1"].data, a.arrays["multiplier_2"].data])
    true = np.column_stack([b.arrays[f"multiplier_{k}"].data for k in (1, 2, 3)])
    np.testing.assert_allclose(found, true, rtol=1e-9)
    assert a.arrays["force_r"].data.shape == (21, 3, 2)
    assert any(figure.name == "constraint_forces_r" for figure in a.figures)


@pytest.mark.slow
def test_order_and_drift():
    """Slope 2r + 2 of the last places, with the constraints at round-off at every step."""
    for r, low in ((0, 1.8), (1, 3.6)):
        ends = []
        for k in (1, 2, 4, 16):
            run = ran(text(CHAIN, *START, r, 0.02 / k, 25 * k, MASSES))
            assert constraint_error(run.state) < 1e-15
            ends.append(run.q[-1])
        far = [np.max(np.abs(end - ends[-1])) for end in ends[:-1]]
        assert np.log2(far[1] / far[2]) > low


def test_a_sum_as_a_constraint():
    """Beads whose centre is held: what is left is the motion about it, by DOP853."""
    system = (
        'particles = 3\ncoordinates = ["q"]\nlagrangian = "sum(i, i*q\'[i]^2/2 - q[i]^4/4)"\n'
        'constraints = ["sum(i, i*q[i]) = 0"]\n'
    )
    compare = '[compare]\nmethods = ["rk4"]'
    run = ran(text(system, "q = [1.0, 1.0, -1.0]", "q = [0, 0, 0]", 4, 0.05, 40, compare))
    mass = np.array([1.0, 2.0, 3.0])

    def motion(_, y):
        pull = -(y[:3] ** 3)
        return np.concatenate([y[3:], (pull - mass * pull.sum() / mass.sum()) / mass])

    true = solve_ivp(motion, (0, 2.0), [1, 1, -1, 0, 0, 0], "DOP853", rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(run.q[-1], true.y[:3, -1], rtol=0, atol=1e-11)
    assert constraint_error(run.state) < 1e-15 and energy_error(run.state) < 1e-12
    assert run.report.comparison is not None
    setting = run.report.comparison.setting
    rows = ExplicitMethod(setting, OWN["rk4"]).next_block(40)
    start = np.array([1, 1, -1, 0, 0, 0.0])
    again = classical(lambda y: motion(0, y), start, 0.05, 40)
    np.testing.assert_allclose(rows.q, again[:, :3], rtol=0, atol=1e-13)
    assert setting.surface is not None
    assert (
        max(rows.constraint_error(setting, setting.surface)) < 1e-13
    )  # of a linear constraint nothing drifts
    shown = [
        e.text
        for section in explain(loads(text(system, "q = [1, 1, -1]", "q = 0", 4, 0.05, 40)))
        for e in section.equations
    ]
    assert any("force of constraint" in one for one in shown)


@pytest.mark.parametrize(
    ("held", "position", "code", "said"),
    [
        ('"r[i,i+1]^2 = 0.25"', "[[0, 0], [0.5, 0], [0.5, 0.6]]", "constraint-start", "at i = 2"),
        ('"r[1,2] = 0.5", "r[i,i+1]^2 = 0.25"', "[[0, 0], [0.5, 0], [0.5, 0.5]]",
         "constraint-redundant", "follows from r[1,2] = 0.5"),
        ('"r[i,i+1] = 3"', "[[0, 0], [1, 0], [0, 1]]", "constraint-start", "(and for 1 more i)"),
        ('"r[i][1] = 0"', "[[0, 0], [1, 0], [0, 1]]", "constraint-start", "at i = 2"),
    ],
)  # fmt: skip
def test_faults_name_constraint_and_body(held, position, code, said):
    system = CHAIN.replace('"r[1][1]^2 + r[1][2]^2 = 1", "r[i,i+1]^2 = 0.25"', held)
    with pytest.raises(Faults) as caught:
        compile(loads(text(system, f"r = {position}", START[1], 2, 0.01, 10, MASSES)))
    (fault,) = caught.value.faults
    assert fault.code == code and said in fault.message and fault.line


def test_a_sum_and_a_free_i_do_not_mix():
    system = CHAIN.replace('"r[i,i+1]^2 = 0.25"', '"r[i][1] = sum(i, r[i][2])"')
    with pytest.raises(Faults) as caught:
        loads(text(system, *START, 2, 0.01, 10, MASSES))
    assert caught.value.faults[0].code == "shape.index"


@pytest.mark.slow
def test_with_a_transformed_time():
    """Places at the physical times of another run."""
    more = 'time_transform = "(3 + r[3][2])/2"\n' + MASSES
    run = ran(text(CHAIN, *START, 3, 0.01, 10, more))
    assert constraint_error(run.state) < 1e-15 and energy_error(run.state) < 1e-9
    times = ", ".join(repr(float(t)) for t in run.t)
    plain = ran(text(CHAIN, *START, 3, 0.005, 40, MASSES + f"[output]\ntimes = [{times}]\n"))
    np.testing.assert_allclose(run.q, plain.samples["output_q"], rtol=0, atol=1e-9)
