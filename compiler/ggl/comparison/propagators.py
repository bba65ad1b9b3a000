"""One motion by several methods, block by block: constant memory however long the run is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.integrators.constrained import Constraints
from actionrun.compiler.numerics.integrators.linear_map import Map
from actionrun.compiler.numerics.integrators.mechanics import ExactSolution, FlatMechanics
from actionrun.compiler.numerics.integrators.newton_krylov import directional_derivatives
from actionrun.compiler.numerics.integrators.runge_kutta import Equations, Tableau
from actionrun.compiler.numerics.integrators.runge_kutta import rows as explicit_rows
from actionrun.compiler.numerics.integrators.time_marching import Integrator, TimeMarcher
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem

BLOCK = 4096  # rows at once, at most
NUMBERS = 500_000  # positions in them, at most


class InitialValueProblem(NamedTuple):
    """A system with its numbers, a start q, p (n,) at t = 0, and a step h.

    `motion` are its equations solved for the accelerations; `step_map` makes, of r and h, the map
    of a step where the system is quadratic.
    """

    system: LagrangianSystem
    integrator: Integrator
    motion: Equations
    step_map: Callable[[int, float], Map] | None
    theta: Any
    q: jax.Array
    p: jax.Array
    h: float

    @property
    def transformed(self) -> bool:
        """Whether steps are of s, dt = g ds, and time stands behind the positions."""
        return self.integrator.clock is not None

    @property
    def surface(self) -> Constraints | None:
        return self.integrator.surface

    @property
    def mechanics(self) -> FlatMechanics:
        return self.integrator.mechanics.flattened

    @property
    def block(self) -> int:
        """Rows that are worked out at once."""
        return max(16, min(BLOCK, NUMBERS // len(self.q)))

    def start(self) -> tuple[jax.Array, jax.Array]:
        """The velocity (1, n) and the energy (1,) of the start."""
        q, p = self.q[None], self.p[None]
        return _states(self.mechanics, self.transformed, q, p, jnp.zeros(1), self.theta)


class Rows(NamedTuple):
    """Positions and velocities (rows, n), energies and times (rows,) after each of some steps."""

    q: np.ndarray
    v: np.ndarray
    energy: np.ndarray
    t: np.ndarray

    def constraint_error(self, setting: InitialValueProblem, surface: Constraints) -> np.ndarray:
        """How far (rows,) each is off the constraints, relative to the sizes of their terms."""
        block, count = setting.block, len(self.t)
        q, t = (np.resize(x, (block, *x.shape[1:])) for x in (self.q, self.t))
        return np.asarray(_off(setting.mechanics, surface, q, t, setting.theta))[:count]


class DivergedError(Exception):
    """The numbers of a method are no longer finite, or its equations did not converge."""


class ExplicitMethod:
    """An explicit method, its state carried from block to block."""

    def __init__(self, setting: InitialValueProblem, method: Tableau):
        self.name, self.setting, self.method = method.name, setting, method
        self.motion = setting.motion
        v, _ = setting.start()
        v = jnp.pad(v[0], (0, len(setting.q) - v.shape[1]))
        self.y, self.step = jnp.stack([setting.q, v]), 0

    def next_block(self, count: int, every: int = 1) -> Rows:
        """`count` <= block rows, one after each `every` steps."""
        s, block = self.setting, self.setting.block
        before = self.y
        self.y, rows = explicit_rows(
            self.motion, self.method, self.y, jnp.asarray(self.step), jnp.asarray(s.h), s.theta,
            jnp.asarray(count), jnp.asarray(every), block,
        )  # fmt: skip
        t = s.h * (self.step + every * np.arange(1, block + 1))
        self.step += count * every
        energy = np.asarray(_energies(self.motion, rows, jnp.asarray(t), s.theta))[:count]
        rows = np.asarray(rows[:count])
        if not np.isfinite(rows).all():
            raise DivergedError
        if not s.transformed:
            return Rows(rows[:, 0], rows[:, 1], energy, t[:count])
        t = rows[:, 0, -1]
        if (np.diff(t, prepend=before[0, -1]) <= 0).any():
            raise DivergedError
        return Rows(rows[:, 0, :-1], rows[:, 1, :-1], energy, t)

    @property
    def evaluations(self) -> int:
        return self.step * self.method.stages


class VariationalMethod:
    """The GGL integrator with r interior points, its state carried from block to block."""

    def __init__(self, setting: InitialValueProblem, r: int, iterated: bool = False):
        integrator, self.map = setting.integrator.with_r(r), None
        solver = "newton" if setting.surface else "fixed point"
        if setting.step_map is not None and not iterated:
            solver, self.map = "linear", setting.step_map(r, setting.h)
        self.name, self.setting = "ggl", setting
        self.march = TimeMarcher(integrator, solver, None)
        self.x = self.march.start(setting.q, setting.p, jnp.zeros(()), setting.theta)

    def next_block(self, count: int, every: int = 1) -> Rows:
        """`count` <= block rows, one after each `every` steps."""
        s, stop = self.setting, int(self.x.step) + count * every
        kept: list[tuple[np.ndarray, ...]] = []
        while int(self.x.step) < stop:
            self.x, rows, full = _march(
                self.march, self.x, jnp.asarray(s.h), s.theta, jnp.asarray(stop),
                jnp.asarray(every), s.block, self.map,
            )  # fmt: skip
            kept.append(tuple(np.asarray(part)[: int(full)] for part in rows))
            if int(self.x.status):
                if self.march.solver != "fixed point":
                    raise DivergedError
                self.march = replace(self.march, solver="newton")
                self.x = self.x._replace(status=jnp.asarray(0))
        return Rows(*(np.concatenate(parts) for parts in zip(*kept, strict=True)))

    @property
    def evaluations(self) -> int:
        """Force evaluations: an iteration of the fixed point is one at each node, as is the last
        sum of a step; one of Newton adds one for every column of its matrix."""
        integrator, surface = self.march.integrator, self.setting.surface
        nodes, monitor = integrator.r + 2, self.x.monitor
        columns = (self.setting.system.n + (surface.m if surface else 0)) * (nodes - 1)
        if integrator.mechanics.joint:
            columns = directional_derivatives(columns)
        columns *= self.march.solver == "newton"
        return (int(monitor.iterations) * (1 + columns) + int(self.x.step)) * nodes


class ExactMethod:
    """The exact solution of a study, where it is known."""

    def __init__(self, setting: InitialValueProblem, solution: ExactSolution):
        self.setting, self.solution, self.step = setting, solution, 0

    def next_block(self, count: int, every: int = 1) -> Rows:
        t = self.setting.h * (self.step + every * np.arange(1, count + 1))
        self.step += count * every
        return self.at(t)

    def at(self, t: np.ndarray) -> Rows:
        """Rows at times (rows,), as many as a block at most."""
        s = self.setting
        times = jnp.asarray(np.resize(t, s.block))
        rows = _exact(self.solution, s.mechanics, times, s.theta)
        q, v, energy = (np.asarray(part)[: len(t)] for part in rows)
        return Rows(q, v, energy, t)


@eqx.filter_jit
def _march(march: TimeMarcher, x, h, theta, stop, every, capacity: int, step_map: Map | None):
    x, rows, full = march.advance(x, jnp.zeros(()), h, theta, stop, every, capacity, step_map)
    t, q, p = rows[:3]
    integrator = march.integrator
    transformed = integrator.clock is not None
    states = _states(integrator.mechanics.flattened, transformed, q, p, t, theta)
    if transformed:
        q, t = q[:, :-1], q[:, -1]
    return x, (q, *states, t), full


@eqx.filter_jit
def _off(mechanics: FlatMechanics, surface: Constraints, q, t, theta):
    theta = mechanics.over_batch(theta)
    error = jnp.abs(surface.value(q.T, t, theta))
    return jnp.max(error / surface.size(q.T, t, theta), axis=0)


@eqx.filter_jit
def _states(mechanics: FlatMechanics, transformed: bool, q, p, t, theta):
    """Velocities (rows, n) and energies (rows,) of rows q, p."""
    if transformed:
        q, p, t = q[:, :-1], p[:, :-1], q[:, -1]
    return mechanics.states(q, p, t, theta)


@eqx.filter_jit
def _energies(motion: Equations, y, t, theta):
    return motion.energies(y, t, theta)


@eqx.filter_jit
def _exact(solution: ExactSolution, mechanics: FlatMechanics, t, theta):
    q, v = solution.states(t, theta)
    return q, v, mechanics.energy_rows(q, v, t, theta)
