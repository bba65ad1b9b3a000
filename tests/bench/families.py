"""All families of studies/: unseen members, refined and by the network alone, in one table.

    python tests/bench/families.py [--steps 1500] [--systems 200] [NAME ...]

The share of members that the refinement brings within 1e-6 of the largest coefficient, the share
that starts from the weak form, the largest median and 95th percentile of the network's relative
errors, the rank of the identifiability, and seconds with compilation.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from actionrun.runtime.environment.jax_setup import set_switches

set_switches()

from actionrun.runtime import load, run  # noqa: E402

STUDIES = Path(__file__).parents[2] / "studies"


def row(name: str, steps: int, systems: int) -> str:
    overrides = [f"training.steps={steps}", f"test.systems={systems}"]
    before = time.perf_counter()
    with tempfile.TemporaryDirectory() as place:
        study = load(STUDIES / f"{name}.toml", overrides=overrides)
        done = run(study, out=Path(place) / "run")
    metrics, known = done.metrics, done.result["identifiability"]
    worst = [
        max(value for key, value in metrics.items() if key.startswith(f"{what}."))
        for what in ("error_median", "error_p95")
    ]
    return (
        f"{name:22} {100 * metrics['refined_within_1e-6']:8.1f} % "
        f"{100 * metrics['weak_form_share']:9.1f} % {worst[0]:9.1e} {worst[1]:9.1e} "
        f"{known['rank']:5d} of {known['of']} {time.perf_counter() - before:7.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--systems", type=int, default=200)
    parser.add_argument("names", nargs="*")
    asked = parser.parse_args()
    names = asked.names or ["dho_family", *sorted(f.stem for f in STUDIES.glob("family_*.toml"))]
    print(f"{'family':22} {'to 1e-6':>10} {'weak form':>11} {'median':>9} {'95 %':>9} "
          f"{'rank':>10} {'s':>7}")  # fmt: skip
    for name in names:
        print(row(name, asked.steps, asked.systems), flush=True)


if __name__ == "__main__":
    main()
