"""A fit of 50 trials of 100 samples beside SciPy's least_squares through solve_ivp.

    python tests/bench/fit_speed.py [--trials 50] [--samples 100]

SciPy starts at the truth, knows which samples an unknown moves (jac_sparsity), and does nothing
but fit; ours starts from the ranges, estimates the noise and judges itself. CPU of both; ours once
with the program compiled in this process, as the second data set of a laboratory is, and once cold.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from actionrun.runtime.environment.jax_setup import set_switches
from scipy.integrate import solve_ivp
from scipy.optimize import least_squares
from scipy.sparse import lil_matrix

set_switches()  # before JAX is imported
from fitter import Fitter  # noqa: E402  # pyright: ignore[reportMissingImports]

TRUTH = np.array([9.0, 0.15, 0.05])
NOISE = 0.005
TEXT = """study = "family"
[system]
coordinates = ["q"]
lagrangian = "q'^2/2 + w2*cos(q - q0)"
nonconservative = "-gamma*q_plus'*q_minus"
[coefficients]
w2 = [0.1, 30.0]
gamma = [0.0, 2.0]
q0 = [-0.3, 0.3]
[integrator]
dt = 0.05
[data]
file = "motion.csv"
columns = { trial = "trial", t = "t", q = "q" }
[network]
kind = "none"
"""


def motion(t, x, start):
    def slope(_, z):
        return [z[1], -x[0] * np.sin(z[0] - x[2]) - x[1] * z[1]]

    return solve_ivp(slope, (0, t[-1]), start, t_eval=t, rtol=1e-8, atol=1e-10).y[0]


def by_scipy(t, seen, starts):
    """Coefficients, their deviations and the CPU seconds."""
    trials = len(seen)
    pattern = lil_matrix((seen.size, 3 + 2 * trials))
    pattern[:, :3] = 1
    for k in range(trials):
        pattern[k * t.size : (k + 1) * t.size, 3 + 2 * k : 5 + 2 * k] = 1

    def miss(x):
        each = [motion(t, x[:3], x[3 + 2 * k : 5 + 2 * k]) for k in range(trials)]
        return (np.array(each) - seen).ravel()

    begun = time.process_time()
    fit = least_squares(miss, np.concatenate([TRUTH, starts.ravel()]), jac_sparsity=pattern,
                        x_scale="jac")  # fmt: skip
    took = time.process_time() - begun
    J = fit.jac.toarray()
    variance = 2 * fit.cost / (seen.size - J.shape[1])
    return fit.x[:3], np.sqrt(np.diag(np.linalg.inv(J.T @ J))[:3] * variance), took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--samples", type=int, default=100)
    asked = parser.parse_args()
    t, fitter = 0.05 * np.arange(asked.samples), Fitter(TEXT, ["trial", "t", "q"])
    for number in (0, 1):
        dice = np.random.default_rng(number)
        starts = np.stack([dice.uniform(0.3, 1.2, asked.trials), dice.normal(size=asked.trials)], 1)
        seen = np.array([motion(t, TRUTH, s) for s in starts])
        seen = seen + NOISE * dice.normal(size=seen.shape)
        begun = time.process_time()
        told = fitter.findings({
            "trial": np.repeat(np.arange(float(asked.trials)), t.size),
            "t": np.tile(t, asked.trials), "q": seen.ravel(),
        }).extra["coefficients"]  # fmt: skip
        print(f"ours, {('cold', 'compiled')[number]}: {time.process_time() - begun:.2f} s of CPU")
    x, std, took = by_scipy(t, seen, starts)
    print(f"SciPy: {took:.2f} s of CPU")
    for k, name in enumerate(told):
        print(f"{name}: {told[name]['value']:.6f} +- {told[name]['std']:.6f}, SciPy {x[k]:.6f} +- "
              f"{std[k]:.6f}")  # fmt: skip


if __name__ == "__main__":
    main()
