"""The motion of a random ggl study by another path: SymPy's own parser, SciPy's DOP853.

Nothing of actionrun is used. Equations: pi = dL/dv + dK/dv_minus, d(pi)/dt = dL/dq + dK/dq_minus at
the physical limit (Galley, Phys. Rev. Lett. 110, 174301, 2013), with multipliers for constraints
that were differentiated twice; a transformed time is one more coordinate, dt/ds = g.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import sympy as sp
from ggl_studies import GglStudy
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

RTOL, ATOL = 1e-13, 1e-14
WIDEST = 1e6  # a motion that leaves this has blown up
FUNCTIONS = {"abs": sp.Abs, "min": sp.Min, "max": sp.Max, "ln": sp.log}


class Formulas:
    """The symbols of a study, and its texts as SymPy expressions of them."""

    def __init__(self, study: GglStudy) -> None:
        self.t = sp.Symbol("t", real=True)
        self.q = [sp.Symbol(name, real=True) for name in study.coordinates]
        self.v = [sp.Symbol(f"{name}__v", real=True) for name in study.coordinates]
        self.minus = [sp.Symbol(f"{name}_minus", real=True) for name in study.coordinates]
        self.minus_v = [sp.Symbol(f"{name}_minus__v", real=True) for name in study.coordinates]
        self.names = {str(s): s for s in (self.t, *self.q, *self.v, *self.minus, *self.minus_v)}
        for name, q, v in zip(study.coordinates, self.q, self.v, strict=True):
            self.names |= {f"{name}_plus": q, f"{name}_plus__v": v}
        self.names |= FUNCTIONS
        self.names |= {k: sp.Float(v, 17) for k, v in study.parameters.items()}
        for name, text in study.define.items():
            self.names[name] = self.read(text)

    def read(self, text: str) -> sp.Expr:
        """The study language as SymPy; the texts are the generator's own."""
        text = re.sub(r"([A-Za-z]\w*)'", r"\1__v", text)
        text = re.sub(r"\|([^|]+)\|", r"abs(\1)", text).replace("^", "**")
        return sp.sympify(text, locals=self.names)

    def function(self, expression: sp.Expr | sp.Matrix) -> Callable[..., np.ndarray]:
        """Of (q, v, t)."""
        arguments = [*self.q, *self.v, self.t]
        raw = sp.lambdify(arguments, expression, modules="numpy", cse=True)
        return lambda q, v, t: np.asarray(raw(*q, *v, t), dtype=float)


