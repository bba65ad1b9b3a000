"""Random functions of the states of some systems, and their zeros by another path (DOP853)."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "differential"))

from ggl_reference import Crossings, Motion, crossings, motion  # pyright: ignore
from ggl_studies import GglStudy  # pyright: ignore


@dataclass(frozen=True)
class System:
    """A system, a start, and the period of its fastest motion."""

    coordinates: tuple[str, ...]
    lagrangian: str
    position: tuple[float, ...]
    velocity: tuple[float, ...]
    period: float
    nonconservative: str = ""
    constraints: tuple[str, ...] = ()
    time_transform: str = ""


X, XY = ("x",), ("x", "y")
FREE = "(x'^2 + y'^2)/2"
SYSTEMS = (
    System(X, "x'^2/2 - x^2/2", (1.0,), (0.1,), 6.28),
    System(X, "x'^2/2 + cos(x)", (2.0,), (0.0,), 8.0),
    System(X, "x'^2/2 - x^4/4", (1.1,), (0.2,), 6.5),
    System(X, "x'^2/2 + x^2/2 - x^4/4", (1.3,), (0.4,), 5.0),
    System(X, "x'^2/2 - 2*x^2", (1.0,), (0.0,), 3.14, "-0.1*x_plus'*x_minus"),
    System(X, "x'^2/2 - x^2/2 + 0.3*cos(1.7*t)*x", (0.5,), (0.3,), 3.7),
    System(X, "(1 + 0.3*x^2)*x'^2/2 - x^2", (0.9,), (0.1,), 4.6),
    System(X, "x'^2/2 - exp(-x) - x", (0.8,), (0.5,), 6.2),
    System(X, "x'^2/2 - sqrt(1 + x^2)", (1.5,), (0.0,), 7.0),
    System(X, "-sqrt(1 - x'^2/4)*4 - x^2/2", (1.0,), (0.2,), 6.5),
    System(XY, f"{FREE} + 1/sqrt(x^2 + y^2)", (1.0, 0.0), (0.0, 0.9), 5.0),
    System(XY, f"{FREE} + 1/sqrt(x^2 + y^2)", (1.4, 0.0), (0.0, 0.65), 2.0),
    System(XY, f"{FREE} - (x^2 + y^2)/2 - x^2*y + y^3/3", (0.1, 0.1), (0.3, 0.1), 5.0),
    System(XY, f"{FREE} + 0.7*(x*y' - y*x')/2 - x^2 - y^2/2", (1.0, 0.2), (0.0, 0.3), 3.6),
    System(XY, f"{FREE} - (x - y)^2 - x^2/2 - y^4/4", (0.8, -0.3), (0.0, 0.4), 3.2),
    System(XY, f"{FREE} - x^2*y^2/2 - x^2/2 - y^2/2", (1.0, 0.7), (0.0, 0.0), 5.0),
    System(XY, "x'^2 + y'^2/2 + x'*y'*cos(x - y) + 2*cos(x) + cos(y)", (0.6, 0.9), (0.0, 0.0), 3.2),
    System(XY, f"{FREE} - y", (0.8, -0.6), (0.3, 0.4), 5.6, "", ("x^2 + y^2 = 1",)),
    System(XY, f"{FREE} + 1/sqrt(x^2 + y^2)", (0.5, 0.0), (0.0, 1.6), 3.0, "", (),
           "sqrt(x^2 + y^2)"),
    System(X, "x'^2/2 - abs(x)^3/3 - x^2/2", (0.9,), (0.3,), 4.6),
)  # fmt: skip


def drawn(number: int, count: int, steps: int) -> tuple[GglStudy, Motion]:
    """System `number` with `count` random events, and its motion."""
    dice, one = Random(f"events {number}"), SYSTEMS[number]
    r = dice.randint(4, 12)
    # of the fastest period, such that the steps themselves are exact to 1e-8 or better
    share = {4: 30, 5: 22, 6: 17, 7: 13, 8: 10, 9: 9, 10: 8, 11: 7, 12: 6}[r]
    dt = round(one.period / share / dice.uniform(1.0, 1.5), 4)

    def study(events: dict[str, str]) -> GglStudy:
        return GglStudy(
            one.coordinates, one.lagrangian, one.nonconservative, {}, {}, one.position,
            one.velocity, one.constraints, one.time_transform, r, dt, steps, 0.0, events,
        )  # fmt: skip

    moving = motion(study({}))
    assert moving is not None
    makers = (_level, _product, _wave, _square, _angle, _pair)
    events = {f"e{k}": dice.choice(makers)(dice, one, moving, dt, steps) for k in range(count)}
    return study(events), moving


def _level(dice: Random, one: System, *_) -> str:
    q = dice.choice(one.coordinates)
    return f"{q}*{dice.uniform(0.3, 1):.4f} + {q}'*{dice.uniform(-1, 1):.4f} - " \
           f"{dice.uniform(0, 0.6):.4f}"  # fmt: skip


def _product(dice: Random, one: System, *_) -> str:
    q, w = dice.choice(one.coordinates), dice.choice(one.coordinates)
    return f"{q}*{w}' + {dice.uniform(-0.3, 0.3):.4f}"


def _wave(dice: Random, one: System, *_) -> str:
    fast = dice.uniform(1, 30) * 6.28 / one.period
    return f"sin({fast:.4f}*t + {dice.uniform(0, 6):.4f}) - {dice.uniform(0, 0.9):.4f}"


def _square(dice: Random, one: System, *_) -> str:
    q = dice.choice(one.coordinates)
    return f"{q}^2 + {dice.uniform(0, 1):.4f}*{q}'^2 - {dice.uniform(0.05, 0.9):.4f}"


def _angle(dice: Random, one: System, *_) -> str:
    q = dice.choice(one.coordinates)
    return f"atan2({q}, {q}') - {dice.uniform(-2, 2):.4f}"


def _pair(dice: Random, one: System, moving: Motion, dt: float, steps: int) -> str:
    """A level just below a turning point: two crossings closer than a hundredth of a step."""
    s = np.linspace(0.05, 0.95, 40 * steps) * dt * steps
    k = dice.randrange(len(one.coordinates))
    _, q, v = moving.state(s)
    turns = np.flatnonzero(v[k, 1:] * v[k, :-1] < 0)
    if not len(turns):
        return _level(dice, one)
    at = dice.choice(list(turns))
    low, high = s[at], s[at + 1]
    for _ in range(60):
        mid = (low + high) / 2
        low, high = (mid, high) if moving.state(mid)[2][k] * v[k, at] > 0 else (low, mid)
    _, q, v0 = moving.state(low)
    bent = abs(moving.acceleration(q, v0, float(moving.state(low)[0]))[k])
    depth = bent * (dice.uniform(0.002, 0.009) * dt / 2) ** 2 / 2
    level = q[k] - np.sign(v[k, at]) * depth
    return f"{one.coordinates[k]} - {level:.15g}".replace("- -", "+ ")


def _without_jumps(of: Crossings, moving: Motion, text: str) -> Crossings:
    """Only those at which the event is nearly zero."""
    g = moving.formulas.function(moving.formulas.read(text))
    zero = np.zeros(len(of.t), bool)
    end = float(moving.state(np.float64(moving.end))[0])
    for k, t in enumerate(of.t):
        clock, q, v = moving.state(np.float64(moving.s_of(min(float(t), end))))
        zero[k] = abs(float(g(q, v, float(clock)))) < 1e-3
    return Crossings(of.t[zero], of.rising[zero], of.slope[zero], of.nearest_miss)


def differences(
    study: GglStudy, moving: Motion, said: dict[str, list[dict]], error: float = 0.0
) -> list[str]:
    """What is missed, invented or elsewhere, in words. `error` is that of the steps themselves:
    where a force has a kink they are of lower order, and events no better."""
    wrong = []
    end = float(moving.state(np.float64(moving.end))[0])
    for name, text in study.events.items():
        right: Crossings = crossings(moving, text, study.steps)
        if right.nearest_miss < 1e-7:
            continue  # it touches zero: neither is known
        right = _without_jumps(right, moving, text)
        inner = [e for e in said[name] if 1e-6 < e["t"] < end - 1e-6]
        inside = (right.t > 1e-6) & (right.t < end - 1e-6)
        t, slope, rising = right.t[inside], right.slope[inside], right.rising[inside]
        if len(t) != len(inner):
            wrong.append(f"{name} = {text}: {len(inner)} said, {len(t)} right")
            continue
        gap = np.abs(np.array([e["t"] for e in inner]) - t) * np.maximum(np.abs(slope), 1e-3)
        if len(t) and not np.max(gap) < max(1e-6, 3 * error):
            wrong.append(f"{name} = {text}: off by {np.max(gap):.1e}")
        if [e["direction"] > 0 for e in inner] != list(rising):
            wrong.append(f"{name} = {text}: directions")
    return wrong
