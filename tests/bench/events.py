"""What three events cost a run, and how many there are: `python tests/bench/events.py`, one table.

    python tests/bench/events.py [--steps 1000000] [--rounds 3]

CPU seconds of whole processes as users run them, from a warm compile cache, the median of some
rounds, with events over without. heyoka, where it is installed (`pip install '.[bench]'`), follows
the same motion at its own tolerance with the same events: how often each is crossed there, and what
they cost it, without its compiling.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

try:
    import heyoka as hy  # pyright: ignore[reportMissingImports]
except ImportError:
    hy = None

STUDY = """\
study = "ggl"
[system]
coordinates = {names}
lagrangian = "{lagrangian}"
[start]
position = {{ {position} }}
velocity = {{ {velocity} }}
[integrator]
r = 8
dt = {dt}
steps = {steps}
save_every = 1000
"""


@dataclass(frozen=True)
class System:
    """A system, three events, and the same for heyoka: q1', q2' and events of q1, q2, v1, v2."""

    lagrangian: str
    start: tuple[float, float, float, float]
    dt: float
    events: tuple[str, str, str]
    peer: Callable[..., tuple[list[Any], list[Any]]]


def kepler(x, y, u, v):
    r2 = x * x + y * y
    return [-x * r2**-1.5, -y * r2**-1.5], [y, x * u + y * v, hy.sqrt(r2) - 0.9]


def henon_heiles(x, y, u, v):
    return [-x - 2.0 * x * y, -y - x * x + y * y], [x, u, y - 0.2]


def double_pendulum(a, b, u, v):
    c, s = hy.cos(a - b), hy.sin(a - b)
    # 2 a'' + c b'' = -s v^2 - 2 sin a;  c a'' + b'' = s u^2 - sin b
    f, g = -s * v * v - 2.0 * hy.sin(a), s * u * u - hy.sin(b)
    return [(f - c * g) / (2.0 - c * c), (2.0 * g - c * f) / (2.0 - c * c)], [a, b, u - v]


SYSTEMS = {
    "Kepler, e = 0.6": System(
        "(x'^2 + y'^2)/2 + 1/sqrt(x^2 + y^2)", (1.6, 0.0, 0.0, 0.5), 0.2,
        ("y", "x*x' + y*y'", "sqrt(x^2 + y^2) - 0.9"), kepler,
    ),
    "Hénon-Heiles": System(
        "(x'^2 + y'^2)/2 - (x^2 + y^2)/2 - x^2*y + y^3/3", (0.1, 0.1, 0.3, 0.1), 0.4,
        ("x", "x'", "y - 0.2"), henon_heiles,
    ),
    "double pendulum": System(
        "x'^2 + y'^2/2 + x'*y'*cos(x - y) + 2*cos(x) + cos(y)", (0.6, 0.9, 0.0, 0.0), 0.2,
        ("x", "y", "x' - y'"), double_pendulum,
    ),
}  # fmt: skip


def texts(of: System, steps: int) -> tuple[str, str]:
    """The study without events, and with them."""
    x, y, u, v = of.start
    bare = STUDY.format(
        names='["x", "y"]', lagrangian=of.lagrangian, position=f"x = {x}, y = {y}",
        velocity=f"x = {u}, y = {v}", dt=of.dt, steps=steps,
    )  # fmt: skip
    lines = "".join(f'e{k} = "{event}"\n' for k, event in enumerate(of.events))
    return bare, f"{bare}[events]\n{lines}"


def ran(text: str, folder: Path) -> tuple[float, dict[str, int]]:
    """CPU seconds of a whole run, and how often each event was crossed."""
    (folder / "study.toml").write_text(text)
    out = folder / f"run{len(list(folder.iterdir()))}"
    child = subprocess.Popen(
        [sys.executable, "-m", "actionrun", "run", "study.toml", "--quiet", "--out", str(out)],
        cwd=folder,
    )
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0
    metrics = json.loads((out / "result.json").read_text())["metrics"]
    counts = {f"e{k}": metrics[f"events.e{k}"] for k in range(3) if f"events.e{k}" in metrics}
    return usage.ru_utime + usage.ru_stime, counts


def peer(of: System, until: float) -> tuple[float, list[int]]:
    """heyoka's time with the events over that without, and how often each was crossed."""
    names = ["x", "y", "u", "v"]
    x = hy.make_vars(*names)
    pulls, events = of.peer(*x)
    right = list(zip(x, [x[2], x[3], *pulls], strict=True))
    counts, took = [0] * len(events), []

    def counter(k: int):
        def called(integrator, time, sign):
            counts[k] += 1

        return called

    for nt in ([], [hy.nt_event(one, callback=counter(k)) for k, one in enumerate(events)]):
        integrator = hy.taylor_adaptive(right, list(of.start), nt_events=nt)
        clock = time.process_time()
        integrator.propagate_until(until)
        took.append(time.process_time() - clock)
    return took[1] / took[0], counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    table = Table("system", "CPU s", "with events", "ratio", "crossings", "heyoka's", "its ratio")
    for name, one in SYSTEMS.items():
        with tempfile.TemporaryDirectory() as home:
            took: list[list[float]] = [[], []]
            counts: dict[str, int] = {}
            for number in range(asked.rounds + 1):  # the first fills the compile cache
                for k, text in enumerate(texts(one, asked.steps)):
                    seconds, said = ran(text, Path(home))
                    counts |= said
                    if number:
                        took[k].append(seconds)
        bare, full = map(statistics.median, took)
        theirs = ["not installed", ""]
        if hy is not None:
            ratio, right = peer(one, one.dt * asked.steps)
            theirs = [", ".join(map(str, right)), f"{ratio:.2f}"]
        ours = ", ".join(str(counts[f"e{k}"]) for k in range(3))
        table.add_row(name, f"{bare:.2f}", f"{full:.2f}", f"{full / bare:.2f}", ours, *theirs)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
