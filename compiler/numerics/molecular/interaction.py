"""Interactions of bodies: the terms that a potential energy is the sum of.

Shapes: positions q and directions v (dim, N, T): T images of N bodies.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
from actionrun.compiler.numerics.array_types import ArrayFunction, Energies, Positions
from jaxtyping import Array, Float

from .neighbor_list import NeighborList
from .periodic_cell import Cell


class Neighborhood(NamedTuple):
    """Which other bodies act on one: those within `cutoff` (None: all), by the minimum image in
    a periodic `cell` (None: no box)."""

    cutoff: jax.Array | None
    cell: Cell


class Interaction(Protocol):
    """One term of the potential energy.

    `neighbors` is a list for a neighborhood at least as large as the term's own, None: all bodies.
    """

    @property
    def neighborhood(self) -> Neighborhood | None:
        """The bodies that act on one; None where each body is on its own."""
        ...

    @property
    def moves_freely(self) -> bool:
        """Whether moving, turning or mirroring all bodies together leaves the energy as it is."""
        ...

    def energy(self, q: Positions, neighbors: NeighborList | None) -> Energies:
        """The energy of each image."""
        ...

    def forces(self, q: Positions, neighbors: NeighborList | None) -> Positions:
        """Minus the gradient of the energy."""
        ...

    def energy_and_forces(
        self, q: Positions, neighbors: NeighborList | None
    ) -> tuple[Energies, Positions]:
        """Both in one go."""
        ...

    def hessian_product(
        self, q: Positions, v: Positions, neighbors: NeighborList | None
    ) -> Positions:
        """The Hessian of each image times its own v."""
        ...


@runtime_checkable
class DenseHessian(Protocol):
    """An interaction that writes its Hessian down faster than by a product for each column."""

    def hessian(self, q: Float[Array, "dim n"]) -> Float[Array, "dim n dim n"]:
        """The Hessian at q (dim, N)."""
        ...


class OneBodyPotential(eqx.Module):
    """A potential of one body, by the components of its place and the parameters."""

    value: ArrayFunction
    slope: ArrayFunction
    curvature: ArrayFunction  # the upper triangle, row by row
    theta: jax.Array  # (P,)

    neighborhood = None
    moves_freely = False

    def energy(self, q: Positions, neighbors: NeighborList | None = None) -> Energies:
        (value,) = self.value(*q, *self.theta)
        return jnp.sum(jnp.broadcast_to(value, q.shape[1:]), axis=0)

    def forces(self, q: Positions, neighbors: NeighborList | None = None) -> Positions:
        slope = self.slope(*q, *self.theta)
        return -jnp.stack([jnp.broadcast_to(x, q.shape[1:]) for x in slope])

    def energy_and_forces(
        self, q: Positions, neighbors: NeighborList | None = None
    ) -> tuple[Energies, Positions]:
        return self.energy(q), self.forces(q)

    def hessian_product(
        self, q: Positions, v: Positions, neighbors: NeighborList | None = None
    ) -> Positions:
        entries = iter(self.curvature(*q, *self.theta))
        rows = [jnp.zeros(q.shape[1:], q.dtype) for _ in q]
        for a in range(len(q)):
            for b in range(a, len(q)):
                entry = next(entries)
                rows[a] = rows[a] + entry * v[b]
                if a != b:
                    rows[b] = rows[b] + entry * v[a]
        return jnp.stack(rows)
