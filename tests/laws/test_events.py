"""Events: every crossing of zero is told, and nothing else is."""

import numpy as np
import pytest
from random_events import SYSTEMS, differences, drawn
from scipy.integrate import solve_ivp
from test_dense_output import run

KEPLER = """\
study = "ggl"
[system]
coordinates = { q = 2 }
lagrangian = "dot(q', q')/2 + 1/|q|"
[start]
position = { q = [1.6, 0.0] }
velocity = { q = [0.0, 0.5] }
"""
OSCILLATOR = """\
study = "ggl"
[system]
coordinates = ["x"]
lagrangian = "x'^2/2 - x^2/2"
[start]
position = { x = 1.0 }
velocity = { x = 0.0 }
"""
PLANETS = """\
study = "ggl"
[system]
coordinates = { a = 2, b = 2 }
lagrangian = "dot(a', a')/2 + 1/|a| + dot(b', b')/2 + 1/|b|"
[start]
position = { a = [1.0, 0.0], b = [0.0, "1.5^(2/3)"] }
velocity = { a = [0.0, 1.0], b = ["-1/1.5^(1/3)", 0.0] }
"""


def test_pairs_within_a_step():
    """Kepler e = 0.6 comes below 0.4002 at each perihelion, for a twelfth of a step."""
    out = run(KEPLER, 8, 0.2, 1000, '[events]\nnear = "|q| - 0.4002"\nperi = "dot(q, q\')"\n')
    events = out.extra["events"]
    turns = [round((t - np.pi) / np.pi) for t in (e["t"] for e in events["peri"])]
    assert turns == list(range(len(turns))) and len(turns) == 63
    near = np.array([e["t"] for e in events["near"]])
    E = np.arccos((1 - 0.4002) / 0.6)
    wanted = [(2 * n + 1) * np.pi + s * (E - 0.6 * np.sin(E)) for n in range(32) for s in (-1, 1)]
    np.testing.assert_allclose(near, [t for t in wanted if t < 200], atol=1e-8)


def test_grazes_jumps_and_fast_events():
    more = """[events]
pair = "x - 0.9995"
zero = "x"
graze = "x - 1"
wrap = "atan2(x, x')"
fast = "sin(20*t)"
pole = "1/(x + 0.1)"
"""
    out = run(OSCILLATOR, 8, 1.0, 60, more)
    counts = {name: len(listed) for name, listed in out.extra["events"].items()}
    assert counts == {"pair": 19, "zero": 19, "graze": 0, "wrap": 9, "fast": 381, "pole": 0}
    fast = np.array([e["t"] for e in out.extra["events"]["fast"]])
    np.testing.assert_allclose(fast, np.pi / 20 * np.arange(1, 382), atol=1e-13)
    notes = " ".join(out.notes)
    assert (
        "the event graze touches zero without a change of sign 9 times, first at t = 6.283" in notes
    )
    assert "the event wrap jumps across zero, which is no zero, 10 times" in notes
    assert "the event pole jumps" in notes


@pytest.mark.slow
def test_a_wrapped_angle():
    """Conjunctions of two planets: where the angle passes through pi they are opposite."""
    more = '[events]\nangle = "atan2(a[1]*b[2] - a[2]*b[1], dot(a, b))"\n'
    out = run(PLANETS, 6, 0.2, 500, more)
    assert len(out.extra["events"]["angle"]) == 6


def test_outputs_are_as_exact_as_the_steps():
    """Kepler e = 0.6, r = 8, dt = 0.2, beside DOP853."""

    def pull(t, y):
        return [*y[2:], *(-y[:2] / np.hypot(*y[:2]) ** 3)]

    out = run(KEPLER, 8, 0.2, 100, "[output]\nevery = 0.037\n").arrays
    solved = solve_ivp(pull, (0, 20), [1.6, 0, 0, 0.5], "DOP853", rtol=3e-14, atol=1e-15,
                       dense_output=True)  # fmt: skip

    def off(prefix):
        there = solved.sol(out[f"{prefix}t"].data)
        q, v = out[f"{prefix}q"].data, out[f"{prefix}v_q"].data
        return np.max(np.abs(q - there[:2].T)), np.max(np.abs(v - there[2:].T))

    steps, between = off(""), off("output_")
    assert between[0] < 3 * steps[0] + 1e-12 and between[1] < 3 * steps[1] + 1e-12


def differing(number, count, steps):
    study, motion = drawn(number, count, steps)
    text = study.toml()
    head, _, rest = text.partition("[integrator]")
    events = rest[rest.index("[events]") :]
    if study.time_transform:
        events = f'time_transform = "{study.time_transform}"\n{events}'
    out = run(head, study.r, study.dt, steps, events)
    q = motion.state(study.dt * np.arange(steps + 1))[1]
    given = [np.asarray(out.arrays[name].data) for name in study.coordinates]
    return differences(study, motion, out.extra["events"], float(np.max(np.abs(given - q))))


def test_random_events():
    assert differing(3, 8, 25) == []


@pytest.mark.campaign
@pytest.mark.parametrize("number", range(len(SYSTEMS)))
def test_five_hundred_random_events(number):
    assert differing(number, 25, 40) == []
