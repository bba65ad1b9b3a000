"""The system of an om study as arrays: its potential energy, masses, box.

Many bodies: U(r) of `pair` becomes e(s) with s = r^2 and, by SymPy, e' and e''. A few coordinates
with `mass` and `potential` (or a Lagrangian T - V): one body in a space of as many dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
import sympy as sp
from actionrun.compiler.errors import study_error
from actionrun.compiler.numerics.molecular.pair_potential import PairPotential
from actionrun.compiler.numerics.molecular.potential_energy import OneBodyPotential, PotentialEnergy
from actionrun.compiler.symbolic.lowering import Lowered, lowered
from actionrun.compiler.symbolic.vocabulary import Vocabulary, symbol, vocabulary
from actionrun.spec import Expression, Study, Value
from actionrun.spec.tables.species import pair_of

from .pair_sums import potential_sums

SWITCH = 0.9  # of the cut-off: where the smooth cut-off begins
AXES = ("x", "y", "z")
S, INVERSE, ROOT = (sp.Symbol(name, positive=True) for name in ("_s", "_u", "_r"))


@dataclass(frozen=True)
class ParticleSystem:
    """N bodies in a space of `dim` dimensions, in the study's base units.

    `mass` broadcasts against (dim, N, T). `pair` is U(r) and `external` V of one body (or of the
    coordinates) as SymPy; `names` are the components as a user writes them.
    """

    shape: tuple[int, int]
    names: tuple[str, ...]
    words: Vocabulary
    mass: np.ndarray
    potential: PotentialEnergy
    pair: sp.Expr | None
    external: sp.Expr | None
    cutoff: float | None
    switch: float | None
    edge: float | None
    boltzmann: float
    species: tuple[str, ...] | None = None


def particle_system(study: Study, order: Sequence[str] | None = None) -> ParticleSystem:
    """The bodies of a study; `order` is the species of each, by default as the study lists them.

    Raises Faults that point at the expression at fault.
    """
    boltzmann = 1.0 if study.units.reduced else study.units.constant("k_B")
    if study.system.particles is None:
        return _coordinates(study, boltzmann)
    return _particles(study, boltzmann, order)


def _particles(study: Study, boltzmann: float, order: Sequence[str] | None) -> ParticleSystem:
    system = study.system
    n, dimension = system.particles, system.dimension
    assert n is not None and dimension is not None
    axes = AXES[:dimension]
    plain = vocabulary(study)
    places = {name: symbol(name) for name in ("r", *axes) if name not in plain.constants}
    words = replace(plain, constants=plain.constants | places)
    species = _species(study, order)
    theta = {words.constants[name]: _number(study, x) for name, x in study.parameters.items()}
    edge = _edge(study, n, dimension)
    cutoff = None if system.cutoff is None else study.number(system.cutoff)
    switch = None if cutoff is None else SWITCH * cutoff
    outer = None
    law, outer_law = system.pair, system.external
    if system.potential is not None:
        law = outer_law = system.potential
        pair, external = potential_sums(study, words, law, axes)
    elif law is not None:
        pair = words.scalar(law)
        external = None if outer_law is None else words.scalar(outer_law)
    else:
        raise study_error(
            study, system.lagrangian, "not-built",
            "a Lagrangian of many bodies is not built yet in this version",
            'write mass, and their potential instead: potential = "sum(i<j, 4*(1/r[i,j]^12 - '
            '1/r[i,j]^6))"',
        )  # fmt: skip
    limits = [None if x is None else jnp.asarray(x) for x in (cutoff, switch, edge)]
    kinds = [*(study.system.species or {})]
    kind = jnp.asarray([kinds.index(name) for name in species]) if kinds and species else None
    pairs = PairPotential(_pair_terms(study, law, pair, theta), _numbers(theta), kind, *limits)
    if external is not None:
        alike = {name: x for name, x in theta.items() if isinstance(x, float)}
        lacking = {x for x in theta if x not in alike} & external.free_symbols
        if lacking:
            name = min(map(str, lacking))
            raise study_error(study, outer_law, "species.pair",
                          f"{name} differs from pair to pair, and sum(i, ...) has one body",
                          "it has a meaning in sum(i<j, ...) only")  # fmt: skip
        outer = _external(study, outer_law, external, [symbol(x) for x in axes], alike)
    mass, potential = _mass(study, species, n), PotentialEnergy(pairs, outer)
    return ParticleSystem(
        (dimension, n), axes, words, mass, potential, pair, external, cutoff, switch, edge,
        boltzmann, species,
    )  # fmt: skip


Number = float | np.ndarray  # a parameter: one, or one for each pair of species (K, K)


def _species(study: Study, order: Sequence[str] | None) -> tuple[str, ...] | None:
    """The species of each body."""
    given = study.system.species
    if given is None:
        return None if order is None else tuple(order)
    listed = tuple(name for name, count in given.items() for _ in range(count))
    if order is not None and sorted(order) != sorted(listed):
        found = " ".join(f"{name}{[*order].count(name)}" for name in sorted({*order}))
        wanted = " ".join(f"{name}{count}" for name, count in sorted(given.items()))
        raise study_error(
            study, ("system", "species"), "species.count",
            f"the structures have {found}, and the study {wanted}",
            "write the species and numbers of the structures",
        )  # fmt: skip
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


def _edge(study: Study, n: int, dimension: int) -> float | None:
    box = study.system.box
    if box is None:
        return None
    if box.length is not None:
        return study.number(box.length)
    assert box.density is not None
    return (n / study.number(box.density)) ** (1 / dimension)


def _numbers(theta: Mapping[sp.Symbol, Number]) -> jnp.ndarray:
    """(P,), or (P, K, K) where the numbers differ from pair to pair."""
    return jnp.asarray(np.stack(np.broadcast_arrays(*theta.values())) if theta else np.zeros(0))


def _pair_terms(
    study: Study, where: Expression, pair: sp.Expr, theta: Mapping[sp.Symbol, Number]
) -> Lowered:
    """e, e', e'' as functions of s, 1/s, sqrt(s) and the parameters."""
    energy = pair.xreplace({symbol("r"): sp.sqrt(S)})
    slope = sp.diff(energy, S)
    terms = [energy, slope, sp.diff(slope, S)]
    _require_smooth(study, where, terms)
    return lowered([_by_powers(x) for x in terms], [S, INVERSE, ROOT, *theta])


