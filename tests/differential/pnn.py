"""Random tables beside NumPy: constants of rival formulas, their deviations, and printed laws.

A table of plain numbers is made from a random law with a little noise. Rivals that are linear in
their constants have a closed form, ordinary least squares of the rows; every printed law, read back
and evaluated, must err as it is said to.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import sympy as sp
from verdicts import NotRunError, Verdict, finished

TERMS: tuple[tuple[str, Callable[[np.ndarray, np.ndarray], np.ndarray]], ...] = (
    ("x", lambda x, z: x), ("z", lambda x, z: z), ("x*z", lambda x, z: x * z),
    ("x^2", lambda x, z: x**2), ("z^3", lambda x, z: z**3), ("x/z", lambda x, z: x / z),
    ("1/z", lambda x, z: 1 / z), ("exp(-x)", lambda x, z: np.exp(-x)),
    ("sqrt(z)", lambda x, z: np.sqrt(z)), ("log(x)", lambda x, z: np.log(x)),
    ("tanh(z)", lambda x, z: np.tanh(z)), ("sin(x)", lambda x, z: np.sin(x)),
    ("abs(x - 1)", lambda x, z: np.abs(x - 1)), ("max(x, z)", np.maximum),
)  # fmt: skip
ACTIVATIONS = ("linear", "square", "inverse", "cube", "sqrt", "log", "exp", "tanh", "abs", "relu",
               "elu", "sin", "cos", "sigmoid", "softplus", "product")  # fmt: skip
FUNCTIONS = {"abs": sp.Abs, "max": sp.Max, "min": sp.Min}
SLACK = 0.01  # of a standard deviation: how near a fit ends to the least squares


@dataclass(frozen=True)
class PnnStudy:
    """A table and rivals: for each, the numbers of its terms."""

    x: np.ndarray
    z: np.ndarray
    y: np.ndarray
    activations: tuple[str, ...]
    rivals: tuple[tuple[int, ...], ...]
    layers: int
    bias: bool
    seed: int

    @property
    def tags(self) -> tuple[str, ...]:
        return self.activations

    def toml(self) -> str:
        lines = ['study = "pnn"', f"seed = {self.seed}", "", "[data]", 'file = "table.csv"',
                 'columns = { x = "x", z = "z", y = "y" }', "", "[search]",
                 'inputs = ["x", "z"]', 'outputs = ["y"]', f"layers = [{self.layers}]",
                 f"bias = {str(self.bias).lower()}",
                 f"activations = {json.dumps(list(self.activations))}",
                 'weights = ["0", "1", "trainable"]', "population = 8", "generations = 2", "",
                 "[test]", "fraction = 0.0", "folds = 4", "repeats = 2", "",
                 "[compare]"]  # fmt: skip
        for number, rival in enumerate(self.rivals):
            text = " + ".join(f"C{k}*{TERMS[term][0]}" for k, term in enumerate(rival))
            lines.append(f'rival{number} = "{text}"')
        return "\n".join(lines) + "\n"

    def write(self, folder: Path) -> None:
        rows = np.stack([self.x, self.z, self.y], axis=1)
        np.savetxt(folder / "table.csv", rows, delimiter=",", header="x,z,y", comments="",
                   fmt="%.15g")  # fmt: skip


def draw(seed: str, index: int) -> PnnStudy:
    """Study number `index` of a seed."""
    chance = Random(f"{seed} pnn {index}")
    rng = np.random.default_rng(chance.getrandbits(32))
    count = chance.randint(25, 80)
    scale = 10.0 ** chance.choice((0, 0, 0, -3, 3))
    x, z = rng.uniform(0.2, 3.0, count), rng.uniform(0.3, 2.0, count)
    true = chance.sample(range(len(TERMS)), chance.randint(1, 2))
    y = sum(chance.uniform(0.5, 3) * chance.choice((-1, 1)) * TERMS[k][1](x, z) for k in true)
    y = scale * (y + chance.choice((0.0, 0.01, 0.1)) * rng.normal(size=count))
    others = tuple(
        tuple(chance.sample(range(len(TERMS)), chance.randint(1, 3)))
        for _ in range(chance.randint(0, 2))
    )
    return PnnStudy(
        x, z, y, tuple(chance.sample(ACTIVATIONS, chance.randint(2, 6))), (tuple(true), *others),
        chance.choice((1, 2, 3)), chance.random() < 0.5, chance.randrange(1000),
    )  # fmt: skip


def judge(seed: str, index: int, folder: Path) -> tuple[Verdict, str]:
    """The verdict on study `index` of a seed, and its text with its table."""
    study = draw(seed, index)
    study.write(folder)
    table = "".join(f"# {line}\n" for line in (folder / "table.csv").read_text().splitlines())
    return judged(study, folder), table + study.toml()


def judged(study: PnnStudy, folder: Path) -> Verdict:
    try:
        done = finished(study.toml(), folder, deep=True)
    except NotRunError as refused:
        verdict = refused.verdict
        return Verdict(verdict.word, verdict.what, verdict.detail, study.tags)
    wrong = _rivals(study, done.result["compare"]) | _laws(study, done.result)
    if wrong:
        detail = "; ".join(f"{k} {v}" for k, v in wrong.items())
        return Verdict("WRONG", next(iter(wrong)), detail, study.tags)
    return Verdict("right", "", "", study.tags)


def _rivals(study: PnnStudy, said: dict) -> dict[str, str]:
    """Constants and standard deviations beside ordinary least squares."""
    wrong: dict[str, str] = {}
    for number, rival in enumerate(study.rivals):
        matrix = np.stack([TERMS[k][1](study.x, study.z) for k in rival], axis=1)
        right, _, rank, _ = np.linalg.lstsq(matrix, study.y, rcond=None)
        if rank < len(rival) or np.linalg.cond(matrix) > 1e4:
            continue
        residual = study.y - matrix @ right
        free = len(study.y) - len(rival)
        spread = np.sqrt(np.diag(np.linalg.inv(matrix.T @ matrix)) * (residual @ residual) / free)
        constants = said[f"rival{number}"]["constants"]
        for k, value in enumerate(right):
            if f"C{k}" not in constants:
                wrong["constant missing"] = f"rival{number} C{k}: {constants}"
                continue
            one = constants[f"C{k}"]
            gap = abs(one["value"] - value)
            tiny = 1e-7 * (abs(value) + np.sqrt(np.mean(study.y**2) / np.mean(matrix[:, k] ** 2)))
            if not gap <= SLACK * spread[k] + tiny:
                wrong["rival's constant"] = f"rival{number} C{k} {one['value']!r}, right {value!r}"
            noisy = residual @ residual > 1e-16 * (study.y @ study.y)
            if one["std"] is not None and noisy and not abs(one["std"] / spread[k] - 1) <= 0.05:
                wrong["rival's deviation"] = (
                    f"rival{number} C{k} ± {one['std']!r}, right {spread[k]!r}"
                )
    return wrong


def _laws(study: PnnStudy, result: dict) -> dict[str, str]:
    """Each law of the front, read back from its text, against the error said of it: no worse on the
    rows than 1.3 times what cross-validation says; and the error of `y = 0` bounds a law's."""
    wrong: dict[str, str] = {}
    names = {name: sp.Symbol(name, real=True) for name in ("x", "z", "y")}
    for law in [*result["front"], *result["compare"].values()]:
        text = re.sub(r"\|([^|]+)\|", r"abs(\1)", law["text"]).replace("^", "**")
        left, _, right = text.partition("=")
        if left.strip() != "y":
            wrong["law unreadable"] = law["text"]
            continue
        try:
            formula = sp.sympify(right, locals=names | FUNCTIONS)
            given = sp.lambdify([names["x"], names["z"]], formula, modules="numpy")
            with np.errstate(all="ignore"):
                fit = np.broadcast_to(np.asarray(given(study.x, study.z), float), study.y.shape)
        except Exception as failure:
            wrong["law unreadable"] = f"{law['text']}: {failure}"
            continue
        error = float(np.sqrt(np.mean((fit - study.y) ** 2)))
        said = law["error"]
        if said is None or not np.isfinite(said):
            continue
        size = float(np.sqrt(np.mean(study.y**2)))
        if not error <= 1.3 * said + 2e-3 * size:
            wrong["printed law"] = f"{law['text']} errs by {error:.3e}, said {said:.3e}"
    return wrong
