"""Molecular dynamics by velocity Verlet in one compiled loop (Swope et al., J. Chem. Phys. 76, 637,
1982): for the two ends of a path, and for what lies between them to score it.

A thermostat, where it is on, turns the velocities after each step by an exact Ornstein-Uhlenbeck
step (Langevin dynamics, Bussi & Parrinello, Phys. Rev. E 75, 056707, 2007, eq. 13). Its random
numbers come from the key and the step's number alone.

Shapes: q, v (dim, N, 1), unwrapped coordinates; mass broadcasts against them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.array_types import Energies, Positions
from jaxtyping import Array, Float

from .neighbor_list import NeighborList
from .potential_energy import PotentialEnergy

CHUNK = 2000  # steps between looks at the state
MELT_TEMPERATURE = 3.0  # temperature of the melt over that of the liquid
MELT_SHARE, THERMOSTAT_SHARE = 0.25, 0.5  # of an equilibration; what is left runs without
ENERGY_CHANGE = 0.1  # change of the energy over the kinetic energy that no motion may have
RELAXATIONS = 20  # of the thermostat in an equilibration


class MDState(NamedTuple):
    """A state on its way: places, velocities, forces, the neighbour list, the step's number."""

    q: jax.Array
    v: jax.Array
    f: jax.Array
    neighbors: NeighborList
    step: jax.Array  # () int64


class LangevinThermostat(NamedTuple):
    """A Langevin thermostat: k_B T as `heat`, friction (1/time), key of its random numbers."""

    heat: jax.Array
    friction: jax.Array
    key: jax.Array


class MDIntegrator(eqx.Module):
    """Velocity Verlet of bodies under a potential energy."""

    potential: PotentialEnergy
    mass: jax.Array

    def start(self, q: Positions, v: Positions) -> MDState:
        """The motion at step 0. Not inside jit."""
        neighbors = self.potential.neighbor_list(q)
        return MDState(q, v, _forces(self.potential, q, neighbors), neighbors, jnp.asarray(0))

    def step(self, x: MDState, dt: Float[Array, ""]) -> MDState:
        """One step: kick, drift, kick."""
        half = x.v + (0.5 * dt / self.mass) * x.f
        q = x.q + dt * half
        neighbors = jax.lax.cond(
            self.potential.outdated(x.neighbors, q),
            lambda: self.potential.updated_list(x.neighbors, q),
            lambda: x.neighbors,
        )
        f = self.potential.forces(q, neighbors)
        return MDState(q, half + (0.5 * dt / self.mass) * f, f, neighbors, x.step + 1)

    def energies(self, x: MDState) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """Kinetic and potential energy."""
        kinetic = 0.5 * jnp.sum(self.mass * x.v**2)
        return kinetic, self.potential.energy(x.q, x.neighbors)[0]


class MDTrajectory(NamedTuple):
    """Samples of a motion at K times: q, v (dim, N, K), kinetic and potential energy (K,)."""

    times: np.ndarray
    q: np.ndarray
    v: np.ndarray
    kinetic: np.ndarray
    potential: np.ndarray


def lattice(n: int, dim: int, edge: float, seed: int) -> Float[np.ndarray, "dim n 1"]:
    """n places (dim, n, 1) on a lattice that fills a cubic box of that edge: face-centred cubic in
    three dimensions, square in two.

    Which body stands where is drawn, so species are mixed, and so are the sites that stay empty.
    """
    basis = np.zeros((1, dim))
    if dim == 3:
        basis = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2
    cells = int(np.ceil((n / len(basis)) ** (1 / dim) - 1e-9))
    grid = np.stack(np.meshgrid(*[np.arange(cells)] * dim, indexing="ij"), axis=-1)
    sites = (grid.reshape(-1, 1, dim) + basis).reshape(-1, dim) * (edge / cells)
    kept = np.random.default_rng(seed).permutation(len(sites))[:n]
    return sites[kept].T[:, :, None].copy()


def thermal_velocities(
    mass: jax.Array, kT: float, shape: tuple[int, ...], key: jax.Array
) -> Positions:
    """Velocities of Maxwell's distribution, without total momentum and of kinetic energy
    (dim/2)(N - 1) kT exactly."""
    v = jax.random.normal(key, shape) / jnp.sqrt(mass)
    return rescaled_velocities(v, mass, kT)


def temperature(v: Positions, mass: jax.Array) -> Energies:
    """k_B T of velocities (dim, N, K) without total momentum: (K,)."""
    free = v.shape[0] * max(v.shape[1] - 1, 1)
    return jnp.sum(mass * v * v, axis=(0, 1)) / free


def rescaled_velocities(v: Positions, mass: jax.Array, kT) -> Positions:
    """Velocities without total momentum, scaled to that k_B T."""
    heavy = jnp.broadcast_to(mass, (1, *v.shape[1:]))
    v = v - jnp.sum(heavy * v, axis=1, keepdims=True) / jnp.sum(heavy, axis=1, keepdims=True)
    return v * jnp.sqrt(kT / jnp.maximum(temperature(v, mass), jnp.finfo(v.dtype).tiny))


