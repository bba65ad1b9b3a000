"""Studies of kind `ggl`: how does this Lagrangian system move?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.findings import Findings
from actionrun.compiler.ggl.comparison.error_curves import Comparison, compared
from actionrun.compiler.ggl.many_body.findings import Run
from actionrun.compiler.ggl.many_body.findings import found as found_bodies
from actionrun.compiler.numerics.integrators.linear_map import map_of
from actionrun.compiler.numerics.integrators.many_body.mechanics import BodyLedger
from actionrun.compiler.numerics.integrators.time_marching import (
    March,
    Trajectory,
    constraint_error,
    energy_error,
)
from actionrun.compiler.numerics.integrators.time_transformed import Transformed
from actionrun.compiler.numerics.integrators.variational import GGL
from actionrun.compiler.program import Report, Tell
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem
from actionrun.spec.kinds.ggl import Ggl

from .charge_balance import Book, balanced
from .dense_output import Between
from .dense_output_findings import described
from .diagnosis import Point, cause
from .findings import Motion, found
from .stability_check import judged

ROWS = 4096  # rows that one compiled call can return
NUMBERS = 2_000_000  # in the positions of these rows, at most
SLOW = 40  # passes of a step
TROUBLE = {1: "the step's equations did not converge", 2: "the motion left the finite numbers"}
TRANSFORM = ". Check that integrator.time_transform is positive there"
SINGLE = '. Single precision has 7 digits and ends at 3.4e+38: integrator.precision = "double"'
SURFACE = ". Check that the constraints hold it there: their gradients may vanish or align"


@eqx.filter_jit
def _advance(march: March, x: Trajectory, h, theta, stop, every, capacity: int, prepared=None):
    return march.advance(x, jnp.zeros(()), h, theta, stop, every, capacity, prepared)


@eqx.filter_jit
def _started(march: March, q, p, theta) -> Trajectory:
    theta = jax.tree.map(lambda a: a.astype(q.dtype), theta)
    return march.start(q, p, jnp.zeros((), q.dtype), theta)


@eqx.filter_jit
def _velocities(march: March, x: Trajectory, t, h, theta) -> jax.Array:
    """Of a state, at its time."""
    t, h, theta = jax.tree.map(lambda a: jnp.asarray(a, x.q.dtype), (t, h, theta))
    seed = march.ggl.guess(x.q, x.p, t, theta)
    return march.ggl.velocities(x.p, t, h, theta, seed)[:, 0]


class Integration:
    """The program of a ggl study (see `program.Program`)."""

    stage = "integrate"
    minutes = None
    sharing = None
    comparison: Comparison | None = None
    book: Book = Book((), None)
    between: Between | None = None

    def __init__(self, study: Ggl, symbolic: LagrangianSystem, march: March, theta, h, q, p):
        assert study.integrator.steps is not None
        self.study, self.symbolic, self.march = study, symbolic, march
        kind = np.float32 if study.integrator.precision == "single" else np.float64
        # unlike `jnp.asarray`, this compiles nothing
        self.theta, self.h, self.q, self.p = jax.device_put(
            (theta, np.float64(h), np.asarray(q, kind), np.asarray(p, kind))
        )
        self.total = study.integrator.steps
        self.quantum = study.integrator.save_every

    def start(self) -> Trajectory:
        return _started(self.march, self.q, self.p, self.theta)

    def advance(self, state: Trajectory, done: int, count: int) -> tuple[Trajectory, Report]:
        x = jax.device_put(state)
        if not int(x.step) and self._slow(x):
            x = x._replace(newton=jnp.asarray(True))
        stop, kept, passed = done + count, [], []
        while int(x.step) < stop:
            march = replace(self.march, solver="newton") if bool(x.newton) else self.march
            before, at, counts = x, (self.h, self.theta), self._counts(stop)
            x, rows, full = _advance(march, x, *at, *counts, self._capacity, self._map)
            rows = [np.asarray(part)[: int(full)] for part in rows]
            if self.between is not None and int(full):
                rows, found = self._passed(self.between, before, rows, stop)
                passed.append(found)
            kept.append(rows)
            trouble = int(x.trouble)
            if trouble == 1 and march.solver == "fixed point":
                x = x._replace(newton=jnp.asarray(True), trouble=jnp.asarray(0))
            elif trouble:
                return x, Report(diverged=self._diverged(x, TROUBLE[trouble]))
        t, q, p, *flux = (np.concatenate(parts) for parts in zip(*kept, strict=True))
        n = self.symbolic.n
        samples = {"t": q[:, n] if self.transformed else t, "q": q[:, :n], "p": p[:, :n]}
        if flux:
            samples["flux"] = flux[0]
        for key in passed[0] if passed else ():
            samples[key] = np.concatenate([found[key] for found in passed])
        return x, Report(metrics=self._progress(x), samples=samples)

    def _slow(self, x: Trajectory) -> bool:
        """Whether the first step of a motion takes so many passes that Newton is the better way."""
        if self.march.solver != "fixed point" or self.march.ggl.explicit:
            return False
        if self.symbolic.body_count:  # a pass of Newton costs as much as forty there
            return False
        at, counts = (self.h, self.theta), self._counts(1)
        x, _, _ = _advance(self.march, x, *at, *counts, self._capacity, None)
        return bool(x.trouble) or int(x.monitor.passes_most) > SLOW

    @cached_property
    def _map(self):
        """Of a step of a quadratic problem."""
        if self.march.solver != "linear":
            return None
        assert isinstance(self.march.ggl, GGL) and not isinstance(self.march.ledger, BodyLedger)
        ggl, ledger = self.march.ggl, self.march.ledger
        return map_of(ggl, ledger, float(self.h), self.theta, self.q.dtype)

    @property
    def transformed(self) -> bool:
        """Whether the states hold time and -energy behind positions and momenta."""
        return len(self.q) > self.symbolic.n

    def _time(self, x: Trajectory) -> float:
        return float(x.q[-1]) if self.transformed else float(self.h) * int(x.step)

    def _counts(self, stop: int) -> tuple[jax.Array, jax.Array]:
        """As arrays: a Python number would be compiled in."""
        return jax.device_put((np.int64(stop), np.int64(1 if self.between else self.quantum)))

    @property
    def _capacity(self) -> int:
        if self.between:
            return self.between.capacity
        return max(16, min(ROWS, NUMBERS // len(self.q)))

    def _passed(self, between: Between, before: Trajectory, rows: list[np.ndarray], stop: int):
        """Rows of every step thinned to those that are kept, and what lay between the steps."""
        *rows, V = rows
        ends = zip(before[:2], rows[1:3], strict=True)
        q, p = (np.concatenate([start[None], part]) for start, part in ends)
        n, first = self.symbolic.n, int(before.step)
        if V.ndim == 4:  # (rows, components, s, bodies)
            V = np.moveaxis(V, -1, 2).reshape((len(V), n, -1))
        found = between.block(first, q, p, V[:, :n], self.theta, self._capacity)
        number = first + 1 + np.arange(len(V))
        keep = (number % self.quantum == 0) | (number == stop)
        return [part[keep] for part in rows], found

    def _diverged(self, x: Trajectory, what: str) -> str:
        n, unit = self.symbolic.n, self.study.unit("t")
        at = f"t = {self._time(x):.6g}{' ' + unit if unit else ''}"
        of = self.symbolic.state_names(6)
        names = ", ".join(
            f"{name} = {value:.4g}" for name, value in zip(of, np.asarray(x.q)[:n], strict=False)
        )
        names += ", ..." if n > len(of) else ""
        (before, _), (last, rate) = self._point(self.start()), self._point(x)
        advice = cause(self.symbolic, before, last, float(self.h) * rate)
        advice += TRANSFORM if self.transformed else ""
        advice += SURFACE if self.symbolic.constraints else ""
        advice += SINGLE if x.q.dtype == jnp.float32 else ""
        return f"step {int(x.step) + 1}: {what}; the last good state was {names} ({at}). {advice}."

    def _point(self, x: Trajectory) -> tuple[Point, float]:
        """Positions and velocities of a state, and by how much time passes faster than steps."""
        n = self.symbolic.n
        v = _velocities(self.march, x, jnp.asarray(self._time(x)), self.h, self.theta)
        v = np.nan_to_num(np.asarray(v, float).ravel(), posinf=0.0, neginf=0.0)
        rate = 1.0
        if isinstance(self.march.ggl, Transformed):
            theta = jax.tree.map(lambda a: a.astype(x.q.dtype), self.theta)
            rate = float(self.march.ggl.clock.rate(x.q[:n], theta)[0])
        return Point(np.asarray(x.q, float)[:n], v[:n] / rate, self._time(x)), rate

    def _progress(self, x: Trajectory) -> dict[str, float]:
        metrics = {"t": self._time(x)}
        if self.symbolic.conservative:
            metrics["energy_error"] = energy_error(x)
        if self.symbolic.constraints:
            metrics["constraint_error"] = constraint_error(x)
        if self.march.exact is not None:
            metrics["exact_error"] = float(x.monitor.exact_error)
        return metrics

    def findings(self, state, samples: Mapping[str, np.ndarray], tell: Tell) -> Findings:
        q, p = self.q[: self.symbolic.n], self.p[: self.symbolic.n]
        motion = Motion(self.study, self.symbolic, self.march, self.theta, float(self.h), q, p)  # type: ignore[arg-type]
        state = jax.tree.map(np.asarray, state)
        if self.symbolic.body_count:
            findings = found_bodies(Run(motion, self.symbolic), self.book, state, samples)
            if self.between is not None:
                findings = described(motion, self.symbolic, self.between, samples, findings)
            return self._compared(state, findings, tell)
        findings = found(motion, state, samples)
        findings = balanced(motion, self.book, state, samples, findings)
        if self.between is not None:
            findings = described(motion, self.symbolic, self.between, samples, findings)
        return self._compared(state, judged(motion, findings), tell)

    def _compared(self, state: Trajectory, findings: Findings, tell: Tell) -> Findings:
        if self.comparison is None:
            return findings
        return compared(self.comparison, float(state.monitor.kinetic_high), findings, tell)
