"""Laws out of libraries from positions alone: which forms are exact, and how far the numbers are.

    python tests/bench/discovery.py [--systems single,double] [--sigma 0,0.02,0.06,0.1] [--seeds 1]
                                    [--trials 100] [--seconds 5]

Trials at 100 samples a second from random starts, as in xL-SINDy's own test (Purnomo and Hayashibe,
2022): at rest, angles over the whole circle; a spherical pendulum with a tilt between pi/3 and pi/2
and a spin. A row a set: terms of the library, whether the form is exact, the largest relative error
of a coefficient, seconds, CPU seconds, memory. The search of the law is measured; the fit through
the integrator that a run makes after it is not.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from actionrun.runtime.environment.jax_setup import set_switches
from scipy.integrate import solve_ivp

set_switches()  # before JAX is imported
from actionrun.compiler.family.build import library_of  # noqa: E402
from actionrun.compiler.family.library.search import LibrarySearch  # noqa: E402
from actionrun.compiler.family.measured.shooting_problem import local_scales  # noqa: E402
from actionrun.compiler.family.measured.starts import smooth_motions  # noqa: E402
from actionrun.compiler.family.observations import observed_motions  # noqa: E402
from actionrun.compiler.family.settings import MeasuredColumns  # noqa: E402
from actionrun.spec import load  # noqa: E402

G, RATE, DRAG = 9.81, 100, 0.1


@dataclass(frozen=True)
class Case:
    """A system: its coordinates, library, terms and coefficients, accelerations (q, v), starts."""

    coordinates: tuple[str, ...]
    library: str
    truth: dict[str, float]
    acceleration: Callable[[np.ndarray, np.ndarray], np.ndarray]
    start: Callable[[np.random.Generator], np.ndarray]


def _double(q, v):
    c, s = np.cos(q[0] - q[1]), np.sin(q[0] - q[1])
    right = [-(v[1] ** 2) * s - 2 * G * np.sin(q[0]), v[0] ** 2 * s - G * np.sin(q[1])]
    return np.linalg.solve([[2, c], [c, 1]], right)


def _cart(q, v):
    c, s = np.cos(q[1]), np.sin(q[1])
    return np.linalg.solve([[3, c], [c, 1]], [v[1] ** 2 * s, -G * s])


def _spherical(q, v):
    c, s = np.cos(q[0]), np.sin(q[0])
    return np.array([v[1] ** 2 * s * c - G * s, -2 * v[0] * v[1] * c / s])


PENDULUM = """known = "q'^2/2"
functions = ["q'", "sin(q)", "cos(q)", "q"]
degree = 5
drag = ["q_plus'", "abs(q_plus')*q_plus'", "q_plus'^3"]"""
CASES = {
    "single": Case(
        ("q",), PENDULUM, {"cos(q)": G}, lambda q, v: -G * np.sin(q),
        lambda dice: np.array([dice.uniform(-np.pi, np.pi), 0.0]),
    ),
    "single-drag": Case(
        ("q",), PENDULUM, {"cos(q)": G, "drag q_plus'": DRAG},
        lambda q, v: -G * np.sin(q) - DRAG * v,
        lambda dice: np.array([dice.uniform(-np.pi, np.pi), 0.0]),
    ),
    "spherical": Case(
        ("a", "b"),
        """known = "a'^2/2"
functions = ["a'", "b'", "sin(a)", "cos(a)", "sin(b)", "cos(b)"]
degree = 4
drag = ["a_plus'", "b_plus'"]""",
        {"cos(a)": G, "b'^2*sin(a)^2": 0.5}, _spherical,
        lambda dice: np.array([dice.uniform(np.pi / 3, np.pi / 2), dice.uniform(-np.pi, np.pi),
                               0.0, dice.uniform(2.0, 4.0)]),
    ),
    "cart": Case(
        ("x", "a"),
        """known = "a'^2/2"
functions = ["x'", "a'", "sin(a)", "cos(a)", "x"]
degree = 4
drag = ["x_plus'", "a_plus'"]""",
        {"cos(a)": G, "x'^2": 1.5, "x'*a'*cos(a)": 1.0}, _cart,
        lambda dice: np.array([dice.uniform(-1, 1), dice.uniform(-np.pi, np.pi), 0.0, 0.0]),
    ),
    "double": Case(
        ("a", "b"),
        """known = "a'^2"
