"""Diagnostics of a minimised path: its action, energies, what Newton's motion from its own start
says, and how far it is from the reference run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.molecular.observables import rmsd
from actionrun.compiler.numerics.paths.basis import Kinematics

from .initial_path import StartError, reintegration
from .path_problem import PathProblem, cast

SAMPLES = 100  # intervals of the times at which a path is shown


@dataclass(frozen=True)
class SampledPath:
    """A path or a motion at even times t (K,): q, v (dim, N, K), energies (K,) in the unit that the
    study tells them in."""

    t: np.ndarray
    q: np.ndarray
    v: np.ndarray
    kinetic: np.ndarray
    potential: np.ndarray

    @property
    def energy(self) -> np.ndarray:
        return self.kinetic + self.potential


@dataclass(frozen=True)
class PathDiagnostics:
    """Diagnostics of a path of parameters x: along even times, and at its nodes.

    `force_error` is the largest |m q'' - F| of a body at a node over the largest |F| (or, where
    nothing pushes, over a thousandth of the momentum over the duration), `miss` how
    far from the given end Newton's motion from the path's own start arrives, root mean square over
    the bodies (None where it could not be integrated), `again` that motion (dim, N, K).
    """

    path: SampledPath
    action: float
    force_error: float
    energy_error: float
    miss: float | None
    again: np.ndarray | None
    ends_error: float
    length: float
    distance: float
    listed: bool

    @property
    def energy(self) -> float:
        """At the start."""
        return float(self.path.energy[0])


def sample_times(problem: PathProblem) -> np.ndarray:
    """Even times (K,) from one end to the other."""
    return np.linspace(0, problem.duration, SAMPLES + 1)


def path_diagnostics(problem: PathProblem, x: Any, given: Any) -> PathDiagnostics:
    """Diagnostics of the path of parameters x between the ends `given` (dim, N, E)."""
    x, t = cast(x, jnp.float64), sample_times(problem)
    potential, mass = problem.system.potential, problem.mass
    path = sampled_path(problem, t, cast(problem.path(x, given, t), jnp.float64))
    node = cast(problem.path(x, given, problem.basis.nodes), jnp.float64)
    neighbors = potential.neighbor_list(node.q)
    forces = np.asarray(potential.forces(node.q, neighbors))
    residual = np.asarray(mass * node.a) - forces
    weights = problem.basis.weights
    at_nodes = sampled_path(problem, problem.basis.nodes, node)
    speed = np.sqrt(np.sum(np.asarray(node.v) ** 2, axis=(0, 1)))
    energy = np.concatenate([path.energy[:1], at_nodes.energy, path.energy[-1:]])
    momentum = _largest(np.asarray(mass * node.v))
    pushes = max(_largest(forces), 1e-3 * momentum / problem.duration, np.finfo(float).tiny)
    size = max(abs(energy[0]), 1e-3 * float(np.max(at_nodes.kinetic)))
    again = _again(problem, path, t)
    return PathDiagnostics(
        path,
        action=float(np.sum(weights * residual**2)),
        force_error=_largest(residual) / pushes,
        energy_error=float(np.max(np.abs(energy - energy[0]))) / max(size, np.finfo(float).tiny),
        miss=None
        if again is None
        else float(rmsd(again[..., -1:], np.asarray(given[..., 1:2]))[0]),
        again=again,
        ends_error=_largest(path.q[..., [0, -1]] - np.asarray(given[..., :2])),
        length=float(np.sum(weights * speed)),
        distance=float(np.linalg.norm(given[..., 1] - given[..., 0])),
        listed=not bool(neighbors.lost),
    )


def _largest(x: np.ndarray) -> float:
    """The largest length of a body's vector (dim, N, ...)."""
    return float(np.sqrt(np.max(np.sum(np.asarray(x) ** 2, axis=0))))


def _again(problem: PathProblem, path: SampledPath, t: np.ndarray) -> np.ndarray | None:
    q, v = jnp.asarray(path.q[..., :1]), jnp.asarray(path.v[..., :1])
    try:
        return reintegration(problem, q, v, t)
    except StartError:
        return None


def sampled_path(problem: PathProblem, t: np.ndarray, motion: Kinematics) -> SampledPath:
    """A motion at times t with its energies."""
    surface, q = problem.system.potential, jnp.asarray(motion.q)
    potential = np.asarray(surface.energy(q, surface.neighbor_list(q)))
    v = np.asarray(motion.v)
    kinetic = np.sum(problem.system.mass * v**2, axis=(0, 1)) / 2
    scale = problem.settings.energy_unit.scale
    return SampledPath(t, np.asarray(motion.q), v, kinetic * scale, potential * scale)


@dataclass(frozen=True)
class ReferenceDeviation:
    """A path against the reference run, at even times (K,): root mean square over the bodies of
    the distances of positions and momenta."""

    reference: SampledPath
    positions: np.ndarray
    momenta: np.ndarray


def reference_deviation(
    problem: PathProblem, path: SampledPath, reference: dict[str, Any]
) -> ReferenceDeviation:
    """The deviation of a path from the kept states of the reference run."""
    q, v = (np.asarray(reference[f"kept_{name}"]) for name in "qv")
    kinetic, potential = np.asarray(reference["energies"])
    mass = problem.system.mass
    scale = problem.settings.energy_unit.scale
    there = SampledPath(path.t, q, v, kinetic * scale, potential * scale)
    return ReferenceDeviation(there, rmsd(path.q, q), rmsd(mass * path.v, mass * v))
