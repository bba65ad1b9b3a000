"""Order 2r + 2, and round-off where the order is high: measured against closed forms."""

import numpy as np
import pytest
from orders import orders
from scipy.special import ellipj, ellipk
from systems import DAMPED, OSCILLATOR, PENDULUM, marched, slope

SPAN = 6.0
ROUND_OFF = 5e-15
# Numbers of steps where the leading error is alone: neither the next order nor round-off shows.
LINEAR = {0: (40, 80, 160), 1: (20, 40, 80), 2: (12, 24, 48), 3: (8, 12, 16), 4: (6, 8, 10)}
NONLINEAR = {0: (40, 80, 160), 1: (20, 40, 80), 2: (24, 32, 48), 3: (16, 24, 32)}
HEIGHT = 2.0  # of the pendulum, rad
# At r = 4 the leading error is alone only in a narrow window: steps longer than a fifth of the
# distance of the motion's poles in complex time resonate with it, and from about a seventh on
# round-off shows. Ten periods of the motion, taken whole, average what is left of either.
WINDOW, LONG = (5.0, 5.5, 6.0, 6.5), 60.0


def damped(t, m=1.0, k=1.0, lam=0.1):
    """Position and momentum of the damped oscillator from q = 1 at rest."""
    w = np.sqrt(k / m - (lam / (2 * m)) ** 2)
    q = np.exp(-lam * t / (2 * m)) * (np.cos(w * t) + lam / (2 * m * w) * np.sin(w * t))
    p = -k / w * np.exp(-lam * t / (2 * m)) * np.sin(w * t)
    return q, p


def pendulum(t, height):
    """Angle of the pendulum q'' = -sin q from rest at `height` (Jacobi's elliptic functions)."""
    k = np.sin(height / 2)
    return 2 * np.arcsin(k * ellipj(ellipk(k**2) - t, k**2)[0])


@pytest.mark.parametrize("r", LINEAR)
def test_order_on_the_damped_oscillator(r):
    h = [SPAN / n for n in LINEAR[r]]
    motions = [marched(DAMPED, r, SPAN / n, n, 1.0, 0.0) for n in LINEAR[r]]
    q, p = damped(SPAN)
    assert slope(h, [abs(m.q[-1, 0] - q) for m in motions]) == pytest.approx(2 * r + 2, abs=0.1)
    assert slope(h, [abs(m.p[-1, 0] - p) for m in motions]) == pytest.approx(2 * r + 2, abs=0.1)


@pytest.mark.parametrize("r", NONLINEAR)
def test_order_on_the_pendulum(r):
    """From rest."""
    h = [SPAN / n for n in NONLINEAR[r]]
    motions = [marched(PENDULUM, r, SPAN / n, n, HEIGHT, 0.0) for n in NONLINEAR[r]]
    errors = [abs(m.q[-1, 0] - pendulum(SPAN, HEIGHT)) for m in motions]
    assert slope(h, errors) == pytest.approx(2 * r + 2, abs=0.4)


def test_order_10_on_the_pendulum():
    """From rest at several heights, by the root mean square over the motion."""
    for height in (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0):
        pole = ellipk(np.cos(height / 2) ** 2)
        counts = [int(np.ceil(LONG * k / pole)) for k in WINDOW]
        motions = [marched(PENDULUM, 4, LONG / n, n, height, 0.0) for n in counts]
        errors = [np.sqrt(np.mean((m.q[:, 0] - pendulum(m.t, height)) ** 2)) for m in motions]
        assert min(errors) > 5e-14
        assert slope([LONG / n for n in counts], errors) == pytest.approx(10, abs=0.4), height


@pytest.mark.parametrize("r", orders(5, 20, slow=(6, 8, 12)))
def test_pendulum_to_round_off(r):
    motion = marched(PENDULUM, r, 0.25, 400, 2.0, 0.0)
    assert np.max(np.abs(motion.q[:, 0] - pendulum(motion.t, 2.0))) < 2e-13


@pytest.mark.parametrize(
    ("solver", "r", "error"),
    [
        ("linear", 0, 3.08e-3),
        ("linear", 1, 2.67e-7),
        ("linear", 2, 1.27e-11),
        ("linear", 4, ROUND_OFF),
        ("linear", 20, ROUND_OFF),
        ("fixed point", 0, 3.08e-3),
        ("fixed point", 1, 2.67e-7),
        ("fixed point", 2, 1.27e-11),
        *(("fixed point", r, ROUND_OFF) for r in range(4, 21)),
        ("newton", 2, 1.27e-11),
    ],
)
def test_largest_error_of_the_damped_oscillator(solver, r, error):
    motion = marched(DAMPED, r, 0.1, 1000, 1.0, 0.0, solver=solver)
    found = np.max(np.abs(motion.q[:, 0] - damped(motion.t)[0]))
    if error == ROUND_OFF:
        assert found <= ROUND_OFF
    else:
        assert found == pytest.approx(error, rel=0.05)
    if r == 2:
        at_10 = np.argmin(np.abs(motion.t - 10))
        assert motion.q[at_10, 0] == pytest.approx(-0.52920881890701978, abs=1e-10)
        assert motion.p[at_10, 0] == pytest.approx(0.32397955310035503, abs=1e-10)
        assert motion.q[-1, 0] == pytest.approx(0.0051334703750402773, abs=1e-10)


def test_r_0_is_stoermer_verlet():
    """r = 0 of a separable system is leapfrog: half kick, drift, half kick, to the last bits."""
    h, q, p = 0.1, 1.0, 0.3
    motion = marched(OSCILLATOR, 0, h, 50, q, p)
    for _ in range(50):
        half = p - h / 2 * q
        q = q + h * half
        p = half - h / 2 * q
    # The plain sum above rounds once a step, at the size of the motion, which is 1.
    rounding = 50 * np.finfo(float).eps
    np.testing.assert_allclose([motion.q[-1, 0], motion.p[-1, 0]], [q, p], rtol=0, atol=rounding)
