"""Every study, killed at random many times, beside the run that nobody disturbed.

    python tests/bench/soak.py [--kills 100] [--seed 0] [--folder DIR] [--workers N] [STUDY …]

Each study of `studies/` runs shortened, saves often, and is killed (-9, the whole process group) at
random moments between its start and a little after its end, as many times as asked: where it has
finished, it begins anew. Its `result.json` but for times, its arrays, equations and findings must
then be those of the undisturbed run, bit for bit. One line a study; exit code 1 where one differs.
"""

from __future__ import annotations

import argparse
import json
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

# Saves and chunks as short as they can be, so that kills hit them.
SCRIPT = (
    "import sys\n"
    "from actionrun.runtime import cli, execute\n"
    "execute.SAVE_SECONDS, execute.CHUNK_SECONDS = 0.2, 0.1\n"
    "sys.exit(cli.main(sys.argv[1:]))"
)
FAMILY = ("training.steps=200", "training.batch=64", "test.systems=10")
PNN = ("search.population=10", "search.generations=3")
SHORT: dict[str, tuple[str, ...]] = {
    "dho_ggl": ("integrator.steps=20000",),
    "poynting_robertson": ("integrator.steps=20000",),
    "energy_error": ("integrator.steps=20000",),
    "pendulum_constraint": (),
    "kepler_transformed": (),
    "outer_solar_system": ("integrator.steps=1000",),
    "damped_chain": ("integrator.steps=200",),
    "dho_family": FAMILY,
    "dho_family_noise": FAMILY,
    "dho_family_paper": FAMILY,
    "dho_family_free": FAMILY,
    "earth_orbit": (),
    "lj_liquid_32": ("path.points=8", "ends.md.equilibration=1.0"),
    "lj13": ("path.points=11",),
    "lj2d_hop": ("path.points=11",),
    "melting": PNN,
    "law_recovery": PNN,
    "verlet_pnn": (*PNN, "data.points=200"),
    "damped_pnn": (*PNN, "data.points=200"),
}


def begun(study: str, overrides: tuple[str, ...], out: Path, workers: int) -> subprocess.Popen:
    """The study as a process group of its own."""
    words = [str(TOP / "studies" / f"{study}.toml"), "--out", str(out), "--quiet"]
    for override in overrides:
        words += ["--set", override]
    words += ["--workers", str(workers)] if workers else []
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *words],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def finished(process: subprocess.Popen) -> None:
    _, said = process.communicate()
    if process.returncode:
        raise SystemExit(f"exit code {process.returncode}: {said}")


def soaked(
    study: str, overrides: tuple[str, ...], home: Path, kills: int, chance: random.Random,
    workers: int,
) -> tuple[float, int, int]:  # fmt: skip
    """Seconds of the undisturbed run, how many runs were begun, how often one went on. Raises
    AssertionError where a result differs."""
    whole, killed = home / study / "whole", home / study / "killed"
    clock = time.monotonic()
    finished(begun(study, overrides, whole, 0))
    took = time.monotonic() - clock
    left, runs, sessions = kills, 1, 0
    while left:
        process = begun(study, overrides, killed, workers)
        try:
            process.wait(chance.uniform(0.05, 1.1) * took)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            left -= 1
        process.communicate()
        if process.returncode == 0:
            same(killed, whole)
            sessions += gone_on(killed)
            shutil.rmtree(killed)
            runs += 1
        elif process.returncode != -signal.SIGKILL:
            raise AssertionError(f"exit code {process.returncode}")
    finished(begun(study, overrides, killed, workers))
    same(killed, whole)
    return took, runs, sessions + gone_on(killed)


def gone_on(folder: Path) -> int:
    return len(json.loads((folder / "provenance.json").read_text()).get("sessions", []))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("study", nargs="*")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--workers", type=int, default=0)
    options = parser.parse_args()
    wanted = {
        name: short for name, short in SHORT.items() if (TOP / "studies" / f"{name}.toml").exists()
    }
    wanted = {name: wanted[name] for name in options.study} if options.study else wanted
    bad = 0
    with tempfile.TemporaryDirectory() as scratch:
        home = options.folder or Path(scratch)
        for name, overrides in wanted.items():
            chance = random.Random(f"{options.seed} {name}")
            try:
                took, runs, sessions = soaked(
                    name, overrides, home, options.kills, chance, options.workers
                )
                told = (
                    f"same   {took:6.1f} s undisturbed, {runs} runs, gone on with {sessions} times"
                )
            except AssertionError as error:
                bad += 1
                told = f"DIFFERS {str(error)[:300]}"
            print(f"{name:20} {options.kills} kills  {told}", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
