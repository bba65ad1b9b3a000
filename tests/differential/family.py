"""Random families beside SciPy: the fit of a motion with noise by `least_squares` over DOP853.

A motion is made with a random member of a family, sampled with noise in positions, and fitted by
both, each coordinate weighed by the noise of its own residuals. The reference begins at the truth,
with starts free, and has its own covariance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import least_squares
from verdicts import NotRunError, Verdict, finished

ROUNDS = 4  # of weights by residuals
NEAR = 0.2  # standard deviations: two minimisers and two integrators


@dataclass(frozen=True)
class Family:
    """A family: its text, ranges of coefficients, and its accelerations by another path."""

    coordinates: tuple[str, ...]
    lagrangian: str
    nonconservative: str
    ranges: dict[str, tuple[float, float]]
    acceleration: Callable[..., np.ndarray]


FAMILIES = (
    Family(("q",), "q'^2/2 - w2*q^2/2", "-gamma*q_plus'*q_minus",
           {"w2": (1.0, 9.0), "gamma": (0.0, 0.5)},
           lambda q, v, t, w2, gamma: -w2 * q - gamma * v),
    Family(("q",), "q'^2/2 + w2*cos(q)", "-gamma*q_plus'*q_minus",
           {"w2": (1.0, 9.0), "gamma": (0.0, 0.3)},
           lambda q, v, t, w2, gamma: -w2 * np.sin(q) - gamma * v),
    Family(("x",), "x'^2/2 - a*x^2/2 - b*x^4/4", "",
           {"a": (0.5, 3.0), "b": (0.3, 3.0)},
           lambda q, v, t, a, b: -a * q - b * q**3),
    Family(("x",), "x'^2/2 - a*(x - x0)^2/2", "-c*abs(x_plus')*x_plus'*x_minus",
           {"a": (1.0, 4.0), "x0": (-0.5, 0.5), "c": (0.0, 0.4)},
           lambda q, v, t, a, x0, c: -a * (q - x0) - c * np.abs(v) * v),
    Family(("u",), "u'^2/2 - k*u^2/2 + f*cos(1.3*t)*u", "",
           {"k": (2.0, 6.0), "f": (0.1, 1.0)},
           lambda q, v, t, k, f: -k * q + f * np.cos(1.3 * t)),
    Family(("x", "y"), "x'^2/2 + y'^2/2 - k1*x^2/2 - k2*y^2/2 - k3*(x - y)^2/2", "",
           {"k1": (1.0, 3.0), "k2": (1.0, 3.0), "k3": (0.2, 2.0)},
           lambda q, v, t, k1, k2, k3: np.array(
               [-k1 * q[0] - k3 * (q[0] - q[1]), -k2 * q[1] + k3 * (q[0] - q[1])])),
    Family(("x", "y"), "x'^2/2 + y'^2/2 + B*(x*y' - y*x')/2 - k*(x^2 + y^2)/2", "",
           {"B": (-1.5, 1.5), "k": (0.5, 3.0)},
           lambda q, v, t, B, k: np.array([-k * q[0] + B * v[1], -k * q[1] - B * v[0]])),
)  # fmt: skip


@dataclass(frozen=True)
class FamilyStudy:
    """A family, a member of it, and samples of its motion."""

    family: Family
    truth: tuple[float, ...]
    start: np.ndarray
    t: np.ndarray
    samples: np.ndarray
    noise: float
    dt: float
    r: int

    def toml(self) -> str:
        names = ", ".join(f'"{q}"' for q in self.family.coordinates)
        lines = ['study = "family"', "", "[system]", f"coordinates = [{names}]",
                 f'lagrangian = "{self.family.lagrangian}"']  # fmt: skip
        if self.family.nonconservative:
            lines.append(f'nonconservative = "{self.family.nonconservative}"')
        lines += ["", "[coefficients]"]
        lines += [f"{name} = [{low}, {high}]" for name, (low, high) in self.family.ranges.items()]
        columns = ", ".join(f'{q} = "{q}"' for q in self.family.coordinates)
        lines += ["", "[integrator]", f"r = {self.r}", f"dt = {self.dt!r}", "", "[data]",
                  'file = "motion.csv"', f'columns = {{ t = "t", {columns} }}', "", "[network]",
                  'kind = "none"']  # fmt: skip
        return "\n".join(lines) + "\n"

    def write(self, folder: Path) -> None:
        rows = np.concatenate([self.t[:, None], self.samples.T], axis=1)
        header = ",".join(["t", *self.family.coordinates])
        np.savetxt(folder / "motion.csv", rows, delimiter=",", header=header, comments="",
                   fmt="%.15g")  # fmt: skip

    def motion(self, numbers: np.ndarray) -> np.ndarray:
        """Positions (n, samples) for coefficients and a start, one after the other."""
        n, k = len(self.family.coordinates), len(self.truth)
        theta = numbers[:k]

        def slope(t: float, y: np.ndarray) -> np.ndarray:
            a = self.family.acceleration(y[:n] if n > 1 else y[0], y[n:] if n > 1 else y[1], t,
                                         *theta)  # fmt: skip
            return np.concatenate([y[n:], np.atleast_1d(a)])

        solved = solve_ivp(slope, (self.t[0], self.t[-1]), numbers[k:], method="DOP853",
                           t_eval=self.t, rtol=1e-11, atol=1e-12)  # fmt: skip
        return solved.y[:n]


def draw(seed: str, index: int) -> FamilyStudy:
    """Study number `index` of a seed."""
    chance = Random(f"{seed} family {index}")
    rng = np.random.default_rng(chance.getrandbits(32))
    family = chance.choice(FAMILIES)
    truth = tuple(
        round(low + (high - low) * chance.uniform(0.15, 0.85), 4)
        for low, high in family.ranges.values()
    )
    n, count = len(family.coordinates), chance.randint(40, 120)
    dt = chance.choice((0.05, 0.08, 0.1))
    t = dt * np.arange(count)
    start = np.round(rng.uniform(0.4, 1.2, 2 * n) * rng.choice((-1, 1), 2 * n), 3)
    blank = FamilyStudy(family, truth, start, t, np.zeros((n, count)), 0.0, dt, 3)
    clean = blank.motion(np.array([*truth, *start]))
    noise = chance.choice((0.001, 0.01, 0.03)) * float(np.sqrt(np.mean(clean**2)))
    samples = clean + noise * rng.normal(size=clean.shape)
    return FamilyStudy(family, truth, start, t, samples, noise, dt, 3)


def judge(seed: str, index: int, folder: Path) -> tuple[Verdict, str]:
    """The verdict on study `index` of a seed, and its text with its samples."""
    study = draw(seed, index)
    study.write(folder)
    table = "".join(f"# {line}\n" for line in (folder / "motion.csv").read_text().splitlines())
    return judged(study, folder), f"# truth {study.truth}\n{table}{study.toml()}"


def judged(study: FamilyStudy, folder: Path) -> Verdict:
    tags = (study.family.lagrangian,)
    try:
        done = finished(study.toml(), folder, deep=True)
    except NotRunError as refused:
        verdict = refused.verdict
        return Verdict(verdict.word, verdict.what, verdict.detail, tags)

    noise = np.ones((len(study.samples), 1))

    def residual(numbers: np.ndarray) -> np.ndarray:
        return ((study.motion(numbers) - study.samples) / noise).ravel()

    lows = [*(low for low, _ in study.family.ranges.values()), *[-np.inf] * len(study.start)]
    highs = [*(high for _, high in study.family.ranges.values()), *[np.inf] * len(study.start)]

    def fitted(numbers):
        return least_squares(residual, numbers, bounds=(lows, highs), xtol=1e-12, ftol=1e-13,
                             gtol=1e-12)  # fmt: skip

    best = fitted([*study.truth, *study.start])
    for _ in range(ROUNDS - 1):
        missed = best.fun.reshape(study.samples.shape) * noise
        noise = np.sqrt(np.mean(missed**2, axis=1, keepdims=True))
        best = fitted(best.x)
    free = study.samples.size - len(best.x)
    scatter = np.linalg.inv(best.jac.T @ best.jac) * (best.fun @ best.fun) / free
    spread, wrong = np.sqrt(np.diag(scatter)), {}
    for i, (name, (low, high)) in enumerate(study.family.ranges.items()):
        one, right = done.result["coefficients"][name], best.x[i]
        if min(right - low, high - right) < 3 * spread[i]:
            continue  # at a bound both say what they like of deviations
        gap = abs(one["value"] - right) / spread[i]
        if not gap <= NEAR:
            wrong["coefficient"] = (
                f"{name} {one['value']!r}, right {right!r}: {gap:.2f} standard deviations"
            )
        if one["std"] is None or not 0.8 <= one["std"] / spread[i] <= 1.25:
            wrong["deviation"] = f"{name} ± {one['std']!r}, right {spread[i]!r}"
    if wrong:
        detail = "; ".join(f"{key} {value}" for key, value in wrong.items())
        return Verdict("WRONG", next(iter(wrong)), detail, tags)
    return Verdict("right", "", "", tags)
