"""Channels: the different most probable paths that several starts led to, in order of action."""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.paths.path_newton import NewtonState, minimum

from .minimization import State, states
from .problem import LangevinProblem

SAMPLES = 400  # intervals of the times at which a path is shown
FINER = 1.5  # times as many functions of time, for the error of the action
MOST = 200  # iterations with them
APART = 1e-4  # of the way: paths further apart are different ones
ALIKE = 1e-7  # relative difference of the actions of paths that are one
RESTS = 10.0  # relaxation times from which a path is long


@dataclass(frozen=True)
class CriticalPoint:
    """A place q (dim,) without drift: how many directions grow there, its V as the study tells
    energies, and how far the relaxed path is from it."""

    q: np.ndarray
    growing: int
    potential: float
    distance: float

    @property
    def kind(self) -> str:
        if self.growing == 0:
            return "attractor"
        return "repeller" if self.growing == len(self.q) > 1 else f"saddle of index {self.growing}"


@dataclass(frozen=True)
class Channel:
    """A path at times t (K,): q, v (dim, K), V (K,) in the unit that the study tells energies in.
    Where the duration is free t is the length of the way, v a change along it, and `stops` are the
    critical points of the drift on it.

    `action` is `work` and, by the divergence of the drift, `divergence`; `error` is how far the
    action of a path of more functions of time is from it (None: none was found). `minimum`: no
    other path nearby has less action. `starts` are the numbers of those that led here.
    """

    t: np.ndarray
    q: np.ndarray
    v: np.ndarray
    potential: np.ndarray
    action: float
    divergence: float
    error: float | None
    minimum: bool
    starts: tuple[int, ...]
    stops: tuple[CriticalPoint, ...] = ()

    @property
    def work(self) -> float:
        """The squares alone."""
        return self.action - self.divergence

    @property
    def climb(self) -> float:
        """The highest V above that of the start: by the parabola through the three samples at the
        top."""
        V = self.potential
        k = int(np.argmax(V))
        if not 0 < k < len(V) - 1:
            return float(V[k] - V[0])
        curved, slope = V[k - 1] - 2 * V[k] + V[k + 1], V[k + 1] - V[k - 1]
        return float(V[k] - V[0] - (slope**2 / (8 * curved) if curved < 0 else 0.0))

    @property
    def length(self) -> np.ndarray:
        """Length of the way from the start (K,)."""
        steps = np.linalg.norm(np.diff(self.q, axis=1), axis=0)
        return np.concatenate([[0.0], np.cumsum(steps)])


def channels(problem: LangevinProblem, finished: State) -> tuple[Channel, ...]:
    """The different paths of finished minimisations; minima of the action first, then by action."""
    each = states(finished)
    action, t = problem.action(), np.linspace(0, problem.duration, SAMPLES + 1)
    path, scale = problem.path(t), problem.settings.energy_unit.scale
    kept: list[tuple[Channel, NewtonState]] = []
    for number, one_start in enumerate(each):
        if not np.isfinite(float(one_start.cost)):
            continue
        q, v, _ = np.asarray(path.motion(one_start.x))
        places = action.path.motion(one_start.x)[0]
        spread = float(jnp.sum(action.weights * problem.motion.density.divergence(places)))
        energy, ended = problem.motion.energy(q) * scale, int(one_start.ended) == 1
        cost = float(one_start.cost)
        one = Channel(t, q, v, energy, cost, spread, None, ended, (number,))
        alike = [k for k, (other, _) in enumerate(kept) if _same(problem, one, other)]
        if not alike:
            kept.append((one, one_start))
            continue
        other, before = kept[alike[0]]
        first = other.minimum or not one.minimum
        whole = replace(other if first else one, starts=(*other.starts, number))
        kept[alike[0]] = (whole, before if first else one_start)
    errors = _errors(problem, [state for _, state in kept])
    result = [replace(one, error=error) for (one, _), error in zip(kept, errors, strict=True)]
    return tuple(sorted(result, key=lambda one: (not one.minimum, one.action)))


def _same(problem: LangevinProblem, one: Channel, other: Channel) -> bool:
    near = np.max(np.linalg.norm(one.q - other.q, axis=0)) <= APART * problem.way
    return bool(near) and abs(one.action - other.action) <= ALIKE * (1 + abs(one.action))


def _errors(problem: LangevinProblem, each: list[NewtonState]) -> list[float | None]:
    """How far the action of the path of more functions of time, from each, is from its own; None
    where there is no minimum near it."""
    count = int(FINER * problem.settings.path.points)
    action, t = problem.action(count), problem.basis(count).nodes
    path = problem.path(t)
    errors: list[float | None] = []
    for state in each:
        q = np.asarray(path.motion(state.x))[0]
        finer = minimum(action, problem.nearest(count, t, q), MOST)
        lost = int(finer.ended) != 1 or not (int(state.ended) == 1 or problem.by_network)
        errors.append(None if lost else abs(float(finer.cost) - float(state.cost)))
    return errors


def relaxation_time(problem: LangevinProblem) -> float | None:
    """The slowest relaxation to the ends by the drift alone; None where one of them attracts from
    not all sides or has slopes without end, or there is inertia."""
    if problem.motion.inertial:
        return None
    slopes = [problem.motion.drift_slopes(end) for end in problem.ends[:, :2].T]
    if not np.isfinite(slopes).all():
        return None
    rates = [float(np.min(-np.linalg.eigvals(one).real)) for one in slopes]
    return 1 / min(rates) if min(rates) > 0 else None