@dataclass(frozen=True)
class Equilibration:
    """The schedule by which a lattice becomes a fluid in thermal motion.

    Of its `steps` of `dt` a quarter is spent at 3 times the `thermal_energy` k_B T, half at it with
    the thermostat, a quarter without. There is no total momentum.
    """

    verlet: MDIntegrator
    thermal_energy: float
    dt: float
    steps: int
    key: jax.Array

    @property
    def rest(self) -> int:
        """The step from which on there is no thermostat."""
        return sum(self._heated)

    @property
    def _heated(self) -> tuple[int, int]:
        melt, cool = (round(share * self.steps) for share in (MELT_SHARE, THERMOSTAT_SHARE))
        return melt, cool

    def start(self, q: Positions) -> MDState:
        """The lattice q (dim, N, 1) with thermal velocities."""
        key = jax.random.fold_in(self.key, 0)
        v = thermal_velocities(self.verlet.mass, self.thermal_energy, q.shape, key)
        return self.verlet.start(jnp.asarray(q), v)

    def advanced(self, x: MDState, at: int, stop: int) -> MDState:
        """From step `at` to step `stop`. Raises FloatingPointError where the numbers run away."""
        friction = jnp.asarray(RELAXATIONS / max(self.steps * self.dt, self.dt))
        edges = (self._heated[0], self.rest, self.steps)
        for border, heat in zip(edges, (MELT_TEMPERATURE, 1.0, None), strict=True):
            count = min(stop, border) - at
            if count <= 0:
                continue
            bath = None
            if heat is not None:
                key = jax.random.fold_in(self.key, 1)
                bath = LangevinThermostat(jnp.asarray(heat * self.thermal_energy), friction, key)
            x = propagated(self.verlet, x, count, self.dt, bath)
            at += count
            if at == self.rest:  # the thermostat leaves: the temperature is what was asked for
                x = x._replace(v=rescaled_velocities(x.v, self.verlet.mass, self.thermal_energy))
        return x


def propagated(
    verlet: MDIntegrator, x: MDState, steps: int, dt: float, bath: LangevinThermostat | None = None
) -> MDState:
    """The motion `steps` steps later. Raises FloatingPointError where the numbers run away."""
    done = 0
    while done < steps:
        count = min(CHUNK, steps - done)
        x = _held(verlet, x, lambda x, n=count: _march(verlet, x, jnp.asarray(n), dt, bath))
        done += count
    return x


def sampled_trajectory(
    verlet: MDIntegrator, x: MDState, duration: float, dt: float, samples: int
) -> MDTrajectory:
    """`samples` + 1 states at even times of [0, duration], by steps of at most dt.

    Raises FloatingPointError where the numbers run away, or the energy is not kept.
    """
    stride = max(1, int(np.ceil(duration / samples / dt * (1 - 1e-12))))
    h = jnp.asarray(duration / samples / stride)
    rows = [_row(verlet, x)]
    for _ in range(samples):
        x = _held(verlet, x, lambda x: _march(verlet, x, jnp.asarray(stride), h, None))
        rows.append(_row(verlet, x))
    q, v, kinetic, potential = (np.stack(part, axis=-1) for part in zip(*rows, strict=True))
    change = np.max(np.abs(kinetic + potential - kinetic[0] - potential[0]))
    if not change <= ENERGY_CHANGE * kinetic[0]:
        raise FloatingPointError(
            f"the energy of the molecular dynamics run changes by {change / kinetic[0]:.2g} of "
            "its kinetic energy: take a smaller time step"
        )
    return MDTrajectory(np.linspace(0, duration, samples + 1), q, v, kinetic, potential)


def _held(verlet: MDIntegrator, x: MDState, march: Callable[[MDState], MDState]) -> MDState:
    """march(x), once more with longer rows where the neighbour list was too short."""
    result = march(x)
    while bool(result.neighbors.lost):
        rows = x.neighbors.others.shape[1] + max(4, x.neighbors.others.shape[1] // 8)
        x = x._replace(neighbors=verlet.potential.neighbor_list(x.q, rows))
        result = march(x)
    if not bool(jnp.all(jnp.isfinite(result.q)) & jnp.all(jnp.isfinite(result.v))):
        raise FloatingPointError("the numbers of the molecular dynamics run have run away")
    return result


def _row(verlet: MDIntegrator, x: MDState) -> tuple[np.ndarray, ...]:
    kinetic, potential = _energies(verlet, x)
    return tuple(map(np.asarray, (x.q[..., 0], x.v[..., 0], kinetic, potential)))


@eqx.filter_jit
def _march(
    verlet: MDIntegrator, x: MDState, count: jax.Array, dt, bath: LangevinThermostat | None
) -> MDState:
    dt = jnp.asarray(dt)

    def body(_, x):
        x = verlet.step(x, dt)
        return x if bath is None else x._replace(v=_bathed(verlet, x, dt, bath))

    return jax.lax.fori_loop(0, count, body, x)


def _bathed(verlet: MDIntegrator, x: MDState, dt, bath: LangevinThermostat) -> jax.Array:
    kept = jnp.exp(-bath.friction * dt)
    noise = jax.random.normal(jax.random.fold_in(bath.key, x.step), x.v.shape, x.v.dtype)
    return kept * x.v + jnp.sqrt((1 - kept**2) * bath.heat / verlet.mass) * noise


_forces = eqx.filter_jit(lambda potential, q, neighbors: potential.forces(q, neighbors))
_energies = eqx.filter_jit(lambda verlet, x: verlet.energies(x))
