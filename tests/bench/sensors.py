"""Coefficients from one sensor alone: how often they lie within two deviations, one table.

    python tests/bench/sensors.py [accelerometer gyroscope radius wrapped hidden ...] [--sets 100]
                                  [--seed 0] [--out sets.jsonl] [--seconds 280]

accelerometer, gyroscope, wrapped (an angle modulo 2 pi): a damped pendulum of unknown start.
radius: two springs at a right angle, seen as sqrt(x^2 + y^2), which does not say which is which.
hidden: two coupled oscillators of which one is seen, from a start at rest of the other. All have
1 % of noise. 95 % of the coefficients are to lie within two deviations.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
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

sys.path.append(str(Path(__file__).parents[1] / "laws"))
from measured_fits import (  # noqa: E402  # pyright: ignore[reportMissingImports]
    COUPLED,
    PENDULUM,
    SPRINGS,
)

NOISE = 0.01
AT_REST = "[start]\nposition = { b = 0.0 }\nvelocity = { b = 0.0 }\n"
T = np.linspace(0, 10, 201)
Drawn = tuple[list[float], np.ndarray]  # true coefficients, and what is seen without noise


@dataclass(frozen=True)
class Sensor:
    """A study, the column that it sees, and how a motion is drawn; `unordered`: which coefficient
    is which is not to be told; `wrapped`: the samples are."""

    law: str
    columns: str
    column: str
    draw: Callable[[np.random.Generator], Drawn]
    unordered: bool = False
    wrapped: bool = False

    @property
    def text(self) -> str:
        return self.law + self.columns


def motion(slope, start) -> np.ndarray:
    made = solve_ivp(slope, (T[0], T[-1]), start, t_eval=T, rtol=1e-11, atol=1e-12,
                     method="DOP853")  # fmt: skip
    return made.y


def pendulum(dice, over: bool = False) -> tuple[list[float], np.ndarray, np.ndarray, np.ndarray]:
    w2, gamma = dice.uniform(2, 12), dice.uniform(0.05, 0.4)
    start = [dice.uniform(0.5, 1.5) * dice.choice([-1, 1]), dice.uniform(-1, 1)]
    if over:  # over the top, once or more
        start = [0.3, dice.uniform(2.1, 2.6) * np.sqrt(w2)]
    q, v = motion(lambda _, z: [z[1], -gamma * z[1] - w2 * np.sin(z[0])], start)
    return [w2, gamma], q, v, -gamma * v - w2 * np.sin(q)


def accelerometer(dice) -> Drawn:
    """At 0.3 from the pivot, tangential."""
    truth, q, _, a = pendulum(dice)
    return truth, 0.3 * a + truth[0] * np.sin(q) / 2


def gyroscope(dice) -> Drawn:
    truth, _, v, _ = pendulum(dice)
    return truth, v


def wrapped(dice) -> Drawn:
    truth, q, *_ = pendulum(dice, over=True)
    return truth, q


def radius(dice) -> Drawn:
    k, other = dice.uniform(2, 4), dice.uniform(5, 9)
    x, y = (
        dice.uniform(0.6, 1.2) * np.cos(np.sqrt(w2) * T + dice.uniform(0, 2 * np.pi))
        for w2 in (k, other)
    )
    return [k, other], np.hypot(x, y)


def hidden(dice) -> Drawn:
    k, other, c = dice.uniform(4, 9), dice.uniform(10, 16), dice.uniform(1, 3)
    a = motion(
        lambda _, z: [z[2], z[3], -k * z[0] - c * (z[0] - z[1]), -other * z[1] - c * (z[1] - z[0])],
        [dice.uniform(0.5, 1.5), 0, dice.uniform(-1, 1), 0],
    )[0]
    return [k, other, c], a


def observable(what: str) -> str:
    return f'columns = {{ t = "t" }}\n[data.observables]\n{what}\n'


SENSORS = {
    "accelerometer": Sensor(
        PENDULUM, observable('s = { column = "s", is = "0.3*q\'\' + w2*sin(q)/2" }'), "s",
        accelerometer,
    ),
    "gyroscope": Sensor(PENDULUM, 'columns = { t = "t", v_q = "v_q" }\n', "v_q", gyroscope),
    "radius": Sensor(SPRINGS, observable('s = { column = "s", is = "sqrt(x^2 + y^2)" }'), "s",
                     radius, unordered=True),
    "wrapped": Sensor(PENDULUM, observable('q = { column = "q", wrap = "2*pi" }'), "q", wrapped,
                      wrapped=True),
    "hidden": Sensor(
        COUPLED, 'columns = { t = "t", a = "a" }\n' + AT_REST, "a", hidden
    ),
}  # fmt: skip


def one_fit(sensor: Sensor, fitter: Fitter, dice: np.random.Generator) -> dict[str, Any]:
    """By how many deviations a fit misses each coefficient; None where it has none."""
    truth, clean = sensor.draw(dice)
    seen = clean + NOISE * np.std(clean) * dice.normal(size=len(T))
    if sensor.wrapped:
        seen = np.mod(seen + np.pi, 2 * np.pi) - np.pi
    begun = time.process_time()
    told = fitter.findings({"t": T, sensor.column: seen})
    fits = [(one["value"], one["std"]) for one in told.extra["coefficients"].values()]
    if sensor.unordered and all(value is not None for value, _ in fits):
        fits = sorted(fits)
    misses = [
        abs(value - true) / std if std else None
        for (value, std), true in zip(fits, truth, strict=True)
    ]
    return {"misses": misses, "truth": truth, "found": fits,
            "cpu": time.process_time() - begun,
            "sound": all(check.passed for check in told.checks)}  # fmt: skip


def table(done: dict[str, list[dict]]) -> str:
    """Coefficients within one and two deviations, those that have none, fits whose checks hold."""
    lines = [f"{'sensor':14} {'sets':>5} {'within 1':>9} {'within 2':>9} {'over 4':>7} "
             f"{'none':>5} {'held':>5} {'CPU':>7}"]  # fmt: skip
    for name, sets in done.items():
        every = [miss for one in sets for miss in one["misses"]]
        misses = np.array([miss for miss in every if miss is not None])
        lines.append(
            f"{name:14} {len(sets):5} {100 * np.mean(misses < 1):7.1f} % "
            f"{100 * np.mean(misses < 2):7.1f} % {int((misses > 4).sum()):7} "
            f"{len(every) - len(misses):5} {sum(one['sound'] for one in sets):5} "
            f"{np.median([one['cpu'] for one in sets]):6.1f}s"
        )
    return "\n".join(lines)


def fits_of(sensor: Sensor) -> Make:
    return partial(one_fit, sensor, Fitter(sensor.text, ["t", sensor.column]))


def main() -> None:
    parser = parser_of(__doc__, 100)
    parser.add_argument("sensors", nargs="*", default=[*SENSORS])
    asked = parser.parse_args()
    kinds = {name: partial(fits_of, sensor) for name, sensor in SENSORS.items()}
    print(table(made_sets(asked, "sensor", kinds, asked.sensors)))


if __name__ == "__main__":
    main()
