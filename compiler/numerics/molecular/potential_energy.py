"""The potential energy of a system of bodies: a sum of interactions.

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
from actionrun.compiler.numerics.array_types import Energies, Positions
from jaxtyping import Array, Bool, Float

from . import neighbor_list as lists
from .interaction import DenseHessian, Interaction, Neighborhood
from .neighbor_list import NeighborList
from .zero_modes import rigid_body_modes

SKIN = 0.12  # of the cut-off; twice what a body may move before its list is renewed
CROWDED = 0.75  # share of others within reach from which a list of all others is as good
ROOM = 1.1  # spare length of rows, for the lists to come


class PotentialEnergy(eqx.Module):
    """The potential energy V(q) of a system. `neighbors` None means all pairs, by no list."""

    terms: tuple[Interaction, ...]

    @property
    def moves_freely(self) -> bool:
        """Whether motions of the whole cost no energy."""
        return all(term.moves_freely for term in self.terms)

    @property
    def neighborhood(self) -> Neighborhood | None:
        """The bodies that act on one: the largest neighborhood of its terms."""
        each = [term.neighborhood for term in self.terms]
        wanted = [one for one in each if one is not None]
        if not wanted:
            return None
        cell = next((one.cell for one in wanted if one.cell is not None), None)
        cutoff = wanted[0].cutoff
        for one in wanted[1:]:
            if cutoff is not None:
                cutoff = None if one.cutoff is None else jnp.maximum(cutoff, one.cutoff)
        return Neighborhood(cutoff, cell)

    def zero_modes(self, q: Positions) -> Float[Array, "z dim n t"]:
        """Orthonormal motions of the whole (Z, dim, N, T) that cost no energy."""
        if not self.moves_freely:
            return jnp.zeros((0, *q.shape), q.dtype)
        near, modes = self.neighborhood, rigid_body_modes(q)
        return modes if near is None or near.cell is None else modes[: len(q)]

    def energy(self, q: Positions, neighbors: NeighborList | None = None) -> Energies:
        """V of each image."""
        return _energy(self, q, neighbors)

    def forces(self, q: Positions, neighbors: NeighborList | None = None) -> Positions:
        """-dV/dq."""
        return _forces(self, q, neighbors)

    def energy_and_forces(
        self, q: Positions, neighbors: NeighborList | None = None
    ) -> tuple[Energies, Positions]:
        """V and -dV/dq in one go; not differentiated."""
        energy, forces = jnp.zeros(q.shape[2:], q.dtype), jnp.zeros_like(q)
        for term in self.terms:
            more, push = term.energy_and_forces(q, neighbors)
            energy, forces = energy + more, forces + push
        return energy, forces

    def hessian_product(
        self, q: Positions, v: Positions, neighbors: NeighborList | None = None
    ) -> Positions:
        """(d2V/dq dq) v, each image with its own v."""
        total = jnp.zeros_like(q)
        for term in self.terms:
            total = total + term.hessian_product(q, v, neighbors)
        return total

    def hessian(
        self, q: Float[Array, "dim n"], free: jax.Array | None = None
    ) -> Float[Array, "d d"]:
        """The Hessian (D, D) of one image q (dim, N), of the bodies `free` (M,), D = dim M."""
        dim, n = q.shape
        free = jnp.arange(n) if free is None else free
        size = dim * len(free)
        units = jnp.eye(size).reshape(dim, len(free), size)
        total = jnp.zeros((dim, len(free), size), q.dtype)
        for term in self.terms:
            if isinstance(term, DenseHessian):
                part = term.hessian(q)[:, free][..., free]
            else:
                v = jnp.zeros((dim, n, size), q.dtype).at[:, free].set(units)
                there = jnp.broadcast_to(q[..., None], v.shape)
                part = term.hessian_product(there, v, None)[:, free]
            total = total + part.reshape(total.shape)
        return total.reshape(size, size)

    def neighbor_list(self, q: Positions, rows: int = 0) -> NeighborList:
        """A neighbour list of all images, its rows as long as they need to be with some room, and
        `rows` long at least.

        Not inside jit: how long the rows are is the shape of a program.
        """
        near, n = self.neighborhood, q.shape[1]
        if near is None or near.cutoff is None or n < 3:
            return lists.all_neighbors(q)
        reach = near.cutoff * (1 + SKIN)
        most = int(_most_neighbors(q, near.cell, reach))
        if max(most, rows) > CROWDED * (n - 1):
            return lists.all_neighbors(q)
        capacity = min(n - 2, max(rows, 4 * int(np.ceil((most * ROOM + 2) / 4))))
        return _neighbors(q, near.cell, reach, near.cutoff * (SKIN / 2), capacity)

    def updated_list(self, neighbors: NeighborList, q: Positions) -> NeighborList:
        """The list at q, its rows as long as before; `lost` where they are too short."""
        near = self.neighborhood
        if near is None or near.cutoff is None or q.shape[1] < 3:
            return neighbors
        rows = neighbors.others.shape[1]
        if rows == q.shape[1] - 1:  # all others: as good wherever they are
            return neighbors
        reach, margin = near.cutoff * (1 + SKIN), near.cutoff * (SKIN / 2)
        fresh = lists.neighbors_within(q, near.cell, reach, margin, rows)
        return fresh._replace(lost=fresh.lost | neighbors.lost)

    def outdated(self, neighbors: NeighborList, q: Positions) -> Bool[Array, ""]:
        """Whether a body of an image has moved more than half the skin since the list."""
        return lists.outdated(neighbors, q)


_most_neighbors = jax.jit(lists.most_neighbors)
_neighbors = jax.jit(lists.neighbors_within, static_argnums=4)


@jax.custom_vjp
def _energy(potential: PotentialEnergy, q: Positions, neighbors: NeighborList | None) -> Energies:
    total = jnp.zeros(q.shape[2:], q.dtype)
    for term in potential.terms:
        total = total + term.energy(q, neighbors)
    return total


@jax.custom_vjp
def _forces(potential: PotentialEnergy, q: Positions, neighbors: NeighborList | None) -> Positions:
    total = jnp.zeros_like(q)
    for term in potential.terms:
        total = total + term.forces(q, neighbors)
    return total


def _energy_backward(saved, weight):
    potential, q, neighbors = saved
    return None, -weight * _forces(potential, q, neighbors), None


def _forces_backward(saved, weight):
    potential, q, neighbors = saved
    return None, -potential.hessian_product(q, weight, neighbors), None


_energy.defvjp(lambda *x: (_energy(*x), x), _energy_backward)
_forces.defvjp(lambda *x: (_forces(*x), x), _forces_backward)