@dataclass(frozen=True)
class Motion:
    """The reference: states at any value of the stepped time s (t itself, but for a transform)."""

    dense: Callable[[np.ndarray], np.ndarray]
    n: int
    end: float
    transformed: bool
    formulas: Formulas
    momenta: Callable[..., np.ndarray]
    energy: Callable[..., np.ndarray]
    acceleration: Callable[..., np.ndarray]

    def state(self, s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """t, positions and velocities (n, ...) at s."""
        y = self.dense(np.asarray(s, dtype=float))
        t = y[2 * self.n] if self.transformed else np.asarray(s, dtype=float)
        return t, y[: self.n], y[self.n : 2 * self.n]

    def s_of(self, t: float) -> float:
        """The stepped time at which the clock shows t."""
        if not self.transformed:
            return t
        return brentq(lambda s: float(self.dense(s)[2 * self.n]) - t, 0, self.end, xtol=1e-14)


def motion(study: GglStudy) -> Motion | None:
    """The motion; None where it blows up."""
    f = Formulas(study)
    n = len(f.q)
    lagrangian = f.read(study.lagrangian)
    extra = f.read(study.nonconservative) if study.nonconservative else sp.Integer(0)
    limit = dict.fromkeys((*f.minus, *f.minus_v), 0)
    momenta = sp.Matrix([
        sp.diff(lagrangian, v) + sp.diff(extra, mv).subs(limit)
        for v, mv in zip(f.v, f.minus_v, strict=True)
    ])  # fmt: skip
    force = sp.Matrix([
        sp.diff(lagrangian, q) + sp.diff(extra, m).subs(limit)
        for q, m in zip(f.q, f.minus, strict=True)
    ])  # fmt: skip
    mass = momenta.jacobian(f.v)
    rest = force - momenta.jacobian(f.q) * sp.Matrix(f.v) - momenta.diff(f.t)
    acceleration = _acceleration(f, study, mass, rest)
    rate = f.function(f.read(study.time_transform)) if study.time_transform else None
    energy = sum(v * sp.diff(lagrangian, v) for v in f.v) - lagrangian

    def slope(s: float, y: np.ndarray) -> np.ndarray:
        q, v = y[:n], y[n : 2 * n]
        t = y[2 * n] if rate else s
        dy = np.concatenate([v, acceleration(q, v, t)])
        if rate is None:
            return dy
        g = float(rate(q, v, t))
        return g * np.append(dy, 1.0)

    def lost(s: float, y: np.ndarray) -> float:
        return WIDEST - np.max(np.abs(y))

    lost.terminal = True  # type: ignore[attr-defined]
    end = study.dt * study.steps
    start = np.array([*study.position, *study.velocity, *([0.0] if rate else [])])
    step = study.dt / 4 if study.kinked else study.dt
    with np.errstate(all="ignore"):
        solved = solve_ivp(
            slope, (0, end * (1 + 1e-12)), start, method="DOP853", rtol=RTOL, atol=ATOL,
            dense_output=True, events=lost, max_step=step,
        )  # fmt: skip
    if solved.status != 0:
        return None
    return Motion(
        solved.sol, n, end, rate is not None, f, f.function(momenta.T), f.function(energy),
        acceleration,
    )  # fmt: skip


def _acceleration(f: Formulas, study: GglStudy, mass, rest) -> Callable[..., np.ndarray]:
    M, R = f.function(mass), f.function(rest)
    n = len(f.q)
    if not study.constraints:
        return lambda q, v, t: np.linalg.solve(M(q, v, t), R(q, v, t).reshape(n))
    sides = [text.split("=") for text in study.constraints]
    phi = sp.Matrix([f.read(left) - f.read(right) for left, right in sides])
    G_of = phi.jacobian(f.q)
    speed = G_of * sp.Matrix(f.v) + phi.diff(f.t)
    G, curve = f.function(G_of), f.function(speed.jacobian(f.q) * sp.Matrix(f.v) + speed.diff(f.t))
    m = len(sides)

    def acceleration(q, v, t) -> np.ndarray:
        g = G(q, v, t).reshape(m, n)
        whole = np.block([[M(q, v, t), g.T], [g, np.zeros((m, m))]])
        right = np.concatenate([R(q, v, t).reshape(n), -curve(q, v, t).reshape(m)])
        return np.linalg.solve(whole, right)[:n]

    return acceleration


@dataclass(frozen=True)
class Crossings:
    """Times (of the clock) at which an event crosses zero, their directions, its slope there, and
    the least distance from zero at turning points near it."""

    t: np.ndarray
    rising: np.ndarray
    slope: np.ndarray
    nearest_miss: float


def crossings(motion: Motion, text: str, steps: int) -> Crossings:
    """Every sign change of an event along the reference, found on a grid of 60 points a step and
    refined; turning points between grid points are looked into, so that close pairs are there."""
    g = motion.formulas.function(motion.formulas.read(text))

    def value(s):
        t, q, v = motion.state(s)
        out = g(q, v, t)
        return np.broadcast_to(out, np.shape(s)) if np.shape(out) != np.shape(s) else out

    grid = np.linspace(0.0, motion.end, 60 * steps + 1)
    values = np.asarray(value(grid), dtype=float)
    scale = np.max(np.abs(values)) or 1.0
    points, known, miss = [grid[0]], [values[0]], np.inf
    for i in range(1, len(grid)):
        if 0 < i < len(grid) - 1:
            a, b, c = values[i - 1 : i + 2]
            if (b - a) * (c - b) < 0 and a * b > 0 and b * c > 0 and abs(b) < abs(a):
                s, low = _turning(value, grid[i - 1], grid[i], grid[i + 1], b)
                miss = min(miss, abs(low) / scale)
                if low * b < 0:
                    points.append(s)
                    known.append(low)
        points.append(grid[i])
        known.append(values[i])
    order = np.argsort(points, kind="stable")
    points, known = np.array(points)[order], np.array(known)[order]
    times, rising, slopes = [], [], []
    eps = 1e-6 * motion.end / steps
    for a, b, fa, fb in zip(points, points[1:], known, known[1:], strict=False):
        if fa == 0.0 and a == 0.0:
            continue
        if fa * fb < 0 or fb == 0.0:
            s = b if fb == 0.0 else brentq(lambda s: float(value(s)), a, b, xtol=1e-15, rtol=1e-15)
            t0, _, _ = motion.state(s)
            low, high = max(s - eps, 0.0), min(s + eps, motion.end)
            t1, t2 = float(motion.state(low)[0]), float(motion.state(high)[0])
            change = float(value(high)) - float(value(low))
            if fb == 0.0 and float(value(low)) * float(value(high)) > 0:
                miss = 0.0
                continue
            times.append(float(t0))
            rising.append(change > 0)
            slopes.append(change / (t2 - t1) if t2 > t1 else 0.0)
    return Crossings(np.array(times), np.array(rising), np.array(slopes), float(miss))


def _turning(value: Callable, a: float, b: float, c: float, sign: float) -> tuple[float, float]:
    """The extremum nearest to zero in [a, c], by golden sections."""
    phi = (np.sqrt(5) - 1) / 2
    side = np.sign(sign)
    low, high = a, c
    for _ in range(60):
        x1, x2 = high - phi * (high - low), low + phi * (high - low)
        if side * float(value(x1)) < side * float(value(x2)):
            high = x2
        else:
            low = x1
    s = (low + high) / 2
    return s, float(value(s))


def written_residuals(
    equations: Mapping[str, str], motion: Motion, study: GglStudy
) -> dict[str, float]:
    """How far printed equations of motion, `a*q'' + ... = ...`, are from holding along the
    reference, relative to their largest side; numbers in them are rounded to six digits."""
    f = motion.formulas
    accelerations = {f"{name}__a": sp.Symbol(f"{name}__a", real=True) for name in study.coordinates}
    names, found = {**f.names, **accelerations}, {}
    states = [motion.state(np.float64(x * motion.end)) for x in (0.07, 0.31, 0.58, 0.93)]
    for title, text in equations.items():
        text = re.sub(r"([A-Za-z]\w*)''", r"\1__a", text)
        text = re.sub(r"([A-Za-z]\w*)'", r"\1__v", text)
        text = re.sub(r"\|([^|]+)\|", r"abs(\1)", text).replace("^", "**")
        left, right = (sp.sympify(side, locals=names) for side in text.split("="))
        g = sp.lambdify([*f.q, *f.v, *accelerations.values(), f.t], [left, right], modules="numpy")
        worst = 0.0
        for t, q, v in states:
            a, b = (float(x) for x in g(*q, *v, *motion.acceleration(q, v, t), float(t)))
            worst = max(worst, abs(a - b) / max(1.0, abs(a), abs(b)))
        found[title] = worst
    return found
