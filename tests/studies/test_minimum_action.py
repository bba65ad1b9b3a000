"""Minimum-action paths of weak noise and free duration: closed forms, saddles that SciPy finds, and
forces without a potential."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from actionrun.compiler import compile
from actionrun.compiler.numerics.paths.geometric_action import geometric_action, relaxed
from actionrun.compiler.om.build import langevin_problem_of
from actionrun.compiler.om.thermal.minimum_action import critical_points
from actionrun.compiler.program import Reported
from actionrun.runtime import load
from actionrun.spec import loads
from claims import STUDIES
from scipy.integrate import solve_bvp
from scipy.optimize import minimize, root
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import spsolve


def found(study):
    with jax.enable_x64(True):
        program = compile(study, None)
        assert isinstance(program, Reported)
        state, report = program.advance(program.start(), 0, program.total)
        assert report.diverged is None, report.diverged
        return program.findings(state, {}, lambda *_: None)


STUDY = """
study = "om"
[system]
coordinates = COORDINATES
potential = "POTENTIAL"
[ends]
start = START
end = END
[path]
dynamics = "overdamped"
temperature = 0
friction = FRICTION
duration = "free"
points = POINTS
"""


def study_of(**values):
    text = STUDY
    for name, value in values.items():
        text = text.replace(name.upper(), str(value))
    return loads(text)


def test_a_double_well_costs_four_barriers_over_the_friction():
    rng = np.random.default_rng(5)
    height, friction, width = map(float, np.exp(rng.normal(size=3) / 2))
    study = study_of(
        coordinates='["x"]', potential=f"{height!r}*((x/{width!r})^2 - 1)^2", friction=friction,
        start=f"{{ x = {-width!r} }}", end=f"{{ x = {width!r} }}", points=30,
    )  # fmt: skip
    metrics = found(study).metrics
    assert metrics["action"] == pytest.approx(4 * height / friction, rel=1e-6)
    assert metrics["quasipotential"] == pytest.approx(2 * height / friction, rel=1e-6)
    assert metrics["critical_points"] == 3 and metrics["channels"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_random_wells_cost_four_times_what_scipys_saddle_is_higher(seed):
    rng = np.random.default_rng(seed)
    a, b, c, k = (float(x) for x in rng.uniform(0.2, 0.8, 4))
    friction = float(rng.uniform(0.5, 2))

    def energy(q):
        x, y = q
        return (x * x - 1) ** 2 + a * x + (1 + 2 * k) * (y - b * x - c * x * x) ** 2

    def slope(q):
        h = 1e-6
        return [(energy(q + h * e) - energy(q - h * e)) / (2 * h) for e in np.eye(2)]

    wells = [minimize(energy, [s, b * s + c], tol=1e-12).x for s in (-1.0, 1.0)]
    wells = [root(slope, q, tol=1e-12).x for q in wells]
    (x0, y0), (x1, y1) = (map(float, q) for q in wells)
    saddle = root(slope, [0.1, 0.1], tol=1e-12).x
    study = study_of(
        coordinates='["x", "y"]', friction=friction, points=60,
        potential=f"(x^2 - 1)^2 + {a!r}*x + {1 + 2 * k!r}*(y - {b!r}*x - {c!r}*x^2)^2",
        start=f"{{ x = {x0!r}, y = {y0!r} }}", end=f"{{ x = {x1!r}, y = {y1!r} }}",
    )  # fmt: skip
    done = found(study)
    rise = energy(saddle) - energy(wells[0])
    error = done.metrics["action_error"]
    assert abs(done.metrics["action"] - 4 * rise / friction) < error < 1e-4 * done.metrics["action"]
    assert {check.name for check in done.checks if check.passed} >= {"convergence", "heights"}


@pytest.mark.slow
def test_mueller_and_brown():
    done = found(load(STUDIES / "mueller_brown_path.toml"))
    table = next(table for table in done.tables if table.name == "critical_points")
    saddles = [row[2] for row in table.rows if row[3] == "saddle of index 1"]
    assert saddles == pytest.approx([-40.665, -72.249], abs=1e-3)
    heights = -40.66484 + 146.69949 - 72.24894 + 80.76782
    assert done.metrics["action"] == pytest.approx(4 * heights, rel=1e-6)
    # The path itself is there, and not the table's row alone.
    x, y, energy = (done.arrays[name].data for name in ("x", "y", "potential_energy"))
    for row in table.rows:
        near = np.argmin((x - row[0]) ** 2 + (y - row[1]) ** 2)
        assert energy[near] == pytest.approx(row[2], abs=1e-3)


def maier_stein(alpha):
    def drift(q):
        x, y = q
        return jnp.stack([x - x**3 - alpha * x * y**2, -(1 + x**2) * y])

    return drift


def curves(images):
    s = np.linspace(0, 1, images)
    bent = np.stack([2 * s - 1, 0.02 * np.sin(np.pi * s)])
    return np.stack([bent, bent * [[1], [-1]]])


@pytest.mark.slow
def test_the_axis_is_left_beyond_four():
    with jax.enable_x64(True):
        for alpha, leaves in ((1.0, False), (3.8, False), (4.4, True), (8.0, True)):
            q = np.asarray(relaxed(maier_stein(alpha), jnp.asarray(curves(51)), 20_000)[0])
            costs = [geometric_action(maier_stein(alpha), one) for one in q]
            off = np.max(np.abs(q[:, 1]), axis=1)
            if leaves:
                assert costs[0] == pytest.approx(costs[1], rel=1e-9) and max(costs) < 1 - 1e-4
                assert (off > 0.05).all() and np.allclose(q[0, 1], -q[1, 1], atol=1e-6)
            else:
                assert costs == pytest.approx([1, 1], abs=1e-6) and (off < 1e-3).all()


@pytest.mark.slow
def test_maier_and_stein_beside_scipys_long_paths():
    """Freidlin and Wentzell's equation over a long time, from the well to the saddle, by SciPy; the
    way down is free."""
    done = found(load(STUDIES / "maier_stein.toml"))
    assert done.metrics["channels"] == 2 and all(check.passed for check in done.checks)
    alpha, long = 6.0, 32.0

    def drift(q):
        x, y = q
        return np.array([x - x**3 - alpha * x * y * y, -(1 + x * x) * y])

    def slopes(q):
        x, y = q
        return np.array(
            [[1 - 3 * x * x - alpha * y * y, -2 * alpha * x * y], [-2 * x * y, -(1 + x * x)]]
        )

    def rhs(t, u):
        q, v = u[:2], u[2:]
        pulled = np.einsum("jit,jt->it", slopes(q), v - drift(q))
        return np.concatenate([v, np.einsum("ijt,jt->it", slopes(q), v) - pulled])

    t = np.linspace(0, long, 2001)
    s = 1 / (1 + np.exp(-(t - long / 2)))
    q = np.array([s - 1, 0.3 * np.sin(np.pi * s)])
    first = np.concatenate([q, np.gradient(q, t, axis=1)])
    solved = solve_bvp(
        rhs, lambda a, b: np.array([a[0] + 1, a[1], b[0], b[1]]), t, first, tol=1e-8,
        max_nodes=100_000,
    )  # fmt: skip
    assert solved.success
    x, w = np.polynomial.legendre.leggauss(2000)
    u = solved.sol(long * (x + 1) / 2)
    action = long / 2 * np.sum(w * np.sum((u[2:] - drift(u[:2])) ** 2, axis=0))
    assert done.metrics["action"] == pytest.approx(action, rel=1e-6)
    assert np.max(np.abs(done.arrays["y"].data)) == pytest.approx(u[1].max(), abs=1e-4)


@pytest.mark.slow
def test_a_kill_changes_no_bit():
    study = study_of(
        coordinates='["x", "y"]', potential="(x^2 - 1)^2 + (y - x^2)^2", friction=1,
        start="{ x = -1, y = 1 }", end="{ x = 1, y = 1 }", points=21,
    )  # fmt: skip
    with jax.enable_x64(True):
        leaves = []
        for chunk in (3, 1000):
            program = compile(study, None)
            state = program.start()
            for done in range(0, program.total, chunk):
                state = jax.tree.map(np.asarray, state)
                state, _ = program.advance(state, done, min(chunk, program.total - done))
            leaves.append(jax.tree.leaves(jax.tree.map(np.asarray, state)))
    assert all(np.array_equal(a, b) for a, b in zip(*leaves, strict=True))


def passage_time(energy, heat, friction, box, grid, well, beyond):
    """Mean first-passage time from a well: the backward Kolmogorov equation by finite differences,
    by the fluxes between cells, reflecting at the box and absorbing where `beyond` is true."""
    x, y = (np.linspace(a, b, n) for (a, b), n in zip(box, grid, strict=True))
    X, Y = np.meshgrid(x, y, indexing="ij")
    V, out = energy(X, Y), beyond(X, Y)
    number = np.arange(X.size).reshape(X.shape)
    rows, columns, values = [], [], []
    for axis, h in ((0, x[1] - x[0]), (1, y[1] - y[0])):
        one = number[:-1] if axis == 0 else number[:, :-1]
        other = number[1:] if axis == 0 else number[:, 1:]
        for a, b in ((one.ravel(), other.ravel()), (other.ravel(), one.ravel())):
            rate = heat / friction / h**2 * np.exp(-(V.ravel()[b] - V.ravel()[a]) / (2 * heat))
            inside = ~out.ravel()[a]
            rows += [a[inside], a[inside]]
            columns += [b[inside], a[inside]]
            values += [rate[inside], -rate[inside]]
    absorbed = number[out]
    rows.append(absorbed)
    columns.append(absorbed)
    values.append(np.ones(len(absorbed)))
    matrix = coo_matrix(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    ).tocsc()
    times = spsolve(matrix, np.where(out.ravel(), 0.0, -1.0)).reshape(X.shape)
    k = np.argmin((X - well[0]) ** 2 + (Y - well[1]) ** 2)
    return float(times.ravel()[k])


@pytest.mark.slow
def test_rates_are_those_of_the_backward_kolmogorov_equation():
    """Eyring and Kramers are the limit of weak noise: with half of it the rest is half as large,
    and what both extrapolate to is within 1 %."""
    friction, tilt = 1.3, 0.1
    text = STUDY
    values = {"coordinates": '["x", "y"]', "friction": friction, "points": 31,
              "potential": "(x^2 - 1)^2 + 0.1*x + 1.5*(y - 0.4*x^2)^2",
              "start": "{ x = -1.0125, y = 0.41 }", "end": "{ x = 0.987, y = 0.39 }"}  # fmt: skip
    for name, value in values.items():
        text = text.replace(name.upper(), str(value))

    def energy(x, y):
        return (x**2 - 1) ** 2 + tilt * x + 1.5 * (y - 0.4 * x**2) ** 2

    shares = []
    for heat in (0.1, 0.05):
        metrics = found(loads(f"{text}\n[refine]\ntemperature = {heat}")).metrics
        time = passage_time(
            energy, heat, friction, ((-1.9, 1.1), (-0.9, 1.9)), (181, 141), (-1.0125, 0.41),
            lambda x, y: x > 0.9,
        )  # fmt: skip
        shares.append(metrics["rate_forward"] * time)
    assert abs(shares[1] - 1) < 0.6 * abs(shares[0] - 1) and abs(shares[1] - 1) < 0.05
    assert 2 * shares[1] - shares[0] == pytest.approx(1, abs=0.01)


def test_a_search_of_critical_points_ends_where_there_is_no_drift():
    law = "x^3/3 + 0.01*x + 0.001*x^(3/2)"  # the drift grows, and Newton's method leaves x > 0
    study = study_of(
        coordinates='["x"]', potential=law, friction=1.0, start="{ x = 0.5 }", end="{ x = 1.0 }",
        points=30,
    )  # fmt: skip
    with jax.enable_x64(True):
        problem = langevin_problem_of(study)
        assert critical_points(problem, np.linspace(0.5, 1, 30)[None]) == []
