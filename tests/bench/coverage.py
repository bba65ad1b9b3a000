"""Do error bars hold, and is a wrong law flagged? Fits of drawn data sets, one table.

    python tests/bench/coverage.py [--sets 200] [--rows white ar1 ...] [--seed 0]
                                   [--out sets.jsonl] [--seconds 280]

Each row draws data sets of a damped pendulum (or of another law that is fitted as one) and counts
how often a coefficient lies within one and two of its deviations, how large these are beside the
ideal ones (the Fisher information of the true noise), and how often a check fails.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from actionrun.runtime.environment.jax_setup import set_switches
from scipy.integrate import solve_ivp

set_switches()  # before JAX is imported
from fitter import Fitter  # noqa: E402  # pyright: ignore[reportMissingImports]
from resumable import (  # noqa: E402  # pyright: ignore[reportMissingImports]
    Made,
    Make,
    made_sets,
    parser_of,
)

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


UNEVEN = np.concatenate([[0.0], np.sort(np.random.default_rng(7).uniform(0.05, 12, 239))])


def uneven(dice):
    return white(dice, UNEVEN)  # the same times in all sets: one compiled program


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


def row_fitter(row: Row, columns: list[str]) -> Fitter:
    low, high = row.origin - 0.3, row.origin + 0.3
    mapped = ", ".join(f'{c} = "{c}"' for c in columns)
    text = TEXT.format(
        names=["q"], law="q'^2/2 + w2*cos(q - q0)", force="-gamma*q_plus'*q_minus", low=low,
        high=high, columns=f"{{ {mapped} }}", more=row.more,
    )  # fmt: skip
    return Fitter(text, columns)


def one_set(row: Row, fitter: Fitter, data: dict[str, np.ndarray], right: bool) -> Made:
    """A data set fitted: misses over deviations and deviations over the ideal ones, by coefficient
    (None where a coefficient has none), and the checks that flag it."""
    findings = fitter.findings(data)
    flags = [c.name for c in findings.checks
             if not c.passed and c.name.startswith(("goodness", "residuals"))]  # fmt: skip
    done: Made = {"flags": flags, "errors": findings.extra["errors"]}
    if right:
        truth = dict(TRUTH, q0=TRUTH["q0"] + row.origin)
        best = None
        if row.covariance is not None:
            best = ideal(row, {**data, "q": data["q"] - row.origin})
        for k, (name, true) in enumerate(truth.items()):
            one = findings.extra["coefficients"][name]
            known = one["value"] is not None and one["std"]
            done[name] = [(one["value"] - true) / one["std"] if known else None,
                          one["std"] / best[k] if known and best is not None else None]  # fmt: skip
    return done


def table(done: dict[str, list[dict]]) -> str:
    """Shares within one and two deviations (the coefficient that is worst), deviations over the
    ideal ones (the median of the coefficient that is worst), share flagged."""
    lines = [f"{'row':18} {'sets':>5} {'1 dev':>12} {'2 dev':>12} {'/ideal':>7} {'flagged':>8}"]
    for row in (*ROWS, *WRONG):
        sets = done.get(row.name, [])
        if not sets:
            continue
        shares = {1: [], 2: []}
        ratios = []
        for name in TRUTH:
            pairs = [one[name] for one in sets if name in one]
            if not pairs:
                continue
            for limit, into in shares.items():
                into.append(np.mean([m is not None and abs(m) < limit for m, _ in pairs]))
            of_ideal = [r for _, r in pairs if r is not None]
            ratios += [float(np.median(of_ideal))] if of_ideal else []
        one, two = (f"{min(s):.3f}-{max(s):.3f}" if s else "" for s in (shares[1], shares[2]))
        ratio = f"{max(ratios):.3f}" if ratios else ""
        flagged = np.mean([bool(one_set["flags"]) for one_set in sets])
        lines.append(f"{row.name:18} {len(sets):5} {one:>12} {two:>12} {ratio:>7} {flagged:8.3f}")
    return "\n".join(lines)


def fits_of(row: Row, right: bool) -> Make:
    """Draws and fits data sets of a row by one program, which is made for the first."""
    fitters: list[Fitter] = []

    def make(dice: np.random.Generator) -> Made:
        data = row.draw(dice)
        if not fitters:
            fitters.append(row_fitter(row, [*data]))
        return one_set(row, fitters[0], data, right)

    return make


def main() -> None:
    parser = parser_of(__doc__, 200)
    parser.add_argument("--rows", nargs="*", default=[])
    asked = parser.parse_args()
    kinds = {row.name: partial(fits_of, row, row in ROWS) for row in (*ROWS, *WRONG)}
    chosen = [name for name in kinds if not asked.rows or name in asked.rows]
    print(table(made_sets(asked, "row", kinds, chosen)))


if __name__ == "__main__":
    main()
