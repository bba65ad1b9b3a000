"""Onsager-Machlup action of a path, and the terms beside it, as a nonlinear least squares
problem.

    S = int_0^T sum_i |m_i q_i'' - F_i(q)|^2 dt              (Wang et al., eq. 2 and 5)
    loss = w_action S + w_boundary (|ends - given|^2) + w_energy mean_j (E_j - E0)^2     (eq. 4)
           + sum_k 1/T int_0^T sum_i g_k(q_i, q_i', t)^2 dt                    (a study's own terms)

(Wang et al., J. Chem. Inf. Model. 62, 3346, 2022; F = -dV/dq). The Hessian of the potential is
symmetric, so neither the Jacobian nor its transpose is ever formed.
"""

from __future__ import annotations

from typing import Any, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
from actionrun.compiler.numerics.array_types import ArrayFunction, Energies, Positions
from actionrun.compiler.numerics.linalg import sum_of_squares
from actionrun.compiler.numerics.molecular.neighbor_list import NeighborList
from actionrun.compiler.numerics.molecular.potential_energy import PotentialEnergy
from jaxtyping import Array, Float

from .basis import Kinematics, TabulatedBasis


class Ansatz(Protocol):
    """How parameters x, a pytree, make a path."""

    def motion(self, x: Any) -> Kinematics:
        """The path at the nodes, (dim, N, P)."""
        ...

    def ends(self, x: Any) -> Float[Array, "dim n e"]:
        """Positions and, where they are given, velocities at both ends (dim, N, E)."""
        ...


class FixedEnds(eqx.Module):
    """Linear functions between ends that are held: x (dim, N, K) are coefficients times mass."""

    table: TabulatedBasis
    given: jax.Array
    mass: jax.Array

    def motion(self, x: jax.Array) -> Kinematics:
        return self.table.motion(self.given, x / self.mass)

    def ends(self, x: jax.Array) -> Float[Array, "dim n e"]:
        return self.given


class FreeEnds(eqx.Module):
    """Linear functions between ends that are unknowns too: x = (ends (dim, N, E), as in
    FixedEnds)."""

    table: TabulatedBasis
    mass: jax.Array

    def motion(self, x: tuple[jax.Array, jax.Array]) -> Kinematics:
        return self.table.motion(x[0], x[1] / self.mass)

    def ends(self, x: tuple[jax.Array, jax.Array]) -> Float[Array, "dim n e"]:
        return x[0]


class LossWeights(eqx.Module):
    """Weights of the terms of the loss; `boundary` None: the ends are held, and there is no such
    term."""

    action: jax.Array
    boundary: jax.Array | None
    energy: jax.Array | None


class PenaltyTerms(eqx.Module):
    """Formulas of the components of one body's place, its velocity, the time and the parameters,
    whose squares are added to the loss."""

    formulas: ArrayFunction
    t: jax.Array  # (P,)
    theta: jax.Array

    def __call__(self, q: jax.Array, v: jax.Array) -> jax.Array:
        """(formulas, N, P)"""
        result = self.formulas(*q, *v, self.t, *self.theta)
        return jnp.stack([jnp.broadcast_to(x, q.shape[1:]).astype(q.dtype) for x in result])


