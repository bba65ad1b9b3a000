"""The potential energy of a system of bodies: pairs, and a potential of each body.

A system of a few coordinates is one body in a space of as many dimensions, so both speak alike.
Reverse differentiation is told what it needs: the energy's gradient is minus the force, and the
transpose of the force's Jacobian is its (symmetric) Hessian again.

Shapes: q, v (dim, N, T): T images of N bodies.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.array_types import ArrayFunction

from . import neighbor_list as lists
from .neighbor_list import NeighborList
from .pair_potential import PairPotential

SKIN = 0.12  # of the cut-off; twice what a body may move before its list is renewed
CROWDED = 0.75  # share of others within reach from which a list of all others is as good
ROOM = 1.1  # spare length of rows, for the lists to come


class OneBodyPotential(eqx.Module):
    """A potential of one body, by the components of its place and the parameters."""

    value: ArrayFunction
    slope: ArrayFunction
    curvature: ArrayFunction  # the upper triangle, row by row
    theta: jax.Array  # (P,)

    def energy(self, q: jax.Array) -> jax.Array:
        """(T,)"""
        (found,) = self.value(*q, *self.theta)
        return jnp.sum(jnp.broadcast_to(found, q.shape[1:]), axis=0)

    def forces(self, q: jax.Array) -> jax.Array:
        """(dim, N, T)"""
        slope = self.slope(*q, *self.theta)
        return -jnp.stack([jnp.broadcast_to(x, q.shape[1:]) for x in slope])

    def hessian_product(self, q: jax.Array, v: jax.Array) -> jax.Array:
        """(dim, N, T)"""
        entries = iter(self.curvature(*q, *self.theta))
        rows = [jnp.zeros(q.shape[1:], q.dtype) for _ in q]
        for a in range(len(q)):
            for b in range(a, len(q)):
                entry = next(entries)
                rows[a] = rows[a] + entry * v[b]
                if a != b:
                    rows[b] = rows[b] + entry * v[a]
        return jnp.stack(rows)


class PotentialEnergy(eqx.Module):
    """The potential energy V(q) of a system. `near` None means all pairs, by no list."""

    pairs: PairPotential | None
    external: OneBodyPotential | None

    def energy(self, q: jax.Array, neighbors: NeighborList | None = None) -> jax.Array:
        """V (T,) of each image."""
        return _energy(self, q, neighbors)

    def forces(self, q: jax.Array, neighbors: NeighborList | None = None) -> jax.Array:
        """-dV/dq (dim, N, T)."""
        return _forces(self, q, neighbors)

    def energy_and_forces(
        self, q: jax.Array, neighbors: NeighborList | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """V (T,) and -dV/dq (dim, N, T) in one go; not differentiated."""
        energy, forces = jnp.zeros(q.shape[2:], q.dtype), jnp.zeros_like(q)
        if self.pairs is not None:
            energy, forces = self.pairs.energy_and_forces(q, neighbors)
        if self.external is not None:
            energy, forces = energy + self.external.energy(q), forces + self.external.forces(q)
        return energy, forces

    def hessian_product(
        self, q: jax.Array, v: jax.Array, neighbors: NeighborList | None = None
    ) -> jax.Array:
        """(d2V/dq dq) v (dim, N, T), each image with its own v."""
        total = jnp.zeros_like(q)
        if self.pairs is not None:
            total = total + self.pairs.hessian_product(q, v, neighbors)
        if self.external is not None:
            total = total + self.external.hessian_product(q, v)
        return total

    def neighbor_list(self, q: jax.Array, rows: int = 0) -> NeighborList:
        """A neighbour list of all images, its rows as long as they need to be with some room, and
        `rows` long at least.

        Not inside jit: how long the rows are is the shape of a program.
        """
        pairs, n = self.pairs, q.shape[1]
        if pairs is None or pairs.cutoff is None or n < 3:
            return lists.all_neighbors(q)
        edge, reach = pairs.edge, pairs.cutoff * (1 + SKIN)
        most = int(_crowding(q, edge, reach))
        if max(most, rows) > CROWDED * (n - 1):
            return lists.all_neighbors(q)
        capacity = min(n - 2, max(rows, 4 * int(np.ceil((most * ROOM + 2) / 4))))
        return _neighbours(q, edge, reach, pairs.cutoff * (SKIN / 2), capacity)

    def updated_list(self, neighbors: NeighborList, q: jax.Array) -> NeighborList:
        """The list at q, its rows as long as before; `lost` where they are too short."""
        if self.pairs is None or self.pairs.cutoff is None or q.shape[1] < 3:
            return neighbors
        if neighbors.others.shape[1] == q.shape[1] - 1:  # all others: as good wherever they are
            return neighbors
        reach = self.pairs.cutoff * (1 + SKIN)
        margin, rows = self.pairs.cutoff * (SKIN / 2), neighbors.others.shape[1]
        found = lists.neighbors_within(q, self.pairs.edge, reach, margin, rows)
        return found._replace(lost=found.lost | neighbors.lost)

    def outdated(self, neighbors: NeighborList, q: jax.Array) -> jax.Array:
        """Whether a body of an image has moved more than half the skin since the list."""
        return lists.outdated(neighbors, q)


_crowding = jax.jit(lists.most_neighbors)
_neighbours = jax.jit(lists.neighbors_within, static_argnums=4)


@jax.custom_vjp
def _energy(potential: PotentialEnergy, q: jax.Array, neighbors: NeighborList | None) -> jax.Array:
    total = jnp.zeros(q.shape[2:], q.dtype)
    if potential.pairs is not None:
        total = total + potential.pairs.energy(q, neighbors)
    if potential.external is not None:
        total = total + potential.external.energy(q)
    return total


@jax.custom_vjp
def _forces(potential: PotentialEnergy, q: jax.Array, neighbors: NeighborList | None) -> jax.Array:
    total = jnp.zeros_like(q)
    if potential.pairs is not None:
        total = total + potential.pairs.forces(q, neighbors)
    if potential.external is not None:
        total = total + potential.external.forces(q)
    return total


def _energy_backward(saved, weight):
    potential, q, neighbors = saved
    return None, -weight * _forces(potential, q, neighbors), None


def _forces_backward(saved, weight):
    potential, q, neighbors = saved
    return None, -potential.hessian_product(q, weight, neighbors), None


_energy.defvjp(lambda *x: (_energy(*x), x), _energy_backward)
_forces.defvjp(lambda *x: (_forces(*x), x), _forces_backward)
