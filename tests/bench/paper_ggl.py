"""The paper's Figs. 4 and 5, with our integrator: `python tests/bench/paper_ggl.py [FOLDER]`.

Fig. 4: time to integrate a damped oscillator (c1 = c2 = c3 = 1, r = 2, dt = 0.1) against the number
of steps N. Fig. 5: time to integrate a dust grain under Poynting-Robertson drag against the order.
Set-up (SymPy, tracing and compiling, no cache) and marching stand apart, as in the paper. Prints
the tables and writes time_against_n.svg and time_against_order.svg. Fig. 6 is a study:
`actionrun studies/energy_error.toml`.

The oscillator comes to rest: after 3*10^4 steps its numbers are below 1e-308, and what is iterated
takes one pass a step. The nanoseconds of a step are those of 10^4 steps in motion.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"  # the set-up is a part of what is measured
from actionrun.runtime.environment.jax_setup import set_switches

set_switches()

import jax  # noqa: E402
import numpy as np  # noqa: E402
from actionrun.compiler import compile  # noqa: E402
from actionrun.compiler.findings import Axis, Curve, Figure, Panel  # noqa: E402
from actionrun.runtime.report.figures import svg  # noqa: E402
from actionrun.spec import load, loads  # noqa: E402

OSCILLATOR = """
study = "ggl"
[system]
coordinates = ["q"]
lagrangian = "q'^2 - q^2"
nonconservative = "-q_plus'*q_minus"
[start]
position = { q = 1.0 }
velocity = { q = 0.0 }
[integrator]
r = 2
dt = 0.1
steps = 10000000
save_every = 10000000
"""
GRAIN = Path(__file__).parents[2] / "studies" / "poynting_robertson.toml"
COUNTS = tuple(10**k for k in range(1, 8))
INTERIOR = (0, 1, 2, 4, 6, 8, 12, 16, 24, 32)
STEPS = 10_000  # of the dust grain: 200 years


def seconds_of(run) -> float:
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


def prepared(read, solver: str | None = None):
    """A program, its first call done, and the seconds that both took."""
    jax.clear_caches()
    begun = time.perf_counter()
    program = compile(read()).solver
    if solver:
        mapped = program.step_map if solver == "linear" else None
        march = replace(program.march, solver=solver)
        program = replace(program, march=march, step_map=mapped)
    program.advance(program.start(), 0, 1)
    return program, time.perf_counter() - begun


def marched(program, steps: int) -> float:
    """Seconds of a march of `steps` steps, the shorter of two; NaN where it stopped on the way."""
    ends = []
    seconds = min(
        seconds_of(
            lambda: ends.append(jax.block_until_ready(program.advance(program.start(), 0, steps)))
        )
        for _ in range(2)
    )
    return seconds if all(report.diverged is None for _, report in ends) else np.nan


def against_n() -> Figure:
    print(
        f"Fig. 4: damped oscillator, r = 2, dt = 0.1\n{'N':>10} {'linear map':>12} {'iterated':>12}"
    )
    alone, whole, times = [], [], {}
    prepared(lambda: loads(OSCILLATOR))  # what JAX and SymPy do once in a process
    for name, solver in (("map", None), ("iterated", "fixed point")):
        program, setup = prepared(lambda: loads(OSCILLATOR), solver)
        times[name] = [marched(program, n) for n in COUNTS]
        n, seconds = np.array(COUNTS, float), np.array(times[name])
        alone.append(Curve(n, seconds, name))
        whole.append(Curve(n, setup + seconds, name))
    for k, n in enumerate(COUNTS):
        row = ("–" if np.isnan(found[k]) else f"{found[k]:.4g}s" for found in times.values())
        print(f"{n:>10}", *(f"{one:>12}" for one in row))
    for name, found in times.items():
        k = COUNTS.index(10**7 if name == "map" else 10**4)
        print(f"  {name}: {found[k] / COUNTS[k] * 1e9:.1f} ns a step at N = {COUNTS[k]}")
    x, y = Axis("steps N", log=True), Axis("time", "s", log=True)
    panels = Panel(x, y, tuple(alone), "march"), Panel(x, y, tuple(whole), "march and set-up")
    return Figure("time_against_n", "Time to integrate a damped oscillator.", panels)


def against_order() -> Figure:
    print(
        f"\nFig. 5: dust grain, {STEPS} steps\n{'r':>4} {'order':>6} {'set-up':>10} {'march':>10}"
    )
    order, setups, marches = [], [], []
    for r in INTERIOR:
        program, setup = prepared(lambda r=r: load(GRAIN, overrides=[f"integrator.r={r}"]))
        order.append(2 * r + 2)
        setups.append(setup)
        marches.append(marched(program, STEPS))
        print(f"{r:>4} {order[-1]:>6} {setup:>9.3f}s {marches[-1]:>9.4f}s", flush=True)
    x = np.array(order, float)
    curves = (
        Curve(x, np.array(setups), "set-up and compilation"),
        Curve(x, np.array(marches), f"march of {STEPS} steps"),
    )
    panel = Panel(Axis("order of the integrator"), Axis("time", "s", log=True), curves)
    return Figure("time_against_order", "Time to integrate a dust grain under drag.", (panel,))


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    folder.mkdir(parents=True, exist_ok=True)
    for figure in (against_n(), against_order()):
        path = folder / f"{figure.name}.svg"
        path.write_text(svg(figure, salt=figure.name))
        print(f"wrote {path}")


if __name__ == "__main__":
    main()
