"""One motion by several methods, block by block: constant memory however long the run is."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import sympy as sp
from actionrun.compiler.numerics.integrators import newton_krylov as krylov
from actionrun.compiler.numerics.integrators.constrained import Constrained, Constraints
from actionrun.compiler.numerics.integrators.linear_map import map_of
from actionrun.compiler.numerics.integrators.many_body.flattened import Flat, bodies_of
from actionrun.compiler.numerics.integrators.many_body.mechanics import (
    AtAll,
    Bodies,
    Summed,
    rows_of,
)
from actionrun.compiler.numerics.integrators.mechanics import Mechanics
from actionrun.compiler.numerics.integrators.runge_kutta import Course as Equations
from actionrun.compiler.numerics.integrators.runge_kutta import (
    Motion,
    MotionOfMany,
    OnSurface,
    Slowed,
    Tableau,
)
from actionrun.compiler.numerics.integrators.runge_kutta import rows as explicit_rows
from actionrun.compiler.numerics.integrators.time_marching import March, Stepper
from actionrun.compiler.numerics.integrators.time_transformed import Transformed
from actionrun.compiler.numerics.integrators.variational import GGL
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem
from actionrun.compiler.symbolic.lowering import Lowered, lowered
from actionrun.compiler.symbolic.structure import equations_of_motion

BLOCK = 4096  # rows at once, at most
NUMBERS = 500_000  # positions in them, at most


class Setting(NamedTuple):
    """A problem with its numbers, a start q, p (n,) at t = 0, and a step h."""

    problem: LagrangianSystem
    ggl: Stepper
    theta: jax.Array | tuple
    q: jax.Array
    p: jax.Array
    h: float

    @property
    def transformed(self) -> bool:
        """Whether steps are of s, dt = g ds, and time stands behind the positions."""
        return isinstance(self.ggl, Transformed)

    @property
    def constraints(self) -> Constraints | None:
        inner = self.ggl.inner if isinstance(self.ggl, Transformed) else self.ggl
        return inner.constraints if isinstance(inner, Constrained) else None

    @property
    def motion(self) -> Equations:
        """The equations of motion, solved for the accelerations."""
        found, mechanics, held = self._free, self.ggl.mechanics, self.constraints
        if held is not None:
            assert not isinstance(mechanics, Summed)
            found = OnSurface(found, mechanics, held)
        return Slowed(found, self.ggl.clock) if isinstance(self.ggl, Transformed) else found

    @property
    def _free(self) -> Motion:
        """The same without constraints, by physical time."""
        problem, mechanics = self.problem, self.ggl.mechanics
        if problem.body_count:
            of = mechanics.of if isinstance(mechanics, Flat) else mechanics
            assert isinstance(of, Summed)
            return MotionOfMany(of)
        assert isinstance(mechanics, Mechanics)
        words, free = problem.words, replace(problem, holonomic=())
        arguments = [*words.q, *words.v, words.t, *problem.constants]
        pulls = lowered([right for _, right in equations_of_motion(free)], arguments)
        return Motion(mechanics, pulls)

    def stepper(self, r: int) -> Stepper:
        """Ours with another number of interior points."""
        return _with_r(self.ggl, r)

    @property
    def block(self) -> int:
        """Rows that are worked out at once."""
        return max(16, min(BLOCK, NUMBERS // len(self.q)))


def _with_r(ggl: Stepper, r: int) -> Stepper:
    match ggl:
        case Bodies():
            return Bodies(replace(ggl.inner, r=r), ggl.count)
        case Transformed():
            return replace(ggl, inner=_with_r(ggl.inner, r))
        case Constrained():
            return replace(ggl, ggl=_with_r(ggl.ggl, r))
        case GGL():
            return replace(ggl, r=r)


def energy_at(setting: Setting) -> float:
    """The energy of the start."""
    rows = setting.q[None], setting.p[None], jnp.zeros(1)
    return float(_states(setting.ggl, *rows, setting.theta)[1][0])


class Rows(NamedTuple):
    """Positions and velocities (rows, n), energies and times (rows,) after each of some steps."""

    q: np.ndarray
    v: np.ndarray
    energy: np.ndarray
    t: np.ndarray

    def off(self, setting: Setting) -> np.ndarray:
        """How far (rows,) each is off the constraints, relative to the sizes of their terms."""
        assert setting.constraints is not None
        block, count = setting.block, len(self.t)
        q, t = (np.resize(x, (block, *x.shape[1:])) for x in (self.q, self.t))
        return np.asarray(_off(setting.constraints, q, t, setting.theta))[:count]


class LostError(Exception):
    """The numbers of a method are no longer finite, or its equations did not converge."""


class Explicit:
    """An explicit method, its state carried from block to block."""

    def __init__(self, setting: Setting, method: Tableau):
        self.name, self.setting, self.method = method.name, setting, method
        self.motion = setting.motion
        v, _ = _states(setting.ggl, setting.q[None], setting.p[None], jnp.zeros(1), setting.theta)
        v = jnp.pad(v[0], (0, len(setting.q) - v.shape[1]))
        self.y, self.step = jnp.stack([setting.q, v]), 0

    def following(self, count: int, every: int = 1) -> Rows:
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
            raise LostError
        if not s.transformed:
            return Rows(rows[:, 0], rows[:, 1], energy, t[:count])
        t = rows[:, 0, -1]
        if (np.diff(t, prepend=before[0, -1]) <= 0).any():
            raise LostError
        return Rows(rows[:, 0, :-1], rows[:, 1, :-1], energy, t)

    @property
    def evaluations(self) -> int:
        return self.step * self.method.stages


class Variational:
    """The GGL integrator with r interior points, its state carried from block to block."""

    def __init__(self, setting: Setting, r: int, iterated: bool = False):
        ggl = setting.stepper(r)
        linear = isinstance(ggl, GGL) and ggl.mechanics.linear and not iterated
        solver = "linear" if linear else "newton" if setting.constraints else "fixed point"
        self.name, self.setting = "ggl", setting
        self.march, self.map = March(ggl, solver, None), None
        if linear and isinstance(ggl, GGL):
            self.map = map_of(ggl, None, setting.h, setting.theta)
        self.x = self.march.start(setting.q, setting.p, jnp.zeros(()), setting.theta)

    def following(self, count: int, every: int = 1) -> Rows:
        """`count` <= block rows, one after each `every` steps."""
        s, stop = self.setting, int(self.x.step) + count * every
        kept: list[tuple[np.ndarray, ...]] = []
        while int(self.x.step) < stop:
            self.x, rows, full = _march(
                self.march, self.x, jnp.asarray(s.h), s.theta, jnp.asarray(stop),
                jnp.asarray(every), s.block, self.map if self.march.solver == "linear" else None,
            )  # fmt: skip
            kept.append(tuple(np.asarray(part)[: int(full)] for part in rows))
            if int(self.x.trouble):
                if self.march.solver != "fixed point":
                    raise LostError
                self.march = replace(self.march, solver="newton")
                self.x = self.x._replace(trouble=jnp.asarray(0))
        return Rows(*(np.concatenate(parts) for parts in zip(*kept, strict=True)))

    @property
    def evaluations(self) -> int:
        """Force evaluations: a fixed-point pass is one at each node, as is the last sum of a step;
        a Newton pass adds one for every column of its matrix."""
        nodes, problem, held = self.march.ggl.r + 2, self.setting.problem, self.setting.constraints
        passes, steps = int(self.x.monitor.passes), int(self.x.step)
        columns = (problem.n + (held.m if held else 0)) * (nodes - 1)
        if problem.body_count and not held:
            columns = krylov.columns(columns)
        columns *= self.march.solver == "newton"
        return (passes * (1 + columns) + steps) * nodes


class Exact:
    """The exact solution of a study, by its expressions of t and their derivatives."""

    def __init__(self, setting: Setting, positions: list[sp.Expr]):
        words = setting.problem.words
        both = [*positions, *(sp.diff(x, words.t) for x in positions)]
        self.solution = lowered(both, [words.t, *setting.problem.constants])
        self.setting, self.step = setting, 0

    def following(self, count: int, every: int = 1) -> Rows:
        t = self.setting.h * (self.step + every * np.arange(1, count + 1))
        self.step += count * every
        return self.at(t)

    def at(self, t: np.ndarray) -> Rows:
        """Rows at times (rows,), as many as a block at most."""
        s, mechanics = self.setting, self.setting.ggl.mechanics
        assert isinstance(mechanics, Mechanics)
        rows = _exact(self.solution, mechanics, jnp.asarray(np.resize(t, s.block)), s.theta)
        q, v, energy = (np.asarray(part)[: len(t)] for part in rows)
        return Rows(q, v, energy, t)


class ExactOfMany:
    """The exact solution of a study of bodies."""

    def __init__(self, setting: Setting, solution: AtAll):
        self.setting, self.solution, self.motion, self.step = setting, solution, setting.motion, 0

    def following(self, count: int, every: int = 1) -> Rows:
        t = self.setting.h * (self.step + every * np.arange(1, count + 1))
        self.step += count * every
        return self.at(t)

    def at(self, t: np.ndarray) -> Rows:
        """Rows at times (rows,), as many as a block at most."""
        s, count = self.setting, len(t)
        times = jnp.asarray(np.resize(t, s.block))
        y = _exact_of_many(self.solution, times, s.theta)
        energy = np.asarray(_energies(self.motion, y, times, s.theta))
        return Rows(np.asarray(y[:count, 0]), np.asarray(y[:count, 1]), energy[:count], t)


@eqx.filter_jit
def _march(march: March, x, h, theta, stop, every, capacity: int, prepared):
    x, rows, full = march.advance(x, jnp.zeros(()), h, theta, stop, every, capacity, prepared)
    t, q, p = rows[:3]
    states = _states(march.ggl, q, p, t, theta)
    if isinstance(march.ggl, Transformed):
        q, t = q[:, :-1], q[:, -1]
    return x, (q, *states, t), full


@eqx.filter_jit
def _off(constraints: Constraints, q, t, theta):
    theta = theta if isinstance(theta, tuple) else theta[:, None]
    error = jnp.abs(constraints.value(q.T, t, theta))
    return jnp.max(error / constraints.size(q.T, t, theta), axis=0)


@eqx.filter_jit
def _states(ggl, q, p, t, theta):
    """Velocities (rows, n) and energies (rows,) of rows q, p."""
    m = ggl.mechanics
    if isinstance(ggl, Transformed):
        q, p, t = q[:, :-1], p[:, :-1], q[:, -1]
    if isinstance(m, Summed | Flat):
        return rows_of(bodies_of(m, ggl.r, q.shape[1]), q, p, t, theta)
    v = m.velocity(q.T, p.T, t, theta[:, None])
    return v.T, m.energy(q.T, v, t, theta[:, None])


@eqx.filter_jit
def _energies(motion: Equations, y, t, theta):
    return motion.energies(y, t, theta)


@eqx.filter_jit
def _exact(solution: Lowered, mechanics: Mechanics, t, theta):
    values = jnp.stack([jnp.broadcast_to(x, t.shape) for x in solution(t, *theta)])
    q, v = values[: mechanics.n], values[mechanics.n :]
    return q.T, v.T, mechanics.energy(q, v, t, theta[:, None])


@eqx.filter_jit
def _exact_of_many(solution: AtAll, t, theta):
    def of(t):
        return jnp.stack(jax.jvp(lambda t: solution(t, *theta), (t,), (jnp.ones_like(t),)))

    return jax.lax.map(of, t)