def _by_powers(expression: sp.Expr) -> sp.Expr:
    """Powers of s through 1/s and sqrt(s): one division and one root for all of them."""

    def written(power: sp.Basic) -> sp.Expr:
        halves = 2 * power.exp  # type: ignore[attr-defined]
        whole, odd = divmod(int(halves), 2)  # s^(n/2) = s^floor(n/2) sqrt(s)
        base = S**whole if whole >= 0 else INVERSE**-whole
        return base * (ROOT if odd else 1)

    def is_power(x: sp.Basic) -> bool:
        return isinstance(x, sp.Pow) and x.base == S and (2 * x.exp).is_Integer is True

    return expression.replace(is_power, written)


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
    external = _external(study, where, potential, words.q, theta)
    return ParticleSystem(
        (len(words.q), 1), words.names, words, mass[:, None, None], PotentialEnergy(None, external),
        None, potential, None, None, None, boltzmann,
    )  # fmt: skip


def _masses(study: Study, words: Vocabulary) -> np.ndarray:
    """Masses by component, from `mass`: one, or a table by coordinate."""
    given = study.system.mass
    found = np.ones(len(words.q))
    for name, part in words.slices.items():
        value = given.get(name) if isinstance(given, dict) else given
        if value is not None:
            found[part] = study.number(value)
    return found


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
    if any(m.free_symbols - free for m in mass) or sp.expand(law - kinetic + potential) != 0:
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


def _external(
    study: Study, where: Expression | None, potential: sp.Expr, q: Sequence[sp.Symbol],
    theta: Mapping[sp.Symbol, Number],
) -> OneBodyPotential:  # fmt: skip
    slope = [sp.diff(potential, x) for x in q]
    curvature = [sp.diff(f, y) for k, f in enumerate(slope) for y in q[k:]]
    _require_smooth(study, where, [potential, *slope, *curvature])
    symbols = [*q, *theta]
    value, first, second = (lowered(x, symbols) for x in ([potential], slope, curvature))
    return OneBodyPotential(value, first, second, _numbers(theta))


def _require_smooth(study: Study, where: Expression | None, terms: Sequence[sp.Expr]) -> None:
    """Forces and their slopes must exist and be finite, as far as symbols can tell."""
    odd = (sp.zoo, sp.nan, sp.oo, -sp.oo, sp.I)
    if any(term.has(*odd) for term in terms):
        raise study_error(
            study, where, "not-finite",
            "a constant in this expression is not a finite real number",
            "look for a division by zero, log(0) or the root of a negative number",
        )  # fmt: skip
    if any(term.has(sp.DiracDelta, sp.Derivative, sp.Subs) for term in terms):
        raise study_error(
            study, where, "kink",
            "the force and its slope need derivatives that do not exist here",
            "replace a kink such as |r - a| by a smooth function, sqrt((r - a)^2 + eps^2)",
        )  # fmt: skip