functions = ["a'", "b'", "sin(a)", "cos(a)", "sin(b)", "cos(b)"]
degree = 4
drag = ["a_plus'", "b_plus'"]""",
        {"cos(a)": 2 * G, "cos(b)": G, "b'^2": 0.5, "a'*b'*sin(a)*sin(b)": 1.0,
         "a'*b'*cos(a)*cos(b)": 1.0},
        _double, lambda dice: np.array([*dice.uniform(-np.pi, np.pi, 2), 0.0, 0.0]),
    ),
}  # fmt: skip


def motions(case: Case, trials: int, seconds: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Times, and positions (trials, n, samples)."""
    dice, n = np.random.default_rng(seed), len(case.coordinates)
    t = np.arange(0, seconds, 1 / RATE)
    each = [
        solve_ivp(
            lambda _, z: np.concatenate([z[n:], case.acceleration(z[:n], z[n:])]), (0, seconds),
            case.start(dice), "DOP853", t, rtol=1e-10, atol=1e-11,
        ).y[:n]
        for _ in range(trials)
    ]  # fmt: skip
    return t, np.array(each)


def measured(name: str, trials: int, seconds: float, sigma: float, seed: int, folder: Path) -> str:
    case = CASES[name]
    t, q = motions(case, trials, seconds, seed)
    q = q + sigma * np.random.default_rng((seed, 1)).normal(size=q.shape)
    columns = ", ".join(f'{c} = "{c}"' for c in case.coordinates)
    quoted = ", ".join(f'"{c}"' for c in case.coordinates)
    (folder / "motion.csv").write_text("placeholder: the search is given arrays\n")
    (folder / "study.toml").write_text(
        f'study = "family"\n[system]\ncoordinates = [{quoted}]\n[library]\n{case.library}\n'
        f'[integrator]\ndt = {1 / RATE}\n[data]\nfile = "motion.csv"\n'
        f'columns = {{ trial = "trial", t = "t", {columns} }}\n[network]\nkind = "none"\n'
    )
    wall, cpu = time.time(), time.process_time()
    terms = library_of(load(folder / "study.toml"))
    assert terms is not None
    given = {"t": np.tile(t, trials), "trial": np.repeat(np.arange(trials), len(t))}
    given |= {c: q[:, i].ravel() for i, c in enumerate(case.coordinates)}
    o = observed_motions(MeasuredColumns(), terms.words, given)
    smooth, n = smooth_motions(o, len(case.coordinates)), len(case.coordinates)
    search = LibrarySearch(terms.equations, o, smooth, local_scales(o, smooth, n), lambda *_: None)
    law = search.result()
    wall, cpu = time.time() - wall, time.process_time() - cpu
    names = terms.equations.names
    found = {} if law is None else {
        names[k]: float(c) for k, c in zip(law.best.terms, law.best.fit.c, strict=True)
    }  # fmt: skip
    exact = {*found} == {*case.truth}
    error = max((abs(found[k] / case.truth[k] - 1) for k in found), default=np.inf) if exact else 0
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    said = f"{100 * error:9.4f} %" if exact else f"{found}"
    return (
        f"{name:13} {sigma:5} {seed:4} {len(names):5} {'exact' if exact else 'other':6} "
        f"{said} {wall:7.1f} s {cpu:7.1f} s {memory:5.2f} GB"
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--systems", default=",".join(CASES))
    arguments.add_argument("--sigma", default="0,0.02,0.06,0.1")
    arguments.add_argument("--seeds", type=int, default=1)
    arguments.add_argument("--trials", type=int, default=100)
    arguments.add_argument("--seconds", type=float, default=5.0)
    of = arguments.parse_args()
    print("system        sigma seed terms form   error | wall, CPU, memory")
    with TemporaryDirectory() as folder:
        for name in of.systems.split(","):
            for sigma in of.sigma.split(","):
                for seed in range(1, of.seeds + 1):
                    print(measured(name, of.trials, of.seconds, float(sigma), seed, Path(folder)),
                          flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
