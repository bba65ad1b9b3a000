"""Langevin dynamics in symbols, and the density of its Onsager-Machlup action as array code.

    m x'' = F(x) - gamma x' + sqrt(2 gamma k_B T) xi              F = -grad V + force without one
    gamma x' = F(x) + sqrt(2 gamma k_B T) xi                      overdamped

The probability of a thin tube around a path of the overdamped motion is exp(-S/(4 D)), D = k_B T /
gamma, times what all tubes of one width share (Onsager and Machlup, Phys. Rev. 91, 1505, 1953; Durr
and Bach, Commun. Math. Phys. 60, 153, 1978), with b = F/gamma and

    S = int |x' - b|^2 + 2 D div b dt

The divergence belongs to the middle-point (Stratonovich) sum over small steps; with the drift at
the begin of each (Ito) its sum has none, for the same process, as the noise does not depend on x.
With inertia the noise acts on the velocity alone, whose drag has a constant divergence, which no
path changes: S = int |m x'' + gamma x' - F|^2 dt, and the probability is exp(-S/(4 gamma k_B T)).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import sympy as sp
from actionrun.compiler.errors import study_error
from actionrun.compiler.numerics.array_types import ArrayFunction
from actionrun.compiler.om.interactions import require_smooth
from actionrun.compiler.om.particle_system import ParticleSystem, particle_system, require_periodic
from actionrun.compiler.om.settings import Settings, ThermalSettings
from actionrun.compiler.symbolic.evaluation import vanishes
from actionrun.compiler.symbolic.lowering import lowered
from actionrun.compiler.symbolic.vocabulary import Vocabulary

FORCE = ("system", "nonconservative")


class ActionDensity(eqx.Module):
    """The integrand of the action. `laws` are force and its divergence of q and parameters."""

    laws: ArrayFunction
    theta: jax.Array
    mass: jax.Array  # (dim,)
    friction: jax.Array
    heat: jax.Array  # k_B T
    inertial: bool = eqx.field(static=True)

    def __call__(self, motion: jax.Array) -> jax.Array:
        """(...) of places, velocities and accelerations (3, dim, ...)."""
        return jnp.sum(self.misfit(motion) ** 2, axis=0) + self.divergence(motion[0])

    def force(self, q: jax.Array) -> jax.Array:
        """F (dim, ...) at q (dim, ...)."""
        *force, _ = self.laws(*q, *self.theta)
        return jnp.stack([jnp.broadcast_to(x, q.shape[1:]).astype(q.dtype) for x in force])

    def misfit(self, motion: jax.Array) -> jax.Array:
        """What the noise has to add (dim, ...): x' - F/gamma, or m x'' + gamma x' - F."""
        q, v, a = motion
        if not self.inertial:
            return v - self.force(q) / self.friction
        mass = self.mass.reshape(-1, *(1,) * (a.ndim - 1))
        return mass * a + self.friction * v - self.force(q)

    def divergence(self, q: jax.Array) -> jax.Array:
        """2 D div b, (...); nought with inertia."""
        if self.inertial:
            return jnp.zeros(q.shape[1:], q.dtype)
        spread = jnp.broadcast_to(self.laws(*q, *self.theta)[-1], q.shape[1:])
        return 2 * self.heat / self.friction**2 * spread


class DriftField(eqx.Module):
    """b = F/gamma."""

    density: ActionDensity

    def __call__(self, q: jax.Array) -> jax.Array:
        """(dim, ...) at q (dim, ...)."""
        return self.density.force(q) / self.density.friction


@dataclass(frozen=True)
class Diffusion:
    """Langevin dynamics of a few coordinates: its potential, the force beside it, and numbers."""

    system: ParticleSystem
    thermal: ThermalSettings
    theta: dict[sp.Symbol, float]
    potential: sp.Expr
    beside: tuple[sp.Expr, ...]  # of the force that has no potential, a component each

    @property
    def words(self) -> Vocabulary:
        return self.system.words

    @property
    def gradient(self) -> bool:
        """Whether all of the force has a potential."""
        return not any(self.beside)

    @property
    def inertial(self) -> bool:
        return self.thermal.dynamics == "langevin"

    @property
    def spread(self) -> float:
        """What the action is divided by in the exponent of a path's probability."""
        friction, heat = self.thermal.friction, self.thermal.heat
        return 4 * friction * heat if self.inertial else 4 * heat / friction

    @cached_property
    def force(self) -> tuple[sp.Expr, ...]:
        """F in symbols, a component each."""
        pairs = zip(self.words.q, self.beside, strict=True)
        return tuple(sp.factor_terms(-sp.diff(self.potential, q)) + more for q, more in pairs)

    @cached_property
    def divergence(self) -> sp.Expr:
        """div F."""
        return sp.Add(*(sp.diff(f, q) for f, q in zip(self.force, self.words.q, strict=True)))

    @cached_property
    def density(self) -> ActionDensity:
        thermal = self.thermal
        laws = lowered([*self.force, self.divergence], [*self.words.q, *self.theta])
        theta, mass = (jnp.asarray(x) for x in ([*self.theta.values()], self.system.mass[:, 0, 0]))
        friction, heat = jnp.asarray(thermal.friction), jnp.asarray(thermal.heat)
        return ActionDensity(laws, theta, mass, friction, heat, self.inertial)

    @property
    def drift(self) -> DriftField:
        return DriftField(self.density)

    def energy(self, q: np.ndarray) -> np.ndarray:
        """V (points,) at q (dim, points), in base units."""
        return np.asarray(self.system.potential.energy(jnp.asarray(q)[:, None]))

    def drift_slopes(self, q: np.ndarray) -> np.ndarray:
        """The derivatives (dim, dim) of b = F/gamma at q (dim,)."""
        return np.asarray(jax.jacfwd(self.density.force)(jnp.asarray(q))) / self.thermal.friction


