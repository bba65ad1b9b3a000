"""The motion of a study as a pure function of JAX arrays: differentiable, mapped over batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from actionrun.compiler.numerics.integrators.constrained import Constrained
from actionrun.compiler.numerics.integrators.shooting import BatchIntegrator, motions
from actionrun.compiler.numerics.integrators.variational import GGL
from actionrun.compiler.symbolic.constraints import constraints
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem, lagrangian_system
from actionrun.compiler.symbolic.lowered_system import components, mechanics
from actionrun.compiler.symbolic.lowering import Lowered, lowered
from actionrun.spec.kinds.family import Family
from actionrun.spec.kinds.ggl import Ggl

from .reader import FormulaError

__all__ = ["FormulaError", "Simulation", "Simulator", "simulator"]


class Simulation(NamedTuple):
    """t (samples,), positions and discrete momenta (samples, n) in the order of the study's
    components, in its base units; `change`: the worst last relative change of a step's iteration,
    large where a step did not converge."""

    t: jax.Array
    q: jax.Array
    p: jax.Array
    change: jax.Array


@dataclass(frozen=True, eq=False)
class Simulator:
    """The GGL integrator of a study, r and dt its own; compiled once for each number of steps."""

    system: LagrangianSystem
    integrator: BatchIntegrator
    momenta: Lowered
    h: float
    start: Mapping[str, Mapping[str, Any]]

    @property
    def constants(self) -> dict[str, float | None]:
        """Parameters and coefficients with their numbers; None where a study gives a range."""
        values = {str(symbol): value for symbol, value in self.system.values.items()}
        return values | dict.fromkeys(map(str, self.system.coefficients))

    def theta(self, given: Mapping[str, Any]) -> jax.Array:
        """Constants (k,): those given, else the study's. Raises FormulaError."""
        known = self.constants
        if unknown := [name for name in given if name not in known]:
            raise FormulaError(f"theta: there is no {unknown[0]}; it has {', '.join(known)}")
        values = known | dict(given)
        if open_ones := [name for name, value in values.items() if value is None]:
            raise FormulaError(f"theta: give a number for {', '.join(open_ones)}")
        return jnp.array([*values.values()], float)

    def state(self, given: Mapping[str, Any], key: str) -> jax.Array:
        """Positions, velocities or momenta (n,), by coordinate. Raises FormulaError."""
        by_name = {**self.start.get(key, {}), **given}
        slices, parts = self.system.words.slices, []
        if unknown := [name for name in given if name not in slices]:
            raise FormulaError(f"start: there is no coordinate {unknown[0]}")
        for name, part in slices.items():
            if name not in by_name:
                raise FormulaError(f"start: give {key}.{name}")
            value, size = jnp.asarray(by_name[name], float), part.stop - part.start
            if value.shape != ((size,) if name in self.system.words.vectors else ()):
                raise FormulaError(f"start: {key}.{name} has the shape {value.shape}")
            parts.append(value.reshape(size))
        return jnp.concatenate(parts)

    def __call__(
        self, theta: Mapping[str, Any], start: Mapping[str, Mapping[str, Any]], steps: int,
        every: int,
    ) -> Simulation:  # fmt: skip
        """Raises FormulaError for names, numbers and shapes that a study has not."""
        if unknown := {*start} - {"position", "velocity", "momentum"}:
            raise FormulaError(f"start: there is no {unknown.pop()}")
        if "momentum" in start and "velocity" in start:
            raise FormulaError("start: give velocities or momenta, not both")
        moving = "momentum" if "momentum" in ({*start} - {"position"} or self.start) else "velocity"
        q = self.state(start.get("position", {}), "position")
        given = self.state(start.get(moving, {}), moving)
        return self.march(self.theta(theta), q, given, moving, steps, every)

    @partial(jax.jit, static_argnums=(0, 4, 5, 6))
    def march(self, theta, q, given, moving: str, steps: int, every: int) -> Simulation:
        """The motion for constants theta (k,) from q and velocities or momenta (n,)."""
        p = given
        if moving == "velocity":
            p = jnp.stack([jnp.asarray(x) for x in self.momenta(*q, *given, 0.0, *theta)])
        motion = motions(self.integrator, theta, q, p, self.h, steps, every)
        t = self.h * every * jnp.arange(steps // every + 1)
        return Simulation(t, motion.q, motion.p, motion.change)


def simulator(study: Ggl | Family) -> Simulator:
    """The simulator of a study of few coordinates. Raises Faults, FormulaError."""
    if study.system.particles is not None:
        raise FormulaError("simulate is for few coordinates; particles are run with actionrun.run")
    if any(study.driven):
        raise FormulaError("simulate takes no inputs from files: write them as functions of t")
    if study.integrator is None or study.integrator.time_transform is not None:
        raise FormulaError("simulate takes equal steps of t: give [integrator] r and dt, and no "
                           "time_transform")  # fmt: skip
    if isinstance(study, Ggl) and study.acting_events:
        raise FormulaError("simulate knows no events that act: they are run with actionrun.run")
    system = lagrangian_system(study)
    words, plain = system.words, GGL(mechanics(system), study.integrator.r)
    arguments = [*words.q, *words.v, words.t, *system.constants]
    start: dict[str, Mapping[str, Any]] = {}
    if isinstance(study, Ggl):
        for key in ("position", "velocity", "momentum"):
            if (given := getattr(study.start, key)) is not None:
                row = components(system, given, study.number)
                start[key] = {
                    name: row[part] if name in words.vectors else row[part.start]
                    for name, part in words.slices.items()
                }
        if "momentum" not in start and "velocity" not in start:
            start["velocity"] = {
                name: 0.0 * start["position"][name] for name in words.slices
            }  # at rest
    return Simulator(
        system,
        Constrained(plain, constraints(system)) if system.constraints else plain,
        lowered(list(system.momentum), arguments),
        study.number(study.integrator.dt),
        start,
    )
