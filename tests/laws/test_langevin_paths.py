"""Most probable paths of Langevin dynamics, beside SciPy's solution of the Euler-Lagrange equation
and beside finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from actionrun.compiler import compile
from actionrun.compiler.om.build import langevin_problem_of
from actionrun.compiler.om.thermal.channels import relaxation_time
from actionrun.spec import Faults, loads
from scipy.integrate import solve_bvp

ENDS = """
[ends]
start = {{ x = {0[0]}, y = {0[1]} }}
end = {{ x = {1[0]}, y = {1[1]} }}
"""

SPEEDS = """start_velocity = {{ x = {0[0]}, y = {0[1]} }}
end_velocity = {{ x = {1[0]}, y = {1[1]} }}"""


def random_study(draw, heat, duration, points=24):
    """A quartic potential with random terms, a random force beside it, and the force, its slopes
    and the gradient of its divergence as NumPy functions."""
    a, b, c, e, w = map(float, draw.normal(size=5))
    friction = float(np.exp(draw.normal() / 2))
    ends = draw.normal(size=(2, 2)) / 2
    text = f"""
study = "om"
[system]
coordinates = ["x", "y"]
potential = "(x^4 + y^4)/4 + {a!r}*x^2*y + {b!r}*x*y + {c!r}*x + {e!r}*sin(y)"
nonconservative = "{w!r}*(y_plus*x_minus - sin(x_plus)*y_minus)"
{ENDS.format(*ends)}
[path]
dynamics = "overdamped"
temperature = {heat!r}
friction = {friction!r}
duration = {duration!r}
points = {points}
"""

    def force(q):
        x, y = q
        return np.array([
            -(x**3) - 2 * a * x * y - b * y - c + w * y,
            -(y**3) - a * x**2 - b * x - e * np.cos(y) - w * np.sin(x),
        ])  # fmt: skip

    def slopes(q):
        x, y = q
        zero = 0 * x
        return np.array([
            [-3 * x**2 - 2 * a * y, -2 * a * x - b + w + zero],
            [-2 * a * x - b - w * np.cos(x), -3 * y**2 + e * np.sin(y)],
        ])  # fmt: skip

    def spread(q):
        """div F, and its gradient."""
        x, y = q
        value = -3 * x**2 - 2 * a * y - 3 * y**2 + e * np.sin(y)
        return value, np.array([-6 * x, -2 * a - 6 * y + e * np.cos(y)])

    return text, ends, friction, force, slopes, spread


def marched(program):
    state, done = program.start(), 0
    while done < program.total:
        count = min(50, program.total - done)
        state, report = program.advance(state, done, count)
        assert report.diverged is None, report.diverged
        done += count
    return program.findings(state, {}, lambda *_: None)


def euler_lagrange(ends, friction, heat, force, slopes, spread):
    """The Euler-Lagrange equation x'' = J x' - J^T (x' - b) + D grad div b, and the action."""
    D = heat / friction

    def rhs(t, u):
        q, v = u[:2], u[2:]
        J, b = slopes(q) / friction, force(q) / friction
        bent = np.einsum("ijt,jt->it", J, v) - np.einsum("jit,jt->it", J, v - b)
        return np.concatenate([v, bent + D * spread(q)[1] / friction])

    def density(t, u):
        squares = np.sum((u[2:] - force(u[:2]) / friction) ** 2, axis=0)
        return squares + 2 * D * spread(u[:2])[0] / friction

    return rhs, lambda a, b: np.concatenate([a[:2] - ends[0], b[:2] - ends[1]]), density


def beside_scipy(seed, heat, duration):
    text, ends, friction, *laws = random_study(np.random.default_rng(seed), heat, duration)
    with jax.enable_x64(True):
        found = marched(compile(loads(text), None))
    t = found.arrays["t"].data
    q = np.stack([found.arrays[name].data for name in ("x", "y")])
    v = np.stack([found.arrays[f"v_{name}"].data for name in ("x", "y")])
    rhs, bounds, density = euler_lagrange(ends, friction, heat, *laws)
    solved = solve_bvp(rhs, bounds, t, np.concatenate([q, v]), tol=1e-9, max_nodes=50_000)
    assert solved.success
    # Not merely at the same path: SciPy's is what it is compared with, places and action.
    assert np.max(np.abs(solved.sol(t)[:2] - q)) < 1e-5
    nodes, weights = np.polynomial.legendre.leggauss(300)
    at = duration * (nodes + 1) / 2
    action = duration / 2 * np.sum(weights * density(at, solved.sol(at)))
    assert found.metrics["action"] == pytest.approx(action, abs=1e-5 * (1 + abs(action)))
    assert found.metrics["action_error"] < 1e-5 * (1 + abs(action))
    assert all(check.passed for check in found.checks)


def test_an_overdamped_path_is_scipys():
    beside_scipy(1, 0.3, 1.5)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(30, 36))
def test_random_paths_with_inertia_are_scipys(seed):
    """r = m x'' + friction x' - F obeys m r'' = friction r' + J^T r; positions and velocities are
    given at the ends."""
    rng = np.random.default_rng(seed)
    text, ends, friction, force, slopes, _ = random_study(rng, 0.5, 1.2, 26)
    mass, speed = float(np.exp(rng.normal() / 2)), rng.normal(size=(2, 2))
    text = text.replace('"overdamped"', '"langevin"')
    text = text.replace("[ends]", "[ends]\n" + SPEEDS.format(*speed))
    text = text.replace("[system]", f"[system]\nmass = {mass!r}")

    def rhs(t, u):
        q, v, r, s = u.reshape(4, 2, -1)
        pulled = np.einsum("jit,jt->it", slopes(q), r)
        a = (r - friction * v + force(q)) / mass
        return np.concatenate([v, a, s, (friction * s + pulled) / mass])

    with jax.enable_x64(True):
        found = marched(compile(loads(text), None))
    t = found.arrays["t"].data
    q = np.stack([found.arrays[name].data for name in ("x", "y")])
    v = np.stack([found.arrays[f"v_{name}"].data for name in ("x", "y")])
    r = mass * np.gradient(v, t, axis=1) + friction * v - force(q)
    solved = solve_bvp(
        rhs,
        lambda a, b: np.concatenate([a[:2] - ends[0], b[:2] - ends[1], a[2:4] - speed[0],
                                     b[2:4] - speed[1]]),
        t, np.concatenate([q, v, r, np.gradient(r, t, axis=1)]), tol=1e-8, max_nodes=50_000,
    )  # fmt: skip
    assert solved.success and np.max(np.abs(solved.sol(t)[:2] - q)) < 1e-5
    nodes, weights = np.polynomial.legendre.leggauss(300)
    action = 0.6 * np.sum(weights * np.sum(solved.sol(0.6 * (nodes + 1))[4:6] ** 2, axis=0))
    assert found.metrics["action"] == pytest.approx(action, rel=1e-5)
    assert found.metrics["action"] / (4 * friction * 0.5) == pytest.approx(
        found.metrics["minus_log_probability"], rel=1e-12
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 12))
def test_random_paths_are_scipys(seed):
    beside_scipy(seed, 0.4 * (seed % 3), 1.2)


@pytest.mark.slow
def test_gradient_and_hessian_are_those_of_finite_differences():
    text, *_ = random_study(np.random.default_rng(20), 0.7, 1.1, 6)
    with jax.enable_x64(True):
        problem = langevin_problem_of(loads(text))
        action = problem.action()
        x = problem.start(3)
        at = action.expansion(x)
        for k in range(3):
            d = jnp.asarray(np.random.default_rng(k).normal(size=x.shape))
            h = 1e-4 / float(jnp.linalg.norm(d))
            ahead, behind = action.value(x + h * d), action.value(x - h * d)
            slope, bent = (ahead - behind) / (2 * h), (ahead - 2 * at.value + behind) / h**2
            assert float(at.gradient @ d) == pytest.approx(float(slope), rel=1e-6)
            assert float(d @ at.hessian @ d) == pytest.approx(float(bent), rel=1e-4)


def test_the_divergence_is_that_of_the_force():
    text, _, friction, _, _, spread = random_study(np.random.default_rng(21), 0.7, 1.1)
    q = np.random.default_rng(22).normal(size=(2, 5))
    with jax.enable_x64(True):
        motion = langevin_problem_of(loads(text)).motion
        assert np.asarray(motion.density.divergence(jnp.asarray(q))) == pytest.approx(
            2 * 0.7 / friction**2 * spread(q)[0], rel=1e-12
        )


DOUBLE = """
study = "om"
[system]
coordinates = ["x"]
potential = "(x^2 - 1)^2/4"
[ends]
start = { x = -1.0 }
end = { x = 1.0 }
[path]
dynamics = "overdamped"
temperature = HEAT
friction = 0.7
duration = DURATION
points = POINTS
"""


def double(heat, duration, points):
    text = DOUBLE.replace("HEAT", repr(heat)).replace("DURATION", repr(duration))
    with jax.enable_x64(True):
        return marched(compile(loads(text.replace("POINTS", str(points))), None))


@pytest.mark.slow
def test_a_long_path_is_told_to_be_no_typical_one():
    short, long = double(0.05, 3.0, 30), double(0.05, 40.0, 120)
    assert not any("Pinski" in note for note in short.notes)
    assert any("Pinski" in note for note in long.notes)
    # It rests where the wells are narrow, beside the minima, and so the force there is not nought.
    assert long.metrics["rest_force"] > 0.05
    # What the resting place must be: the minimum of |V'|^2 - 2 k_B T V''.
    x = np.linspace(0.5, 2, 200_001)
    rest = x[np.argmin((x**3 - x) ** 2 - 2 * 0.05 * (3 * x**2 - 1))]
    path = long.arrays["x"].data
    assert min(abs(np.abs(path) - rest)) < 1e-4 and rest > 1.01
    still = np.argmin(np.abs(long.arrays["v_x"].data))
    assert abs(path[still]) == pytest.approx(rest, abs=1e-4)


def test_an_end_of_endless_curvature_has_no_relaxation_time():
    text = DOUBLE.replace("HEAT", "0.1").replace("DURATION", "2.0").replace("POINTS", "30")
    text = text.replace("(x^2 - 1)^2/4", "x^(3/2) + x^2").replace("{ x = -1.0 }", "{ x = 0.0 }")
    with jax.enable_x64(True):
        assert relaxation_time(langevin_problem_of(loads(text))) is None


@pytest.mark.slow
def test_a_path_converges_faster_than_any_power():
    reference = double(0.1, 3.0, 60).metrics["action"]
    errors = [abs(double(0.1, 3.0, n).metrics["action"] - reference) for n in (8, 12, 16)]
    assert errors[1] < errors[0] / 5 and errors[2] < errors[1] / 5


@pytest.mark.parametrize(
    ("line", "place", "said"),
    [
        ("temperature = HEAT\n", "path", '"temperature" is missing in [path]'),
        ("friction = 0.7\n", "path", '"friction" is missing in [path]'),
        ("temperature = -0.1", "path.temperature", "at least 0"),
        ("friction = -0.7", "path.friction", "greater than 0"),
        ('duration = "free"', "path.duration", "no duration is the best"),
        ('dynamics = "newton"', "path.temperature", "Newton's motion has no temperature"),
    ],
)
def test_faults_are_located(line, place, said):
    key = line.split(" ")[0]
    lines = DOUBLE.replace("DURATION", "3.0").replace("POINTS", "20").splitlines()
    missing = line.endswith("\n")
    text = "\n".join(
        line if one.startswith(f"{key} ") and not missing else one
        for one in lines
        if not (missing and one.startswith(f"{key} "))
    ).replace("HEAT", "0.1")
    with pytest.raises(Faults) as caught:
        loads(text)
    faults = {fault.key: fault for fault in caught.value.faults}
    assert said in faults[place].message and faults[place].hint
    assert faults[place].line


@pytest.mark.parametrize(
    ("law", "code"),
    [
        ("x_minus*sin(2*x_plus)", "system.period"),
        ("x_plus^2", "k-not-odd"),
        ("x_plus'*x_minus", "path.force"),
        ("t*x_minus", "time"),
    ],
)
def test_forces_that_no_path_has_are_faults(law, code):
    text = DOUBLE.replace("DURATION", "3.0").replace("POINTS", "20").replace("HEAT", "0.1")
    text = text.replace('"(x^2 - 1)^2/4"', f'"cos(x)"\nnonconservative = "{law}"')
    text = text.replace("[ends]", '[system.periods]\nx = "2*pi/3"\n[ends]', 1)
    if code == "system.period":
        text = text.replace("cos(x)", "cos(3*x)")
    else:
        text = text.replace("2*pi/3", "2*pi")
    with pytest.raises(Faults) as caught, jax.enable_x64(True):
        langevin_problem_of(loads(text))
    assert [fault.code for fault in caught.value.faults] == [code]


@pytest.mark.slow
def test_a_kill_changes_no_bit():
    text = DOUBLE.replace("DURATION", "2.0").replace("POINTS", "12").replace("HEAT", "0.1")
    with jax.enable_x64(True):
        leaves = []
        for chunk in (3, 1000):
            program = compile(loads(text), None)
            state = program.start()
            for done in range(0, program.total, chunk):
                state = jax.tree.map(np.asarray, state)
                state, _ = program.advance(state, done, min(chunk, program.total - done))
            leaves.append(jax.tree.leaves(jax.tree.map(np.asarray, state)))
    assert all(np.array_equal(a, b) for a, b in zip(*leaves, strict=True))
