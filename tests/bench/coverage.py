"""Do error bars hold, and is a wrong law flagged? Fits of drawn data sets, one table.

    python tests/bench/coverage.py [--sets 200] [--rows white ar1 ...] [--seed 0]

Each row draws data sets of a damped pendulum (or of another law that is fitted as one) and counts
how often a coefficient lies within one and two of its deviations, how large these are beside the
ideal ones (the Fisher information of the true noise), and how often a check fails.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.integrate import solve_ivp

TRUTH = {"w2": 9.0, "gamma": 0.15, "q0": 0.05}
START = (0.9, 0.0)
NOISE = 0.01
TEXT = """
study = "family"
[system]
coordinates = {names}
lagrangian = "{law}"
nonconservative = "{force}"
[coefficients]
w2 = [0.1, 30.0]
gamma = [0.0, 2.0]
q0 = [{low}, {high}]
[integrator]
dt = 0.05
[data]
file = "motion.csv"
columns = {columns}
[network]
kind = "none"
{more}
"""


def motion(t, w2=9.0, gamma=0.15, q0=0.05, q=0.9, v=0.0, square=0.0, cubic=0.0):
    def slope(_, z):
        x = z[0] - q0
        force = -w2 * np.sin(x) - cubic * x**3
        return [z[1], force - gamma * z[1] - square * abs(z[1]) * z[1]]

    return solve_ivp(slope, (0, t[-1]), [q, v], t_eval=t, rtol=1e-10, atol=1e-11).y[0]


@dataclass(frozen=True)
class Row:
    """`draw(dice)`: columns, and the ideal deviations where the law is right."""

    name: str
    draw: Callable[[np.random.Generator], dict[str, np.ndarray]]
    covariance: Callable[[dict[str, np.ndarray]], np.ndarray] | None
    more: str = ""
    origin: float = 0.0


def times(count=240, dt=0.05):
    return dt * np.arange(count)


def white(dice, t=None, origin=0.0):
    t = times() if t is None else t
    return {"t": t, "q": origin + motion(t) + NOISE * dice.normal(size=t.size)}


def remembered(dice, rho=0.9):
    t = times()
    e = dice.normal(size=t.size)
    for i in range(1, t.size):
        e[i] = rho * e[i - 1] + np.sqrt(1 - rho**2) * e[i]
    return {"t": t, "q": motion(t) + NOISE * e}


def outlying(dice):
    data = white(dice)
    slips = dice.random(data["t"].size) < 0.03
    return {**data, "q": data["q"] + np.where(slips, 20 * NOISE * dice.normal(size=slips.size), 0)}


def uneven(dice):
    return white(dice, np.concatenate([[0.0], np.sort(dice.uniform(0.05, 12, 239))]))


def gappy(dice):
    data = white(dice)
    keep = dice.random(data["t"].size) > 0.2
    return {"t": data["t"], "q": np.where(keep, data["q"], np.nan)}


def two_trials(dice):
    t = times(160)
    parts = [motion(t) + s * dice.normal(size=t.size) for s in (NOISE, 10 * NOISE)]
    return {"trial": np.repeat([1.0, 2.0], t.size), "t": np.tile(t, 2), "q": np.concatenate(parts)}


def velocities(dice):
    """Two channels, noises 1 : 100 of their sizes: the velocity by differences of the motion."""
    t = times()
    q = motion(t)
    fine = motion(np.sort(np.concatenate([t, t + 1e-4])))
    v = (fine[1::2] - fine[::2]) / 1e-4
    return {"t": t, "q": q + 0.001 * dice.normal(size=t.size),
            "v_q": v + 0.1 * np.std(v) / np.std(q) * dice.normal(size=t.size)}  # fmt: skip


def beat(dice):
    t = times()
    return {"t": t, "q": 0.3 * np.cos(3 * t) + 0.3 * np.cos(3.5 * t)
            + NOISE * dice.normal(size=t.size)}  # fmt: skip


def other(**law):
    def draw(dice):
        t = times()
        return {"t": t, "q": motion(t, **law) + NOISE * dice.normal(size=t.size)}

    return draw


def plain(data):
    return NOISE**2 * np.eye(int(np.isfinite(data["q"]).sum()))


def ar1(data):
    gap = np.abs(data["t"][:, None] - data["t"][None]) / 0.05
    return NOISE**2 * 0.9**gap


ROWS = (
    Row("white", white, plain),
    Row("unequal channels", velocities, None),
    Row("offset origin", lambda dice: white(dice, origin=100.0), plain, origin=100.0),
    Row("ar1", remembered, ar1),
    Row("outliers", outlying, plain, '[refine]\nloss = "student"'),
    Row("uneven", uneven, plain),
    Row("missing", gappy, plain),
    Row("two trials", two_trials, None),
)
WRONG = (
    Row("quadratic drag", other(gamma=0.0, square=0.15), None),
    Row("cubic spring", other(cubic=2.0), None),
    Row("beat", beat, None),
    Row("declared / 10", white, None, "[observe]\nnoise = { q = 0.001 }"),
)


def ideal(row: Row, data: dict[str, np.ndarray]) -> np.ndarray:
    """Deviations (3,) by the Fisher information of the true noise."""
    there = np.isfinite(data["q"])
    x = np.array([*TRUTH.values(), *START])
    J = np.empty((int(there.sum()), x.size))
    for k in range(x.size):
        h = 1e-5 * max(abs(x[k]), 0.1)
        step = h * np.eye(x.size)[k]
        J[:, k] = ((motion(data["t"], *(x + step)) - motion(data["t"], *(x - step))) / (2 * h))[
            there
        ]
    assert row.covariance is not None
    inner = J.T @ np.linalg.solve(row.covariance(data), J)
    return np.sqrt(np.diag(np.linalg.inv(inner)))[:3]


class Fitter:
    """The program of a row, built once for all of its data sets."""

    def __init__(self, row: Row, columns: list[str]) -> None:
        from actionrun.compiler.family.bounds import ranges
        from actionrun.compiler.family.build import settings
        from actionrun.compiler.family.constraints import integrator
        from actionrun.compiler.family.measured.expressions import measured_expressions
        from actionrun.compiler.symbolic.lagrangian_system import lagrangian_system
        from actionrun.spec import loads

        low, high = row.origin - 0.3, row.origin + 0.3
        mapped = ", ".join(f'{c} = "{c}"' for c in columns)
        text = TEXT.format(
            names=["q"], law="q'^2/2 + w2*cos(q - q0)", force="-gamma*q_plus'*q_minus", low=low,
            high=high, columns=f"{{ {mapped} }}", more=row.more,
        )  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "motion.csv").write_text(",".join(columns) + "\n")
            self.study = loads(text, folder=Path(folder))
        self.symbolic = lagrangian_system(self.study)
        self.settings = settings(self.study, self.symbolic)
        self.within = ranges(self.settings, self.symbolic)
        self.ggl = integrator(self.symbolic, self.settings.r)
        self.formulas = measured_expressions(self.settings.columns.formulas, self.symbolic)

    def findings(self, data: dict[str, np.ndarray]):
        from actionrun.compiler.family.build import fit_settings
        from actionrun.compiler.family.fit import Fitting
        from actionrun.compiler.family.fit_findings import fit_findings
        from actionrun.compiler.family.observations import observed_motions

        observed = observed_motions(self.settings.columns, self.symbolic, data)
        how = fit_settings(self.study, self.settings, self.symbolic, observed)
        fitting = Fitting(how, self.symbolic, self.within, observed, self.ggl, self.formulas)
        return fit_findings(fitting.fit(lambda *_: None))


@dataclass(frozen=True)
class Coverage:
    """Shares within one and two deviations, deviations over the ideal ones, share flagged."""

    one: float
    two: float
    ratio: float
    flagged: float


def coverage(row: Row, sets: int, seed: int, right: bool = True) -> Coverage:
    dice = np.random.default_rng(seed)
    fitter, misses, ratios, flags = None, [], [], 0
    truth = np.array([9.0, 0.15, 0.05 + row.origin])
    for _ in range(sets):
        data = row.draw(dice)
        fitter = fitter or Fitter(row, [*data])
        findings = fitter.findings(data)
        found = findings.extra["coefficients"]
        flags += any(not c.passed for c in findings.checks
                     if c.name.startswith(("goodness", "residuals")))  # fmt: skip
        if right:
            value = np.array([found[n]["value"] for n in TRUTH], float)
            std = np.array([found[n]["std"] for n in TRUTH], float)
            misses.append((value - truth) / std)
            if row.covariance is not None:
                ratios.append(std / ideal(row, {**data, "q": data["q"] - row.origin}))
    z = np.abs(np.array(misses)) if misses else np.full((1, 3), np.nan)
    ratio = float(np.median(ratios)) if ratios else np.nan
    return Coverage(float(np.mean(z < 1)), float(np.mean(z < 2)), ratio, flags / sets)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", nargs="*", default=[])
    asked = parser.parse_args()
    from actionrun.runtime.environment.jax_setup import set_switches

    set_switches()
    print(f"{'row':18} {'1 dev':>7} {'2 dev':>7} {'/ideal':>7} {'flagged':>8}   of {asked.sets}")
    for rows, right in ((ROWS, True), (WRONG, False)):
        for row in rows:
            if not asked.rows or row.name in asked.rows:
                c = coverage(row, asked.sets, asked.seed, right)
                print(f"{row.name:18} {c.one:7.3f} {c.two:7.3f} {c.ratio:7.3f} {c.flagged:8.3f}",
                      flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
