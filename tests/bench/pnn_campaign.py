"""Searches of maps from many seeds, each the command a user runs: what is found, and how fast.

    python tests/bench/pnn_campaign.py [verlet_pnn|damped_pnn] [--seeds 20:40] [--out DIR]
    python tests/bench/pnn_campaign.py measured [--seeds 0:5] [--only pendulum,kepler] [--out DIR]

`measured`: six motions by SciPy (see `measured_motions`), as CSV files with and without velocities,
clean and with 0.1 % of noise, each at each seed, which also draws the noise.

Found: the recommended map is within 2e-3 of the scheme in each of its coefficients, in units of dt
and the mass (see SCHEMES in compiler/pnn/maps/structure_proof.py), and its structure is proved.
Runs that are there already are read, not repeated. Seconds are of the clock, of each run from its
start.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from actionrun.spec import load
from measured_motions import SYSTEMS, written_study

STUDIES = Path(__file__).parents[2] / "studies"
WANTED = {"verlet_pnn": "position Verlet", "damped_pnn": "damped position Verlet"}


def searched(study: Path, seed: int, out: Path) -> dict:
    """The result.json of one run."""
    folder = out / f"{study.stem}-{seed}"
    if not (folder / "result.json").exists():
        command = [sys.executable, "-m", "actionrun.runtime.cli", "run"]
        command += [str(study), "--seed", str(seed), "--out", str(folder)]
        subprocess.run([*command, "--quiet"], check=True)
    return json.loads((folder / "result.json").read_text())


def seeds(text: str) -> range:
    first, _, last = text.partition(":")
    return range(int(first), int(last or int(first) + 1))


def measured(chosen: list[str], several: range, out: Path) -> None:
    """Maps of motions out of files: how many searches found what is there."""
    header = ("motion", "columns", "noise", "found", "seconds, most", "others")
    print("".join(f"{word:>15}" for word in header), flush=True)
    total = 0
    for name in chosen:
        for velocities in (True, False):
            for noise in (0.0, 0.001):
                good, seconds, others = 0, [], []
                for seed in several:
                    study = written_study(out / "data", name, noise, seed, velocities)
                    result = searched(study, seed, out)
                    best = result["best"]
                    structure = best.get("reversible") and best.get("symplectic")
                    verlet = best["scheme"] == "position Verlet" and structure
                    found = verlet or "exact map" in str(best["scheme"])
                    good += bool(found)
                    seconds.append(result["seconds"])
                    others += [] if found else [f"{seed}: {best['text']}"]
                columns = "q, v" if velocities else "q"
                cells = (name, columns, f"{noise:g}", f"{good} of {len(several)}",
                         f"{max(seconds):.0f}", "; ".join(others))  # fmt: skip
                total += good
                print("".join(f"{cell:>15}" for cell in cells), flush=True)
    print(f"\nfound {total} of {4 * len(chosen) * len(several)}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("study", nargs="?", default="verlet_pnn", choices=[*WANTED, "measured"])
    parser.add_argument("--seeds", type=seeds)
    parser.add_argument("--only", default=",".join(SYSTEMS), help="motions, of measured")
    parser.add_argument("--out", type=Path, default=Path("runs/campaign"))
    options = parser.parse_args()
    if options.study == "measured":
        return measured(options.only.split(","), options.seeds or range(5), options.out)
    options.seeds = options.seeds or range(20, 40)
    study = load(STUDIES / f"{options.study}.toml")
    true = {name: study.number(value) for name, value in study.parameters.items()}
    damped = "gamma" in true
    header = ("seed", "found", "complexity", "error", "p = 1", "return/pm", "1/m off", "seconds")
    print("".join(f"{word:>12}" for word in header), flush=True)
    found = []
    for seed in options.seeds:
        result = searched(STUDIES / f"{options.study}.toml", seed, options.out)
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
