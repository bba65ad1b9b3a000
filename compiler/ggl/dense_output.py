"""[output] and [events]: what happens between the steps of a run, found as it marches.

What a finished run says of it is in `dense_output_findings`."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.integrators.dense_output import (
    BATCH,
    StepPaths,
    coefficients,
    roots,
    states,
    step_fractions,
    survey,
)
from actionrun.compiler.numerics.integrators.many_body.functions import ManyBodyFunctions
from actionrun.compiler.numerics.integrators.mechanics import CoordinateFunctions, StateFunctions
from actionrun.compiler.numerics.integrators.time_marching import Integrator
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem
from actionrun.compiler.symbolic.lowered_system import kernel
from actionrun.compiler.symbolic.lowering import lowered
from actionrun.compiler.symbolic.many_body_sums import summands

from .settings import NEAR, Settings

NUMBERS = 4_000_000  # of a block of steps that are looked at together


@dataclass(frozen=True)
class DenseOutput:
    """What is looked for between the steps of a run; `times` are sorted, `at` their steps."""

    paths: StepPaths
    names: tuple[str, ...]
    times: np.ndarray
    at: np.ndarray
    h: float

    @property
    def capacity(self) -> int:
        """Steps that are looked at together."""
        size = self.paths.size * (self.paths.r + 2 + len(self.paths.grid))
        return max(16, min(4096, NUMBERS // size))

    def block(self, step: int, q, p, V, theta, whole: int) -> dict[str, np.ndarray]:
        """Samples of the steps from number `step`; q, p are (steps + 1, n), V (steps, n, s).

        The arrays are padded to `whole` steps, so that one compiled function serves all.
        """
        count = len(V)
        V = np.concatenate([V, np.zeros((whole - count, *V.shape[1:]))])
        q, p = (np.concatenate([x, np.repeat(x[-1:], whole - count, axis=0)]) for x in (q, p))
        t = self.h * (step + np.arange(whole + 1))
        samples: dict[str, np.ndarray] = {}
        if self.names:
            values, w = survey(self.paths, q, p, t, V, self.h, theta)
            samples |= self._crossings(step, np.asarray(values)[:, :count], q, np.asarray(w), theta)
        else:
            w = coefficients(self.paths, jnp.asarray(q[:-1]), jnp.asarray(V), self.h, theta)
        if len(self.times):
            samples |= self._outputs(step, count, q, np.asarray(w))
        return samples

    def _crossings(self, step: int, values, q, w, theta) -> dict[str, np.ndarray]:
        above = values >= 0
        if step == 0:  # a start at zero is no crossing
            zero = values[:, 0, 0] == 0
            above[:, 0, 0] = np.where(zero, above[:, 0, 1], above[:, 0, 0])
        sound = np.isfinite(values)
        crossed = (above[..., 1:] != above[..., :-1]) & sound[..., 1:] & sound[..., :-1]
        k, j, which = np.nonzero(crossed.transpose(1, 2, 0))
        rising, grid = above[which, k, j + 1], self.paths.grid
        t = self.h * (step + k)
        parts = [
            roots(self.paths, which, rising, q, w, t, low, high, self.h, theta)
            for which, rising, q, w, t, low, high in _batches(
                which, rising, q[k].T, w[:, :, k], t, grid[j], grid[j + 1]
            )
        ]
        there, v, t = _joined(parts, len(k), self.paths.size)
        return {
            "event": which.astype(np.int64), "event_rising": rising.astype(np.int64),
            "event_t": t, "event_q": there, "event_v": v,
        }  # fmt: skip

    def _outputs(self, step: int, count: int, q, w) -> dict[str, np.ndarray]:
        if self.paths.clock is not None:
            # a step holds the times after its start, and the first one t = 0
            clock = q[: count + 1, -1]
            first, last = np.searchsorted(self.times, clock[[0, -1]], side="right")
            times = self.times[first if step else 0 : last]
            k = np.clip(np.searchsorted(clock, times) - 1, 0, count - 1)
            parts = [
                (*states(self.paths, q, w, self.h, step_fractions(self.paths, q, w, self.h, t)), t)
                for q, w, t in _batches(q[k].T, w[:, :, k], times)
            ]
        else:
            first, last = np.searchsorted(self.at, [step, step + count])
            k, times = self.at[first:last] - step, self.times[first:last]
            s = times / self.h - self.at[first:last]
            parts = [
                (*states(self.paths, q, w, self.h, s), s)
                for q, w, s in _batches(q[k].T, w[:, :, k], s)
            ]
        there, v, _ = _joined(parts, len(k), self.paths.size)
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


def events(settings: Settings, system: LagrangianSystem) -> StateFunctions | None:
    """The functions of [events] whose zeros are looked for; None where there are none."""
    words = system.words
    if not settings.events:
        return None
    if not system.body_count:
        arguments = [*words.q, *words.v, words.t, *system.constants]
        return CoordinateFunctions(
            lowered([words.scalar(event) for event in settings.events.values()], arguments)
        )
    sums = []
    for event in settings.events.values():
        parts = summands(words, event)
        sums.append(tuple(kernel(system, one, [one.expression], ()) for one in parts))
    return ManyBodyFunctions(tuple(sums), len(words.names), len(system.values))


def dense_output(
    settings: Settings, system: LagrangianSystem, integrator: Integrator
) -> DenseOutput | None:
    """What [output] and [events] ask for; None where there are none. Raises Faults."""
    if not (settings.events or settings.output.asked):
        return None
    clock, h, steps = integrator.clock, settings.h, settings.steps
    times = settings.output.until(h * steps if clock is None else np.inf)
    last = times / h - NEAR if clock is None else np.zeros(0)
    at = np.clip(np.ceil(last).astype(np.int64) - 1, 0, steps - 1)
    flat = integrator.mechanics.flattened
    paths = StepPaths(flat, integrator.r, events(settings, system), clock)
    return DenseOutput(paths, tuple(settings.events), times, at, h)