class PathLoss(eqx.Module):
    """The loss of a path by the squares of its residuals, a dictionary of arrays.

    `quadrature` (P,) are the weights of the nodes, `given` (dim, N, E) the ends, `level` the energy
    that the path should have, None: its own mean. `neighbors` is the list at some path; where
    another path is too far from it, a list of that path is made for the evaluation.
    """

    potential: PotentialEnergy
    mass: jax.Array
    ansatz: Ansatz
    quadrature: jax.Array
    given: jax.Array
    weights: LossWeights
    neighbors: NeighborList
    level: jax.Array | None = None
    terms: PenaltyTerms | None = None

    def residual(self, x: Any) -> dict[str, jax.Array]:
        path = self.ansatz.motion(x)
        neighbors = self.neighbors_at(path.q)
        return self._residual(x, path, self.potential.forces(path.q, neighbors), neighbors)

    def cost(self, x: Any) -> Float[Array, ""]:
        """The loss."""
        return sum_of_squares(self.residual(x))

    def size(self, x: Any) -> Float[Array, ""]:
        """The norm of what the residual is a difference of: masses times accelerations."""
        path = self.ansatz.motion(x)
        return jnp.linalg.norm(self._half * self.mass * path.a)

    def neighbors_at(self, q: Positions) -> NeighborList:
        """The neighbour list, renewed where q is too far from it."""
        if self.potential.neighborhood is None:
            return self.neighbors
        return jax.lax.cond(
            self.potential.outdated(self.neighbors, q),
            lambda: self.potential.updated_list(self.neighbors, q),
            lambda: self.neighbors,
        )

    def linearised(self, x: Any):
        """The residual at x, its derivative as a function of a change of x, and the transpose."""
        path, change = jax.linearize(self.ansatz.motion, x)
        back = jax.linear_transpose(change, x)
        neighbors = self.neighbors_at(path.q)
        forces = self.potential.forces(path.q, neighbors)
        mass, half, e = self.mass, self._half, self._energy_scale
        own = None
        if (terms := self.terms) is not None:
            own = jax.linearize(lambda q, v: self._own(terms, q, v), path.q, path.v)[1]
        _, ends_change = jax.linearize(self.ansatz.ends, x)
        ends_back = jax.linear_transpose(ends_change, x)

        def hessian(v: jax.Array) -> jax.Array:
            return self.potential.hessian_product(path.q, v, neighbors)

        def push(dx: Any) -> dict[str, jax.Array]:
            d = change(dx)
            out = {"action": half * (mass * d.a + hessian(d.q))}
            if e is not None:
                work = jnp.sum(mass * path.v * d.v - forces * d.q, axis=(0, 1))
                out["energy"] = e * self._centred(work)
            if own is not None:
                out["terms"] = own(d.q, d.v)
            if self.weights.boundary is not None:
                out["boundary"] = jnp.sqrt(self.weights.boundary) * ends_change(dx)
            return out

        def pull(y: dict[str, jax.Array]) -> Any:
            bent = half * y["action"]
            q, v = hessian(bent), jnp.zeros_like(path.v)
            if e is not None:
                level = e * self._centred(y["energy"])
                q, v = q - level * forces, level * mass * path.v
            if own is not None:
                of_q, of_v = jax.linear_transpose(own, path.q, path.v)(y["terms"])
                q, v = q + of_q, v + of_v
            (out,) = back(Kinematics(q, v, mass * bent))
            if self.weights.boundary is not None:
                (more,) = ends_back(jnp.sqrt(self.weights.boundary) * y["boundary"])
                out = jax.tree.map(jnp.add, out, more)
            return out

        return self._residual(x, path, forces, neighbors), push, pull

    def energy(self, path: Kinematics, neighbors: NeighborList) -> Energies:
        """Kinetic and potential energy along a path (P,)."""
        kinetic = jnp.sum(self.mass * path.v**2, axis=(0, 1)) / 2
        return kinetic + self.potential.energy(path.q, neighbors)

    @property
    def _half(self) -> jax.Array:
        return jnp.sqrt(self.weights.action * self.quadrature)

    @property
    def _energy_scale(self) -> jax.Array | None:
        weight = self.weights.energy
        return None if weight is None else jnp.sqrt(weight / len(self.quadrature))

    def _own(self, terms: PenaltyTerms, q: jax.Array, v: jax.Array) -> jax.Array:
        return jnp.sqrt(self.quadrature / jnp.sum(self.quadrature)) * terms(q, v)

    def _centred(self, x: jax.Array) -> jax.Array:
        return x - jnp.mean(x) if self.level is None else x

    def _residual(self, x: Any, path: Kinematics, forces: jax.Array, neighbors: NeighborList):
        # A list that is too short would give wrong forces: no step may be taken on their word.
        forces = jnp.where(neighbors.lost, jnp.nan, forces)
        out = {"action": self._half * (self.mass * path.a - forces)}
        if (e := self._energy_scale) is not None:
            energy = self.energy(path, neighbors)
            out["energy"] = e * self._centred(energy if self.level is None else energy - self.level)
        if self.terms is not None:
            out["terms"] = self._own(self.terms, path.q, path.v)
        if self.weights.boundary is not None:
            out["boundary"] = jnp.sqrt(self.weights.boundary) * (self.ansatz.ends(x) - self.given)
        return out
