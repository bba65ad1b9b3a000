"""Studies of kind `ggl`: how does this Lagrangian system move?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import sympy as sp

from ..spec.ggl import Ggl
from . import ggl_bodies_arrays as bodies
from .arrays import mechanics, parameters
from .courses import Setting
from .dense import Between, between, between_bodies
from .dense_findings import described
from .derived import symbolic_equations
from .ggl_bodies import BodyProblem, problem_of, require_masses
from .ggl_bodies_findings import Run
from .ggl_bodies_findings import found as found_bodies
from .ggl_bodies_held import surface
from .ggl_bodies_slow import slowed
from .ggl_bodies_text import sections
from .ggl_compare import Comparison, compared
from .ggl_findings import Motion, found
from .ggl_stability import judged
from .ggl_stepper import solver, stepper
from .ggl_trouble import Point, cause
from .ggl_unbuilt import cost, require_built, require_room
from .ledger import Book, balanced, book_of
from .lower import lowered
from .mechanics import structure
from .modules.constrained import Constrained
from .modules.flat import Flat
from .modules.ggl import GGL
from .modules.march import March, Stepper, Trajectory, constraint_error, energy_error
from .modules.quadratic import map_of
from .modules.summed import BodyLedger
from .modules.transformed import Transformed
from .peers import tableaux
from .problem import Problem, problem
from .program import Findings, Report, Section, Tell

ROWS = 4096  # rows that one compiled call can return
NUMBERS = 2_000_000  # in the positions of these rows, at most
SLOW = 40  # passes of a step
TROUBLE = {1: "the step's equations did not converge", 2: "the motion left the finite numbers"}
TRANSFORM = ". Check that integrator.time_transform is positive there"
SINGLE = '. Single precision has 7 digits and ends at 3.4e+38: integrator.precision = "double"'
SURFACE = ". Check that the constraints hold it there: their gradients may vanish or align"


def compile(study: Ggl) -> Integration:
    """The program of a ggl study. Raises Faults for what the mathematics forbids."""
    require_built(study)
    if study.system.particles is not None:
        return _of_bodies(study)
    symbolic = problem(study)
    arrays = mechanics(symbolic)
    positions = _exact(study, symbolic)
    exact = lowered(positions, [symbolic.words.t, *symbolic.constants]) if positions else None
    theta = parameters(symbolic)
    h = study.number(study.integrator.dt)
    ggl, q, p = stepper(study, symbolic, arrays, theta)
    book = book_of(symbolic, ggl)
    sought = between(study, symbolic, ggl, h)
    march = March(ggl, solver(ggl, sought is None), exact, book.ledger, sought is not None)
    require_room(study, symbolic, h, q, p)
    program = Integration(study, symbolic, march, theta, h, q, p)
    program.book, program.between = book, sought
    if study.compare is not None:
        _compare(program, ggl, positions)
    return program


def _of_bodies(study: Ggl) -> Integration:
    """The program of a study with particles."""
    symbolic = problem_of(study)
    theta, stepper = bodies.parameters(symbolic), bodies.stepper_of(study, symbolic)
    q, p, inverse = bodies.start(study, symbolic, stepper, theta)
    require_masses(symbolic, inverse, study)
    h, ggl = study.number(study.integrator.dt), stepper
    held, way = None, "fixed point"
    if symbolic.constraints:
        held, q, p = surface(study, symbolic, stepper, theta, q, p)
        flat = GGL(Flat(stepper.mechanics, symbolic.count), study.integrator.r)
        ggl, way = Constrained(flat, held), "newton"
    if study.integrator.time_transform is not None:
        ggl, q, p = slowed(study, symbolic, stepper, theta, q, p, held)
    clock = ggl.clock if isinstance(ggl, Transformed) else None
    ledger, note = bodies.ledger_of(symbolic, stepper, clock)
    sought = between_bodies(study, symbolic, ggl, h)
    exact = bodies.exact(study, symbolic)
    march = March(ggl, way, exact, ledger, sought is not None)
    require_room(study, symbolic, h, q, p)
    program = Integration(study, symbolic, march, theta, h, q, p)
    program.note, program.between = note, sought
    if study.compare is not None:
        _compare(program, ggl, exact or [])
    return program


def _compare(program: Integration, ggl: Stepper, exact) -> None:
    study = program.study
    setting = Setting(program.symbolic, ggl, program.theta, program.q, program.p, float(program.h))
    methods, r = tableaux(study), study.integrator.r
    program.comparison = Comparison(study, setting, methods, r, program.total, exact)


def _exact(study: Ggl, symbolic: Problem) -> list[sp.Expr]:
    """The true positions as expressions of t; none where the study does not give them."""
    if not study.exact:
        return []
    words, parts = symbolic.words, []
    for name in words.slices:
        given = study.exact[name]
        parts += [words.scalar(e) for e in (given if isinstance(given, tuple) else (given,))]
    return parts


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
    comparison: Comparison | None = None
    book: Book | None = None
    between: Between | None = None
    note: str = ""  # why there is no ledger

    def __init__(self, study: Ggl, symbolic: Problem | BodyProblem, march: March, theta, h, q, p):
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
        if isinstance(self.symbolic, BodyProblem):  # a pass of Newton costs as much as forty there
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
        names = ", ".join(
            f"{name} = {value:.4g}"
            for name, value in zip(self._names, np.asarray(x.q)[:n], strict=False)
        )
        names += ", ..." if n > len(self._names) else ""
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

    @property
    def _names(self) -> list[str]:
        """Of the entries of a state; of bodies, the first few."""
        names, problem = [*self.symbolic.words.names], self.symbolic
        if not isinstance(problem, BodyProblem):
            return names
        name, bracket, rest = names[0].partition("[")
        return [f"{name}[{k + 1}]{bracket}{rest}" for k in range(min(problem.count, 6))]

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
        if isinstance(self.symbolic, BodyProblem):
            findings = found_bodies(Run(motion, self.symbolic), self.note, state, samples)
            if self.between is not None:
                findings = described(motion, self.symbolic, self.between, samples, findings)
            return self._compared(state, findings, tell)
        findings = found(motion, state, samples)
        if self.book is not None:
            findings = balanced(motion, self.book, state, samples, findings)
        if self.between is not None:
            findings = described(motion, self.symbolic, self.between, samples, findings)
        return self._compared(state, judged(motion, findings), tell)

    def _compared(self, state: Trajectory, findings: Findings, tell: Tell) -> Findings:
        if self.comparison is None:
            return findings
        return compared(self.comparison, float(state.monitor.kinetic_high), findings, tell)


def explain(study: Ggl) -> tuple[Section, ...]:
    """The sections of `actionrun explain` for a ggl study."""
    if study.system.particles is not None:
        return sections(study, problem_of(study))
    symbolic = problem(study)
    found = structure(symbolic)
    order = 2 * study.integrator.r + 2
    transform, unit = study.integrator.time_transform, f" {study.unit('t')}".rstrip()
    steps = "iterated to round-off"
    if transform is None and not symbolic.constraints:
        if found.linear:
            steps = "one linear map a step, since L and K are quadratic"
        elif study.integrator.r == 0 and found.positional:
            steps = "explicit"
    if symbolic.constraints:
        steps += "; every node lies on the surface, and every velocity along it"
    if transform is not None:
        unit = f" of a transformed time s, dt = ({transform.text}) ds"
    steps += cost(study)
    energy = "conserved" if symbolic.conservative else "not conserved"
    return (
        Section("System", equations=symbolic_equations(symbolic)),
        Section(
            "Integration",
            f"Galerkin-Gauss-Lobatto variational integrator, r = {study.integrator.r} interior "
            f"points, order {order}; {study.integrator.steps} steps of "
            f"{study.number(study.integrator.dt):.6g}{unit}; {steps}. The energy is {energy}.",
        ),
    )
