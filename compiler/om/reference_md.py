"""Molecular dynamics for reference, in steps that can be saved between: melt, thermostat, rest,
then the stretch whose two ends the path joins, at a quarter of the step, since it also scores the
path.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.molecular import molecular_dynamics as md
from actionrun.compiler.numerics.molecular.observables import (
    radial_distribution,
    velocity_autocorrelation,
)

from .path_problem import PathProblem

BLOCK = 400  # steps of velocity Verlet in a step of the program
FINER = 4  # the stretch is run with dt over this: its own error falls by 16
SAMPLES = 100  # intervals of the stretch after which it is kept
ROWS = 10  # of these intervals in a step of the program
WATCHED = 50  # samples of a block without thermostat: for g(r) and the velocities' memory
SPARSE = 2  # of these to one for g(r)
SHELLS = 200  # bins of g(r), up to half the edge


@dataclass(frozen=True)
class ReferenceRun:
    """A reference run as a march of `blocks` + `stretches` steps. Its state is a dictionary of
    arrays of fixed shape: the neighbour list is made anew from where it was made (`place`)."""

    problem: PathProblem
    schedule: md.Equilibration
    edge: float

    @property
    def dt(self) -> float:
        return self.schedule.dt

    @property
    def steps(self) -> int:
        """Steps of the equilibration."""
        return self.schedule.steps

    @property
    def blocks(self) -> int:
        return -(-self.steps // BLOCK)

    @property
    def stretches(self) -> int:
        return SAMPLES // ROWS

    @property
    def times(self) -> np.ndarray:
        """At which the stretch is kept (SAMPLES + 1,)."""
        return np.linspace(0, self.problem.duration, SAMPLES + 1)

    @property
    def finest(self) -> float:
        """The time step of the stretch."""
        interval = self.problem.duration / SAMPLES
        return interval / max(1, int(np.ceil(interval / self.dt * FINER * (1 - 1e-12))))

    @property
    def verlet(self) -> md.MDIntegrator:
        return self.schedule.verlet

    def start(self) -> dict[str, Any]:
        """A lattice with thermal velocities."""
        dim, n = self.problem.system.shape
        lattice = md.lattice(n, dim, self.edge, self.problem.settings.seed)
        x = self.schedule.start(jnp.asarray(lattice))
        kept = jnp.zeros((dim, n, SAMPLES + 1))
        energies = jnp.zeros((2, SAMPLES + 1))
        state = self._packed(x)
        seen = {"g": jnp.zeros(SHELLS), "vacf": jnp.zeros(len(self.lags)), "seen": jnp.asarray(0)}
        return {**state, "kept_q": kept, "kept_v": kept, "energies": energies, **seen}

    def advanced(self, state: dict[str, Any], step: int) -> dict[str, Any]:
        """The state after one step of the program. Raises FloatingPointError."""
        x = self._unpacked(state)
        if step < self.blocks:
            if self._resting(step):
                return self._watched(state, x)
            stop = min((step + 1) * BLOCK, self.steps)
            x = self.schedule.advanced(x, step * BLOCK, stop)
            return {**state, **self._packed(x)}
        first = (step - self.blocks) * ROWS
        return {**state, **self._sampled(state, x, first)}

    @property
    def lags(self) -> np.ndarray:
        """Of the velocities' memory in the liquid at rest."""
        return self.dt * (BLOCK // WATCHED) * np.arange(WATCHED - WATCHED // 3 + 1)

    def _resting(self, step: int) -> bool:
        """Whether a whole block runs without the thermostat."""
        return step * BLOCK >= self.schedule.rest and (step + 1) * BLOCK <= self.steps

    def _watched(self, state: dict[str, Any], x: md.MDState) -> dict[str, Any]:
        """A block of the liquid at rest, whose structure and memory are added up."""
        q, v = [], []
        for _ in range(WATCHED):
            q.append(np.asarray(x.q))
            v.append(np.asarray(x.v))
            x = md.propagated(self.verlet, x, BLOCK // WATCHED, self.dt)
        _, g = radial_distribution(np.concatenate(q[::SPARSE], axis=2), self.edge, SHELLS)
        vacf = velocity_autocorrelation(np.concatenate(v, axis=2))
        return {
            **state, **self._packed(x),
            "g": state["g"] + g, "vacf": state["vacf"] + vacf, "seen": state["seen"] + 1,
        }  # fmt: skip

    def _sampled(self, state: dict[str, Any], x: md.MDState, first: int) -> dict[str, Any]:
        interval = self.problem.duration / SAMPLES
        part = md.sampled_trajectory(
            self.verlet, x, interval * ROWS, self.finest * (1 + 1e-9), ROWS
        )
        stop = first + ROWS + 1
        energies = np.stack([part.kinetic, part.potential])
        last = self.verlet.start(jnp.asarray(part.q[..., -1:]), jnp.asarray(part.v[..., -1:]))
        return {
            **self._packed(last),
            "kept_q": state["kept_q"].at[..., first:stop].set(part.q),
            "kept_v": state["kept_v"].at[..., first:stop].set(part.v),
            "energies": state["energies"].at[..., first:stop].set(energies),
        }

    def ends(self, state: dict[str, Any]) -> jax.Array:
        """q(0), q(T) and, where they are given, v(0), v(T): (dim, N, E)."""
        q, v = (state[name][..., jnp.asarray([0, -1])] for name in ("kept_q", "kept_v"))
        return jnp.concatenate([q, v], axis=2) if self.problem.velocities else q

    def _packed(self, x: md.MDState) -> dict[str, Any]:
        rows = jnp.asarray(x.neighbors.others.shape[1])
        return {"q": x.q, "v": x.v, "f": x.f, "step": x.step, "place": x.neighbors.reference,
                "rows": rows}  # fmt: skip

    def _unpacked(self, s: dict[str, Any]) -> md.MDState:
        neighbors = self.problem.system.potential.neighbor_list(s["place"], int(s["rows"]))
        return md.MDState(s["q"], s["v"], s["f"], neighbors, s["step"])


def reference_run(problem: PathProblem) -> ReferenceRun:
    """The reference run of a study that asks for one, of a fluid in a box."""
    settings, system = problem.settings, problem.system
    given, edge = settings.reference, system.edge
    if given is None or edge is None:
        raise ValueError("the study has no reference run")
    dt = given.dt
    schedule = md.Equilibration(
        md.MDIntegrator(system.potential, problem.mass),
        system.boltzmann * given.temperature,
        dt,
        round(given.equilibration / dt),
        jax.random.key(settings.seed),
    )
    return ReferenceRun(problem, schedule, edge)
