"""Intervals by the profile likelihood beside SciPy's, held fits of the closed form."""

import numpy as np
import pytest
from actionrun.compiler.family.fit_findings import fit_findings
from actionrun.compiler.family.measured.profile_likelihood import QUANTILES, _end, _is_lopsided
from measured_fits import solver
from scipy.optimize import brentq, least_squares

TEXT = """study = "family"
[system]
coordinates = ["q"]
lagrangian = "q'^2/2 - w2*q^2/2"
nonconservative = "-gamma*q_plus'*q_minus"
[coefficients]
w2 = [0.0, 30.0]
gamma = [0.0, 20.0]
[integrator]
r = 2
dt = 0.1
[data]
file = "x.csv"
columns = { t = "t", q = "q" }
[observe]
noise = { q = 0.05 }
[network]
kind = "none"
"""


def model(t, w2, gamma, q, v):
    root = np.sqrt(complex(gamma**2 / 4 - w2))
    grow = np.sinh(root * t) / root if root else t
    return np.real(np.exp(-gamma * t / 2) * (q * np.cosh(root * t) + (v + gamma / 2 * q) * grow))


def rise(t, q, held, value, best, least):
    """The cost of the best fit with one unknown held, above the least one."""
    free = [k for k in range(4) if k != held]
    low = np.array([0, 0, -np.inf, -np.inf])[free]

    def miss(x):
        whole = np.empty(4)
        whole[free], whole[held] = x, value
        return (model(t, *whole) - q) / 0.05

    start = np.maximum(best[free], low + 1e-12)
    fit = least_squares(miss, start, bounds=(low, np.inf), xtol=1e-12, ftol=1e-12, gtol=1e-12)
    return 2 * fit.cost - least


class Costs:
    """Held fits whose cost is known: of a Poisson mean, 2 (x - n log x), n = 3 seen."""

    x, low, high = np.array([3.0]), np.array([0.1]), np.array([30.0])

    def rise(self, held, value, passes):
        return 2 * (value - 3 - 3 * np.log(value / 3))


def test_the_ends_of_an_interval():
    """Those of a Poisson mean, by Brent's method; None where the range ends first."""
    for quantile in QUANTILES.values():
        for side, wall in ((-1.0, 0.1), (1.0, 30.0)):
            end = _end(Costs(), 0, side, quantile, np.sqrt(3), 1.0)  # type: ignore[arg-type]
            root = brentq(lambda c, q=quantile: Costs().rise(0, c, 1) - q**2, 3.0, wall)
            assert end == pytest.approx(root, abs=0.01)
    assert _end(Costs(), 0, 1.0, 20.0, np.sqrt(3), 1.0) is None  # type: ignore[arg-type]
    assert _is_lopsided(Costs(), 0, np.sqrt(3), 1.0)  # type: ignore[arg-type]


@pytest.mark.slow
def test_intervals_are_those_of_held_fits():
    """A slow decay seen for a third of a swing: its errors are lopsided."""
    t = np.linspace(0, 2.0, 15)
    q = model(t, 1.0, 0.8, 1.0, 0.0) + 0.05 * np.random.default_rng(2).normal(size=t.size)
    told = fit_findings(solver(TEXT, {"t": t, "q": q}).fit(lambda *_: None)).extra
    best = least_squares(
        lambda x: (model(t, *x) - q) / 0.05, [1.0, 0.8, 1.0, 0.0], xtol=1e-13, ftol=1e-13,
        bounds=([0, 0, -np.inf, -np.inf], np.inf),
    )  # fmt: skip
    assert told["profiles"], "nothing lopsided was drawn"
    for name, one in told["profiles"].items():
        held = ("w2", "gamma").index(name)
        for key, quantile in (("68", 1.0), ("95", 1.959963984540054)):
            for side, end in zip((-1, 1), one[f"interval_{key}"], strict=True):
                wall = (0.0, 30.0 - 10 * held)[side > 0]
                if end is None:
                    assert rise(t, q, held, wall, best.x, 2 * best.cost) < quantile**2
                    continue
                std = told["coefficients"][name]["std"]
                root = brentq(
                    lambda c, held=held, quantile=quantile: (
                        rise(t, q, held, c, best.x, 2 * best.cost) - quantile**2
                    ),
                    best.x[held], wall, xtol=1e-6,
                )  # fmt: skip
                assert end == pytest.approx(root, abs=0.02 * std)
