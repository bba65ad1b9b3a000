"""Paths of least action, one command, two tables: `python tests/bench/om.py [SECONDS]`.

First, N = 32 over 0.5 tau with positions and velocities at both ends: our solver beside the paper's
recipe (Wang et al., J. Chem. Inf. Model. 62, 3346, 2022: one hidden layer of 125 sigmoid units,
NADAM 1e-3 in float32, 26 points, first ballistic halves, then action and penalties) on the same
ends. For the recipe, which is given SECONDS of CPU time: the time to its own best accuracy; for
ours the time until its path is first no worse than that, and to the end of the minimisation. Ours
begins with a march from both ends, which knows no inner point either; its time is counted.
Three of its numbers are chosen in its favour, since with the published ones it does not converge on
these ends in reduced units: the penalty (with 20 the action pulls the path 0.4 sigma off its ends),
the epochs on the halves (as many as on the action teach the network the jump between them), and the
energy term, which is off: it made the path worse. Its best differs with random start, precision and
time (0.03 to 0.25 were seen), so ours is held to GOAL where the recipe does not reach that.
Second, CPU time of a product with the Jacobian and its transpose against N, 108 to 500 atoms, with
the exponent; and the time to compile start and iteration of a study, from 13 atoms on, also as a
multiple of that of 13 atoms. CPU times after compilation; take the ratios and not the seconds.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("NPROC", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
FLAG = "--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold=10000000"
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {FLAG}".strip()

import equinox as eqx  # noqa: E402
import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from actionrun.compiler import compile  # noqa: E402
from actionrun.compiler.numerics.molecular.observables import rmsd  # noqa: E402
from actionrun.compiler.om.minimization import PathMinimization  # noqa: E402
from actionrun.compiler.program import Reported  # noqa: E402
from actionrun.spec import load  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

jax.config.update("jax_enable_x64", True)

STUDIES = Path(__file__).parents[2] / "studies"
SECONDS = 240
PENALTY, HALVES = 1e4, 500  # of the paper's recipe
ENERGY, STRIDE = 0.0, 2500
GOAL = 2.5e-2  # what the recipe reached in the prototype: ours is held to it at least
SIZES = ((13, 1.2), (108, 2.5), (256, 2.5), (500, 2.5))
PRODUCTS = 20


def program(name: str, *overrides: str) -> PathMinimization:
    compiled = compile(load(STUDIES / f"{name}.toml", overrides=overrides))
    assert isinstance(compiled, Reported) and isinstance(compiled.solver, PathMinimization)
    return compiled.solver


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of work that is compiled already, and what it returns."""
    jax.block_until_ready(work())
    start = time.process_time()
    result = jax.block_until_ready(work())
    return time.process_time() - start, result


def distance(one: PathMinimization, state: dict[str, Any]) -> float:
    """Largest RMSD over time to the reference run."""
    assert one.reference is not None
    path = one.problem.path(state["fit"].x, state["given"], one.reference.times)
    there = np.asarray(state["reference"]["kept_q"])
    return float(np.max(rmsd(np.asarray(path.q, dtype=float), there)))


def referenced() -> dict[str, Any]:
    """The reference run of 32 atoms, for both."""
    one = program("lj_liquid_32", "path.points=32")
    state, _ = one.advance(one.start(), 0, one.before)
    return state["reference"]


def ours(reference: dict[str, Any], goal: float = 0.0) -> tuple[float, float]:
    """CPU seconds and largest RMSD, when the RMSD is below `goal` or at the end."""
    one = program("lj_liquid_32", "path.points=32")
    state = {**one.start(), "reference": reference}
    _, report = one.advance(state, one.before, one.total - one.before)
    largest = np.max(report.samples["rmsd"], axis=1)
    there = [n for n, x in enumerate(largest) if x <= goal]
    steps = 1 + (there[0] if there else len(largest) - 1)
    seconds, result = timed(lambda: one.advance(state, one.before, steps)[0])
    return seconds, distance(one, result)


