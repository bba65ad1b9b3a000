"""Many bodies by a transformed time: the same motion as of coordinates of their own."""

import numpy as np
import pytest
from actionrun.compiler import compile
from actionrun.compiler.ggl.comparison.propagators import ExplicitMethod
from actionrun.compiler.numerics.integrators.time_marching import energy_error
from actionrun.compiler.program import Reported
from actionrun.spec import Faults, loads
from programs import ran, text
from scipy.integrate import solve_ivp
from systems import classical

BODIES = """\
particles = 3
coordinates = { r = 2 }
lagrangian = "sum(i, m[i]*dot(r'[i], r'[i])/2) + sum(i<j, m[i]*m[j]/r[i,j])"
"""
MASSES = "[parameters]\nm = [0.3, 0.4, 0.5]\n"
PLACES = np.array([[1.0, 0.1], [-0.6, 0.4], [0.1, -0.9]])
SPEEDS = np.array([[0.1, 0.7], [-0.5, -0.4], [0.6, -0.3]])
START = f"r = {PLACES.tolist()}", f"r = {SPEEDS.tolist()}"
MASS = np.array([0.3, 0.4, 0.5])
DRAG = 'nonconservative = "-0.02*sum(i, i*dot(r_plus\'[i], r_minus[i]))"\n'
PACES = {
    "pairs": "1/sum(i<j, m[i]*m[j]/r[i,j])",
    "some bodies": "0.1 + r[1,2]*|r[3]|",
}


def pace_of(name: str, r: np.ndarray) -> float:
    ab, ac, bc = (np.hypot(*(r[i] - r[j])) for i, j in ((0, 1), (0, 2), (1, 2)))
    if name == "pairs":
        return 1 / (0.12 / ab + 0.15 / ac + 0.2 / bc)
    return 0.1 + ab * np.hypot(*r[2])


def motion(_, y: np.ndarray) -> np.ndarray:
    """d(r, v)/dt by physical time, written out again."""
    r, v = y.reshape((2, 3, 2))
    apart = r[:, None] - r[None]
    far = np.hypot(*np.moveaxis(apart, -1, 0)) + np.eye(3)
    pull = -np.sum(MASS[None, :, None] * apart / far[..., None] ** 3, axis=1)
    drag = -0.02 * np.array([1, 2, 3])[:, None] * v / MASS[:, None]
    return np.concatenate([v.ravel(), (pull + drag).ravel()])


def by_body(rows: np.ndarray) -> np.ndarray:
    """Positions (rows, 6), body by body; components come first in a run of bodies."""
    return rows.reshape((-1, 2, 3)).swapaxes(1, 2).reshape((-1, 6))


@pytest.mark.slow
@pytest.mark.parametrize("pace", ["pairs", pytest.param("some bodies", marks=pytest.mark.slow)])
def test_bodies_move_as_they_do_by_physical_time(pace):
    """DOP853 at the times reached, with drag, so that the energy is carried as well; output too;
    and the compared rk4 beside the same method by s, written out again."""
    more = f'time_transform = "{PACES[pace]}"\n{MASSES}[output]\nevery = 0.2\n'
    more += '[compare]\nmethods = ["rk4"]\n'
    run = ran(text(BODIES + DRAG, *START, 4, 0.05, 40, more))
    start = np.concatenate([PLACES.ravel(), SPEEDS.ravel()])
    true = solve_ivp(motion, (0, run.t[-1] + 1e-9), start, "DOP853", rtol=1e-13, atol=1e-13,
                     dense_output=True).sol  # fmt: skip
    np.testing.assert_allclose(by_body(run.q), true(run.t)[:6].T, rtol=0, atol=1e-10)
    at = run.samples["output_t"]
    assert len(at) > 2 and np.allclose(at, 0.2 * np.arange(len(at)))
    np.testing.assert_allclose(by_body(run.samples["output_q"]), true(at)[:6].T, atol=1e-7)
    found = run.findings()
    charges = {entry["charge"]: entry for entry in found.extra["ledger"]}
    defects = {name: entry["defect"] for name, entry in charges.items()}
    assert all(entry["flux"] for entry in charges.values()) and defects.pop("energy") < 1e-9
    assert max(defects.values()) < 1e-13 and len(charges) == 4 and run.report.comparison is not None
    (method,) = run.report.comparison.methods
    rows = ExplicitMethod(run.report.comparison.setting, method).next_block(40)

    def rate(y):
        r = y[:6].reshape((3, 2))
        return pace_of(pace, r) * np.append(motion(0.0, y[:12]), 1.0)

    again = classical(rate, np.append(start, 0.0), 0.05, 40)
    np.testing.assert_allclose(by_body(rows.q), again[:, :6], rtol=0, atol=1e-11)
    np.testing.assert_allclose(rows.t, again[:, 12], rtol=1e-12)


@pytest.mark.slow
def test_energy_order_and_charges():
    """Energy errors of order 2r + 2 of s; momenta and angular momentum at round-off."""
    worst = []
    for k in (1, 2):
        more = f'time_transform = "{PACES["pairs"]}"\n{MASSES}'
        run = ran(text(BODIES, *START, 1, 0.1 / k, 40 * k, more))
        worst.append(energy_error(run.state))
        charges = {entry["charge"]: entry["defect"] for entry in run.findings().extra["ledger"]}
        del charges["energy"]
        assert len(charges) == 3 and max(charges.values()) < 1e-13
    assert np.log2(worst[0] / worst[1]) == pytest.approx(4, abs=0.5)


def test_a_law_that_holds_time():
    """The energy that a moving field adds is carried: an exact solution tells."""
    system = 'particles = 2\ncoordinates = ["q"]\nlagrangian = "sum(i, q\'[i]^2/2 + i*t*q[i])"\n'
    more = 'time_transform = "1 + sum(i, q[i]^2)"\n[exact]\nq = "i*t^3/6"\n'
    program = compile(loads(text(system, "q = [0, 0]", "q = [0, 0]", 3, 0.02, 50, more)))
    assert isinstance(program, Reported)
    state, report = program.advance(program.start(), 0, 50)
    assert report.diverged is None and float(state.monitor.exact_error) < 1e-13


@pytest.mark.parametrize(
    ("more", "pace", "code"),
    [
        ("", "r[1][1] - 5", "time-stands"),
        ('nonconservative = "0.1*sum(i, dot(r_plus[i], r_minus\'[i]))"\n', "r[1,2]", "not-built"),
    ],
)
def test_what_cannot_be(more, pace, code):
    with pytest.raises(Faults) as caught:
        compile(loads(text(BODIES + more, *START, 2, 0.1, 10,
                           f'time_transform = "{pace}"\n{MASSES}')))  # fmt: skip
    (fault,) = caught.value.faults
    assert fault.code == code and fault.line and fault.hint
