"""Energy surface of the bodies that move: held bodies kept in place, lengths and energies in units
of the system's own, and the motions as a whole that are left.

The units are powers of two, so that changing them rounds nothing; searches then have one size of
step for all systems.

Shapes: q (dim, M, T): T images of the M bodies that move.
"""

from __future__ import annotations

from typing import Self

import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.array_types import Energies, Positions
from jaxtyping import Array, Bool, Float

from .neighbor_list import NeighborList
from .potential_energy import PotentialEnergy
from .zero_modes import combined_modes, rigid_body_modes


class EnergySurface(PotentialEnergy):
    """The potential energy of the `free` bodies (M,), the others `held` (dim, F); `places` (N,)
    says where each body stands in free and held bodies together. `length` and `energy_unit` are
    units; `motions` (Z', Z) the combinations of rigid motions that cost nothing, None: all."""

    free: jax.Array
    held: jax.Array
    places: jax.Array
    length: jax.Array
    energy_unit: jax.Array
    motions: jax.Array | None

    @classmethod
    def of(
        cls,
        potential: PotentialEnergy,
        q: Float[np.ndarray, "dim n"],
        frozen: Bool[np.ndarray, " n"],
        length: float = 1.0,
        energy_unit: float = 1.0,
        motions: Float[np.ndarray, "m z"] | None = None,
    ) -> Self:
        """The surface of the bodies of q that are not `frozen`."""
        free, rest = np.flatnonzero(~frozen), np.flatnonzero(frozen)
        places = np.argsort(np.concatenate([free, rest]), kind="stable")
        return cls(
            potential.terms, jnp.asarray(free), jnp.asarray(q[:, rest]), jnp.asarray(places),
            jnp.asarray(length), jnp.asarray(energy_unit),
            None if motions is None else jnp.asarray(motions),
        )  # fmt: skip

    def whole(self, q: Positions) -> Positions:
        """The places of all bodies, in the study's unit."""
        q = self.length * q
        if not self.held.shape[1]:
            return q
        held = jnp.broadcast_to(self.held[..., None], (*self.held.shape, q.shape[2]))
        return jnp.concatenate([q, held.astype(q.dtype)], axis=1)[:, self.places]

    def within(self, q: Float[np.ndarray, "dim n *t"]) -> Float[np.ndarray, "dim m *t"]:
        """The places of the free bodies of q (dim, N, ...), in the surface's unit."""
        return np.asarray(q)[:, np.asarray(self.free)] / float(self.length)

    def _part(self, x: Positions) -> Positions:
        return x[:, self.free] if self.held.shape[1] else x

    def energy(self, q: Positions, neighbors: NeighborList | None = None) -> Energies:
        return PotentialEnergy(self.terms).energy(self.whole(q), neighbors) / self.energy_unit

    def forces(self, q: Positions, neighbors: NeighborList | None = None) -> Positions:
        each = PotentialEnergy(self.terms).forces(self.whole(q), neighbors)
        return self._part(each) * (self.length / self.energy_unit)

    def energy_and_forces(
        self, q: Positions, neighbors: NeighborList | None = None
    ) -> tuple[Energies, Positions]:
        energy, each = PotentialEnergy(self.terms).energy_and_forces(self.whole(q), neighbors)
        return energy / self.energy_unit, self._part(each) * (self.length / self.energy_unit)

    def hessian_product(
        self, q: Positions, v: Positions, neighbors: NeighborList | None = None
    ) -> Positions:
        still = jnp.zeros((*self.held.shape, v.shape[2]), v.dtype)
        moved = jnp.concatenate([v, still], axis=1)[:, self.places] if still.shape[1] else v
        each = PotentialEnergy(self.terms).hessian_product(self.whole(q), moved, neighbors)
        return self._part(each) * (self.length**2 / self.energy_unit)

    def hessian(
        self, q: Float[Array, "dim n"], free: jax.Array | None = None
    ) -> Float[Array, "d d"]:
        bodies = self.free if free is None else self.free[free]
        there = self.whole(q[..., None])[..., 0]
        whole = PotentialEnergy(self.terms).hessian(there, bodies)
        return whole * (self.length**2 / self.energy_unit)

    def zero_modes(self, q: Positions) -> Float[Array, "z dim n t"]:
        if self.motions is None:
            return rigid_body_modes(q)
        return combined_modes(q, self.motions)

    def neighbor_list(self, q: Positions, rows: int = 0) -> NeighborList:
        return super().neighbor_list(self.whole(q), rows)

    def updated_list(self, neighbors: NeighborList, q: Positions) -> NeighborList:
        return super().updated_list(neighbors, self.whole(q))

    def outdated(self, neighbors: NeighborList, q: Positions) -> Bool[Array, ""]:
        return super().outdated(neighbors, self.whole(q))
