"""[output] and [events]: what happens between the steps of a run, found as it marches.

What a finished run says of it is in `dense_output_findings`."""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax
import numpy as np
from actionrun.compiler.numerics.integrators.continuation import (
    Continuation,
    StepEnds,
    at_times,
    samples,
)
from actionrun.compiler.numerics.integrators.dense_output import (
    CACHED,
    StepPaths,
    coefficients,
    step_fractions,
    survey,
)
from actionrun.compiler.numerics.integrators.event_location import (
    EVERY,
    Block,
    Crossings,
    EventLocation,
    Marks,
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
MOST_STEPS = 16384  # in it


@dataclass(frozen=True)
class DenseOutput:
    """What is looked for between the steps of a run; `times` are sorted, `at` their steps. Step
    number `base` begins at time `origin`."""

    paths: StepPaths
    integrator: Integrator
    names: tuple[str, ...]
    times: np.ndarray
    at: np.ndarray
    h: float
    origin: float = 0.0
    base: int = 0

    @property
    def capacity(self) -> int:
        """Steps that are looked at together."""
        size = self.paths.size * (self.paths.r + 2 + self.paths.count)
        return max(16, min(MOST_STEPS, NUMBERS // size) // CACHED * CACHED)

    def block(self, step: int, q, p, V, theta, whole: int, newton: bool) -> dict[str, np.ndarray]:
        """Samples of the steps from number `step`; q, p are (steps + 1, k), V (steps, n, s).

        The arrays are padded to `whole` steps, so that one compiled function serves all.
        """
        count = len(V)
        V = np.concatenate([V, np.zeros((whole - count, *V.shape[1:]), V.dtype)])
        q, p = (np.concatenate([x, np.repeat(x[-1:], whole - count, axis=0)]) for x in (q, p))
        t = self.origin + self.h * (step - self.base + np.arange(whole + 1))
        counted, h = jax.device_put((count, self.h))  # Python numbers would be compiled in
        motion = Continuation(self.paths, self.integrator, newton)
        block, samples = Block(q, p, t, V, step), {}
        if self.names:
            seen = survey(self.paths, q, p, t, V, counted, h, theta)
            search = EventLocation(motion, self.h, theta)
            samples |= _entries(*search.located(block, seen, count))
        if len(self.times):
            samples |= self._outputs(block, count, motion, theta)
        return samples

    def _outputs(
        self, block: Block, count: int, motion: Continuation, theta
    ) -> dict[str, np.ndarray]:
        """States at the times of output, and by how much those from the two ends of their step
        differ; of most, NaN: not looked at."""
        if self.paths.clock is not None:
            # a step holds the times after its start, and the first one t = 0
            clock = block.q[: count + 1, -1]
            first, last = np.searchsorted(self.times, clock[[0, -1]], side="right")
            times = self.times[first if block.first else 0 : last]
            k = np.clip(np.searchsorted(clock, times) - 1, 0, count - 1)
        else:
            first, last = np.searchsorted(self.at, [block.first, block.first + count])
            k, times = self.at[first:last] - block.first, self.times[first:last]
        twin = np.flatnonzero((k + block.first) % EVERY == 0)
        lanes = np.concatenate([np.arange(len(k)), twin])
        other, none = np.arange(len(lanes)) >= len(k), 0 * lanes
        of = block.steps(slice(None))
        w = np.asarray(coefficients(self.paths, of, jax.device_put(self.h), theta))
        ends = StepEnds(*(x[..., k[lanes]] for x in (*of[:5], w)))
        if self.paths.clock is None:
            s = ((times - self.origin) / self.h - (k + block.first - self.base))[lanes]
            x = samples(motion, ends, none, s, (s < 0.5) ^ other, self.h, theta)
            if not x.sound.all():
                by_newton = replace(motion, newton=True)
                x = samples(by_newton, ends, none, s, (s < 0.5) ^ other, self.h, theta)
        else:
            s = step_fractions(ends.q, ends.w, self.h, times[lanes])
            x = at_times(motion, ends, s, (s < 0.5) ^ other, times[lanes], self.h, theta)
        q, v = x.q, x.v
        gap = np.full((len(k), 2), np.nan)
        for column, x in enumerate((q, v)):
            gap[twin, column] = np.max(np.abs(x[:, len(k) :] - x[:, twin]), axis=0, initial=0.0)
        done = slice(0, len(k))
        return {"output_t": times, "output_q": q.T[done], "output_v": v.T[done],
                "output_gap": gap}  # fmt: skip


def _entries(crossings: Crossings, marks: Marks) -> dict[str, np.ndarray]:
    return {
        "event": crossings.which.astype(np.int64),
        "event_rising": crossings.rising.astype(np.int64),
        "event_t": crossings.t, "event_q": crossings.q.T, "event_v": crossings.v.T,
        "event_slope": crossings.slope, "event_gap": crossings.gap,
        "mark": marks.which.astype(np.int64), "mark_t": marks.t, "mark_value": marks.value,
    }  # fmt: skip


def events(settings: Settings, system: LagrangianSystem) -> StateFunctions | None:
    """The functions of [events] whose zeros are looked for; None where there are none."""
    words = system.words
    if not settings.events:
        return None
    if not system.body_count:
        arguments = [*words.q, *words.v, words.t, *system.constants]
        return CoordinateFunctions(
            lowered([words.scalar(event.when) for event in settings.events.values()], arguments)
        )
    sums = []
    for event in settings.events.values():
        parts = summands(words, event.when)
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
    return DenseOutput(paths, integrator, tuple(settings.events), times, at, h)
