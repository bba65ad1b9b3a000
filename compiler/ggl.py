"""Studies of kind `ggl`: how does this Lagrangian system move?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import sympy as sp

from ..spec import Faults
from ..spec.ggl import Ggl
from .arrays import components, mechanics, parameters
from .courses import Setting
from .derived import symbolic_equations
from .ggl_compare import Comparison, compared, require_comparable
from .ggl_findings import Motion, found
from .lower import lowered
from .mechanics import structure
from .modules.ggl import GGL
from .modules.march import March, Trajectory, energy_error
from .peers import tableaux
from .problem import Problem, problem
from .program import Findings, Report, Section, Tell

KEYS = ("t", "q", "p")
ROWS = 4096  # rows that one compiled call can return
TROUBLE = {1: "the step's equations did not converge", 2: "the motion left the finite numbers"}


def compile(study: Ggl) -> Integration:
    """The program of a ggl study. Raises Faults for what the mathematics forbids."""
    _require_built(study)
    require_comparable(study)
    symbolic = problem(study)
    arrays = mechanics(symbolic)
    positions = _exact(study, symbolic)
    exact = lowered(positions, [symbolic.words.t, *symbolic.constants]) if positions else None
    ggl = GGL(arrays, study.integrator.r)
    theta = parameters(symbolic)
    h = study.number(study.integrator.dt)
    q, p = _start(study, symbolic, ggl, theta)
    solver = "linear" if arrays.linear else _contraction(ggl, q, p, h, theta)
    program = Integration(study, symbolic, March(ggl, solver, exact), theta, h, q, p)
    if study.compare is not None:
        setting = Setting(symbolic, arrays, theta, program.q, program.p, h)
        methods, r = tableaux(study), study.integrator.r
        program.comparison = Comparison(study, setting, methods, r, program.total, positions)
    return program


def _require_built(study: Ggl) -> None:
    lacking = {
        "constraints": study.system.holonomic,
        "time_transform": study.integrator.time_transform,
    }
    faults = [
        study.fault(("system", key), None, "not-built", f"`{key}` is not built yet in this version")
        for key, value in lacking.items()
        if value
    ]
    if faults:
        raise Faults(tuple(faults))


def _start(study: Ggl, symbolic: Problem, ggl: GGL, theta) -> tuple[np.ndarray, np.ndarray]:
    """Initial positions and discrete momenta; p = P(q, v, t) where velocities are given."""
    assert study.start is not None
    q = components(symbolic, study.start.position, study.number)
    if study.start.momentum is not None:
        return q, components(symbolic, study.start.momentum, study.number)
    assert study.start.velocity is not None
    v = components(symbolic, study.start.velocity, study.number)
    return q, np.asarray(ggl.mechanics.momentum(jnp.asarray(q), jnp.asarray(v), 0.0, theta))


def _exact(study: Ggl, symbolic: Problem) -> list[sp.Expr]:
    """The true positions as expressions of t; none where the study does not give them."""
    if not study.exact:
        return []
    words, parts = symbolic.words, []
    for name in words.slices:
        given = study.exact[name]
        parts += [words.scalar(e) for e in (given if isinstance(given, tuple) else (given,))]
    return parts


def _contraction(ggl: GGL, q, p, h, theta) -> str:
    """Fixed-point passes where the first step contracts well, else Newton."""
    if ggl.r == 0 and ggl.mechanics.positional:
        return "fixed point"  # explicit

    @eqx.filter_jit
    def first(q, p, h, theta):
        minv = ggl.preconditioner(q, p, 0.0, theta)
        done = ggl.fixed_point(q, p, jnp.zeros(()), h, theta, minv, ggl.guess(q, p, 0.0, theta))
        return done.passes, done.change

    passes, change = first(jnp.asarray(q), jnp.asarray(p), jnp.asarray(h), theta)
    return "fixed point" if float(change) < 1e-12 and int(passes) <= 40 else "newton"


@eqx.filter_jit
def _advance(march: March, x: Trajectory, h, theta, stop, every):
    return march.advance(x, jnp.zeros(()), h, theta, stop, every, ROWS)


class Integration:
    """The program of a ggl study (see `program.Program`)."""

    stage = "integrate"
    comparison: Comparison | None = None

    def __init__(self, study: Ggl, symbolic: Problem, march: March, theta, h, q, p):
        assert study.integrator.steps is not None
        self.study, self.symbolic, self.march = study, symbolic, march
        self.theta, self.h = theta, jnp.asarray(h)
        self.q, self.p = jnp.asarray(q), jnp.asarray(p)
        self.total = study.integrator.steps
        self.quantum = study.integrator.save_every

    def start(self) -> Trajectory:
        return self.march.start(self.q, self.p, jnp.zeros(()), self.theta)

    def advance(self, state: Trajectory, done: int, count: int) -> tuple[Trajectory, Report]:
        x = jax.tree.map(jnp.asarray, state)
        stop, kept = done + count, []
        while int(x.step) < stop:
            march = replace(self.march, solver="newton") if bool(x.newton) else self.march
            x, rows, full = _advance(march, x, self.h, self.theta, *self._counts(stop))
            kept.append([np.asarray(part)[: int(full)] for part in rows])
            trouble = int(x.trouble)
            if trouble == 1 and march.solver == "fixed point":
                x = x._replace(newton=jnp.asarray(True), trouble=jnp.asarray(0))
            elif trouble:
                return x, Report(diverged=self._diverged(x, TROUBLE[trouble]))
        samples = {key: np.concatenate([k[i] for k in kept]) for i, key in enumerate(KEYS)}
        return x, Report(metrics=self._progress(x), samples=samples)

    def _counts(self, stop: int) -> tuple[jax.Array, jax.Array]:
        """As arrays: a Python number would be compiled in."""
        return jnp.asarray(stop), jnp.asarray(self.quantum)

    def _diverged(self, x: Trajectory, what: str) -> str:
        step, unit = int(x.step) + 1, self.study.unit("t")
        at = f"t = {float(self.h) * step:.6g}{' ' + unit if unit else ''}"
        names = ", ".join(
            f"{name} = {value:.4g}"
            for name, value in zip(self.symbolic.words.names, np.asarray(x.q), strict=True)
        )
        return (
            f"step {step} ({at}): {what}; the last good state was {names}. "
            "Make integrator.dt smaller, or check the potential where the motion went."
        )

    def _progress(self, x: Trajectory) -> dict[str, float]:
        metrics = {"t": float(self.h) * int(x.step)}
        if self.symbolic.conservative:
            metrics["energy_error"] = energy_error(x)
        if self.march.exact is not None:
            metrics["exact_error"] = float(x.monitor.exact_error)
        return metrics

    def findings(self, state, samples: Mapping[str, np.ndarray], tell: Tell) -> Findings:
        motion = Motion(
            self.study, self.symbolic, self.march, self.theta, float(self.h), self.q, self.p
        )
        findings = found(motion, jax.tree.map(np.asarray, state), samples)
        if self.comparison is not None:
            kinetic = float(state.monitor.kinetic_high)
            findings = compared(self.comparison, kinetic, findings, tell)
        return findings


def explain(study: Ggl) -> tuple[Section, ...]:
    """The sections of `actionrun explain` for a ggl study."""
    symbolic = problem(study)
    found = structure(symbolic)
    order = 2 * study.integrator.r + 2
    steps = (
        "one linear map a step, since L and K are quadratic"
        if found.linear
        else (
            "explicit" if study.integrator.r == 0 and found.positional else "iterated to round-off"
        )
    )
    energy = "conserved" if symbolic.conservative else "not conserved"
    return (
        Section("System", equations=symbolic_equations(symbolic)),
        Section(
            "Integration",
            f"Galerkin-Gauss-Lobatto variational integrator, r = {study.integrator.r} interior "
            f"points, order {order}; {study.integrator.steps} steps of "
            f"{study.number(study.integrator.dt):.6g} {study.unit('t')}".rstrip()
            + f"; {steps}. The energy is {energy}.",
        ),
    )
