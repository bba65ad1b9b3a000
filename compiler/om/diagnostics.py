"""Numbers of a relaxed path: its action, energies, what Newton's motion from its own start says,
and how far it is from the reference run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.molecular.observables import deviations
from actionrun.compiler.numerics.paths.basis import Motion

from .initial_path import NoStartError, reintegrated
from .path_problem import Setting, cast

SAMPLES = 100  # intervals of the times at which a path is shown


@dataclass(frozen=True)
class Course:
    """A path or a motion at even times t (K,): q, v (dim, N, K), energies (K,)."""

    t: np.ndarray
    q: np.ndarray
    v: np.ndarray
    kinetic: np.ndarray
    potential: np.ndarray

    @property
    def energy(self) -> np.ndarray:
        return self.kinetic + self.potential


@dataclass(frozen=True)
class Measured:
    """A path of parameters x: along even times, and at its nodes.

    `force_error` is the largest |m q'' - F| of a body at a node over the largest |F| (or, where
    nothing pushes, over a thousandth of the momentum over the duration), `miss` how
    far from the given end Newton's motion from the path's own start arrives, root mean square over
    the bodies (None where it could not be integrated), `again` that motion (dim, N, K).
    """

    path: Course
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


def times(setting: Setting) -> np.ndarray:
    return np.linspace(0, setting.duration, SAMPLES + 1)


def measured(setting: Setting, x: Any, given: Any) -> Measured:
    """The numbers of the path of parameters x between the ends `given` (dim, N, E)."""
    x, t = cast(x, jnp.float64), times(setting)
    landscape, mass = setting.bodies.landscape, setting.mass
    path = course(setting, t, cast(setting.path(x, given, t), jnp.float64))
    node = cast(setting.path(x, given, setting.basis.nodes), jnp.float64)
    near = landscape.near(node.q)
    forces = np.asarray(landscape.forces(node.q, near))
    residual = np.asarray(mass * node.a) - forces
    weights = setting.basis.weights
    at_nodes = course(setting, setting.basis.nodes, node)
    speed = np.sqrt(np.sum(np.asarray(node.v) ** 2, axis=(0, 1)))
    energy = np.concatenate([path.energy[:1], at_nodes.energy, path.energy[-1:]])
    momentum = _largest(np.asarray(mass * node.v))
    pushes = max(_largest(forces), 1e-3 * momentum / setting.duration, np.finfo(float).tiny)
    size = max(abs(energy[0]), 1e-3 * float(np.max(at_nodes.kinetic)))
    again = _again(setting, path, t)
    return Measured(
        path,
        action=float(np.sum(weights * residual**2)),
        force_error=_largest(residual) / pushes,
        energy_error=float(np.max(np.abs(energy - energy[0]))) / max(size, np.finfo(float).tiny),
        miss=None
        if again is None
        else float(deviations(again[..., -1:], np.asarray(given[..., 1:2]))[0]),
        again=again,
        ends_error=_largest(path.q[..., [0, -1]] - np.asarray(given[..., :2])),
        length=float(np.sum(weights * speed)),
        distance=float(np.linalg.norm(given[..., 1] - given[..., 0])),
        listed=not bool(near.lost),
    )


def _largest(x: np.ndarray) -> float:
    """The largest length of a body's vector (dim, N, ...)."""
    return float(np.sqrt(np.max(np.sum(np.asarray(x) ** 2, axis=0))))


def _again(setting: Setting, path: Course, t: np.ndarray) -> np.ndarray | None:
    q, v = jnp.asarray(path.q[..., :1]), jnp.asarray(path.v[..., :1])
    try:
        return reintegrated(setting, q, v, t)
    except NoStartError:
        return None


def course(setting: Setting, t: np.ndarray, motion: Motion) -> Course:
    """A motion at times t with its energies."""
    landscape, q = setting.bodies.landscape, jnp.asarray(motion.q)
    potential = np.asarray(landscape.energy(q, landscape.near(q)))
    v = np.asarray(motion.v)
    kinetic = np.sum(setting.bodies.mass * v**2, axis=(0, 1)) / 2
    return Course(t, np.asarray(motion.q), v, kinetic, potential)


@dataclass(frozen=True)
class Score:
    """A path against the reference run, at even times (K,): root mean square over the bodies of
    the distances of positions and momenta."""

    reference: Course
    positions: np.ndarray
    momenta: np.ndarray


def score(setting: Setting, path: Course, reference: dict[str, Any]) -> Score:
    q, v = (np.asarray(reference[f"kept_{name}"]) for name in "qv")
    kinetic, potential = np.asarray(reference["energies"])
    mass = setting.bodies.mass
    there = Course(path.t, q, v, kinetic, potential)
    return Score(there, deviations(path.q, q), deviations(mass * path.v, mass * v))
