"""earth_orbit.toml, whole: the Sun's GM from four years of ephemerides, and again by SciPy."""

import numpy as np
import pytest
from claims import STUDIES, finished
from scipy.integrate import solve_ivp
from scipy.optimize import least_squares

GM = 2.9591e-4  # au^3/day^2
GAUSS = 2.95912208e-4  # the Gaussian constant squared


def by_scipy(t, x):
    """GM and its standard deviation from a Kepler orbit, DOP853 and least squares."""

    def orbit(z):
        def rates(_, y):
            return [*y[3:], *(-z[0] * y[:3] / np.linalg.norm(y[:3]) ** 3)]

        found = solve_ivp(rates, (0, t[-1]), z[1:], "DOP853", t_eval=t, rtol=1e-10, atol=1e-12)
        return found.y[:3].T

    start = np.concatenate([[3e-4], x[0], x[1] - x[0]])
    scale = [3e-4, 1, 1, 1, 0.017, 0.017, 0.017]
    fit = least_squares(lambda z: (orbit(z) - x).ravel(), start, x_scale=scale)
    covariance = np.linalg.inv(fit.jac.T @ fit.jac) * 2 * fit.cost / (x.size - 7)
    return fit.x[0], np.sqrt(covariance[0, 0])


@pytest.mark.slow
def test_the_mass_of_the_sun(tmp_path):
    result = finished("earth_orbit", tmp_path / "run")
    found = result["coefficients"]["GM"]
    assert found["unit"] == "au^3/day^2"
    assert found["value"] == pytest.approx(GM, rel=1e-4)
    assert max(result["residual"].values()) < 1e-4

    table = np.genfromtxt(STUDIES / "data" / "earth_heliocentric.csv", delimiter=",", skip_header=6)
    value, std = by_scipy(table[:, 0], table[:, 1:])
    assert value == pytest.approx(GM, rel=1e-4)
    # What is fitted is no Kepler orbit: the Moon's pull goes on from day to day, and errors as of
    # white noise would be too small.
    assert abs(found["value"] - value) < 3 * found["std"]
    assert abs(found["value"] - GAUSS) < 3 * found["std"] and found["std"] > std
    assert result["errors"] == "sandwich"


def test_the_data_file_says_where_it_comes_from():
    text = (STUDIES / "data" / "earth_heliocentric.csv").read_text()
    comments = [line for line in text.splitlines() if line.startswith("#")]
    for word in ("epv00", "pyerfa", "BSD", "TDB", "au", "2010-01-01"):
        assert any(word in line for line in comments), word
    assert len(text) < 150_000