def diffusion(settings: Settings) -> Diffusion:
    """The Langevin dynamics of settings. Raises Faults for what the mathematics forbids."""
    thermal, moving = settings.thermal, settings.moving
    assert thermal is not None
    system = particle_system(moving)
    theta = {name: float(x) for name, x in moving.theta.items()}
    potential = system.terms[0].formula
    result = Diffusion(system, thermal, theta, potential, _beside(settings, system.words))
    where = moving.system.nonconservative
    if where is not None:
        require_smooth(system.words, where, [*result.force, result.divergence])
        require_periodic(moving.periods, system.words, result.beside, theta, "the force")
    elif not result.inertial:
        slopes = [sp.diff(result.divergence, q) for q in result.words.q]
        place = moving.system.potential or moving.system.lagrangian
        require_smooth(system.words, place, slopes)
    return result


def _beside(settings: Settings, words: Vocabulary) -> tuple[sp.Expr, ...]:
    """The force that Galley's K is, of places alone. Raises Faults."""
    where = settings.moving.system.nonconservative
    if where is None:
        return (sp.Integer(0),) * len(words.q)
    coupling = words.scalar(where)
    moving = {*words.v, *words.minus_v} & coupling.free_symbols
    if moving:
        raise study_error(
            words, where, "path.force", "the force beside the potential depends on velocities",
            "leave the drag out: friction in [path] is the drag, and makes the noise",
        )  # fmt: skip
    if words.t in coupling.free_symbols:
        raise study_error(words, where, "time", "a path between two states has a force without t",
                          "leave the time out")  # fmt: skip
    flip = {m: -m for m in words.minus}
    if not vanishes(coupling + coupling.xreplace(flip)):
        raise study_error(
            words, where, "k-not-odd", "K must be odd in the minus variables",
            "a force f on q is f*q_minus, with q_plus in f",
        )  # fmt: skip
    still = dict.fromkeys(words.minus, sp.Integer(0))
    return tuple(sp.diff(coupling, m).xreplace(still) for m in words.minus)
