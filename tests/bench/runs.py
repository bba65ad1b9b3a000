"""What asking about runs costs: `python tests/bench/runs.py`, one table.

CPU and wall seconds of whole processes, medians of five, beside `--help`: `list` over 1000 runs,
`compare` of two, and a second start in a busy folder, by its name and by the study's.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from actionrun.runtime.storage.run_folder import Folder
from rich.console import Console
from rich.table import Table

RUNS, TIMES = 1000, 5
STUDY = 'study = "ggl"\n\n[integrator]\nr = {r}\ndt = 0.1\n'


def made(home: Path) -> None:
    """Run folders as a run leaves them, without arrays."""
    for number in range(RUNS):
        folder = home / "runs" / f"study{number // 100}" / f"{number:03d}-0123abcd"
        for place in ("figures", "checkpoint"):
            (folder / place).mkdir(parents=True)
        text = STUDY.format(r=number % 7)
        equation = {"name": "Lagrangian", "latex": r"L = \dot q^2", "text": "q'^2", "values": {}}
        metrics = {f"metric{n}": number + 0.1 * n for n in range(30)}
        result = {"format": 1, "status": "done", "metrics": metrics, "equations": [equation]}
        story = {"study": "ggl", "title": "A title", "seconds": 1.0, "command": ["actionrun"]}
        for name, content in (
            ("resolved.toml", text), ("study.toml", text), ("result.json", json.dumps(result)),
            ("provenance.json", json.dumps(story)), ("findings.json", "x" * 100_000),
        ):  # fmt: skip
            (folder / name).write_text(content)


def cost(words: Sequence[str], home: Path, code: int = 0) -> tuple[float, float]:
    """CPU and wall seconds of a command, medians after one to warm up."""
    took = []
    for _ in range(TIMES + 1):
        clock = time.perf_counter()
        child = subprocess.Popen(
            [sys.executable, "-m", "actionrun.runtime.cli", *words],
            cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        assert child.returncode == code, words
        took.append((usage.ru_utime + usage.ru_stime, time.perf_counter() - clock))
    cpu, wall = zip(*took[1:], strict=True)
    return statistics.median(cpu), statistics.median(wall)


def main() -> None:
    table = Table("command", "CPU s", "wall s", title="Asking about runs")
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        made(home)
        (home / "study.toml").write_text(STUDY.format(r=1))
        one, other = (f"runs/study0/00{number}-0123abcd" for number in (1, 2))
        commands = {
            "--help": (["--help"], 0),
            f"list, {RUNS} runs": (["list"], 0),
            "compare, 2 runs": (["compare", one, other], 0),
            "a busy folder": (["study.toml", "--out", one], 75),
        }
        with Folder(home / one).lock():
            for name, (words, code) in commands.items():
                cpu, wall = cost(words, home, code)
                table.add_row(name, f"{cpu:.3f}", f"{wall:.3f}")
    Console().print(table)


if __name__ == "__main__":
    main()
