"""One motion by several methods, block by block: constant memory however long the run is."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import sympy as sp

from .lower import Lowered, lowered
from .mechanics import equations_of_motion
from .modules.explicit import Motion, Tableau
from .modules.explicit import rows as explicit_rows
from .modules.ggl import GGL
from .modules.march import March
from .modules.mechanics import Mechanics
from .modules.quadratic import map_of
from .problem import Problem

BLOCK = 4096  # rows at once


class Setting(NamedTuple):
    """A problem with its numbers, a start q, p (n,) at t = 0, and a step h."""

    problem: Problem
    mechanics: Mechanics
    theta: jax.Array
    q: jax.Array
    p: jax.Array
    h: float


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
        problem, mechanics = setting.problem, setting.mechanics
        words, zero = problem.words, jnp.zeros(())
        pulls = [right for _, right in equations_of_motion(problem)]
        arguments = [*words.q, *words.v, words.t, *problem.constants]
        self.name, self.setting, self.method = method.name, setting, method
        self.motion = Motion(mechanics, lowered(pulls, arguments))
        v = mechanics.velocity(setting.q, setting.p, zero, setting.theta)
        self.y, self.step = jnp.stack([setting.q, v]), 0

    def following(self, count: int, every: int = 1) -> Rows:
        """`count` <= BLOCK rows, one after each `every` steps."""
        s = self.setting
        self.y, rows = explicit_rows(
            self.motion, self.method, self.y, jnp.asarray(self.step), jnp.asarray(s.h), s.theta,
            jnp.asarray(count), jnp.asarray(every), BLOCK,
        )  # fmt: skip
        t = s.h * (self.step + every * np.arange(1, BLOCK + 1))
        self.step += count * every
        energy = _energies(s.mechanics, rows[:, 0], rows[:, 1], jnp.asarray(t), s.theta)
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
        linear = setting.mechanics.linear and not iterated
        solver = "linear" if linear else "fixed point"
        self.name, self.setting = "ggl", setting
        self.march = March(GGL(setting.mechanics, r), solver, None)
        self.map = (
            map_of(GGL(setting.mechanics, r), None, setting.h, setting.theta) if linear else None
        )
        self.x = self.march.start(setting.q, setting.p, jnp.zeros(()), setting.theta)

    def following(self, count: int, every: int = 1) -> Rows:
        """`count` <= BLOCK rows, one after each `every` steps."""
        s, stop = self.setting, int(self.x.step) + count * every
        kept: list[tuple[np.ndarray, ...]] = []
        while int(self.x.step) < stop:
            self.x, rows, full = _march(
                self.march, self.x, jnp.asarray(s.h), s.theta, jnp.asarray(stop),
                jnp.asarray(every), self.map if self.march.solver == "linear" else None,
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
        nodes, n = self.march.ggl.r + 2, self.setting.mechanics.n
        passes, steps = int(self.x.monitor.passes), int(self.x.step)
        columns = n * (nodes - 1) if self.march.solver == "newton" else 0
        return (passes * (1 + columns) + steps) * nodes


class Exact:
    """The exact solution of a study, by its expressions of t and their derivatives."""

    def __init__(self, setting: Setting, positions: list[sp.Expr]):
        words = setting.problem.words
        both = [*positions, *(sp.diff(x, words.t) for x in positions)]
        self.solution = lowered(both, [words.t, *setting.problem.constants])
        self.setting, self.step = setting, 0

    def following(self, count: int, every: int = 1) -> Rows:
        s = self.setting
        t = jnp.asarray(s.h * (self.step + every * np.arange(1, BLOCK + 1)))
        self.step += count * every
        q, v, energy = _exact(self.solution, s.mechanics, t, s.theta)
        return Rows(*(np.asarray(part)[:count] for part in (q, v, energy)))


@eqx.filter_jit
def _march(march: March, x, h, theta, stop, every, prepared):
    x, rows, full = march.advance(x, jnp.zeros(()), h, theta, stop, every, BLOCK, prepared)
    t, q, p = rows[:3]
    m = march.ggl.mechanics
    v = m.velocity(q.T, p.T, t, theta[:, None])
    return x, (q, v.T, m.energy(q.T, v, t, theta[:, None])), full


@eqx.filter_jit
def _energies(mechanics: Mechanics, q, v, t, theta):
    return mechanics.energy(q.T, v.T, t, theta[:, None])


@eqx.filter_jit
def _exact(solution: Lowered, mechanics: Mechanics, t, theta):
    values = jnp.stack([jnp.broadcast_to(x, t.shape) for x in solution(t, *theta)])
    q, v = values[: mechanics.n], values[mechanics.n :]
    return q.T, v.T, mechanics.energy(q, v, t, theta[:, None])
