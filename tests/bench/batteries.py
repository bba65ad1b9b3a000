"""Is the least minimum found? Fits of systems drawn at random, one table.

    python tests/bench/batteries.py [driven|masses|pendulums ...] [--sets 40] [--out sets.jsonl]
                                    [--seconds 280]

driven: an oscillator with a drive of unknown strength, frequency and phase. masses: two of them,
damped, joined by springs, with eight coefficients whose ranges span two to three decades.
pendulums: chaotic double ones of 15 s. All have 1 % of noise. A fit reaches the noise where its
residuals are at most 1.15 times that; the worst miss is in its own deviations.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from actionrun.runtime.environment.jax_setup import set_switches
from scipy.integrate import solve_ivp

set_switches()  # before JAX is imported
from fitter import Fitter  # noqa: E402  # pyright: ignore[reportMissingImports]
from resumable import (  # noqa: E402  # pyright: ignore[reportMissingImports]
    Make,
    made_sets,
    parser_of,
)

NOISE, REACHED = 0.01, 1.15
Slope = Callable[[float, np.ndarray], list[float]]


@dataclass(frozen=True)
class Battery:
    """`draw(dice)`: true coefficients, the slope of the state and its start."""

    coordinates: tuple[str, ...]
    law: str
    force: str
    ranges: Mapping[str, tuple[float, float]]
    parameters: str
    times: np.ndarray
    draw: Callable[[np.random.Generator], tuple[dict[str, float], Slope, list[float]]]

    def text(self) -> str:
        ranges = "\n".join(f"{name} = [{low}, {high}]" for name, (low, high) in self.ranges.items())
        columns = ", ".join(f'{c} = "{c}"' for c in ("t", *self.coordinates))
        force = f'nonconservative = "{self.force}"\n' if self.force else ""
        return (
            f'study = "family"\n[system]\ncoordinates = {[*self.coordinates]}\n'
            f'lagrangian = "{self.law}"\n{force}{self.parameters}[coefficients]\n{ranges}\n'
            f"[integrator]\ndt = {self.times[1]:g}\n[data]\n"
            f'file = "motion.csv"\ncolumns = {{ {columns} }}\n[network]\nkind = "none"\n'
        )


def drawn_driven(dice):
    c = {"w2": dice.uniform(1, 9), "gamma": dice.uniform(0.05, 0.5), "F": dice.uniform(0.2, 2),
         "w": dice.uniform(0.6, 4.5), "phi": dice.uniform(-3, 3)}  # fmt: skip

    def slope(t, z):
        drive = c["F"] * np.cos(c["w"] * t + c["phi"])
        return [z[1], -c["w2"] * z[0] - c["gamma"] * z[1] + drive]

    return c, slope, [dice.normal() * 0.5, dice.normal() * 0.5]


def drawn_masses(dice):
    def over(low, high):
        return float(np.exp(dice.uniform(np.log(low), np.log(high))))

    c = {"m": over(0.3, 3), "ka": over(2, 20), "kb": over(2, 20), "kc": over(0.5, 10),
         "ca": over(0.02, 0.3), "cb": over(0.02, 0.3), "a0": dice.uniform(-2, 2),
         "b0": dice.uniform(-2, 2)}  # fmt: skip

    def slope(_, z):
        a, b, u, v = z
        apart = c["kc"] * (a - b)
        return [u, v, -c["ka"] * (a - c["a0"]) - apart - c["ca"] * u,
                (-c["kb"] * (b - c["b0"]) + apart - c["cb"] * v) / c["m"]]  # fmt: skip

    start = [c["a0"] + dice.normal(), c["b0"] + dice.normal(), dice.normal(), dice.normal()]
    return c, slope, start


def drawn_pendulums(dice):
    c = {"m2": dice.uniform(0.4, 1.6), "l1": dice.uniform(0.6, 1.4), "l2": dice.uniform(0.6, 1.4)}
    g, m1 = 9.81, 1.0

    def slope(_, z):
        a, b, u, v = z
        s, k, m2, l1, l2 = np.sin(a - b), np.cos(a - b), c["m2"], c["l1"], c["l2"]
        matrix = np.array([[(m1 + m2) * l1, m2 * l2 * k], [l1 * k, l2]])
        right = [-m2 * l2 * s * v**2 - (m1 + m2) * g * np.sin(a), l1 * s * u**2 - g * np.sin(b)]
        return [u, v, *np.linalg.solve(matrix, right)]

    return c, slope, [dice.uniform(1.6, 2.6), dice.uniform(1.6, 2.9), 0.0, 0.0]


DOUBLE = (
    "(m1 + m2)*l1^2*a'^2/2 + m2*l2^2*b'^2/2 + m2*l1*l2*a'*b'*cos(a - b) "
    "+ (m1 + m2)*g*l1*cos(a) + m2*g*l2*cos(b)"
)
BATTERIES = {
    "driven": Battery(
        ("q",), "q'^2/2 - w2*q^2/2 + F*cos(w*t + phi)*q", "-gamma*q_plus'*q_minus",
        {"w2": (0.5, 10.0), "gamma": (0.0, 1.0), "F": (0.0, 5.0), "w": (0.5, 5.0),
         "phi": (-3.2, 3.2)},
        "", 0.1 * np.arange(401), drawn_driven,
    ),
    "masses": Battery(
        ("a", "b"), "a'^2/2 + m*b'^2/2 - ka*(a - a0)^2/2 - kb*(b - b0)^2/2 - kc*(a - b)^2/2",
        "-ca*a_plus'*a_minus - cb*b_plus'*b_minus",
        {"m": (0.05, 20.0), "ka": (0.1, 100.0), "kb": (0.1, 100.0), "kc": (0.1, 100.0),
         "ca": (0.002, 2.0), "cb": (0.002, 2.0), "a0": (-10.0, 10.0), "b0": (-10.0, 10.0)},
        "", 0.05 * np.arange(401), drawn_masses,
    ),
    "pendulums": Battery(
        ("a", "b"), DOUBLE, "", {"m2": (0.2, 2.0), "l1": (0.5, 1.5), "l2": (0.5, 1.5)},
        "[parameters]\ng = 9.81\nm1 = 1.0\n", 0.05 * np.arange(301), drawn_pendulums,
    ),
}  # fmt: skip


def one_fit(battery: Battery, fitter: Fitter, dice: np.random.Generator) -> dict[str, Any]:
    """What a fit of a drawn system comes to."""
    t = battery.times
    truth, slope, start = battery.draw(dice)
    q = solve_ivp(slope, (t[0], t[-1]), start, t_eval=t, rtol=1e-12, atol=1e-12,
                  method="DOP853").y[: len(battery.coordinates)]  # fmt: skip
    q = q + NOISE * np.std(q, axis=1, keepdims=True) * dice.normal(size=q.shape)
    begun = time.process_time()
    told = fitter.findings({"t": t, **dict(zip(battery.coordinates, q, strict=True))}).extra
    worst = 0.0
    for name, true in truth.items():
        one = told["coefficients"][name]
        if one["std"]:
            worst = max(worst, abs(one["value"] - true) / one["std"])
    return {"residual": max(told["residual"].values()), "worst": worst, "truth": truth,
            "found": {n: c["value"] for n, c in told["coefficients"].items()},
            "cpu": time.process_time() - begun}  # fmt: skip


def table(done: dict[str, list[dict]]) -> str:
    lines = [f"{'battery':12} {'reached':>10} {'worst miss':>11} {'within 4':>9} {'CPU':>7}"]
    for name, sets in done.items():
        reached = [one for one in sets if one["residual"] <= REACHED * NOISE]
        worst = max((one["worst"] for one in reached), default=np.nan)
        within = sum(one["worst"] < 4 for one in reached)
        cpu = np.median([one["cpu"] for one in sets])
        lines.append(f"{name:12} {len(reached):4} of {len(sets):2} {worst:11.2f} {within:9} "
                     f"{cpu:6.1f}s")  # fmt: skip
    return "\n".join(lines)


def fits_of(battery: Battery) -> Make:
    return partial(one_fit, battery, Fitter(battery.text(), ["t", *battery.coordinates]))


def main() -> None:
    parser = parser_of(__doc__, 40)
    parser.add_argument("batteries", nargs="*", default=[*BATTERIES])
    asked = parser.parse_args()
    kinds = {name: partial(fits_of, battery) for name, battery in BATTERIES.items()}
    print(table(made_sets(asked, "battery", kinds, asked.batteries)))


if __name__ == "__main__":
    main()
