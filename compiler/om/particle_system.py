"""Particle system of an om study as arrays: its potential energy, masses, box.

Many bodies interact (`interactions`). A few coordinates with `mass` and `potential` (or a
Lagrangian T - V) are one body in a space of as many dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from actionrun.compiler.symbolic.vocabulary import Vocabulary, symbol, vocabulary
from actionrun.spec import Expression, Study, Value
from actionrun.spec.tables.species import pair_of
from actionrun.spec.validation.om_rules import BoxVectors, box_edge, box_vectors

from .interactions import INTERACTIONS, EnergyTerm, Number, Surroundings, energy_terms

SWITCH = 0.9  # of the cut-off: where the smooth cut-off begins
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


def particle_system(study: Study, order: Sequence[str] | None = None) -> ParticleSystem:
    """The particle system of a study; `order` is the species of each, by default as the study lists
    them.

    Raises Faults that point at the expression at fault.
    """
    boltzmann = 1.0 if study.units.reduced else study.units.constant("k_B")
    if study.system.particles is None:
        return _coordinates(study, boltzmann)
    return _particles(study, boltzmann, order)


def _particles(study: Study, boltzmann: float, order: Sequence[str] | None) -> ParticleSystem:
    system = study.system
    n, dimension = system.particles or 0, system.dimension or 3
    axes = AXES[:dimension]
    plain = vocabulary(study)
    places = {name: symbol(name) for name in ("r", *axes) if name not in plain.constants}
    words = replace(plain, constants=plain.constants | places)
    species = _species(study, order)
    theta = {words.constants[name]: _number(study, x) for name, x in study.parameters.items()}
    box, cutoff = box_vectors(study), system.cutoff and study.number(system.cutoff)
    cell = None if box is None else periodic_cell(np.array(box.cell), box.periodic, cutoff)
    switch = None if cutoff is None else SWITCH * cutoff
    kinds = [*(study.system.species or {})]
    around = Surroundings(
        study, tuple(symbol(x) for x in axes), theta,
        tuple(map(kinds.index, species)) if kinds and species else None, cutoff, switch, cell,
    )  # fmt: skip
    terms = tuple(energy_terms(study, words, axes))
    return ParticleSystem(
        (dimension, n), axes, words, _mass(study, species, n),
        PotentialEnergy(tuple(term.lower(around) for term in terms)), terms, cutoff, switch,
        box_edge(study) if box and all(box.periodic) else None, boltzmann, species, cell, box,
    )  # fmt: skip


def _species(study: Study, order: Sequence[str] | None) -> tuple[str, ...] | None:
    """The species of each body."""
    given = study.system.species
    if given is None:
        return None if order is None else tuple(order)
    listed = tuple(name for name, count in given.items() for _ in range(count))
    return listed if order is None else tuple(order)


def _number(study: Study, value: Value | dict[str, Value]) -> Number:
    if isinstance(value, Value):
        return study.number(value)
    names = [*(study.system.species or {})]
    table = np.zeros((len(names), len(names)))
    for key, one in value.items():
        pair = pair_of(key, names)
        assert pair is not None
        i, j = map(names.index, pair)
        table[i, j] = table[j, i] = study.number(one)
    return table


def _mass(study: Study, species: tuple[str, ...] | None, n: int) -> np.ndarray:
    mass = study.system.mass
    if isinstance(mass, dict):
        assert species is not None
        return np.array([study.number(mass[name]) for name in species])[None, :, None]
    return np.full((1, n, 1), 1.0 if mass is None else study.number(mass))


def _coordinates(study: Study, boltzmann: float) -> ParticleSystem:
    system, words = study.system, vocabulary(study)
    theta = {words.constants[name]: study.number(x) for name, x in study.parameters.items()}
    where = system.potential or system.lagrangian
    if system.potential is not None:
        potential, mass = words.scalar(system.potential), _masses(study, words)
    else:
        potential, mass = _split(study, words, theta)
    if potential.has(words.t):
        message = "a path between two states has a potential without t"
        raise study_error(study, where, "time", message, "leave the time out")
    term = EnergyTerm(INTERACTIONS["external"], potential, where)
    external = term.lower(Surroundings(study, tuple(words.q), theta))
    return ParticleSystem(
        (len(words.q), 1), words.names, words, mass[:, None, None], PotentialEnergy((external,)),
        (term,), None, None, None, boltzmann, cell=_periods(study, words, potential, theta, where),
    )  # fmt: skip


def _periods(
    study: Study, words: Vocabulary, potential: sp.Expr, theta: dict[sp.Symbol, float],
    where: Expression | None,
) -> PeriodicCell | None:  # fmt: skip
    """The periods of coordinates as a cell. Raises Faults where the potential has others."""
    rows = []
    law = lowered([potential], [*words.q, *theta])
    points = np.random.default_rng(0).normal(size=(len(words.q), 7))
    for name, value in study.system.periods.items():
        part = words.slices[name]
        for k in range(len(words.q))[part]:
            rows.append(study.number(value) * np.eye(len(words.q))[k])
            there, away = (
                np.broadcast_to(law(*jnp.asarray(p), *theta.values())[0], (7,))
                for p in (points, points + rows[-1][:, None])
            )
            both = np.isfinite(there) & np.isfinite(away)
            slack = max(1e-8, 1e4 * float(np.finfo(there.dtype).eps))  # `explain` is in single
            if np.any(np.abs(there - away)[both] > slack * (1 + np.abs(there)[both])):
                raise study_error(
                    study, ("system", "periods", name), "system.period",
                    f"the potential does not repeat when {name} grows by this",
                    "write the period that the potential has, or leave it out",
                )  # fmt: skip
    if not rows:
        return None
    vectors = np.array(rows)
    duals = vectors / np.sum(vectors**2, axis=1, keepdims=True)
    return PeriodicCell(*map(jnp.asarray, (vectors, duals, np.zeros((0, len(words.q))))))


def _masses(study: Study, words: Vocabulary) -> np.ndarray:
    """Masses by component, from `mass`: one, or a table by coordinate."""
    given = study.system.mass
    result = np.ones(len(words.q))
    for name, part in words.slices.items():
        value = given.get(name) if isinstance(given, dict) else given
        if value is not None:
            result[part] = study.number(value)
    return result


def _split(
    study: Study, words: Vocabulary, theta: dict[sp.Symbol, float]
) -> tuple[sp.Expr, np.ndarray]:
    """V and the masses of a Lagrangian sum_k m_k v_k^2/2 - V(q)."""
    where = study.system.lagrangian
    assert where is not None
    law = words.scalar(where)
    still = dict.fromkeys(words.v, sp.Integer(0))
    potential = -law.xreplace(still)
    mass = [sp.expand(sp.diff(law, v, 2)) for v in words.v]
    kinetic = sp.Add(*(m * v**2 for m, v in zip(mass, words.v, strict=True))) / 2
    free = set(theta)
    if any(m.free_symbols - free for m in mass) or not is_zero(law - kinetic + potential):
        raise study_error(
            study, where, "not-built",
            "a path between two states needs a kinetic energy m*q'^2/2 with a constant mass for "
            "each coordinate", "write mass and potential instead of lagrangian",
        )  # fmt: skip
    numbers = np.array([float(m.xreplace(_floats(theta))) for m in mass])
    if not (numbers > 0).all():
        name = words.names[int(np.argmin(numbers))]
        raise study_error(study, where, "degenerate", f"the mass of {name} is not positive",
                      f"add a term m*{name}'^2/2")  # fmt: skip
    return potential, numbers


def _floats(theta: dict[sp.Symbol, float]) -> dict[sp.Basic, sp.Basic]:
    return {name: sp.Float(x, 17) for name, x in theta.items()}
