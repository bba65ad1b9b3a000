"""Boundary value problem of a path: its bodies, basis, quadrature nodes and loss."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import sympy as sp
from actionrun.compiler.errors import study_error
from actionrun.compiler.numerics.molecular.neighbor_list import NeighborList
from actionrun.compiler.numerics.molecular.potential_energy import PotentialEnergy
from actionrun.compiler.numerics.paths.action import (
    Ansatz,
    FixedEnds,
    FreeEnds,
    LossWeights,
    PathLoss,
    PenaltyTerms,
)
from actionrun.compiler.numerics.paths.basis import PathBasis, tabulated
from actionrun.compiler.numerics.paths.minimizers import OPTIMIZERS, Method, Minimizer
from actionrun.compiler.numerics.paths.network_path import NetworkPath
from actionrun.compiler.symbolic.lowering import lowered
from actionrun.spec.kinds.om import PathNetwork

from .particle_system import ParticleSystem, particle_system
from .settings import Settings

# A path between structures far apart, which overlap on the way, creeps long before it settles:
LEAST, WORK = 16, 60_000  # its most iterations are WORK over bodies times points, or LEAST
MANY = 40  # bodies beyond which their pairs are what costs


@dataclass(frozen=True)
class PathProblem:
    """The boundary value problem of a path. `basis` gives nodes and lift even where a network
    is the path; arrays are (dim, N, ...)."""

    settings: Settings
    system: ParticleSystem
    basis: PathBasis
    velocities: bool

    @property
    def name(self) -> str:
        """legendre, sine, features or network."""
        given = self.settings.path.basis
        return given or ("network" if self.settings.network is not None else "legendre")

    @property
    def network(self) -> PathNetwork | None:
        """The network that is the path; None where the path is linear in its parameters."""
        return self.settings.network if self.name == "network" else None

    @property
    def by_network(self) -> bool:
        """Whether the path is a network of time."""
        return self.network is not None

    @property
    def method(self) -> Method:
        return OPTIMIZERS[self.settings.training.optimizer]

    @cached_property
    def minimizer(self) -> Minimizer:
        return self.method.make(self.settings.training.learning_rate)

    @property
    def exact(self) -> bool:
        """Whether the ends are held by construction."""
        return self.settings.loss.boundary == "exact"

    @property
    def several(self) -> bool:
        """Whether further starts are tried, since the path is not unique."""
        return self.method.newton and not self.by_network and not self.velocities

    @property
    def pretrained(self) -> bool:
        """Whether a network first learns two ballistic halves, as in the paper's recipe."""
        recipe = self.by_network and not self.exact and self.velocities
        return recipe and not self.method.newton

    @property
    def marched(self) -> bool:
        """Whether the start is a march from both ends."""
        return self.velocities and not self.by_network and self.method.newton

    @property
    def dtype(self) -> Any:
        """float32 for a network that follows its slope, else float64."""
        return jnp.float32 if self.by_network and self.method.first_order else jnp.float64

    @property
    def duration(self) -> float:
        return self.basis.duration

    @property
    def mass(self) -> jax.Array:
        return jnp.asarray(self.system.mass)

    def ansatz(self, given: jax.Array) -> Ansatz:
        """The path as a function of parameters, between the ends `given` (dim, N, E)."""
        nodes = self.basis.nodes
        if self.network is not None:
            return self._network_path(self.network, given, nodes)
        there = tabulated(self.basis, nodes)
        return FixedEnds(there, given, self.mass) if self.exact else FreeEnds(there, self.mass)

    def _network_path(self, network: PathNetwork, given: jax.Array, t: np.ndarray) -> NetworkPath:
        """The network as a path at times t."""
        lift = envelope = None
        if self.exact:
            lift = jnp.einsum("kte,dne->kdnt", jnp.asarray(self.basis.lift(t)), given)
            envelope = jnp.asarray(self.basis.envelope(t, 1 + self.velocities))
        duration = jnp.asarray(self.duration)
        T = jnp.asarray(t / self.duration)
        result = NetworkPath(T, duration, lift, envelope, given, network.activation)
        return cast(result, self.dtype)

    def path(self, x: Any, given: jax.Array, t: np.ndarray):
        """The path of parameters x at any times t."""
        if self.network is not None:
            return self._network_path(self.network, given, t).motion(x)
        ends, c = (given, x) if self.exact else x
        return tabulated(self.basis, t).motion(ends, c / self.mass)

    def loss(self, given: jax.Array, neighbors: NeighborList) -> PathLoss:
        """The loss between the ends `given`; `neighbors` is the list at some path."""
        terms = self.settings.loss
        boundary = None if terms.boundary == "exact" else jnp.asarray(float(terms.boundary))
        energy = jnp.asarray(terms.energy) if terms.energy else None
        weights = LossWeights(jnp.asarray(terms.action), boundary, energy)
        potential, level = self.system.potential, None
        if self.velocities:
            q, v = given[..., :1], given[..., 2:3]
            level = _energy(potential, self.mass, potential.neighbor_list(q), q, v)
        quadrature = jnp.asarray(self.basis.weights)
        ansatz = self.ansatz(given)
        loss = PathLoss(potential, self.mass, ansatz, quadrature, given, weights, neighbors, level,
                    self.terms(self.basis.nodes))  # fmt: skip
        return cast(loss, self.dtype)

    @property
    def own_terms(self) -> tuple[tuple[str, sp.Expr], ...]:
        """The terms that the study adds to the loss, by their names."""
        words, terms = self.system.words, []
        for name, expression in self.settings.loss.terms.items():
            value = words.scalar(expression)
            if value.has(sp.zoo, sp.nan, sp.oo, sp.I):
                raise study_error(words, expression, "not-finite",
                              "this term is not a finite real number")  # fmt: skip
            terms.append((name, value))
        return tuple(terms)

    def terms(self, t: np.ndarray) -> PenaltyTerms | None:
        """They as functions of a path at times t."""
        settings, words = self.settings, self.system.words
        if not settings.loss.terms:
            return None
        bodies = settings.many
        q = [words.constants[x] for x in self.system.names] if bodies else words.q
        v = [sp.Dummy() for _ in q] if bodies else words.v
        theta = {n: x for n, x in settings.moving.theta.items() if isinstance(x, float)}
        formulas = lowered([x for _, x in self.own_terms], [*q, *v, words.t, *theta])
        numbers = jnp.asarray([*theta.values()])
        return PenaltyTerms(formulas, jnp.asarray(t), numbers)


