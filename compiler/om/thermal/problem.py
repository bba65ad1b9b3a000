"""Boundary value problem of a Langevin path: its dynamics, ends, functions of time, and starts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.molecular.periodic_cell import minimum_image
from actionrun.compiler.numerics.paths.basis import PathBasis, tabulated
from actionrun.compiler.numerics.paths.network_path import NetworkPath, initial_layers
from actionrun.compiler.numerics.paths.path_newton import (
    LinearPath,
    NeuralPath,
    PathAction,
    TrialPath,
)
from actionrun.compiler.om.settings import Settings
from jax.flatten_util import ravel_pytree

from .diffusion import Diffusion, diffusion

DENSER = 2  # nodes of the quadrature for each function: a rate that vanishes at all of them is none
OTHERS = 6  # starts beside the straight line
WAVES = 3  # of a start that is shaken


@dataclass(frozen=True)
class LangevinProblem:
    """The path of a `motion` between `ends` (dim, 2), in the study's base units; (dim, 4) with the
    velocities there, where they are given."""

    settings: Settings
    motion: Diffusion
    ends: np.ndarray

    @property
    def velocities(self) -> bool:
        """Whether the velocities at the ends are given."""
        return self.ends.shape[1] == 4

    @property
    def rate_heat(self) -> float | None:
        """k_B T of rates, where the study asks for them."""
        temperature = self.settings.temperature
        return None if temperature is None else self.settings.heat(temperature)

    @property
    def free(self) -> bool:
        """Whether the duration is free."""
        return bool(np.isinf(self.settings.duration))

    @property
    def duration(self) -> float:
        """From one end to the other; inf where it is free."""
        return self.settings.duration

    @property
    def way(self) -> float:
        """The distance of the ends; where they are one, how far noise spreads meanwhile."""
        apart = float(np.linalg.norm(self.ends[:, 1] - self.ends[:, 0]))
        thermal = self.motion.thermal
        if apart > 0 or self.free:
            return apart
        return float(np.sqrt(2 * thermal.heat / thermal.friction * self.duration))

    @property
    def by_network(self) -> bool:
        """Whether the path is a network of time."""
        return self.settings.network is not None

    @property
    def kind(self) -> str:
        """The functions of time: of BASES, or "network"."""
        return "network" if self.by_network else self.settings.path.basis or "legendre"

    @property
    def starts(self) -> int:
        """Paths that are minimised, each from a start of its own."""
        return 1 if self.by_network else 1 + OTHERS

    def basis(self, points: int) -> PathBasis:
        """So many functions of time."""
        kind = "legendre" if self.by_network else self.kind
        return PathBasis(kind, self.duration, points, self.velocities, self.settings.seed)

    def action(self, points: int | None = None) -> PathAction:
        """The action of the study's path, or of one of so many functions of time."""
        count = points or self.settings.path.points
        grid = PathBasis("legendre", self.duration, DENSER * count, False)
        path = self.path(grid.nodes) if points is None else self.linear(points, grid.nodes)
        density = self.motion.density
        stiffness = density.mass**2 if self.motion.inertial else jnp.ones(len(self.ends))
        return PathAction(
            density, path, jnp.asarray(grid.weights), stiffness, 1 + self.motion.inertial,
            points is not None or not self.by_network,
        )  # fmt: skip

    def linear(self, points: int, t: np.ndarray) -> LinearPath:
        """A path of so many functions of time, at times t."""
        return LinearPath(tabulated(self.basis(points), t), jnp.asarray(self.ends))

    def path(self, t: np.ndarray) -> TrialPath:
        """The study's path at times t."""
        network, points = self.settings.network, self.settings.path.points
        if network is None:
            return self.linear(points, t)
        basis, given = self.basis(points), jnp.asarray(self.ends)[:, None]
        lift = jnp.einsum("kte,dne->kdnt", jnp.asarray(basis.lift(t)), given)
        result = NetworkPath(
            jnp.asarray(t / self.duration), jnp.asarray(self.duration), lift,
            jnp.asarray(basis.envelope(t, 1 + self.velocities)), given, network.activation,
        )  # fmt: skip
        return NeuralPath(result, self._layers[1])

    @cached_property
    def _layers(self):
        """The layers of a network at its start in a row, and what makes layers of it."""
        network = self.settings.network
        assert network is not None
        key = jax.random.key(self.settings.seed)
        middle = np.zeros((len(self.ends), 1))
        *rest, (w, b) = initial_layers(key, network.hidden, middle, jnp.float64)
        return ravel_pytree(
            (*rest, (jnp.zeros_like(w), b))
        )  # nothing is added to the line at first

    def start(self, number: int) -> jax.Array:
        """Parameters of start `number`: the straight line, then shaken ones."""
        if self.by_network:
            return self._layers[0]
        count = self.settings.path.points
        t = self.basis(count).nodes
        return self.nearest(count, t, self.start_places(number, t / self.duration))

    def start_places(self, number: int, s: np.ndarray) -> np.ndarray:
        """Places (dim, times) of start `number` at shares s (times,) of the duration: a straight
        line, on which random long waves of half or all of its length ride."""
        line = self.ends[:, :1] * (1 - s) + self.ends[:, 1:2] * s
        if number == 0:
            return line
        draw = np.random.default_rng((self.settings.seed, number)).normal(size=(len(line), WAVES))
        waves = np.sin(np.pi * np.arange(1, WAVES + 1)[:, None] * s)
        return line + self.way / (1 + number % 2) * draw / np.arange(1, WAVES + 1) @ waves

    def nearest(self, points: int, t: np.ndarray, q: np.ndarray) -> jax.Array:
        """The path of so many functions of time that is nearest to places q (dim, times) at times
        t, as parameters (n,)."""
        basis = self.basis(points)
        functions = basis.functions(t)[0]
        rest = q - self.ends @ basis.lift(t)[0].T
        size = np.linalg.norm(functions, axis=0)
        c = np.linalg.lstsq(functions / size, rest.T, rcond=1e-12)[0] / size[:, None]
        return jnp.asarray(c.T.reshape(-1))


def langevin_problem(settings: Settings, ends: np.ndarray) -> LangevinProblem:
    """The problem of settings between ends (dim, 2 or 4), the second one at its nearest image.
    Raises Faults for what the mathematics forbids."""
    motion = diffusion(settings)
    start, end = ends[:, :1], ends[:, 1:2]
    end = start + minimum_image(end - start, motion.system.cell)
    return LangevinProblem(settings, motion, np.concatenate([start, end, ends[:, 2:]], axis=1))
