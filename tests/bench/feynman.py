"""Equations of the Feynman lectures found again, beside pyoperon: `python tests/bench/feynman.py`.

Tables as symbolic regression has them (Udrescu & Tegmark, Sci. Adv. 6, eaay2631, 2020): 200 rows of
columns drawn evenly, the target with noise relative to its root mean square; our studies hold
units and `[search] outputs` alone. Found: the recommended law, its constants unrounded, leaves
1 - R^2 < 1e-9 (with noise: less than its square) on 2000 fresh rows without noise. pyoperon gets
the columns, and the best law of its front counts. Seconds are of one thread's CPU, compilation with
them; ratios are of one run: take them and not the seconds.

    python tests/bench/feynman.py [--noise 0.01] [--seed 1]

Needs `pip install '.[bench]'` for the peer.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from actionrun.runtime.environment.jax_setup import set_switches

set_switches()

import numpy as np  # noqa: E402
import sympy as sp  # noqa: E402
from actionrun.compiler.pnn.build import law_search  # noqa: E402
from actionrun.runtime.data.observations import observations  # noqa: E402
from actionrun.runtime.evolution import Evolved  # noqa: E402
from actionrun.spec import load  # noqa: E402

# name: target and its unit, variables with units and ranges, formula
EQUATIONS = {
    "I.6.20a": ("f", "", [("theta", "", 1, 3)], "exp(-theta**2/2)/sqrt(2*pi)"),
    "I.8.14": ("d", "m", [(v, "m", 1, 5) for v in ("x1", "x2", "y1", "y2")],
               "sqrt((x2-x1)**2+(y2-y1)**2)"),
    "I.9.18": ("F", "N", [("m1", "kg", 1, 2), ("m2", "kg", 1, 2), ("g", "m^3/(kg*s^2)", 1, 2),
                          ("r1", "m", 3, 4), ("r2", "m", 1, 2)], "g*m1*m2/(r2-r1)**2"),
    "I.10.7": ("m", "kg", [("m0", "kg", 1, 5), ("v", "m/s", 1, 2), ("c", "m/s", 3, 10)],
               "m0/sqrt(1-v**2/c**2)"),
    "I.12.2": ("F", "N", [("qa", "C", 1, 5), ("qb", "C", 1, 5), ("ep", "F/m", 1, 5),
                          ("r", "m", 1, 5)], "qa*qb/(4*pi*ep*r**2)"),
    "I.13.12": ("U", "J", [("G", "m^3/(kg*s^2)", 1, 5), ("ma", "kg", 1, 5), ("mb", "kg", 1, 5),
                           ("ra", "m", 1, 5), ("rb", "m", 1, 5)], "G*ma*mb*(1/rb-1/ra)"),
    "I.15.3x": ("y", "m", [("x", "m", 5, 10), ("u", "m/s", 1, 2), ("c", "m/s", 3, 20),
                           ("s", "s", 1, 2)], "(x-u*s)/sqrt(1-u**2/c**2)"),
    "I.16.6": ("w", "m/s", [(v, "m/s", 1, 5) for v in ("u", "v", "c")], "(u+v)/(1+u*v/c**2)"),
    "I.18.4": ("r", "m", [("ma", "kg", 1, 5), ("mb", "kg", 1, 5), ("ra", "m", 1, 5),
                          ("rb", "m", 1, 5)], "(ma*ra+mb*rb)/(ma+mb)"),
    "I.24.6": ("En", "J", [("m", "kg", 1, 3), ("om", "1/s", 1, 3), ("omz", "1/s", 1, 3),
                           ("x", "m", 1, 3)], "m*(om**2+omz**2)*x**2/4"),
    "I.27.6": ("f", "m", [("d1", "m", 1, 5), ("d2", "m", 1, 5), ("n", "", 1, 5)],
               "1/(1/d1+n/d2)"),
    "I.29.16": ("x", "m", [("xa", "m", 1, 5), ("xb", "m", 1, 5), ("tha", "", 1, 5),
                           ("thb", "", 1, 5)], "sqrt(xa**2+xb**2-2*xa*xb*cos(tha-thb))"),
    "I.37.4": ("I", "W/m^2", [("I1", "W/m^2", 1, 5), ("I2", "W/m^2", 1, 5), ("dl", "", 1, 5)],
               "I1+I2+2*sqrt(I1*I2)*cos(dl)"),
    "I.40.1": ("n", "1/m^3", [("nz", "1/m^3", 1, 5), ("m", "kg", 1, 5), ("x", "m", 1, 5),
                              ("T", "K", 1, 5), ("g", "m/s^2", 1, 5), ("kb", "J/K", 1, 5)],
               "nz*exp(-m*g*x/(kb*T))"),
    "I.43.31": ("D", "m^2/s", [("mob", "s/kg", 1, 5), ("T", "K", 1, 5), ("kb", "J/K", 1, 5)],
                "mob*kb*T"),
    "I.44.4": ("E", "J", [("n", "", 1, 5), ("kb", "J/K", 1, 5), ("T", "K", 1, 5),
                          ("V1", "m^3", 1, 5), ("V2", "m^3", 1, 5)], "n*kb*T*log(V2/V1)"),
    "II.11.28": ("th", "", [("n", "1/m^3", 0, 1), ("al", "m^3", 0, 1)], "1+n*al/(1-(n*al/3))"),
    "II.35.18": ("n", "1/m^3", [("nz", "1/m^3", 1, 3), ("mom", "J/T", 1, 3), ("B", "T", 1, 3),
                                ("kb", "J/K", 1, 3), ("T", "K", 1, 3)],
                 "nz/(exp(mom*B/(kb*T))+exp(-mom*B/(kb*T)))"),
}  # fmt: skip
SYMBOLS = "add,sub,mul,div,square,sqrt,exp,log,sin,cos,constant,variable"
FOUND = 1e-9


def table(
    name: str, rows: int, noise: float, seed: int
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Columns and target of an equation."""
    _, _, variables, formula = EQUATIONS[name]
    draw = np.random.default_rng([seed, sum(map(ord, name))])
    columns = {v: draw.uniform(low, high, rows) for v, _, low, high in variables}
    names = [sp.Symbol(v) for v in columns]
    law = sp.sympify(formula, locals={str(s): s for s in names})
    y = sp.lambdify(names, law)(*columns.values())
    return columns, y + noise * np.sqrt(np.mean(y**2)) * draw.normal(size=rows)


