"""[output] and [events]: what happens between the steps of a run, found as it marches.

What a finished run says of it is in `dense_findings`."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.integrators.constrained import Constrained
from actionrun.compiler.numerics.integrators.dense_output import (
    BATCH,
    Dense,
    Many,
    Plain,
    Slowed,
    SlowedMany,
    coefficients,
    reached,
    roots,
    states,
    survey,
)
from actionrun.compiler.numerics.integrators.many_body.flattened import bodies_of
from actionrun.compiler.numerics.integrators.many_body.mechanics import Bodies
from actionrun.compiler.numerics.integrators.mechanics import Mechanics
from actionrun.compiler.numerics.integrators.time_marching import Single
from actionrun.compiler.numerics.integrators.time_transformed import Transformed
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem
from actionrun.compiler.symbolic.lowered_system import kernel
from actionrun.compiler.symbolic.lowering import lowered
from actionrun.compiler.symbolic.many_body_sums import summands
from actionrun.spec.kinds.ggl import MOST_TIMES, Ggl

NEAR = 1e-9  # of a step: a time so little behind its end still belongs to it
NUMBERS = 4_000_000  # of a block of steps that are looked at together


@dataclass(frozen=True)
class Between:
    """What is looked for between the steps of a run; `times` are sorted, `at` their steps."""

    dense: Dense
    names: tuple[str, ...]
    times: np.ndarray
    at: np.ndarray
    h: float
    slowed: bool = False  # whether steps are of a transformed time

    @property
    def capacity(self) -> int:
        """Steps that are looked at together."""
        size = self.dense.of.size * (self.dense.r + 2 + len(self.dense.grid))
        return max(16, min(4096, NUMBERS // size))

    def block(self, step: int, q, p, V, theta, whole: int) -> dict[str, np.ndarray]:
        """Samples of the steps from number `step`; q, p are (steps + 1, n), V (steps, n, s).

        The arrays are padded to `whole` steps, so that one compiled function serves all.
        """
        count = len(V)
        V = np.concatenate([V, np.zeros((whole - count, *V.shape[1:]))])
        q, p = (np.concatenate([x, np.repeat(x[-1:], whole - count, axis=0)]) for x in (q, p))
        t = self.h * (step + np.arange(whole + 1))
        found: dict[str, np.ndarray] = {}
        if self.names:
            values, w = survey(self.dense, q, p, t, V, self.h, theta)
            found |= self._crossings(step, np.asarray(values)[:, :count], q, np.asarray(w), theta)
        else:
            w = coefficients(self.dense, jnp.asarray(q[:-1]), jnp.asarray(V), self.h, theta)
        if len(self.times):
            found |= self._outputs(step, count, q, np.asarray(w))
        return found

    def _crossings(self, step: int, values, q, w, theta) -> dict[str, np.ndarray]:
        above = values >= 0
        if step == 0:  # a start at zero is no crossing
            zero = values[:, 0, 0] == 0
            above[:, 0, 0] = np.where(zero, above[:, 0, 1], above[:, 0, 0])
        sound = np.isfinite(values)
        crossed = (above[..., 1:] != above[..., :-1]) & sound[..., 1:] & sound[..., :-1]
        k, j, which = np.nonzero(crossed.transpose(1, 2, 0))
        rising, grid = above[which, k, j + 1], self.dense.grid
        t = self.h * (step + k)
        parts = [
            roots(self.dense, which, rising, q, w, t, low, high, self.h, theta)
            for which, rising, q, w, t, low, high in _batches(
                which, rising, q[k].T, w[:, :, k], t, grid[j], grid[j + 1]
            )
        ]
        there, v, t = _joined(parts, len(k), self.dense.of.size)
        return {
            "event": which.astype(np.int64), "event_rising": rising.astype(np.int64),
            "event_t": t, "event_q": there, "event_v": v,
        }  # fmt: skip

    def _outputs(self, step: int, count: int, q, w) -> dict[str, np.ndarray]:
        if self.slowed:  # a step holds the times after its start, and the first one t = 0
            clock = q[: count + 1, -1]
            first, last = np.searchsorted(self.times, clock[[0, -1]], side="right")
            times = self.times[first if step else 0 : last]
            k = np.clip(np.searchsorted(clock, times) - 1, 0, count - 1)
            parts = [
                (*states(self.dense, q, w, self.h, reached(self.dense, q, w, self.h, t)), t)
                for q, w, t in _batches(q[k].T, w[:, :, k], times)
            ]
        else:
            first, last = np.searchsorted(self.at, [step, step + count])
            k, times = self.at[first:last] - step, self.times[first:last]
            s = times / self.h - self.at[first:last]
            parts = [
                (*states(self.dense, q, w, self.h, s), s)
                for q, w, s in _batches(q[k].T, w[:, :, k], s)
            ]
        there, v, _ = _joined(parts, len(k), self.dense.of.size)
        return {"output_t": times, "output_q": there, "output_v": v}


def _batches(*arrays: np.ndarray):
    """The arrays cut along their last axis into parts of BATCH, the last one padded."""
    count = arrays[0].shape[-1]
    for first in range(0, count, BATCH):
        index = np.minimum(np.arange(first, first + BATCH), count - 1)
        yield tuple(jnp.asarray(x[..., index]) for x in arrays)


def _joined(parts, count: int, n: int):
    """q and v (count, n), t (count,) of parts as `roots` returns them."""
    if not parts:
        return np.zeros((0, n)), np.zeros((0, n)), np.zeros(0)
    columns = zip(*parts, strict=True)
    q, v, t = (np.concatenate([np.asarray(x) for x in part], axis=-1) for part in columns)
    return q.T[:count], v.T[:count], t[:count]


def between(study: Ggl, problem: LagrangianSystem, stepper: Single, h: float) -> Between | None:
    """What [output] and [events] ask for; None where there are none. Raises Faults."""
    words, names = problem.words, tuple(study.events)
    arguments = [*words.q, *words.v, words.t, *problem.constants]
    expressions = [words.scalar(study.events[name]) for name in names]
    events = lowered(expressions, arguments) if names else None
    mechanics = stepper.mechanics
    assert isinstance(mechanics, Mechanics)
    if not isinstance(stepper, Transformed):
        return _between(study, Plain(mechanics, events), h)
    return _between(study, Slowed(mechanics, events, stepper.clock), h)


def between_bodies(
    study: Ggl, problem: LagrangianSystem, stepper: Bodies | Constrained | Transformed, h: float
) -> Between | None:
    """The same of many bodies."""
    events = []
    for expression in study.events.values():
        parts = summands(problem.words, expression)
        events.append(tuple(kernel(problem, one, [one.expression], ()) for one in parts))
    plain = bodies_of(stepper.mechanics, stepper.r, problem.n)
    if isinstance(stepper, Transformed):
        return _between(study, SlowedMany(plain, tuple(events), stepper.clock), h)
    return _between(study, Many(plain, tuple(events)), h)


def _between(study: Ggl, of: Plain | Many, h: float) -> Between | None:
    steps, slowed = study.integrator.steps, isinstance(of, Slowed | SlowedMany)
    assert steps is not None
    if study.output is None and not study.events:
        return None
    times = _times(study, np.inf if slowed else h * steps, h)
    last = np.zeros(0) if slowed else times / h - NEAR
    at = np.clip(np.ceil(last).astype(np.int64) - 1, 0, steps - 1)
    return Between(Dense(of, study.integrator.r), tuple(study.events), times, at, h, slowed)


def _times(study: Ggl, end: float, h: float) -> np.ndarray:
    """Times of output up to `end`, infinity where a transformed time ends nobody knows when."""
    output = study.output
    if output is None:
        return np.zeros(0)
    if output.every is not None:
        every = study.number(output.every)
        count = MOST_TIMES if end == np.inf else int(end / every + NEAR)
        return every * np.arange(count + 1)
    return np.sort(np.array([study.number(value) for value in output.times or ()], float))
