"""Searches of maps from many seeds, each the command a user runs: what is found, and how fast.

    python tests/bench/pnn_campaign.py [verlet_pnn|damped_pnn] [--seeds 20:40] [--out DIR]

Found: the recommended map is within 2e-3 of the scheme in each of its coefficients, in units of dt
and the mass (see SCHEMES in compiler/pnn_maps_algebra.py), and its structure is proved. Runs that
are there already are read, not repeated. Seconds are of the clock, of each run from its start.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from actionrun.spec import load

STUDIES = Path(__file__).parents[2] / "studies"
WANTED = {"verlet_pnn": "position Verlet", "damped_pnn": "damped position Verlet"}


def searched(name: str, seed: int, out: Path) -> dict:
    """The result.json of one run."""
    folder = out / f"{name}-{seed}"
    if not (folder / "result.json").exists():
        command = [sys.executable, "-m", "actionrun.runtime.cli", "run"]
        command += [str(STUDIES / f"{name}.toml"), "--seed", str(seed), "--out", str(folder)]
        subprocess.run([*command, "--quiet"], check=True)
    return json.loads((folder / "result.json").read_text())


def seeds(text: str) -> range:
    first, _, last = text.partition(":")
    return range(int(first), int(last or int(first) + 1))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("study", nargs="?", default="verlet_pnn", choices=[*WANTED])
    parser.add_argument("--seeds", type=seeds, default=range(20, 40))
    parser.add_argument("--out", type=Path, default=Path("runs/campaign"))
    options = parser.parse_args()
    study = load(STUDIES / f"{options.study}.toml")
    true = {name: study.number(value) for name, value in study.parameters.items()}
    damped = "gamma" in true
    header = ("seed", "found", "complexity", "error", "p = 1", "return/pm", "1/m off", "seconds")
    print("".join(f"{word:>12}" for word in header), flush=True)
    found = []
    for seed in options.seeds:
        result = searched(options.study, seed, options.out)
        best, metrics = result["best"], result["metrics"]
        proved = damped or (best.get("reversible") and best.get("symplectic"))
        good = best["scheme"] == WANTED[options.study] and bool(proved)
        mass = metrics.get("inverse_mass.x")
        off = abs(mass * true["m"] - 1) if mass else float("nan")
        found.append((good, best["complexity"], result["seconds"], best["error"]))
        cells = (
            f"{seed}", "yes" if good else str(best["scheme"]), f"{best['complexity']}",
            f"{best['error']:.2f}", f"{best['error'] + best['complexity']:.2f}",
            f"{metrics.get('reversal_error_max', float('nan')):.1e}", f"{off:.1e}",
            f"{result['seconds']:.1f}",
        )  # fmt: skip
        tail = ""
        if damped and "damping.x" in metrics:
            tail = f"   gamma off by {abs(metrics['damping.x'] / true['gamma'] - 1):.1e}"
        print("".join(f"{cell:>12}" for cell in cells) + tail, flush=True)
    complexity = [c for good, c, *_ in found if good]
    print(
        f"\nfound {len(complexity)} of {len(found)}; complexity <= 15 in "
        f"{sum(c <= 15 for c in complexity)}, 13 in {sum(c == 13 for c in complexity)}; "
        f"seconds at most {max(s for *_, s, _ in found):.1f}, the middle one "
        f"{sorted(s for *_, s, _ in found)[len(found) // 2]:.1f}"
    )


if __name__ == "__main__":
    main()
