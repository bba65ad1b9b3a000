"""One motion by several methods, block by block: constant memory however long the run is."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import sympy as sp

from .ggl_bodies import BodyProblem
from .lower import Lowered, lowered
from .mechanics import equations_of_motion
from .modules.explicit import Motion, MotionOfMany, Tableau
from .modules.explicit import rows as explicit_rows
from .modules.ggl import GGL
from .modules.march import March
from .modules.mechanics import Mechanics
from .modules.quadratic import map_of
from .modules.summed import AtAll, Bodies, Summed, rows_of
from .problem import Problem

BLOCK = 4096  # rows at once, at most
NUMBERS = 500_000  # positions in them, at most


class Setting(NamedTuple):
    """A problem with its numbers, a start q, p (n,) at t = 0, and a step h."""

    problem: Problem | BodyProblem
    ggl: GGL | Bodies
    theta: jax.Array | tuple
    q: jax.Array
    p: jax.Array
    h: float

    @property
    def motion(self) -> Motion:
        """The equations of motion, solved for the accelerations."""
        problem, mechanics = self.problem, self.ggl.mechanics
        if isinstance(mechanics, Summed):
            return MotionOfMany(mechanics)
        assert isinstance(problem, Problem)
        words, pulls = problem.words, [right for _, right in equations_of_motion(problem)]
        arguments = [*words.q, *words.v, words.t, *problem.constants]
        return Motion(mechanics, lowered(pulls, arguments))

    def stepper(self, r: int) -> GGL | Bodies:
        """Ours with another number of interior points."""
        if isinstance(self.ggl, Bodies):
            return Bodies(replace(self.ggl.inner, r=r), self.ggl.count)
        return replace(self.ggl, r=r)

    @property
    def block(self) -> int:
        """Rows that are worked out at once."""
        return max(16, min(BLOCK, NUMBERS // len(self.q)))


def energy_at(setting: Setting) -> float:
    """The energy of the start."""
    rows = setting.q[None], setting.p[None], jnp.zeros(1)
    return float(_states(setting.ggl, *rows, setting.theta)[1][0])


class Rows(NamedTuple):
    """Positions and velocities (rows, n) and energies (rows,) after each of some steps."""

    q: np.ndarray
    v: np.ndarray
    energy: np.ndarray


class LostError(Exception):
    """The numbers of a method are no longer finite, or its equations did not converge."""


class Explicit:
    """An explicit method, its state carried from block to block."""

    def __init__(self, setting: Setting, method: Tableau):
        self.name, self.setting, self.method = method.name, setting, method
        self.motion = setting.motion
        v, _ = _states(setting.ggl, setting.q[None], setting.p[None], jnp.zeros(1), setting.theta)
        self.y, self.step = jnp.stack([setting.q, v[0]]), 0

    def following(self, count: int, every: int = 1) -> Rows:
        """`count` <= block rows, one after each `every` steps."""
        s, block = self.setting, self.setting.block
        self.y, rows = explicit_rows(
            self.motion, self.method, self.y, jnp.asarray(self.step), jnp.asarray(s.h), s.theta,
            jnp.asarray(count), jnp.asarray(every), block,
        )  # fmt: skip
        t = s.h * (self.step + every * np.arange(1, block + 1))
        self.step += count * every
        energy = _energies(self.motion, rows, jnp.asarray(t), s.theta)
        q, v = np.asarray(rows[:count, 0]), np.asarray(rows[:count, 1])
        if not np.isfinite(rows[:count]).all():
            raise LostError
        return Rows(q, v, np.asarray(energy)[:count])

    @property
    def evaluations(self) -> int:
        return self.step * self.method.stages


class Variational:
    """The GGL integrator with r interior points, its state carried from block to block."""

    def __init__(self, setting: Setting, r: int, iterated: bool = False):
        ggl = setting.stepper(r)
        linear = ggl.mechanics.linear and not iterated
        solver = "linear" if linear else "fixed point"
        self.name, self.setting = "ggl", setting
        self.march, self.map = March(ggl, solver, None), None
        if linear:
            assert isinstance(ggl, GGL)
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
                if self.march.solver != "fixed point" or isinstance(self.march.ggl, Bodies):
                    raise LostError
                self.march = replace(self.march, solver="newton")
                self.x = self.x._replace(trouble=jnp.asarray(0))
        return Rows(*(np.concatenate(parts) for parts in zip(*kept, strict=True)))

    @property
    def evaluations(self) -> int:
        """Force evaluations: a fixed-point pass is one at each node, as is the last sum of a step;
        a Newton pass adds one for every column of its matrix."""
        nodes, n = self.march.ggl.r + 2, len(self.setting.q)
        passes, steps = int(self.x.monitor.passes), int(self.x.step)
        columns = n * (nodes - 1) if self.march.solver == "newton" else 0
        return (passes * (1 + columns) + steps) * nodes


class Exact:
    """The exact solution of a study, by its expressions of t and their derivatives."""

    def __init__(self, setting: Setting, positions: list[sp.Expr]):
        assert isinstance(setting.problem, Problem)
        words = setting.problem.words
        both = [*positions, *(sp.diff(x, words.t) for x in positions)]
        self.solution = lowered(both, [words.t, *setting.problem.constants])
        self.setting, self.step = setting, 0

    def following(self, count: int, every: int = 1) -> Rows:
        s = self.setting
        t = jnp.asarray(s.h * (self.step + every * np.arange(1, s.block + 1)))
        self.step += count * every
        assert isinstance(s.ggl, GGL) and isinstance(s.ggl.mechanics, Mechanics)
        q, v, energy = _exact(self.solution, s.ggl.mechanics, t, s.theta)
        return Rows(*(np.asarray(part)[:count] for part in (q, v, energy)))


class ExactOfMany:
    """The exact solution of a study of bodies."""

    def __init__(self, setting: Setting, solution: AtAll):
        self.setting, self.solution, self.motion, self.step = setting, solution, setting.motion, 0

    def following(self, count: int, every: int = 1) -> Rows:
        s = self.setting
        t = jnp.asarray(s.h * (self.step + every * np.arange(1, s.block + 1)))
        self.step += count * every
        y = _exact_of_many(self.solution, t, s.theta)
        energy = np.asarray(_energies(self.motion, y, t, s.theta))
        return Rows(np.asarray(y[:count, 0]), np.asarray(y[:count, 1]), energy[:count])


@eqx.filter_jit
def _march(march: March, x, h, theta, stop, every, capacity: int, prepared):
    x, rows, full = march.advance(x, jnp.zeros(()), h, theta, stop, every, capacity, prepared)
    t, q, p = rows[:3]
    return x, (q, *_states(march.ggl, q, p, t, theta)), full


@eqx.filter_jit
def _states(ggl, q, p, t, theta):
    """Velocities (rows, n) and energies (rows,) of rows q, p."""
    m = ggl.mechanics
    if isinstance(ggl, Bodies):
        return rows_of(ggl, q, p, t, theta)
    v = m.velocity(q.T, p.T, t, theta[:, None])
    return v.T, m.energy(q.T, v, t, theta[:, None])


@eqx.filter_jit
def _energies(motion: Motion, y, t, theta):
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
