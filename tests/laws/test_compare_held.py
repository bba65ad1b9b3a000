"""[compare] with constraints and with a transformed time: what the other methods integrate."""

import numpy as np
import pytest
from actionrun.compiler.ggl.comparison.propagators import ExplicitMethod, Rows
from actionrun.compiler.numerics.integrators.runge_kutta import OWN
from programs import REST, ROD, Run, ran, text
from systems import classical

RK4 = '[compare]\nmethods = ["rk4"]\n'
LEFT = "x = 0.6, y = -0.8"
KEPLER = "coordinates = { q = 2 }\nlagrangian = \"dot(q', q')/2 + 1/|q|\""
NEAREST = ("q = [0.4, 0.0]", "q = [0.0, 2.0]")  # of an orbit of eccentricity 0.6
SPRING = 'coordinates = ["q"]\nlagrangian = "q\'^2/2 - q^2/2"'


def rk4_of(run: Run) -> tuple[Rows, np.ndarray]:
    """Rows of rk4 beside a run, and how far each is off the constraints."""
    assert run.report.comparison is not None
    setting, (method,) = run.report.comparison.setting, run.report.comparison.methods
    rows = ExplicitMethod(setting, method).next_block(len(run.t))
    surface = setting.surface
    return rows, rows.constraint_error(setting, surface) if surface else np.zeros(len(run.t))


def bead(y: np.ndarray) -> np.ndarray:
    """d(q, v)/dt on a circle: the pull along q is what keeps q.q'' + v.v at zero."""
    q, v = y[:2], y[2:]
    free = np.array([0.0, -9.81])
    return np.concatenate([v, free - q * (q @ free + v @ v) / (q @ q)])


def test_index_reduced_equations_drift_and_ours_do_not():
    run = ran(text(ROD, LEFT, REST, 2, 0.02, 60, RK4))
    rows, off = rk4_of(run)
    true = classical(bead, np.array([0.6, -0.8, 0, 0]), 0.02, 60)
    np.testing.assert_allclose(np.hstack([rows.q, rows.v]), true, rtol=0, atol=1e-12)
    np.testing.assert_allclose(off, abs(np.sum(true[:, :2] ** 2, axis=1) - 1) / 2, atol=1e-9)
    found = run.findings()
    assert found.metrics["compare.rk4.constraint_error_max"] == max(off) > 1e-9
    assert found.metrics["compare.ggl.constraint_error_max"] < 1e-15
    (figure,) = (f for f in found.figures if f.name == "compare_energy")
    assert [panel.y.label for panel in figure.panels][1] == "constraint error"
    (table,) = (table for table in found.tables if table.name == "compare")
    assert "constraint error" in table.header and "second derivative" in table.caption


def test_steps_of_a_transformed_time():
    """rk4 on (q, v, t) by s, dt = |q| ds."""
    more = 'time_transform = "|q|"\n' + RK4
    rows, _ = rk4_of(ran(text(KEPLER, *NEAREST, 2, 0.1, 60, more)))

    def rate(y):
        q, v = y[:2], y[2:4]
        r = np.hypot(*q)
        return r * np.concatenate([v, -q / r**3, [1.0]])

    true = classical(rate, np.array([0.4, 0, 0, 2.0, 0]), 0.1, 60)
    np.testing.assert_allclose(np.column_stack([rows.q, rows.v, rows.t]), true, atol=1e-12)


def test_each_method_is_measured_at_its_own_time():
    """Places of an oscillator against the closed form; work and precision by s as well."""
    more = f'time_transform = "1/(1 + q^2)"\n[exact]\nq = "cos(t)"\n{RK4}work_precision = true\n'
    found = ran(text(SPRING, "q = 1", "q = 0", 3, 0.2, 40, more)).findings()
    assert found.metrics["compare.ggl.position_error_max"] < 1e-8
    assert 1e-6 < found.metrics["compare.rk4.position_error_max"] < 1e-3
    (table,) = (table for table in found.tables if table.name == "work_precision")
    errors = [row[-1] for row in table.rows if row[0] == "rk4"]
    assert np.log2(errors[-2] / errors[-1]) == pytest.approx(4, abs=0.3)
    times = found.arrays["compare_t"].data
    assert times[-1] == found.arrays["t"].data[-1] and np.all(np.diff(times) > 0)


@pytest.mark.slow
def test_both_at_once():
    """A rod by a transformed time: rk4 goes to where ours goes, with its order."""
    far = []
    for k in (1, 2):
        more = f'save_every = {20 * k}\ntime_transform = "(2 + y)/2"\n' + RK4
        run = ran(text(ROD, LEFT, REST, 3, 0.05 / k, 20 * k, more))
        rows = ExplicitMethod(run.report.comparison.setting, OWN["rk4"]).next_block(20 * k)
        far.append(np.max(np.abs(rows.q[-1] - run.q[-1])))
    assert np.log2(far[0] / far[1]) == pytest.approx(4, abs=0.4)
