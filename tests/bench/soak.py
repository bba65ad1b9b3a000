"""Every study, killed at random many times, beside the run that nobody disturbed.

    python tests/bench/soak.py [--kills N] [--seed 0] [--folder DIR] [--workers N] [STUDY …]

Each study of `studies/` runs shortened: once undisturbed, on one core with a cold cache of compiled
programs; then on all cores with a warm one, saving often. It is killed (-9, the whole process
group) at random moments between its start and its end, and again when it goes on, until it is done;
then it begins anew, until it has been killed N times (default: a hundred kills over all studies).
Its `result.json` but for times, its arrays, equations and findings must then be those of the
undisturbed run, bit for bit. One line a study; exit code 1 where one differs.

    soak.py --kills 20 dho_ggl dho_family lj_liquid_32 lj13 melting verlet_pnn     # each kind
"""

from __future__ import annotations

import argparse
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).parents[2]
sys.path.insert(0, str(TOP / "tests" / "runtime"))

from helpers import same  # noqa: E402  # pyright: ignore[reportMissingImports]
from shortened import SHORT, missing  # noqa: E402  # pyright: ignore[reportMissingImports]

# Saves and chunks as short as they can be, so that kills hit them.
SCRIPT = (
    "import sys\n"
    "from actionrun.runtime import cli\n"
    "from actionrun.runtime.execution import march\n"
    "march.SAVE_SECONDS, march.CHUNK_SECONDS = 0.2, 0.1\n"
    "sys.exit(cli.main(sys.argv[1:]))"
)
KILLS = 100  # where no number is given
LEAST = 1.0  # seconds until a first kill: the interpreter is up by then


def begun(
    study: str, overrides: tuple[str, ...], out: Path, workers: int, cold: Path | None = None
) -> subprocess.Popen:
    """The study as a process group of its own; with a new cache `cold`, on one core."""
    core = {min(os.sched_getaffinity(0))}
    words = [str(TOP / "studies" / f"{study}.toml"), "--out", str(out), "--quiet"]
    for override in overrides:
        words += ["--set", override]
    words += ["--workers", str(workers)] if workers else []
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *words],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env=os.environ | ({"XDG_CACHE_HOME": str(cold)} if cold else {}),
        preexec_fn=(lambda: os.sched_setaffinity(0, core)) if cold else None,
    )  # fmt: skip


def finished(process: subprocess.Popen) -> None:
    _, said = process.communicate()
    if process.returncode:
        raise AssertionError(f"exit code {process.returncode}: {said}")


def soaked(
    study: str, overrides: tuple[str, ...], home: Path, kills: int, chance: random.Random,
    workers: int,
) -> str:  # fmt: skip
    """What was done, in words. Raises AssertionError where a result differs."""
    whole, killed = home / study / "whole", home / study / "killed"
    clock = time.monotonic()
    finished(begun(study, overrides, whole, 0, home / study / "cache"))
    took = time.monotonic() - clock
    left, runs, saved, writing = kills, 1, 0, 0
    while left:
        clock, anew = time.monotonic(), not killed.exists()
        process = begun(study, overrides, killed, workers)
        try:
            process.wait(chance.uniform(min(LEAST, took / 4), 1.05 * took))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            left -= 1
            saved += any(killed.rglob("step-*"))
            writing += (killed / "equations.tex").exists()
        _, said = process.communicate()
        if process.returncode == 0:
            took = min(took, time.monotonic() - clock) if anew else took
            same(killed, whole)
            shutil.rmtree(killed)
            runs += 1
        elif process.returncode != -signal.SIGKILL:
            raise AssertionError(f"exit code {process.returncode}: {said}")
    finished(begun(study, overrides, killed, workers))
    same(killed, whole)
    return (
        f"same   {took:5.1f} s undisturbed, {runs} runs; of the kills {saved} after a checkpoint, "
        f"{writing} with results begun"
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("study", nargs="*", metavar="STUDY")
    parser.add_argument("--kills", type=int, help="of each study")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--workers", type=int, default=0)
    options = parser.parse_args()
    if unknown := missing():
        parser.error(f"SHORT and studies/ differ: {', '.join(sorted(unknown))}")
    names = options.study or list(SHORT)
    kills = options.kills or math.ceil(KILLS / len(names))
    bad = 0
    with tempfile.TemporaryDirectory() as scratch:
        home = options.folder or Path(scratch)
        for name in names:
            chance = random.Random(f"{options.seed} {name}")
            try:
                told = soaked(name, SHORT[name], home, kills, chance, options.workers)
            except AssertionError as error:
                bad += 1
                told = f"DIFFERS {str(error)[:600]}"
            print(f"{name:22} {kills} kills  {told}", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