def papers(reference: dict[str, Any], most: float, log: Console) -> list[tuple[int, float, float]]:
    """(epochs on the loss, CPU seconds with those on the halves, largest RMSD), as it trains."""
    one = program(
        "lj_liquid_paper", "system.particles=32", "system.cutoff=1.7", "training.epochs=10000000",
        f"loss.boundary={PENALTY}", f"loss.energy={ENERGY}",
    )  # fmt: skip
    one.learn, one.told = HALVES, None
    state = {**one.start(), "reference": reference}
    first = one.before + 1 + HALVES
    # Compile both stages outside of the clock.
    state, _ = one.advance(state, one.before, 1)
    jax.block_until_ready(one.advance(state, one.before + 1, 10)[0])
    warm, _ = one.advance(state, first - 1, 11)
    jax.block_until_ready(warm)
    rows, done = [], one.before + 1
    start = time.process_time()
    while (spent := time.process_time() - start) < most:
        count = HALVES if done < first else STRIDE
        state, report = one.advance(state, done, count)
        if report.diverged is not None:
            log.print(f"the paper's recipe: {report.diverged}")
            break
        done += count
        if done > first:
            jax.block_until_ready(state)
            rows.append((done - first, time.process_time() - start, distance(one, state)))
    log.print(f"the paper's recipe was trained for {spent:.0f} s")
    return rows


def products(n: int, cutoff: float) -> tuple[float, float]:
    """CPU seconds of a product with the Jacobian and one with its transpose; and to compile the
    start and an iteration."""
    one = program(
        "lj_liquid", f"system.particles={n}", f"system.cutoff={cutoff}",
        "ends.md.equilibration=2.0",
    )  # fmt: skip
    state, _ = one.advance(one.start(), 0, one.before)

    def started() -> tuple[float, Any]:
        start = time.process_time()
        result = jax.block_until_ready(one.advance(state, one.before, 2)[0])
        return time.process_time() - start, result

    first, (second, state) = started()[0], started()
    x = state["fit"].x
    loss = one.problem.loss(state["given"], one.neighbors(state, x))

    @eqx.filter_jit
    def several(loss, x, d, count):
        _, push, pull = loss.linearised(x)
        return jax.lax.fori_loop(0, count, lambda _, d: pull(push(d)) / jnp.max(jnp.abs(d)), d)

    seconds, _ = timed(lambda: several(loss, x, x, jnp.asarray(PRODUCTS)))
    return seconds / PRODUCTS, first - second


def main() -> None:
    console = Console()
    most = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    reference = referenced()
    mine = ours(reference)
    rows = papers(reference, most, console)
    best = min(rows, key=lambda row: row[2]) if rows else None
    table = Table("method", "CPU s", "largest RMSD [sigma]", title="N = 32, 0.5 tau, q and v given")
    if best is not None:
        name = f"the paper's recipe, its best after {HALVES} + {best[0]} epochs"
        table.add_row(name, f"{best[1]:.1f}", f"{best[2]:.2e}")
        goal = min(best[2], GOAL)  # what it reached in the prototype, where it did not here
        soon = ours(reference, goal)
        table.add_row(f"ours, first below {goal:.2e}", f"{soon[0]:.3f}", f"{soon[1]:.2e}")
        table.add_row("the recipe takes so many times", f"{best[1] / soon[0]:.0f}", "")
    table.add_row("ours to the end, 32 points", f"{mine[0]:.2f}", f"{mine[1]:.2e}")
    if best is not None:
        table.add_row("the recipe takes so many times", f"{best[1] / mine[0]:.0f}", "")
    console.print(table)
    table = Table(
        "N", "J and J^T [ms]", "exponent from 108", "compile [s]", "of N = 13",
        title="cost against N, 32 points",
    )  # fmt: skip
    last: tuple[int, float] | None = None
    least = 0.0
    for n, cutoff in SIZES:
        seconds, compiling = products(n, cutoff)
        power = "" if last is None else f"{np.log(seconds / last[1]) / np.log(n / last[0]):.2f}"
        least = least or compiling
        table.add_row(str(n), f"{1e3 * seconds:.1f}", power, f"{compiling:.1f}",
                      f"{compiling / least:.1f}")  # fmt: skip
        last = last or ((n, seconds) if n > 100 else None)
    console.print(table)


if __name__ == "__main__":
    main()
