"""Events that act: beside closed forms and SciPy's solver, restarted by hand at each action."""

import numpy as np
import pytest
from actionrun.compiler import compile
from actionrun.spec import Faults, loads
from scipy.integrate import solve_ivp
from test_dense_output import run

BALL = """\
study = "ggl"
[system]
coordinates = ["y"]
lagrangian = "y'^2/2 - 9.81*y"
[start]
position = { y = 1.0 }
velocity = { y = 0.3 }
"""
BOUNCE = """[events]
bounce = { when = "y", direction = "down", set = { "y'" = "-0.9*y'" } }
"""
DRIVEN = """\
study = "ggl"
[system]
coordinates = ["x", "z"]
lagrangian = "(x'^2 + z'^2)/2 - x^4/4 - z^2 - x*z/5 + x*cos(2*t)/4"
nonconservative = "-0.1*x_plus'*x_minus"
[start]
position = { x = %r, z = 0.3 }
velocity = { x = %r, z = -0.2 }
"""
KICKS = """[events]
kick = { when = "x - 0.1", direction = "up", set = { "x'" = "x' + 0.1", z = "0.9*z" } }
wall = { when = "z + 0.25 + x/20", set = { "z'" = "-0.7*z'" }, after = 1.0 }
seen = { when = "x'", direction = "down" }
"""


def bounces(count):
    """Times of the ball on its floor."""
    v = np.sqrt(0.3**2 + 2 * 9.81)
    flights = 2 * v / 9.81 * 0.9 ** np.arange(1, count)
    return (0.3 + v) / 9.81 + np.concatenate([[0], np.cumsum(flights)])


def test_a_bouncing_ball():
    """Twenty bounces to round-off, in whatever parts the run was marched; the energy lost."""
    more = BOUNCE + 'stop = { when = "y\'", direction = "down", stop = true, count = 21 }\n'
    out = run(BALL, 2, 0.01, 1000, more)
    times = np.array([e["t"] for e in out.extra["events"]["bounce"]])
    np.testing.assert_allclose(times, bounces(20), rtol=0, atol=1e-12)
    assert out.metrics["events.bounce"] == 20 and out.metrics["events.stop"] == 21
    v = -np.sqrt(0.3**2 + 2 * 9.81) * 0.9 ** np.arange(20)
    np.testing.assert_allclose(out.arrays["event_bounce_v_y"].data, v, rtol=1e-12)
    np.testing.assert_allclose(out.arrays["event_bounce_after_v_y"].data, -0.9 * v, rtol=1e-12)
    lost = -np.sum((1 - 0.9**2) * v**2 / 2)
    assert out.metrics["events.bounce.energy"] == pytest.approx(lost, rel=1e-12)
    assert out.metrics["energy_error_max"] < 1e-14
    top = bounces(20)[-1] + 0.9 * abs(v[-1]) / 9.81
    assert out.extra["final"]["t"] == pytest.approx(top, abs=1e-12)
    assert dict(out.summary)["ended"].startswith("by the event stop at t = ")
    again = run(BALL, 2, 0.01, 1000, more, chunk=50)
    np.testing.assert_array_equal(again.arrays["y"].data, out.arrays["y"].data)
    np.testing.assert_array_equal(again.arrays["event_bounce_t"].data, times)


@pytest.mark.slow
def test_zeno_and_rest():
    """Times that accumulate end a run with one check that fails, and so does a ball that stays."""
    out = run(BALL, 2, 0.01, 1000, BOUNCE)
    (failed,) = [check for check in out.checks if not check.passed]
    end = 0.3 / 9.81 + bounces(1)[0] * 0 + np.sqrt(0.3**2 + 2 * 9.81) / 9.81 * (1 + 2 * 0.9 / 0.1)
    assert "accumulate" in failed.text and failed.name == "event bounce"
    assert out.extra["final"]["t"] == pytest.approx(end, abs=1e-6)
    assert np.min(out.arrays["y"].data) > -1e-12
    out = run(BALL, 2, 0.01, 1000, BOUNCE.replace("-0.9*y'", "0"))
    (failed,) = [check for check in out.checks if not check.passed]
    assert "at rest" in failed.text and out.metrics["events.bounce"] == 1


def restarted(x, vx, end):
    """The driven pair by SciPy: the segments between actions, and the times of what was seen."""

    def motion(t, y):
        x, z, vx, vz = y
        return [vx, vz, -(x**3) - z / 5 + np.cos(2 * t) / 4 - 0.1 * vx, -2 * z - x / 5]

    kick, wall, seen = (
        lambda t, y: y[0] - 0.1,
        lambda t, y: y[1] + 0.25 + y[0] / 20,
        lambda t, y: y[2],
    )
    setattr(kick, "direction", 1)  # noqa: B010  # as SciPy asks for
    setattr(seen, "direction", -1)  # noqa: B010
    for event in (kick, wall):
        setattr(event, "terminal", True)  # noqa: B010
    t, y, times = 0.0, np.array([x, 0.3, vx, -0.2]), {"kick": [], "wall": [], "seen": []}
    while t < end:
        # a wall does nothing before 1, and what has just acted is off zero by rounding
        until = min(end, 1.0) if t < 1 else end
        of = [kick, seen] if t < 1 else [kick, seen, wall]
        done = solve_ivp(motion, (t, until), y, "DOP853", events=of, rtol=1e-13, atol=1e-14)
        times["seen"] += [*done.t_events[1]]
        t, y = done.t[-1], done.y[:, -1].copy()
        if done.status != 1:
            continue
        if len(done.t_events[0]):
            times["kick"].append(t)
            y[2], y[1] = y[2] + 0.1, 0.9 * y[1]
        else:
            times["wall"].append(t)
            y[3] *= -0.7
        step = solve_ivp(motion, (t, t + 1e-6), y, "DOP853", rtol=1e-13, atol=1e-14)
        t, y = t + 1e-6, step.y[:, -1]
    return times, y


