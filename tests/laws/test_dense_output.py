"""The motion between the steps: [output] at any times, [events] where an expression is zero."""

import numpy as np
import pytest
from actionrun.compiler import compile
from actionrun.compiler.program import Reported
from actionrun.spec import Faults, loads
from scipy.special import ellipj, ellipk
from systems import slope

PENDULUM = """\
study = "ggl"
[system]
coordinates = ["q"]
lagrangian = "q'^2/2 + cos(q)"
[start]
position = { q = 2.0 }
velocity = { q = 0.0 }
"""
OSCILLATOR = """\
study = "ggl"
[system]
coordinates = ["q"]
lagrangian = "q'^2/2 - q^2/2"
nonconservative = "-0.1*q_plus'*q_minus"
[start]
position = { q = 1.0 }
velocity = { q = 0.0 }
"""
ROD = """\
study = "ggl"
[system]
coordinates = ["x", "y"]
lagrangian = "(x'^2 + y'^2)/2 - y"
constraints = ["x^2 + y^2 = 1"]
[start]
position = { x = 0.9092974268256817, y = 0.4161468365471424 }
velocity = { x = 0.0, y = 0.0 }
"""
KEPLER = """\
study = "ggl"
[system]
coordinates = { q = 2 }
lagrangian = "dot(q', q')/2 + 1/|q|"
[start]
position = { q = [0.4, 0.0] }
velocity = { q = [0.0, 2.0] }
"""
PERIOD = 4 * ellipk(np.sin(1.0) ** 2)  # of the pendulum from 2 rad, for g = l = 1


def angle(t):
    """Of the pendulum from 2 rad at rest."""
    k = np.sin(1.0)
    return 2 * np.arcsin(k * ellipj(ellipk(k**2) - t, k**2)[0])


def run(text, r, h, steps, more="", chunk=None):
    """Findings of a run."""
    program = compile(loads(f"{text}[integrator]\nr = {r}\ndt = {h}\nsteps = {steps}\n{more}"))
    assert isinstance(program, Reported)
    state, rows, done = program.start(), [], 0
    while done < steps:
        count = min(chunk or steps, steps - done)
        state, report = program.advance(state, done, count)
        assert report.diverged is None
        rows.append(report.samples)
        done += count
    samples = {k: np.concatenate([r[k] for r in rows if k in r]) for k in rows[0]}
    return program.findings(state, samples, lambda *_: None)


@pytest.mark.parametrize(
    ("r", "steps"), [(0, (80, 160)), (1, (40, 80)), (2, (20, 40)), (4, (16, 32))]
)
def test_order_between_the_steps(r, steps):
    """2r + 2, that of the steps themselves, for positions and velocities."""
    errors = {"q": [], "v": []}
    for n in steps:
        out = run(PENDULUM, r, 6 / n, n, "[output]\nevery = 0.0137\n").arrays
        t = out["output_t"].data
        k = np.sin(1.0)
        v = -2 * k * ellipj(ellipk(k**2) - t, k**2)[1]
        errors["q"].append(np.max(np.abs(out["output_q"].data - angle(t))))
        errors["v"].append(np.max(np.abs(out["output_v_q"].data - v)))
    h = [6 / n for n in steps]
    assert slope(h, errors["q"]) == pytest.approx(2 * r + 2, abs=0.6)
    assert slope(h, errors["v"]) == pytest.approx(2 * r + 2, abs=0.6)


@pytest.mark.slow
def test_to_round_off_where_the_order_is_high():
    out = run(PENDULUM, 14, 0.2, 100, "[output]\nevery = 0.031\n").arrays
    assert len(out["output_t"].data) == 646
    np.testing.assert_allclose(out["output_q"].data, angle(out["output_t"].data), atol=2e-13)


def test_times_as_they_are_given():
    """At the ends of steps the output is the state there; in any order; the quadratic case too."""
    more = "[output]\ntimes = [10.0, 0.0, 0.3, 3.14159, 0.1]\n"
    findings = run(OSCILLATOR, 8, 0.1, 100, more)
    out, kept = findings.arrays["output_q"].data, findings.arrays["q"].data
    assert list(findings.arrays["output_t"].data) == [0, 0.1, 0.3, 3.14159, 10]
    np.testing.assert_allclose(out[[0, 1, 2, 4]], kept[[0, 1, 3, 100]], rtol=1e-14)
    w = np.sqrt(1 - 0.05**2)
    t = 3.14159
    exact = np.exp(-0.05 * t) * (np.cos(w * t) + 0.05 / w * np.sin(w * t))
    assert out[3] == pytest.approx(exact, abs=1e-13)


def test_events_are_located_to_round_off():
    more = '[events]\nlowest = "q"\nturning = "q\'"\nlate = "t - 7.7"\n'
    findings = run(PENDULUM, 12, 0.2, 200, more)
    events = findings.extra["events"]
    lowest, turning = (np.array([e["t"] for e in events[name]]) for name in ("lowest", "turning"))
    np.testing.assert_allclose(lowest, PERIOD * (np.arange(len(lowest)) / 2 + 1 / 4), atol=5e-13)
    np.testing.assert_allclose(turning, PERIOD * np.arange(1, len(turning) + 1) / 2, atol=5e-13)
    assert len(lowest) == findings.metrics["events.lowest"] == int(40 / (PERIOD / 2) + 1 / 2)
    assert [e["direction"] for e in events["lowest"][:3]] == [-1, 1, -1]
    assert all(abs(e["position"]["q"]) < 1e-15 for e in events["lowest"])
    assert all(abs(abs(e["position"]["q"]) - 2) < 1e-13 for e in events["turning"])
    (late,) = events["late"]
    assert late["t"] == pytest.approx(7.7, abs=1e-15) and late["direction"] == 1
    (table,) = (table for table in findings.tables if table.name == "events")
    assert table.rows[0][-1] == pytest.approx(PERIOD, abs=1e-13)


