"""A sweep of 24 points on a local Dask cluster of two worker processes, one killed on the way.

    python tests/bench/cluster.py [--folder DIR]

All 24 must then be done, and equal to those of one process, bit for bit (exit code 1 otherwise).
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from actionrun.runtime import load, run
from actionrun.runtime.events import Reached
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1] / "runtime"))

from test_sweep import SPRING, same_sweep  # pyright: ignore[reportMissingImports]

GRID = '[sweep]\nintegrator.r = [0, 1, 2]\n"integrator.dt" = [0.1, 0.05, 0.025, 0.0125]\nseed = 2\n'
KILLED_AT = 8  # points


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        return compared(options.folder or Path(scratch))


def compared(home: Path) -> int:
    import distributed

    home.mkdir(parents=True, exist_ok=True)
    (home / "spring.toml").write_text(SPRING + GRID)
    table = Table("24 points", "s", title="A sweep on a Dask cluster")
    clock = time.monotonic()
    run(load(home / "spring.toml"), out=home / "serial")
    table.add_row("one process", f"{time.monotonic() - clock:.1f}")
    done: list[str] = []
    killed: list[int] = []
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:

        def tell(event) -> None:
            if isinstance(event, Reached):
                done.append(event.text)
                if len(done) == KILLED_AT:
                    killed.append(next(iter(cluster.workers.values())).pid)
                    os.kill(killed[0], signal.SIGKILL)

        clock = time.monotonic()
        found = run(
            load(home / "spring.toml"), out=home / "cluster", cluster=cluster.scheduler_address,
            on_event=tell,
        )  # fmt: skip
        took = time.monotonic() - clock
    table.add_row(f"two workers, {len(killed)} killed after {KILLED_AT} points", f"{took:.1f}")
    Console().print(table)
    same_sweep(home / "cluster", home / "serial")
    print(f"{found.metrics['points']} points, {found.metrics['points_failed']} failed: same bits")
    return 0 if found.metrics["points"] == 24 and killed else 1


if __name__ == "__main__":
    sys.exit(main())
