"""Minimum-action paths of weak noise and free duration: their relaxation as a march of the runtime,
and the critical points of the drift that they pass, where the duration is without end.

A path that has relaxed is cut at the critical points on it, each solved for by Newton's method, and
its pieces are relaxed once more: between them the integrand is smooth, and the action is as exact
as the spline along the images.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.paths.geometric_action import evenly, geometric_action, relaxed
from actionrun.compiler.program import Report
from scipy.interpolate import interp1d

from .channels import APART, Channel, CriticalPoint
from .problem import LangevinProblem

State = dict[str, Any]
ITERATIONS = 50  # of a step of the march
SETTLED = 1e-10  # of the way: movement of an image at which a path has relaxed
SHAKEN = 1e-3  # share of its waves that the straight line gets: a saddle of the action is left
NEAR = 0.05  # of the length: from how far a critical point is looked for
NEWTON = 60  # most iterations to it
ROOT = 1e-9  # of the largest drift on the way: what is left of it at a critical point
ALIKE = 1e-6  # of the length: critical points that are one
LONGEST = 400  # steps of a piece


class MinimumActionPaths:
    """The relaxation of paths from several starts, a solver (see `program.Solver`)."""

    stage = "relax"
    quantum = 1

    def __init__(self, problem: LangevinProblem):
        self.problem = problem
        self.total = problem.settings.training.epochs

    def start(self) -> State:
        """(starts, dim, images) places, (starts,) how far they moved last, iterations so far."""
        s = np.linspace(0.0, 1.0, self.problem.settings.path.points)
        line = self.problem.start_places(0, s)
        each = [self.problem.start_places(k, s) for k in range(1, self.problem.starts)]
        each = [line + SHAKEN * (each[0] - line), *each]
        q = jnp.stack([evenly(jnp.asarray(one)) for one in each])
        return {"q": q, "moved": jnp.full(len(each), jnp.inf), "iterations": jnp.asarray(0)}

    def advance(self, state: State, done: int, count: int) -> tuple[State, Report]:
        q, moved, n = (jnp.asarray(state[name]) for name in ("q", "moved", "iterations"))
        bar = SETTLED * self.problem.way
        for _ in range(count):
            if bool(jnp.all(moved <= bar)):
                break
            q, moved = relaxed(self.problem.motion.drift, q, jnp.asarray(ITERATIONS))
            n = n + ITERATIONS
        state = {"q": q, "moved": moved, "iterations": n}
        if not bool(jnp.isfinite(q).all((1, 2)).any()):
            return state, Report(
                diverged="no path stayed finite. Check that the force is finite between the ends."
            )
        return state, Report({"moved": float(jnp.max(jnp.nan_to_num(moved)))})


def minimum_action_channels(problem: LangevinProblem, state: State) -> tuple[Channel, ...]:
    """The different paths, by their action."""
    kept: list[tuple[np.ndarray, bool, tuple[int, ...]]] = []
    for number, (q, moved) in enumerate(
        zip(*map(np.asarray, (state["q"], state["moved"])), strict=True)
    ):
        if not np.isfinite(q).all():
            continue
        settled = bool(moved <= SETTLED * problem.way)
        for k, (other, still, numbers) in enumerate(kept):
            if np.max(np.linalg.norm(q - other, axis=0)) <= APART * problem.way:
                kept[k] = (other, still or settled, (*numbers, number))
                break
        else:
            kept.append((q, settled, (number,)))
    each = [_channel(problem, *one) for one in kept]
    return tuple(sorted(each, key=lambda one: (not one.minimum, one.action)))


def _channel(
    problem: LangevinProblem, q: np.ndarray, settled: bool, numbers: tuple[int, ...]
) -> Channel:
    points = critical_points(problem, q)
    pieces = _pieces(q, [one.q for one in points])
    coarse, still = _relaxed_pieces(problem, pieces, q.shape[1])
    fine, again = _relaxed_pieces(problem, coarse, 2 * q.shape[1])
    drift = problem.motion.drift
    actions = [sum(geometric_action(drift, one) for one in each) for each in (coarse, fine)]
    whole = np.concatenate([one[:, 1 * (k > 0) :] for k, one in enumerate(fine)], axis=1)
    steps = np.linalg.norm(np.diff(whole, axis=1), axis=0)
    length = np.concatenate([[0.0], np.cumsum(steps)])
    potential = problem.motion.energy(whole) * problem.settings.energy_unit.scale
    return Channel(
        length, whole, np.gradient(whole, axis=1), potential, actions[1], 0.0,
        abs(actions[1] - actions[0]), settled and still and again, numbers, tuple(points),
    )  # fmt: skip


def critical_points(problem: LangevinProblem, q: np.ndarray) -> list[CriticalPoint]:
    """The critical points that a path (dim, images) passes, in its order."""
    drift, n = problem.motion.drift, q.shape[1]
    size = np.linalg.norm(np.asarray(drift(jnp.asarray(q))), axis=0)
    inner = [k for k in range(n) if size[max(k - 1, 0) : k + 2].min() == size[k]]
    length = float(np.sum(np.linalg.norm(np.diff(q, axis=1), axis=0)))
    result: list[tuple[float, CriticalPoint]] = []
    for k in inner:
        x = q[:, k].copy()
        for _ in range(NEWTON):
            slopes, b = problem.motion.drift_slopes(x), np.asarray(drift(jnp.asarray(x)[:, None]))
            if not (np.isfinite(slopes).all() and np.isfinite(b).all()):
                break
            change = np.linalg.lstsq(slopes, b[:, 0])[0]
            x = x - change
            if np.linalg.norm(change) <= 1e-14 * length:
                break
        left = np.linalg.norm(np.asarray(drift(jnp.asarray(x)[:, None])))
        slopes = problem.motion.drift_slopes(x)
        if not (np.isfinite(x).all() and np.isfinite(slopes).all() and left <= ROOT * size.max()):
            continue
        place, away = _nearest(q, x)
        known = any(np.linalg.norm(x - one.q) <= ALIKE * length for _, one in result)
        if away <= NEAR * length and not known:
            growing = int(np.sum(np.linalg.eigvals(slopes).real > 0))
            energy = problem.motion.energy(x[:, None])[0] * problem.settings.energy_unit.scale
            result.append((place, CriticalPoint(x, growing, float(energy), away)))
    return [one for _, one in sorted(result, key=lambda pair: pair[0])]


def _nearest(q: np.ndarray, x: np.ndarray) -> tuple[float, float]:
    """Where along a path (in images) it comes nearest to x, and how near."""
    begin, step = q[:, :-1], np.diff(q, axis=1)
    square = np.maximum(np.sum(step**2, axis=0), np.finfo(float).tiny)
    share = np.clip(np.sum((x[:, None] - begin) * step, axis=0) / square, 0, 1)
    away = np.linalg.norm(begin + share * step - x[:, None], axis=0)
    k = int(np.argmin(away))
    return k + float(share[k]), float(away[k])


def _pieces(q: np.ndarray, points: list[np.ndarray]) -> list[np.ndarray]:
    """A path (dim, images) cut at places beside it, which become ends of its pieces; none is cut
    off within two images of an end that is held."""
    cuts = [(_nearest(q, x)[0], x) for x in points]
    cuts = [(at, x) for at, x in cuts if 2 <= at <= q.shape[1] - 3]
    pieces, last = [], (-0.5, q[:, 0])
    for at, x in [*cuts, (q.shape[1] - 0.5, q[:, -1])]:
        inner = [k for k in range(q.shape[1]) if last[0] + 0.5 < k < at - 0.5]
        pieces.append(np.concatenate([last[1][:, None], q[:, inner], x[:, None]], axis=1))
        last = (at, x)
    return pieces


def _relaxed_pieces(
    problem: LangevinProblem, pieces: list[np.ndarray], images: int
) -> tuple[list[np.ndarray], bool]:
    """Pieces of so many images each, relaxed; and whether all came to rest."""
    q = jnp.asarray(np.stack([_resampled(one, images) for one in pieces]))
    bar = SETTLED * problem.way
    for _ in range(LONGEST):
        q, moved = relaxed(problem.motion.drift, q, jnp.asarray(ITERATIONS))
        if bool(jnp.all(moved <= bar)):
            return list(np.asarray(q)), True
    return list(np.asarray(q)), False


def _resampled(q: np.ndarray, images: int) -> np.ndarray:
    """So many images at equal distances along straight lines between those of a path."""
    steps = np.linalg.norm(np.diff(q, axis=1), axis=0)
    s = np.concatenate([[0.0], np.cumsum(steps)])
    keep = np.concatenate([[True], np.diff(s) > 0])
    if keep.sum() < 2:
        return np.repeat(q[:, :1], images, axis=1)
    result = interp1d(s[keep], q[:, keep], axis=1)(np.linspace(0, s[-1], images))
    result[:, 0], result[:, -1] = q[:, 0], q[:, -1]
    return result
