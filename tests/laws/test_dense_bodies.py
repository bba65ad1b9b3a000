"""[output] and [events] of many bodies, and of steps of a transformed time."""

import numpy as np
import pytest
from programs import ran, text

PAIR = """\
coordinates = { a = 2, b = 2 }
lagrangian = "dot(a', a')/2 + dot(b', b') + 2/|a - b|"
"""
AS_BODIES = """\
particles = 2
coordinates = { r = 2 }
lagrangian = "sum(i, m[i]*dot(r'[i], r'[i])/2) + sum(i<j, m[i]*m[j]/r[i,j])"
"""
KEPLER = """\
coordinates = { q = 2 }
lagrangian = "dot(q', q')/2 + 1/|q|"
"""
FAST = 'q = [0.0, "sqrt(1.9/0.1)"]'
DRAGGED = KEPLER + 'nonconservative = "-0.001*dot(q_plus\', q_minus)"\n'


def orbit(t, e):
    """Place and velocity (2, k) on an ellipse of half axis 1 from its perihelion."""
    u = t + e * np.sin(t)
    for _ in range(50):
        u = u - (u - e * np.sin(u) - t) / (1 - e * np.cos(u))
    b, rate = np.sqrt(1 - e**2), 1 / (1 - e * np.cos(u))
    return (
        np.array([np.cos(u) - e, b * np.sin(u)]),
        np.array([-np.sin(u), b * np.cos(u)]) * rate,
    )


@pytest.mark.slow
def test_bodies_are_as_coordinates():
    """The same two bodies as particles and as coordinates of their own, between the steps too."""
    more = "[output]\nevery = 0.13\n[events]\n"
    events = 'level = "a[2] - b[2]"\nfar = "|a - b| - 1.3"\n'
    plain = ran(text(PAIR, "a = [1.0, 0.0], b = [-0.5, 0.1]", "a = [0.0, 0.8], b = [0.1, -0.4]",
                     6, 0.1, 120, more + events))  # fmt: skip
    many = ran(text(AS_BODIES, "r = [[1.0, 0.0], [-0.5, 0.1]]", "r = [[0.0, 0.8], [0.1, -0.4]]",
                    6, 0.1, 120, more + 'level = "r[1][2] - r[2][2]"\nfar = "r[1,2] - 1.3"\n'
                    "[parameters]\nm = [1.0, 2.0]\n"))  # fmt: skip
    one, two = plain.findings(), many.findings()
    for prefix in ("output_", "output_v_", "event_far_"):
        rows = two.arrays[f"{prefix}r"].data
        assert len(rows) > 1 and rows.shape[1:] == (2, 2)
        for body, name in enumerate("ab"):
            assert rows[:, body] == pytest.approx(one.arrays[prefix + name].data, abs=1e-11)
    assert two.arrays["output_r"].dims == ("output_t", "body", "r_component")
    for name in ("level", "far"):
        times, same = ([e["t"] for e in x.extra["events"][name]] for x in (one, two))
        assert len(times) > 1 and same == pytest.approx(times, abs=1e-11)
    assert two.extra["events"]["far"][0]["position"]["r"][1] == pytest.approx(
        one.extra["events"]["far"][0]["position"]["b"], abs=1e-11
    )


def test_a_sum_is_an_event():
    """The mean of all bodies crosses zero where that of the first does: they swing as one."""
    system = 'particles = 3\ncoordinates = ["x"]\nlagrangian = "sum(i, x\'[i]^2/2 - x[i]^2/2)"\n'
    events = '[events]\nmean = "sum(i, x[i])/3"\nfirst = "x[1]"\nlate = "t - 1.25"\n'
    found = ran(text(system, "x = [1.0, 2.0, 3.0]", "x = [0.0, 0.0, 0.0]", 6, 0.1, 100, events))
    listed = found.findings().extra["events"]
    times = [e["t"] for e in listed["mean"]]
    assert times == pytest.approx(np.pi * (np.arange(3) + 0.5), abs=1e-12)
    assert [e["t"] for e in listed["first"]] == pytest.approx(times, abs=1e-12)
    assert [e["t"] for e in listed["late"]] == pytest.approx([1.25], abs=1e-13)


def slowed(r, per_orbit, more, system=KEPLER, orbits=2, cuts=()):
    """Kepler, e = 0.9, from the perihelion, in steps of s with dt = |q| ds."""
    return ran(text(system, "q = [0.1, 0.0]", FAST, r, 2 * np.pi / per_orbit,
                    orbits * per_orbit, f'time_transform = "|q|"\n{more}'), cuts)  # fmt: skip


def test_physical_times_of_a_transformed_time():
    """Samples lie on the ellipse at the times asked for, and none is lost at a kept row."""
    found = slowed(12, 40, "[output]\nevery = 0.037\n", cuts=(24, 41)).findings()
    t, q = found.arrays["output_t"].data, found.arrays["output_q"].data
    assert t == pytest.approx(0.037 * np.arange(len(t))) and 4 * np.pi - 0.037 < t[-1] < 4 * np.pi
    place, speed = orbit(t, 0.9)
    assert q == pytest.approx(place.T, abs=1e-10)
    assert found.arrays["output_v_q"].data == pytest.approx(speed.T, abs=2e-8)


def test_events_of_a_transformed_time():
    more = '[events]\nturning = "dot(q, q\')"\nlate = "t - 7.5"\n[output]\ntimes = [1.0, 99.0]\n'
    found = slowed(12, 40, more).findings()
    times = [e["t"] for e in found.extra["events"]["turning"]]
    assert times == pytest.approx(np.pi * np.arange(1, len(times) + 1), abs=1e-8)
    (late,) = found.extra["events"]["late"]
    assert late["t"] == pytest.approx(7.5, abs=1e-12)
    place, speed = orbit(np.array([7.5]), 0.9)
    assert late["position"]["q"] == pytest.approx(place[:, 0], abs=1e-10)
    assert late["velocity"]["q"] == pytest.approx(speed[:, 0], abs=1e-8)
    assert list(found.arrays["output_t"].data) == [1.0]
    assert any("1 of 2 times of output lie behind the end" in note for note in found.notes)


@pytest.mark.slow
def test_with_drag_a_transformed_time_is_that_of_the_steps():
    """The same samples from steps of t, much smaller ones."""
    more = "[output]\ntimes = [0.5, 3.0, 6.2]\n"
    one = slowed(8, 60, more, DRAGGED, 1).findings().arrays["output_q"].data
    other = ran(text(DRAGGED, "q = [0.1, 0.0]", FAST, 10, 0.01, 700, more))
    assert one == pytest.approx(other.findings().arrays["output_q"].data, abs=1e-9)
