"""Particle system of an om study as arrays: its potential energy, masses, box.

Many bodies interact (`interactions`). A few coordinates with `mass` and `potential` (or a
Lagrangian T - V) are one body in a space of as many dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
import sympy as sp
from actionrun.compiler.errors import study_error
from actionrun.compiler.numerics.molecular.energy_surface import EnergySurface
from actionrun.compiler.numerics.molecular.periodic_cell import Cell, PeriodicCell, periodic_cell
from actionrun.compiler.numerics.molecular.potential_energy import PotentialEnergy
from actionrun.compiler.symbolic.evaluation import is_zero
from actionrun.compiler.symbolic.lowering import lowered
from actionrun.compiler.symbolic.vocabulary import Vocabulary, symbol
from actionrun.spec import Expression
from actionrun.spec.validation.om_rules import BoxVectors

from .interactions import (
    INTERACTIONS,
    EnergyTerm,
    Surroundings,
    energy_terms,
    require_vanishing,
)
from .settings import SystemSettings

AXES = ("x", "y", "z")


@dataclass(frozen=True)
class ParticleSystem:
    """N bodies in a space of `dim` dimensions, in the study's base units.

    `mass` broadcasts against (dim, N, T). `terms` are those of the potential energy as formulas (of
    coordinates: one); `names` are the components as a user writes them; `cell` and `box` the
    periodic box, `edge` that of a cube. Bodies that are `frozen` (of all, `places` (dim, all) at
    the start) are none of the N: they are a part of the potential.
    """

    shape: tuple[int, int]
    names: tuple[str, ...]
    words: Vocabulary
    mass: np.ndarray
    potential: PotentialEnergy
    terms: tuple[EnergyTerm, ...]
    cutoff: float | None
    switch: float | None
    edge: float | None
    boltzmann: float
    species: tuple[str, ...] | None = None
    cell: Cell = None
    box: BoxVectors | None = None
    places: np.ndarray | None = None
    frozen: np.ndarray | None = None
    whole_mass: np.ndarray | None = None

    def held(self, frozen: np.ndarray, places: np.ndarray) -> ParticleSystem:
        """The system of the bodies that are not `frozen` (N,), the others at `places` (dim, N)."""
        surface = EnergySurface.of(self.potential, places, frozen)
        mass = np.broadcast_to(self.mass, (1, len(frozen), 1))[:, ~frozen]
        shape = (self.shape[0], int(np.sum(~frozen)))
        return replace(
            self, shape=shape, mass=mass, potential=surface, places=places, frozen=frozen,
            whole_mass=np.broadcast_to(self.mass, (1, len(frozen), 1))[0, :, 0],
        )  # fmt: skip

    def whole(self, q: np.ndarray) -> np.ndarray:
        """The places (dim, all, ...) of all bodies, those (dim, N, ...) that move at q."""
        return self._joined(q, self.places)

    def whole_rates(self, v: np.ndarray) -> np.ndarray:
        """The velocities of all bodies, likewise."""
        return self._joined(v, None if self.places is None else np.zeros_like(self.places))

    def _joined(self, q: np.ndarray, rest: np.ndarray | None) -> np.ndarray:
        if rest is None or self.frozen is None:
            return q
        result = np.repeat(rest[:, :, None], int(np.prod(q.shape[2:])), axis=2)
        result = result.reshape(*rest.shape, *q.shape[2:])
        result[:, ~self.frozen] = q
        return result


def particle_system(settings: SystemSettings) -> ParticleSystem:
    """The particle system of settings.

    Raises Faults that point at the expression at fault.
    """
    if settings.system.particles is None:
        return _coordinates(settings)
    return _particles(settings)


def _particles(settings: SystemSettings) -> ParticleSystem:
    system, theta, box = settings.system, settings.theta, settings.box
    n, dimension = system.particles or 0, system.dimension or 3
    axes = AXES[:dimension]
    plain, species, cutoff = settings.words, settings.species, settings.cutoff
    places = {name: symbol(name) for name in ("r", *axes) if name not in plain.constants}
    words = replace(plain, constants=plain.constants | places)
    cell = None if box is None else periodic_cell(np.array(box.cell), box.periodic, cutoff)
    kinds = [*(system.species or {})]
    around = Surroundings(
        words, tuple(symbol(x) for x in axes), theta,
        tuple(map(kinds.index, species)) if kinds and species else None, cutoff, settings.switch,
        cell,
    )  # fmt: skip
    terms = tuple(energy_terms(system, words, axes, theta))
    if cutoff is not None and settings.switch is None:
        require_vanishing(terms, around, dimension)
    return ParticleSystem(
        (dimension, n), axes, words, _mass(settings, n),
        PotentialEnergy(tuple(term.lower(around) for term in terms)), terms, cutoff,
        settings.switch,
        settings.edge if box and all(box.periodic) else None, settings.boltzmann, species, cell,
        box,
    )  # fmt: skip


def _mass(settings: SystemSettings, n: int) -> np.ndarray:
    mass, species = settings.mass, settings.species
    if isinstance(mass, Mapping):
        return np.array([mass[name] for name in species or ()])[None, :, None]
    return np.full((1, n, 1), 1.0 if mass is None else mass)


def _coordinates(settings: SystemSettings) -> ParticleSystem:
    system, words = settings.system, settings.words
    theta = {name: float(x) for name, x in settings.theta.items()}
    where = system.potential or system.lagrangian
    if system.potential is not None:
        potential, mass = words.scalar(system.potential), _masses(settings)
    else:
        potential, mass = _split(system.lagrangian, words, theta)
    if potential.has(words.t):
        message = "a path between two states has a potential without t"
        raise study_error(words, where, "time", message, "leave the time out")
    term = EnergyTerm(INTERACTIONS["external"], potential, where)
    external = term.lower(Surroundings(words, tuple(words.q), theta))
    return ParticleSystem(
        (len(words.q), 1), words.names, words, mass[:, None, None], PotentialEnergy((external,)),
        (term,), None, None, None, settings.boltzmann,
        cell=_periods(settings.periods, words, potential, theta),
    )  # fmt: skip


def _periods(
    periods: Mapping[str, float], words: Vocabulary, potential: sp.Expr,
    theta: dict[sp.Symbol, float],
) -> PeriodicCell | None:  # fmt: skip
    """The periods of coordinates as a cell. Raises Faults where the potential has others."""
    rows = [
        value * np.eye(len(words.q))[k]
        for name, value in periods.items()
        for k in range(len(words.q))[words.slices[name]]
    ]
    require_periodic(periods, words, [potential], theta, "the potential")
    if not rows:
        return None
    vectors = np.array(rows)
    duals = vectors / np.sum(vectors**2, axis=1, keepdims=True)
    return PeriodicCell(*map(jnp.asarray, (vectors, duals, np.zeros((0, len(words.q))))))


def require_periodic(
    periods: Mapping[str, float], words: Vocabulary, laws: Sequence[sp.Expr],
    theta: dict[sp.Symbol, float], what: str,
) -> None:  # fmt: skip
    """Raises Faults where laws do not repeat as the coordinates do."""
    law = lowered(laws, [*words.q, *theta])
    points = np.random.default_rng(0).normal(size=(len(words.q), 7))
    for name, value in periods.items():
        for k in range(len(words.q))[words.slices[name]]:
            step = value * np.eye(len(words.q))[k][:, None]
            there, away = (
                np.stack([np.broadcast_to(x, (7,)) for x in law(*jnp.asarray(p), *theta.values())])
                for p in (points, points + step)
            )
            both = np.isfinite(there) & np.isfinite(away)
            slack = max(1e-8, 1e4 * float(np.finfo(there.dtype).eps))  # `explain` is in single
            if np.any(np.abs(there - away)[both] > slack * (1 + np.abs(there)[both])):
                raise study_error(
                    words, ("system", "periods", name), "system.period",
                    f"{what} does not repeat when {name} grows by this",
                    f"write the period that {what} has, or leave it out",
                )  # fmt: skip


def _masses(settings: SystemSettings) -> np.ndarray:
    """Masses by component, from `mass`: one, or a table by coordinate."""
    given, words = settings.mass, settings.words
    result = np.ones(len(words.q))
    for name, part in words.slices.items():
        value = given.get(name) if isinstance(given, Mapping) else given
        if value is not None:
            result[part] = value
    return result


def _split(
    where: Expression | None, words: Vocabulary, theta: dict[sp.Symbol, float]
) -> tuple[sp.Expr, np.ndarray]:
    """V and the masses of a Lagrangian sum_k m_k v_k^2/2 - V(q)."""
    assert where is not None
    law = words.scalar(where)
    still = dict.fromkeys(words.v, sp.Integer(0))
    potential = -law.xreplace(still)
    mass = [sp.expand(sp.diff(law, v, 2)) for v in words.v]
    kinetic = sp.Add(*(m * v**2 for m, v in zip(mass, words.v, strict=True))) / 2
    free = set(theta)
    if any(m.free_symbols - free for m in mass) or not is_zero(law - kinetic + potential):
        raise study_error(
            words, where, "not-built",
            "a path between two states needs a kinetic energy m*q'^2/2 with a constant mass for "
            "each coordinate", "write mass and potential instead of lagrangian",
        )  # fmt: skip
    numbers = np.array([float(m.xreplace(_floats(theta))) for m in mass])
    if not (numbers > 0).all():
        name = words.names[int(np.argmin(numbers))]
        raise study_error(words, where, "degenerate", f"the mass of {name} is not positive",
                      f"add a term m*{name}'^2/2")  # fmt: skip
    return potential, numbers


def _floats(theta: dict[sp.Symbol, float]) -> dict[sp.Basic, sp.Basic]:
    return {name: sp.Float(x, 17) for name, x in theta.items()}