@eqx.filter_jit
def _energy(
    potential: PotentialEnergy, mass: jax.Array, neighbors: NeighborList, q: jax.Array, v: jax.Array
):
    return potential.energy(q, neighbors)[0] + jnp.sum(mass * v**2) / 2


def cast(tree: Any, dtype: Any) -> Any:
    """The tree with its real arrays in another precision."""
    return jax.tree.map(lambda x: x.astype(dtype) if eqx.is_inexact_array(x) else x, tree)


def path_problem(settings: Settings) -> PathProblem:
    """The problem of settings. Raises Faults for what the mathematics forbids."""
    velocities = "velocities" in settings.given
    name = settings.path.basis or "legendre"
    kind = "legendre" if name == "network" else name
    basis = PathBasis(kind, settings.duration, settings.path.points, velocities, settings.seed)
    result = PathProblem(settings, particle_system(settings.moving), basis, velocities)
    result.terms(basis.nodes)  # what is wrong with them is told before anything runs
    return result


def most_iterations(problem: PathProblem) -> int:
    """Of the minimisation: the study's epochs, fewer where it is one of a cluster."""
    settings, epochs = problem.settings, problem.settings.training.epochs
    if problem.method.first_order or not settings.transforms:
        return epochs
    n = problem.system.shape[1]
    return min(epochs, max(LEAST, int(WORK / (n * settings.path.points * max(1, n / MANY)))))
