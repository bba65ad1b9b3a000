"""Writes law_recovery.csv: a table whose law is known, with noise and columns that say nothing.

    python studies/data/make_law_recovery.py

Three laws; the study law_recovery.toml is on the first, the tests are on all three.

- drag: the force on a sphere, F = 0.157 rho v^2 d^2 + 9.42 mu v d (form drag and Stokes drag);
- braking: the distance to a halt, s = v tau + 0.71 v^2/g (reaction and brakes);
- cooling: the power of a wire, P = 1.83 k T l (d/b), a product of two groups.

Noise is a relative error of the measured column. Nothing here is measured.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
ROWS, NOISE, SEED = 120, 0.05, 20

Columns = dict[str, np.ndarray]


def drag(draw: np.random.Generator, rows: int) -> Columns:
    """h: roughness, w: width of the tunnel; both say nothing."""
    rho, v, d = (
        draw.uniform(600, 1400, rows),
        draw.uniform(0.1, 2, rows),
        draw.uniform(0.02, 0.2, rows),
    )
    mu = rho * v * d * draw.uniform(0.005, 0.1, rows)  # Reynolds numbers from 10 to 200
    return {
        "F [N]": 0.157 * rho * v**2 * d**2 + 9.42 * mu * v * d,
        "rho [kg/m^3]": rho,
        "v [m/s]": v,
        "d [m]": d,
        "mu [Pa*s]": mu,
        "h [mm]": draw.uniform(0.1, 5, rows),
        "w [m]": draw.uniform(1, 3, rows),
    }


def braking(draw: np.random.Generator, rows: int) -> Columns:
    """m: mass of the car, m0: of its load; both say nothing."""
    v, tau = draw.uniform(5, 50, rows), draw.uniform(0.5, 2, rows)
    return {
        "s [m]": v * tau + 0.71 * v**2 / 9.81,
        "v [m/s]": v,
        "tau [s]": tau,
        "m [kg]": draw.uniform(800, 2000, rows),
        "m0 [kg]": draw.uniform(10, 500, rows),
        "r [m]": draw.uniform(50, 500, rows),
    }


def cooling(draw: np.random.Generator, rows: int) -> Columns:
    """p, p0: pressures, which say nothing."""
    k, T, span = (draw.uniform(*ends, rows) for ends in ((0.02, 0.6), (5, 80), (0.1, 1)))
    d, b = draw.uniform(2, 8, rows), draw.uniform(2, 8, rows)
    return {
        "P [W]": 1.83 * k * T * span * d / b,
        "k [W/(m*K)]": k,
        "T [K]": T,
        "l [m]": span,
        "d [mm]": d,
        "b [mm]": b,
        "e [m]": draw.uniform(0.1, 1, rows),
        "p [kPa]": draw.uniform(90, 110, rows),
        "p0 [kPa]": draw.uniform(50, 200, rows),
    }


LAWS = {"drag": drag, "braking": braking, "cooling": cooling}


def table(law: str, noise: float, seed: int, rows: int = ROWS) -> str:
    """A table as CSV: columns in the units of its header, a relative error on the first."""
    draw = np.random.default_rng([seed, 1])
    columns = LAWS[law](draw, rows)
    first = next(iter(columns))
    columns[first] = columns[first] * (1 + noise * draw.normal(size=rows))
    lines = [",".join(columns)]
    lines += [",".join(f"{x:.6g}" for x in row) for row in zip(*columns.values(), strict=True)]
    return "\n".join(lines) + "\n"


def main() -> None:
    head = (
        "# A made-up table: drag of spheres, F = 0.157 rho v^2 d^2 + 9.42 mu v d, with a relative\n"
        f"# error of {NOISE:.0%} on F; h and w say nothing. Written by make_law_recovery.py.\n"
    )
    (HERE / "law_recovery.csv").write_text(head + table("drag", NOISE, SEED), encoding="utf-8")


if __name__ == "__main__":
    main()
