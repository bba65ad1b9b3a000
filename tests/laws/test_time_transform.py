"""Steps of a transformed time: order 2r + 2 in places and in physical time, energy, dissipation."""

import jax
import numpy as np
import pytest
from actionrun.compiler import compile
from actionrun.compiler.numerics.integrators.time_marching import constraint_error, energy_error
from actionrun.spec import Faults, loads
from orders import orders
from programs import LEFT, PERIOD, REST, ROD, angle, counted_compilations, place, ran, text
from systems import KEPLER, marched, slope

E = 0.9
BY_DISTANCE = 'time_transform = "|q|"'
MILDER = 'time_transform = "1/(0.5 + 1/|q|)"'
DAMPED = KEPLER + '\nnonconservative = "-0.001*dot(q_plus\', q_minus)/|q_plus|^2"'


def perihelion(e: float) -> tuple[str, str]:
    return f"q = [{1 - e!r}, 0]", f"q = [0, {((1 + e) / (1 - e)) ** 0.5!r}]"


def orbit(s, e: float = E):
    """Place and time of the Kepler orbit at eccentric anomaly s; dt = |q| ds there."""
    q = np.stack([np.cos(s) - e, np.sqrt(1 - e**2) * np.sin(s)], axis=-1)
    return q, s - e * np.sin(s)


def anomaly(t: float, e: float) -> float:
    """Kepler's equation, solved by Newton."""
    s = t
    for _ in range(50):
        s -= (s - e * np.sin(s) - t) / (1 - e * np.cos(s))
    return s


def kepler(r: int, steps: int, orbits: float, system=KEPLER, more=BY_DISTANCE, e=E):
    h = 2 * np.pi / steps
    return ran(text(system, *perihelion(e), r, h, round(orbits * steps), more))


STEPS = {0: (100, 200, 400), 1: (40, 60, 80), 2: (32, 40, 60), 3: (20, 28, 36)}


@pytest.mark.parametrize("r", STEPS)
def test_order_in_places(r):
    """Where the body is at the physical time of the last step."""
    far = []
    for n in STEPS[r]:
        run = kepler(r, n, 1.25, more=MILDER, e=0.6)
        far.append(np.max(np.abs(run.q[-1] - orbit(anomaly(run.t[-1], 0.6), 0.6)[0])))
    assert slope([1 / n for n in STEPS[r]], far) == pytest.approx(2 * r + 2, abs=0.2)


@pytest.mark.parametrize("r", orders(0, 2, slow=(1,)))
def test_order_in_time(r):
    """Physical time as a function of s."""
    late = []
    for n in STEPS[r]:
        run = kepler(r, n, 1.25, e=0.6)
        late.append(abs(run.t[-1] - orbit(2 * np.pi / n * len(run.t), 0.6)[1]))
    assert slope([1 / n for n in STEPS[r]], late) == pytest.approx(2 * r + 2, abs=0.2)


def test_energy_of_a_very_eccentric_orbit():
    """r = 4, 80 steps an orbit, 20 orbits: round-off where plain steps lose everything."""
    run = kepler(4, 80, 20)
    assert energy_error(run.state) <= 1e-13
    assert run.findings().metrics["energy_error_max"] <= 1e-13
    plain = kepler(4, 80, 20, more="")
    assert energy_error(plain.state) > 0.01
    q, t = orbit(2 * np.pi / 80 * np.arange(1, len(run.t) + 1))
    assert np.max(np.abs(run.q - q)) < 1e-10 and np.max(np.abs(run.t - t)) < 1e-10


def test_findings_are_of_physical_time():
    """Times, velocities and momenta of the rows are those of dq/dt."""
    run = kepler(4, 80, 1.25)
    found = run.findings()
    q, t = orbit(2 * np.pi / 80 * np.arange(0, 101))
    np.testing.assert_allclose(found.arrays["t"].data, t, atol=1e-12)
    assert found.extra["final"]["t"] == pytest.approx(t[-1], abs=1e-12)
    speed = np.linalg.norm(found.arrays["v_q"].data, axis=1)
    np.testing.assert_allclose(speed**2 / 2, 1 / np.linalg.norm(q, axis=1) - 0.5, rtol=1e-11)
    np.testing.assert_allclose(found.arrays["pi_q"].data, found.arrays["v_q"].data, rtol=1e-13)
    assert found.extra["final"]["momentum"] == found.extra["final"]["velocity"]
    assert "dt = (|q|) ds" in dict(found.summary)["steps"]


def test_angular_momentum_is_conserved_to_round_off():
    run = kepler(2, 60, 20)
    spin = run.q[:, 0] * run.p[:, 1] - run.q[:, 1] * run.p[:, 0]
    assert np.max(np.abs(spin / np.sqrt(1 - E**2) - 1)) < 1e-13


def test_a_constant_transform_is_another_unit_of_time():
    half = ran(text(KEPLER, *perihelion(E), 3, 0.005, 200, 'time_transform = "2"'))
    plain = ran(text(KEPLER, *perihelion(E), 3, 0.01, 200))
    np.testing.assert_allclose(half.t, plain.t, rtol=1e-14)
    np.testing.assert_allclose(half.q, plain.q, rtol=0, atol=1e-11)


@pytest.mark.parametrize("r", orders(1, slow=(0, 2, 3)))
def test_dissipation(r):
    """A dragged orbit against plain steps that are small: order 2r + 2."""
    far = []
    for n in STEPS[r]:
        run, count = kepler(r, n, 1.25, DAMPED, MILDER, 0.6), 1500
        start = np.asarray(run.program.q)[:2], np.asarray(run.program.p)[:2]
        plain = marched(DAMPED, 8, run.t[-1] / count, count, *start, every=count)
        far.append(np.max(np.abs(run.q[-1] - plain.q[-1])))
    assert slope([1 / n for n in STEPS[r]], far) == pytest.approx(2 * r + 2, abs=0.3)