def study_text(name: str) -> str:
    target, unit, variables, _ = EQUATIONS[name]
    units = {v: u for v, u, *_ in variables} | {target: unit}
    lines = [f'{n} = "{n} [{u}]"' if u else f'{n} = "{n}"' for n, u in units.items()]
    plain = not any(units.values())
    quoted = ", ".join(f'"{v}"' for v, *_ in variables)
    inputs = f"inputs = [{quoted}]\n" if plain else ""
    return (
        f'study = "pnn"\ntitle = "{name}"\n[data]\nfile = "table.csv"\n[data.columns]\n'
        + "\n".join(lines) + f'\n[search]\n{inputs}outputs = ["{target}"]\n'
    )  # fmt: skip


def missed(given: np.ndarray, y: np.ndarray) -> float:
    """1 - R^2; infinite where a law is no number."""
    rest = np.sum((given - y) ** 2) / np.sum((y - y.mean()) ** 2)
    return float(rest) if np.isfinite(rest) else np.inf


def ours(name: str, folder: Path, noise: float, seed: int) -> tuple[float, float, str]:
    """1 - R^2 of the recommended law on fresh rows, seconds of CPU, and the law."""
    columns, y = table(name, 200, noise, seed)
    target = EQUATIONS[name][0]
    np.savetxt(folder / "table.csv", np.column_stack([*columns.values(), y]), delimiter=",",
               header=",".join([*columns, target]), comments="", fmt="%.17g")  # fmt: skip
    (folder / "law.toml").write_text(study_text(name))
    clock = time.process_time()
    study = load(folder / "law.toml")
    program = Evolved(law_search(study, observations(study)))
    state = program.start()
    for generation in range(program.total):
        state, _ = program.advance(state, generation, 1)
    best = program.findings(state, {}, lambda *told: None).extra["best"]
    seconds = time.process_time() - clock
    fresh, clean = table(name, 2000, 0, seed + 998)
    names = [sp.Symbol(v) for v in fresh]
    law = sp.sympify(best["sympy"], locals={str(s): s for s in names})
    given = sp.lambdify(names, law)(*fresh.values())
    return missed(given, clean), seconds, best["text"]


def operon(name: str, noise: float, seed: int) -> tuple[float, float] | None:
    """The least 1 - R^2 of pyoperon's front on fresh rows, and seconds of CPU."""
    try:
        from pyoperon.sklearn import SymbolicRegressor  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None
    columns, y = table(name, 200, noise, seed)
    clock = time.process_time()
    code = SymbolicRegressor(
        objectives=["r2", "length"], allowed_symbols=SYMBOLS, n_threads=1, random_state=seed,
        max_length=30, generations=1000, population_size=1000, optimizer_iterations=5,
        max_evaluations=150_000,
    )  # fmt: skip
    code.fit(np.column_stack([*columns.values()]), y)
    seconds = time.process_time() - clock
    fresh, clean = table(name, 2000, 0, seed + 998)
    rows = np.column_stack([*fresh.values()])
    laws = [code.evaluate_model(one["tree"], rows) for one in code.pareto_front_]
    return min(missed(np.asarray(one), clean) for one in laws), seconds


def main() -> None:
    import jax

    parser = argparse.ArgumentParser()
    parser.add_argument("--noise", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=[*EQUATIONS])
    options = parser.parse_args()
    bound = max(FOUND, options.noise**2)
    found: dict[str, list[bool]] = {"ours": [], "pyoperon": []}
    seconds: dict[str, list[float]] = {"ours": [], "pyoperon": []}
    with jax.enable_x64(True), TemporaryDirectory() as folder:
        for name in options.only:
            rest, spent, law = ours(name, Path(folder), options.noise, options.seed)
            found["ours"].append(rest < bound)
            seconds["ours"].append(spent)
            line = f"{name:>9}  {rest:.1e} {spent:5.1f} s"
            peer = operon(name, options.noise, options.seed)
            if peer is not None:
                found["pyoperon"].append(peer[0] < bound)
                seconds["pyoperon"].append(peer[1])
                line += f"  pyoperon's front {peer[0]:.1e} {peer[1]:5.1f} s"
            print(f"{line}  {law[:90]}", flush=True)
    for code, several in found.items():
        if several:
            mean = np.mean(seconds[code])
            print(f"{code}: {sum(several)} of {len(several)} found, {mean:.1f} s of CPU each")


if __name__ == "__main__":
    main()
