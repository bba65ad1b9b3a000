"""Systems for the laws: a few lines of the study language, and motions marched from them."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.integrators.linear_map import step_map
from actionrun.compiler.numerics.integrators.time_marching import (
    TimeMarcher,
    Trajectory,
    energy_error,
)
from actionrun.compiler.numerics.integrators.variational import GGL
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem, lagrangian_system
from actionrun.compiler.symbolic.lowered_system import mechanics, parameters
from actionrun.spec import loads

OSCILLATOR = 'lagrangian = "q\'^2/2 - q^2/2"\ncoordinates = ["q"]'
DAMPED = OSCILLATOR + '\nnonconservative = "-0.1*q_plus\'*q_minus"'
PENDULUM = 'lagrangian = "q\'^2/2 + cos(q)"\ncoordinates = ["q"]'
PARABOLA = """\
coordinates = ["x"]
lagrangian = "(1 + 4*x^2)*x'^2/2 - x^2"
"""
SPHERICAL = """\
coordinates = ["th", "ph"]
lagrangian = "(th'^2 + sin(th)^2*ph'^2)/2 + cos(th)"
"""
KEPLER = "lagrangian = \"dot(q', q')/2 + 1/|q|\"\ncoordinates = { q = 2 }"


ROWS = 4096  # kept at most; one number for all, since each shape is a compilation


class Motion(NamedTuple):
    """Rows after each step, the start first: t (rows,), q, p (rows, n); the last state."""

    t: np.ndarray
    q: np.ndarray
    p: np.ndarray
    state: Trajectory

    @property
    def energy_error(self) -> float:
        return energy_error(self.state)


def symbolic(system: str) -> LagrangianSystem:
    """The problem of a [system] table without parameters."""
    (coordinates,) = (line for line in system.splitlines() if line.startswith("coordinates"))
    if "[" in coordinates:
        zero = {name.strip(' "'): "0.5" for name in coordinates.split("[")[1][:-1].split(",")}
    else:
        name, size = coordinates.split("{")[1].strip(" }").split("=")
        zero = {name.strip(): [0.5] * int(size)}
    start = ", ".join(f"{name} = {value}" for name, value in zero.items())
    text = (
        f'study = "ggl"\n[system]\n{system}\n'
        f"[start]\nposition = {{ {start} }}\nmomentum = {{ {start} }}\n"
        "[integrator]\nr = 2\ndt = 0.1\nsteps = 10\n"
    )
    return lagrangian_system(loads(text))


@eqx.filter_jit
def _advanced(march: TimeMarcher, x: Trajectory, t, h, theta, stop, every, prepared):
    return march.advance(x, t, h, theta, stop, every, ROWS, prepared)


def solver_of(ggl: GGL) -> str:
    return "linear" if ggl.mechanics.linear else "fixed point"


def integrator(system: str, r: int) -> tuple[GGL, jax.Array]:
    """The integrator of a system and its parameters' numbers."""
    found = symbolic(system)
    return GGL(mechanics(found), r), parameters(found)


def marched(
    system: str, r: int, h: float, steps: int, q, p, *, solver: str | None = None, every: int = 1
) -> Motion:
    """A motion of `steps` steps from positions q and momenta p (numbers or lists)."""
    ggl, theta = integrator(system, r)
    march = TimeMarcher(ggl, solver or solver_of(ggl), None)
    q, p = (jnp.asarray(np.atleast_1d(np.asarray(x, float))) for x in (q, p))
    zero = jnp.zeros(())
    x = march.start(q, p, zero, theta)
    x, kept, count = _advanced(
        march, x, zero, jnp.asarray(h), theta, jnp.asarray(steps), jnp.asarray(every),
        step_map(ggl.mechanics, r, h, theta) if march.solver == "linear" else None,
    )  # fmt: skip
    t, qs, ps = kept[:3]
    assert int(x.status) == 0, f"trouble {int(x.status)} at step {int(x.step)}"
    rows = int(count)
    return Motion(
        np.concatenate([[0.0], np.asarray(t)[:rows]]),
        np.concatenate([np.asarray(q)[None], np.asarray(qs)[:rows]]),
        np.concatenate([np.asarray(p)[None], np.asarray(ps)[:rows]]),
        x,
    )


def slope(steps: list[float], errors: list[float]) -> float:
    """The measured order: the slope of log error against log step."""
    return float(np.polyfit(np.log(steps), np.log(errors), 1)[0])


def classical(rate, y: np.ndarray, h: float, steps: int) -> np.ndarray:
    """The classical Runge-Kutta method, written out again."""
    found = []
    for _ in range(steps):
        a = rate(y)
        b = rate(y + h / 2 * a)
        c = rate(y + h / 2 * b)
        d = rate(y + h * c)
        y = y + h / 6 * (a + 2 * b + 2 * c + d)
        found.append(y)
    return np.array(found)
