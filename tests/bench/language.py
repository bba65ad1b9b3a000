"""What `check` costs: `python tests/bench/language.py`, one command, one table.

CPU time of whole processes beside that of `import jax`, medians of ten runs with bytecode cached;
of the melting study's units inside one process; and of the worst bombs from text to answer.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "spec"))

import contextlib

from actionrun.spec import Faults, loads
from language_page import STUDIES  # pyright: ignore[reportMissingImports]
from rich.console import Console
from rich.table import Table
from test_fuzz import BOMBS  # pyright: ignore[reportMissingImports]

RUNS = 10


def process_cpu(words: list[str], environment: dict[str, str]) -> float:
    """CPU seconds of a process, user and system, the median of ten after one to warm up."""
    took = []
    for _ in range(RUNS + 1):
        child = subprocess.Popen(words, stdout=subprocess.DEVNULL, env=environment)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        assert child.returncode == 0, words
        took.append(usage.ru_utime + usage.ru_stime)
    return statistics.median(took[1:])


def answer_cpu(text: str) -> float:
    """CPU seconds from a text to its study or faults, the best of three."""
    best = float("inf")
    for _ in range(3):
        begun = time.process_time()
        with contextlib.suppress(Faults):
            loads(text)
        best = min(best, time.process_time() - begun)
    return best


def main() -> None:
    table = Table("what", "CPU", "of import jax", title="check")
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": folder}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        jax = process_cpu([sys.executable, "-c", "import jax"], environment)
        table.add_row("import jax", f"{1e3 * jax:.0f} ms", "1")
        for name in ("dho_ggl", "dho_family", "lj_liquid", "melting"):
            file = Path(folder) / f"{name}.toml"
            file.write_text(STUDIES[name], encoding="utf-8")
            words = [sys.executable, "-m", "actionrun.runtime.cli", "check", str(file)]
            took = process_cpu(words, environment)
            table.add_row(f"check {name}.toml", f"{1e3 * took:.0f} ms", f"{took / jax:.2f}")
    melting = answer_cpu(STUDIES["melting"])
    plain = answer_cpu(STUDIES["melting"].replace(" [", " {").replace(']"', '}"'))
    table.add_row("melting, text to study", f"{1e3 * melting:.1f} ms", "")
    table.add_row("the same without units in its columns", f"{1e3 * plain:.1f} ms", "")
    worst = sorted(((answer_cpu(text), text) for text in BOMBS), reverse=True)[:5]
    for took, text in worst:
        table.add_row(f"bomb {text[:16]!r}, {len(text)} characters", f"{1e3 * took:.1f} ms", "")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