def test_dissipation_on_a_very_eccentric_orbit():
    """Three dragged orbits of eccentricity 0.9: transformed, and by plain steps that are small."""
    run, count = kepler(6, 100, 3, DAMPED), 20000
    start = np.asarray(run.program.q)[:2], np.asarray(run.program.p)[:2]
    plain = marched(DAMPED, 8, run.t[-1] / count, count, *start, every=count)
    np.testing.assert_allclose(run.q[-1], plain.q[-1], rtol=0, atol=1e-10)
    np.testing.assert_allclose(run.p[-1], plain.p[-1], rtol=0, atol=1e-9)
    assert run.findings().arrays["energy"].data[-1] < -0.52


def test_the_energy_that_is_carried_is_the_energy():
    run = kepler(4, 80, 5, DAMPED)
    energy = run.findings().arrays["energy"].data
    assert energy[-1] < -0.52
    assert -run.state.p[-1] == pytest.approx(energy[-1], rel=1e-11)


def test_a_law_that_holds_time():
    """q'' = -q + cos(2 t) from rest at 0: q = (cos(t) - cos(2 t))/3, whatever the steps are of."""
    driven = 'coordinates = ["q"]\nlagrangian = "q\'^2/2 - q^2/2 + q*cos(2*t)"'
    h, far = [0.2, 0.1, 0.05], []
    run = None
    for k in h:
        steps = round(8 / k)
        run = ran(text(driven, "q = 0", "q = 0", 2, k, steps, 'time_transform = "1/(1 + q^2)"'))
        far.append(abs(run.q[-1, 0] - (np.cos(run.t[-1]) - np.cos(2 * run.t[-1])) / 3))
    assert run is not None and np.ptp(np.diff(run.t)) > 0.01
    assert slope(h, far) == pytest.approx(6, abs=0.4)


def test_a_constrained_motion():
    """A rod whose steps are longer where it is high, against its closed form."""
    h, far = [PERIOD / n for n in (20, 30, 40)], []
    run = None
    for k in h:
        steps = round(1.2 * PERIOD / k)
        run = ran(text(ROD, LEFT, REST, 2, k, steps, 'time_transform = "(2 + y)/2"'))
        far.append(np.max(np.abs(run.q[-1] - place(angle(run.t[-1])[0]))))
        assert constraint_error(run.state) < 1e-15
    assert run is not None and slope(h, far) == pytest.approx(6, abs=0.4)
    th, rate = angle(np.append(0, run.t))
    tension = 9.81 * np.cos(th) + rate**2
    found = run.findings().arrays["multiplier_1"].data
    np.testing.assert_allclose(found, -tension / 2, rtol=0, atol=1e-3)


def test_chunks_do_not_matter():
    study = text(DAMPED, *perihelion(E), 2, 0.1, 300, BY_DISTANCE)
    whole, cut = ran(study), ran(study, (1, 2, 7, 100, 299))
    same = jax.tree.map(np.array_equal, whole.state, cut.state)
    assert all(jax.tree.leaves(same)) and np.array_equal(whole.t, cut.t)


def test_time_that_would_run_backwards_ends_the_run():
    """A free body that flies through g = 0 in one long step: told, not stepped over."""
    free = 'coordinates = ["q"]\nlagrangian = "q\'^2/2 - 4*q"'
    more = 'time_transform = "1 + q"'
    program = compile(loads(text(free, "q = 0", "q = 0", 2, 0.5, 400, more)))
    state, report = program.advance(program.start(), 0, 400)
    assert report.diverged is None or "time_transform" in report.diverged
    t = np.asarray(report.samples["t"]) if report.samples else np.array([state.q[1]])
    assert np.all(np.diff(t) > 0) and t[-1] < 0.75  # it is at q = -1 at sqrt(1/2)


@pytest.mark.parametrize(
    ("system", "transform", "code"),
    [
        (KEPLER, "q[2]", "time-stands"),
        (KEPLER, "-|q|", "time-stands"),
        (KEPLER + '\nnonconservative = "0.1*dot(q_plus, q_minus\')"', "|q|", "not-built"),
        (KEPLER + '\nconstraints = ["q[2] = sin(t)"]', "|q|", "not-built"),
    ],
)
def test_what_cannot_be(system, transform, code):
    velocity = "q = [0, 1]"
    with pytest.raises(Faults) as caught:
        more = f'time_transform = "{transform}"'
        compile(loads(text(system, "q = [1, 0]", velocity, 2, 0.1, 10, more)))
    (fault,) = caught.value.faults
    assert fault.code == code and fault.line


@pytest.mark.parametrize(
    ("system", "start", "more"),
    [
        (ROD, (LEFT, REST), ""),
        (DAMPED, perihelion(E), BY_DISTANCE),
        (ROD, (LEFT, REST), 'time_transform = "(2 + y)/2"'),
    ],
    ids=["constrained", "transformed", "both"],
)
def test_another_number_of_steps_or_step_size_compiles_nothing(
    system, start: tuple[str, str], more
):
    ran(text(system, *start, 2, 0.01, 30, more))
    program = compile(loads(text(system, *start, 2, 0.02, 50, more + "\nsave_every = 5")))
    state = program.start()
    with counted_compilations() as compilations:
        program.advance(state, 0, 50)
    assert not compilations
