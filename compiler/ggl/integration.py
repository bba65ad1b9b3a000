"""Studies of kind `ggl`: how does this Lagrangian system move?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.integrators.linear_map import Map
from actionrun.compiler.numerics.integrators.time_marching import (
    Integrator,
    TimeMarcher,
    Trajectory,
    constraint_error,
    energy_error,
)
from actionrun.compiler.program import Report
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem

from .acting_events import STEPS, ActingEvents, counted, ended
from .dense_output import DenseOutput
from .diagnosis import Point, cause
from .settings import Settings

ROWS = 4096  # rows that one compiled call can return
NUMBERS = 2_000_000  # in the positions of these rows, at most
SLOW = 40  # iterations of a step
TROUBLE = {1: "the step's equations did not converge", 2: "the motion left the finite numbers"}
TRANSFORM = ". Check that integrator.time_transform is positive there"
SINGLE = '. Single precision has 7 digits and ends at 3.4e+38: integrator.precision = "double"'
SURFACE = ". Check that the constraints hold it there: their gradients may vanish or align"


@eqx.filter_jit
def _advance(
    march: TimeMarcher, x: Trajectory, h, theta, stop, every, capacity: int, prepared=None
):
    return march.advance(x, jnp.zeros(()), h, theta, stop, every, capacity, prepared)


@eqx.filter_jit
def _started(march: TimeMarcher, q, p, theta) -> Trajectory:
    theta = jax.tree.map(lambda a: a.astype(q.dtype), theta)
    return march.start(q, p, jnp.zeros((), q.dtype), theta)


@eqx.filter_jit
def _velocities(march: TimeMarcher, x: Trajectory, t, h, theta) -> jax.Array:
    """Of a state, at its time."""
    t, h, theta = jax.tree.map(lambda a: jnp.asarray(a, x.q.dtype), (t, h, theta))
    seed = march.integrator.guess(x.q, x.p, t, theta)
    return march.integrator.velocities(x.p, t, h, theta, seed)[:, 0]


@dataclass(frozen=True, eq=False)
class Integration:
    """The solver of a ggl study (see `program.Solver`): a march from q, p in steps of h.

    `output` is what is looked for between the steps, `acting` what is done there, `step_map` makes
    the map of a step where the system is quadratic.
    """

    settings: Settings
    system: LagrangianSystem
    march: TimeMarcher
    theta: Any
    h: jax.Array
    q: jax.Array
    p: jax.Array
    total: int
    output: DenseOutput | None
    acting: ActingEvents | None
    step_map: Callable[[], Map] | None

    stage = "integrate"

    @property
    def quantum(self) -> int:
        return self.settings.save_every

    @property
    def integrator(self) -> Integrator:
        return self.march.integrator

    def start(self) -> Trajectory:
        x = _started(self.march, self.q, self.p, self.theta)
        return x if self.acting is None else self.acting.start(x)

    def advance(self, state: Trajectory, done: int, count: int) -> tuple[Trajectory, Report]:
        x = jax.device_put(state)
        if not int(x.step) and self._slow(x):
            x = x._replace(newton=jnp.asarray(True))
        stop, kept, passed = done + count, [], []
        if self.acting is not None:
            passed.append(self.acting.none(x))
        while int(x.step) < stop and not ended(x):
            march = replace(self.march, solver="newton") if bool(x.newton) else self.march
            before, at, counts = x, (self.h, self.theta), self._counts(stop)
            x, rows, full = _advance(march, x, *at, *counts, self._capacity, self._map)
            rows = [np.asarray(part)[: int(full)] for part in rows]
            if self.output is not None and int(full):
                between = self._looked_between(self.output, before, rows)
                if self.acting is not None:
                    reach = partial(self._reached, march, before)
                    cut = march, reach, before, x, rows, between, self.theta
                    x, rows, between = self.acting.interrupted(*cut)
                passed.append(between)
                rows = self._thinned(before, x, rows, stop)
            kept.append(rows)
            status = int(x.status)
            if status == 1 and march.solver == "fixed point":
                x = x._replace(newton=jnp.asarray(True), status=jnp.asarray(0))
            elif status:
                return x, Report(diverged=self._diverged(x, TROUBLE[status]))
        if not kept:
            return x, Report(metrics=self._progress(x))
        t, q, p, *flux = (np.concatenate(parts) for parts in zip(*kept, strict=True))
        n = self.system.n
        samples = {"t": q[:, n] if self.transformed else t, "q": q[:, :n], "p": p[:, :n]}
        if flux:
            samples["flux"] = flux[0]
        for key in {key: None for between in passed for key in between}:
            samples[key] = np.concatenate([found[key] for found in passed if key in found])
        return x, Report(metrics=self._progress(x), samples=samples)

    def _slow(self, x: Trajectory) -> bool:
        """Whether the first step takes so many iterations that Newton is the better way."""
        if self.march.solver != "fixed point" or self.integrator.explicit:
            return False
        if self.system.body_count:  # an iteration of Newton costs as much as forty there
            return False
        at, counts = (self.h, self.theta), self._counts(1)
        x, _, _ = _advance(self.march, x, *at, *counts, self._capacity, None)
        return bool(x.status) or int(x.monitor.iterations_most) > SLOW

    @cached_property
    def _map(self) -> Map | None:
        """Of a step of a quadratic problem."""
        return None if self.step_map is None else self.step_map()

    @property
    def transformed(self) -> bool:
        """Whether the states hold time and -energy behind positions and momenta."""
        return self.integrator.clock is not None

    def _time(self, x: Trajectory) -> float:
        if x.events is not None and ended(x):
            return float(np.max(x.events.last))
        return float(x.q[-1]) if self.transformed else float(self.h) * int(x.step)

    def _counts(self, stop: int) -> tuple[jax.Array, jax.Array]:
        """As arrays: a Python number would be compiled in."""
        return jax.device_put((np.int64(stop), np.int64(1 if self.output else self.quantum)))

    @property
    def _capacity(self) -> int:
        if self.output is not None:
            most = self.output.capacity
            return most if self.acting is None else min(most, STEPS)
        return max(16, min(ROWS, NUMBERS // len(self.q)))

    def _looked_between(
        self, output: DenseOutput, before: Trajectory, rows: list[np.ndarray]
    ) -> dict[str, np.ndarray]:
        """What lay between steps, of which there is a row each."""
        V = rows[-1][:, : self.system.n]
        ends = zip(before[:2], rows[1:3], strict=True)
        q, p = (np.concatenate([start[None], part]) for start, part in ends)
        newton = self.march.solver == "newton" or bool(before.newton)
        found = output.block(int(before.step), q, p, V, self.theta, self._capacity, newton)
        return found if self.acting is not None else counted(self.settings, found)

    def _thinned(
        self, before: Trajectory, x: Trajectory, rows: list[np.ndarray], stop: int
    ) -> list[np.ndarray]:
        """Of rows of every step those that are kept, without nodal velocities."""
        number = int(before.step) + 1 + np.arange(len(rows[0]))
        keep = (number % self.quantum == 0) | (number == stop)
        if len(keep) and ended(x):
            keep[-1] = True
        return [part[keep] for part in rows[:-1]]

    def _reached(self, march: TimeMarcher, before: Trajectory, step: int) -> Trajectory:
        """The state at a step on the way from another one."""
        counts = self._counts(step)
        return _advance(march, before, self.h, self.theta, *counts, self._capacity, self._map)[0]

    def _diverged(self, x: Trajectory, what: str) -> str:
        n, unit = self.system.n, self.system.words.unit.behind("t")
        at = f"t = {self._time(x):.6g}{unit}"
        of = self.system.state_names(6)
        names = ", ".join(
            f"{name} = {value:.4g}" for name, value in zip(of, np.asarray(x.q)[:n], strict=False)
        )
        names += ", ..." if n > len(of) else ""
        (before, _), (last, rate) = self._point(self.start()), self._point(x)
        advice = cause(self.system, before, last, float(self.h) * rate, self.integrator.r)
        advice += TRANSFORM if self.transformed else ""
        advice += SURFACE if self.system.constraints else ""
        advice += SINGLE if x.q.dtype == jnp.float32 else ""
        return f"step {int(x.step) + 1}: {what}; the last good state was {names} ({at}). {advice}."

    def _point(self, x: Trajectory) -> tuple[Point, float]:
        """Positions and velocities of a state, and by how much time passes faster than steps."""
        n = self.system.n
        v = _velocities(self.march, x, jnp.asarray(self._time(x)), self.h, self.theta)
        v = np.nan_to_num(np.asarray(v, float).ravel(), posinf=0.0, neginf=0.0)
        clock, rate = self.integrator.clock, 1.0
        if clock is not None:
            theta = jax.tree.map(lambda a: a.astype(x.q.dtype), self.theta)
            rate = float(clock.rate(x.q[:n], theta)[0])
        return Point(np.asarray(x.q, float)[:n], v[:n] / rate, self._time(x)), rate

    def _progress(self, x: Trajectory) -> dict[str, float]:
        metrics = {"t": self._time(x)}
        if self.system.conservative:
            metrics["energy_error"] = energy_error(x)
        if self.system.constraints:
            metrics["constraint_error"] = constraint_error(x)
        if self.march.exact is not None:
            metrics["exact_error"] = float(x.monitor.exact_error)
        return metrics
