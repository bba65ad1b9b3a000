"""Six motions as a laboratory would hand them over: CSV files by SciPy, studies of their maps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.integrate import solve_ivp

ONE = """inputs = ["x", "x'"]
outputs = ["x(t+dt)", "x'(t+dt)"]
layers = [2, 2, 2]
"""
TWO = """inputs = ["x", "y", "x'", "y'"]
outputs = ["x(t+dt)", "y(t+dt)", "x'(t+dt)", "y'(t+dt)"]
layers = [4, 4, 4]
"""
SEARCH = """force = 2
activations = ["linear", "relu", "tanh", "elu"]
weights = ["0", "1/2", "1", "2", "dt/2", "dt", "2*dt", "trainable"]
population = 100
generations = 20
"""


@dataclass(frozen=True)
class Motion:
    """A system in the study's words, the step between rows, first states (q, v), and q'' of t and
    q."""

    system: str
    parameters: str
    dt: float
    starts: tuple[tuple[float, ...], ...]
    acceleration: Callable[[float, np.ndarray], np.ndarray]
    search: str = ONE


SYSTEMS = {
    "harmonic": Motion(
        """coordinates = ["x"]\nlagrangian = "m*x'^2/2 - k*x^2/2\"""", "m = 2.0\nk = 3.0", 0.08,
        ((1, 0), (0.5, 0.7), (-0.8, 0.3)), lambda t, q: -1.5 * q,
    ),
    "pendulum": Motion(
        """coordinates = ["x"]\nlagrangian = "x'^2/2 + w*cos(x)\"""", "w = 2.0", 0.07,
        ((1.5, 0), (0.5, 1), (-2.2, 0.3)), lambda t, q: -2 * np.sin(q),
    ),
    "quartic": Motion(
        """coordinates = ["x"]\nlagrangian = "m*x'^2/2 - x^4/4\"""", "m = 0.5", 0.06,
        ((1.2, 0), (0.5, 1), (-0.9, 0.3)), lambda t, q: -2 * q**3,
    ),
    "coupled": Motion(
        """coordinates = ["x", "y"]
lagrangian = "m*x'^2/2 + n*y'^2/2 - k*(x^2 + y^2)/2 - c*(x - y)^2/2\"""",
        "m = 1.0\nn = 2.0\nk = 1.0\nc = 0.5", 0.1,
        ((1, 0, 0, 0.3), (0.2, -0.7, 0.7, 0.1), (-0.8, 0.5, 0.3, 0.4)),
        lambda t, q: np.array([-1.5 * q[0] + 0.5 * q[1], 0.25 * q[0] - 0.75 * q[1]]), TWO,
    ),
    "kepler": Motion(
        """coordinates = { r = 2 }\nlagrangian = "dot(r', r')/2 + 1/norm(r)\"""", "", 0.08,
        ((1, 0, 0, 1.1), (0, 0.8, -1.2, 0), (-1.2, 0, 0.1, -0.8)),
        lambda t, q: -q / np.hypot(*q) ** 3, ONE.replace("x", "r"),
    ),
    "driven": Motion(
        """coordinates = ["x"]\nlagrangian = "x'^2/2 - w*x^2/2 + f*cos(o*t)*x\"""",
        "w = 1.0\nf = 0.4\no = 1.7", 0.09, ((1, 0), (0.5, 0.7), (-0.8, 0.3)),
        lambda t, q: -q + 0.4 * np.cos(1.7 * t),
    ),
}  # fmt: skip


def states(motion: Motion, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Times (rows,) and states (motions, rows, 2 n)."""
    t, several = np.arange(rows) * motion.dt, []
    for start in motion.starts:
        n = len(start) // 2

        def flow(t, z, n=n):
            return np.concatenate([z[n:], motion.acceleration(t, z[:n])])

        found = solve_ivp(flow, (0, t[-1]), start, t_eval=t, method="DOP853",
                          rtol=1e-12, atol=1e-13)  # fmt: skip
        several.append(found.y.T)
    return t, np.stack(several)


def written_study(
    folder: Path, name: str, noise: float, seed: int, velocities: bool, rows: int = 200
) -> Path:
    """The TOML file of a study beside its CSV file; noise is relative to each column's size."""
    folder.mkdir(parents=True, exist_ok=True)
    motion = SYSTEMS[name]
    t, z = states(motion, rows)
    sizes = np.sqrt((z**2).mean((0, 1)))
    z = z + noise * sizes * np.random.default_rng([seed, 5]).standard_normal(z.shape)
    n = z.shape[-1] // 2
    parts = ["x", "y"][:n]
    names = ["t", "n", *parts, *(f"v{p}" for p in parts if velocities)]
    lines = [",".join(names)]
    for number, trial in enumerate(z, 1):
        for time, row in zip(t, trial, strict=True):
            values = row if velocities else row[:n]
            lines.append(",".join([f"{time:.10g}", str(number), *(f"{x:.10g}" for x in values)]))
    stem = f"{name}_{noise:g}_{seed}_{'qv' if velocities else 'q'}"
    (folder / f"{stem}.csv").write_text("\n".join(lines) + "\n")
    if "{" in motion.system:
        columns = ['r = ["x", "y"]', *(['v_r = ["vx", "vy"]'] if velocities else [])]
    else:
        columns = [f'{p} = "{p}"' for p in parts]
        columns += [f'v_{p} = "v{p}"' for p in parts if velocities]
    path = folder / f"{stem}.toml"
    path.write_text(
        f"""study = "pnn"
[system]
{motion.system}
[parameters]
{motion.parameters}
[data]
file = "{stem}.csv"
columns = {{ t = "t", trial = "n", {", ".join(columns)} }}
dt = {motion.dt}
[search]
{motion.search}{SEARCH}"""
    )
    return path