def test_a_start_at_zero_is_no_event():
    """Perihelion is where the path starts; the next one is a period later."""
    findings = run(KEPLER, 8, 0.1, 100, '[events]\nperihelion = "dot(q, q\')"\n')
    a = 1 / (2 / 0.4 - 4.0)
    period = 2 * np.pi * a**1.5
    times = [e["t"] for e in findings.extra["events"]["perihelion"]]
    np.testing.assert_allclose(times, period / 2 * np.arange(1, len(times) + 1), atol=1e-8)
    far, near = findings.extra["events"]["perihelion"][:2]
    assert (far["direction"], near["direction"]) == (-1, 1)
    np.testing.assert_allclose(near["position"]["q"], [0.4, 0.0], atol=1e-6)


def test_crossings_at_the_very_end_of_a_step_are_found_once():
    """q = cos t crosses zero where a step ends up to rounding, and the slope jumps there."""
    text = OSCILLATOR.replace('nonconservative = "-0.1*q_plus\'*q_minus"\n', "")
    h = np.pi / 2 / 8
    for r in (1, 2, 3, 6):
        findings = run(text, r, h, 160, '[events]\nzero = "q"\nturn = "q\'"\n')
        events = findings.extra["events"]
        assert [e["direction"] for e in events["zero"]] == [-1, 1] * 5
        assert len(events["turn"]) in (9, 10)
        np.testing.assert_allclose(np.diff([e["t"] for e in events["zero"]]), np.pi, atol=1e-2)


@pytest.mark.slow
def test_on_a_surface():
    """The pendulum as a bead on a rod has the period of the pendulum."""
    events = run(ROD, 6, 0.1, 200, '[events]\nlowest = "x"\n').extra["events"]["lowest"]
    times = np.array([e["t"] for e in events])
    np.testing.assert_allclose(np.diff(times), PERIOD / 2, atol=1e-8)


def test_chunks_do_not_show():
    more = 'save_every = 4\n[output]\nevery = 0.07\n[events]\nlowest = "q"\nturning = "q\'"\n'
    one, two = (run(PENDULUM, 3, 0.1, 100, more, chunk) for chunk in (None, 12))
    assert one.arrays.keys() == two.arrays.keys()
    for key in one.arrays:
        np.testing.assert_array_equal(one.arrays[key].data, two.arrays[key].data)
    assert len(one.arrays["t"].data) == 26


def test_the_march_itself_is_the_same():
    """Looking between the steps changes no step."""
    plain = run(PENDULUM, 3, 0.1, 100).arrays
    watched = run(PENDULUM, 3, 0.1, 100, '[events]\nlowest = "q"\n').arrays
    np.testing.assert_array_equal(plain["q"].data, watched["q"].data)


@pytest.mark.parametrize(
    ("more", "words", "at"),
    [
        ("[output]\n", "times or every", "[output]"),
        ("[output]\ntimes = [1.0]\nevery = 0.1\n", "times or every", "[output]"),
        ("[output]\ntimes = [0.5, 11.0]\n", "lies outside", "11.0"),
        ("[output]\nevery = 0.0\n", "positive", "0.0"),
        ("[output]\nevery = 1e-9\n", "at most", "1e-9"),
        ('[events]\nx = "q_plus"\n', "event", "q_plus"),
        ('[events]\nx = "p"\n', "p", '"p"'),
    ],
)
def test_faults_say_where(more, words, at):
    with pytest.raises(Faults) as caught:
        run(PENDULUM, 2, 0.1, 100, more)
    fault = caught.value.faults[0]
    assert words in fault.message and at in fault.line_text


def test_units():
    text = """\
study = "ggl"
[system]
coordinates = ["x"]
lagrangian = "m*x'^2/2 - k*x^2/2"
[parameters]
m = "1 kg"
k = "4 N/m"
[start]
position = { x = "0.1 m" }
velocity = { x = "0 m/s" }
[integrator]
r = 6
dt = "0.05 s"
steps = 100
[output]
every = "10 ms"
[events]
half = "x - 0.5*start"
[define]
start = "a"
"""
    text = text.replace('k = "4 N/m"', 'k = "4 N/m"\na = "0.1 m"')
    program = compile(loads(text))
    assert isinstance(program, Reported)
    state, report = program.advance(program.start(), 0, 100)
    findings = program.findings(state, report.samples, lambda *_: None)
    assert findings.arrays["output_t"].unit == "s" and len(findings.arrays["output_t"].data) == 501
    first = findings.extra["events"]["half"][0]
    assert first["t"] == pytest.approx(np.pi / 3 / 2, abs=1e-9)
    with pytest.raises(Faults):
        loads(text.replace("x - 0.5*start", "x - m"))
    with pytest.raises(Faults):
        loads(text.replace('"10 ms"', '"10 m"'))