@pytest.mark.parametrize("seed", [3, 4])
@pytest.mark.slow
def test_kicks_and_walls_beside_scipy(seed):
    """Kicks that pass through zero, positions set, both directions, a time after which: the states
    and times of a restarted DOP853, and the ledger's balance with drag."""
    x, vx = np.random.default_rng(seed).uniform(0.5, 1.0, 2)
    out = run(DRIVEN % (float(x), float(vx)), 6, 0.05, 400, KICKS)
    times, end = restarted(x, vx, 20.0)
    for name, wanted in times.items():
        found = out.arrays[f"event_{name}_t"].data
        np.testing.assert_allclose(found, wanted, atol=1e-9, err_msg=name)
    assert min(map(len, times.values())) >= 1
    assert not [f for f in out.figures if f.name.startswith("section")]  # of so few crossings
    final = out.extra["final"]
    ours = [final[k][c] for k in ("position", "velocity") for c in "xz"]
    np.testing.assert_allclose(ours, end, atol=1e-9)


@pytest.mark.slow
def test_a_corner_and_a_jump():
    """Both walls of a corner are met at once; a place set elsewhere goes on from there."""
    text = BALL.replace('["y"]', '["x", "y"]').replace("y'^2/2 - 9.81*y", "(x'^2 + y'^2)/2")
    text = text.replace("{ y = 1.0 }", "{ x = 0.5, y = 0.5 }").replace(
        "{ y = 0.3 }", "{ x = 1.0, y = 1.0 }"
    )
    more = """[events]
right = { when = "x - 1", direction = "up", set = { "x'" = "-x'" } }
top = { when = "y - 1", direction = "up", set = { "y'" = "-y'" } }
left = { when = "x", direction = "down", set = { x = "1 + x" } }
"""
    out = run(text, 0, 0.125, 32, more)
    assert [out.metrics[f"events.{name}"] for name in ("right", "top", "left")] == [1, 1, 3]
    np.testing.assert_allclose(out.arrays["event_left_t"].data, [1.5, 2.5, 3.5], atol=1e-13)
    final = out.extra["final"]["position"]
    assert final["x"] == pytest.approx(0.5, abs=1e-13)
    assert final["y"] == pytest.approx(-2.5, abs=1e-13)
    assert out.metrics["energy_error_max"] < 1e-13


@pytest.mark.parametrize(
    ("events", "more", "words"),
    [
        ('b = { when = "y", set = { "u\'" = "1" } }', "", "u' cannot be set"),
        ('b = { when = "y", set = { "y\'" = "1", y = "0", "D(y, t)" = "2" } }', "", "set twice"),
        ('b = { when = "y", set = { "y\'" = "nope" } }', "", "nope"),
        ('b = { when = "y", count = 2 }', "", "this one does nothing"),
        ('b = { when = "y", stop = true, after = -1 }', "", "before the start"),
        ('b = { when = "y", stop = true, after = "y" }', "", "y"),
        ('b = { when = "y", stop = true }', '[compare]\nmethods = ["rk4"]\n', "not built yet"),
        ('b = { direction = "up" }', "", "when"),
        ('b = { when = "y", direction = "left" }', "", "left"),
    ],
)
def test_bad_input(events, more, words):
    text = f"{BALL}[integrator]\ndt = 0.1\nsteps = 10\n[events]\n{events}\n{more}"
    with pytest.raises(Faults) as caught:
        loads(text)
    (fault,) = caught.value.faults
    assert words in f"{fault.message} {fault.line_text}" and fault.line_text.startswith("b = ")


def test_units_of_what_is_set():
    text = """\
study = "ggl"
[system]
coordinates = ["y"]
lagrangian = "m*y'^2/2 - m*g*y"
[parameters]
m = "1 kg"
g = "9.81 m/s^2"
[start]
position = { y = "1 m" }
velocity = { y = "0 m/s" }
[integrator]
dt = "10 ms"
steps = 10
[events]
b = { when = "y", after = "%s", set = { "y'" = "%s" } }
"""
    compile(loads(text % ("1 ms", "-0.9*y'")))
    for wrong in (("1 m", "-y'"), ("1 s", "-y")):
        with pytest.raises(Faults) as caught:
            loads(text % wrong)
        assert len(caught.value.faults) == 1
