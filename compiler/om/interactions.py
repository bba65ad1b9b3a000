"""Interactions of bodies as formulas: from a table of the study to SymPy, to JAX, to text.

`INTERACTIONS` has an entry for each key of [system] that adds to the potential energy; the sums of
a `potential` go to the entry that joins as many bodies as they have indices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement

import jax.numpy as jnp
import numpy as np
import sympy as sp
from actionrun.compiler.errors import Locator, study_error
from actionrun.compiler.numerics.molecular.interaction import Interaction, OneBodyPotential
from actionrun.compiler.numerics.molecular.many_body_potential import ManyBodyPotential
from actionrun.compiler.numerics.molecular.pair_potential import PairPotential
from actionrun.compiler.numerics.molecular.periodic_cell import Cell
from actionrun.compiler.symbolic.lowering import lowered
from actionrun.compiler.symbolic.vocabulary import Vocabulary, symbol
from actionrun.spec import Expression
from actionrun.spec.tables.system import System

from .many_body_sums import BodySum, many_body_potential
from .pair_sums import potential_sums

S, INVERSE, ROOT = (sp.Symbol(name, positive=True) for name in ("_s", "_u", "_r"))

Number = float | np.ndarray  # a parameter: one, or one for each pair of species (K, K)


@dataclass(frozen=True)
class Surroundings:
    """What a formula is lowered with: the components `places` of a body's place, the parameters
    `theta`, the species of each body by number, and the box."""

    words: Vocabulary
    places: tuple[sp.Symbol, ...]
    theta: Mapping[sp.Symbol, Number]
    kind: tuple[int, ...] | None = None
    cutoff: float | None = None
    switch: float | None = None
    cell: Cell = None


@dataclass(frozen=True)
class EnergyTerm:
    """A term of the potential energy: what each tuple of bodies adds, and where that stands."""

    kind: InteractionKind
    formula: sp.Expr
    where: Expression | None
    sums: tuple[tuple[sp.Expr, BodySum], ...] = ()

    def lower(self, surroundings: Surroundings) -> Interaction:
        """The term as array code. Raises Faults."""
        return self.kind.lower(self, surroundings)


@dataclass(frozen=True)
class InteractionKind:
    """A kind of interaction: `arity` bodies, its words, and how a formula becomes array code.

    `title` and `sign` print the formula (`U(r) = ...`), `latex` and `text` its sum over bodies.
    """

    arity: int
    title: str
    sign: str
    latex: str
    text: str
    lower: Callable[[EnergyTerm, Surroundings], Interaction]


def energy_terms(
    system: System, words: Vocabulary, axes: tuple[str, ...], theta: Mapping[sp.Symbol, Number]
) -> list[EnergyTerm]:
    """The terms of the potential energy of many bodies. Raises Faults."""
    if system.potential is not None:
        paired = frozenset(str(name) for name, x in theta.items() if not isinstance(x, float))
        sums = potential_sums(words, system.potential, axes, frozenset(map(str, theta)), paired)
        each = [
            EnergyTerm(kind, sums.by_arity[kind.arity], system.potential)
            for kind in INTERACTIONS.values()
            if kind.arity in sums.by_arity
        ]
        if sums.many:
            total = sp.Add(*(factor for factor, _ in sums.many))
            each.append(EnergyTerm(MANY_BODIES, total, system.potential, sums.many))
        return each
    laws = {key: getattr(system, key, None) for key in INTERACTIONS}
    return [
        EnergyTerm(INTERACTIONS[key], words.scalar(law), law)
        for key, law in laws.items()
        if law is not None
    ]


def _pair_potential(term: EnergyTerm, around: Surroundings) -> PairPotential:
    """U(r) as e(s) with s = r^2; e, e' and e'' are functions of s, 1/s, sqrt(s), parameters."""
    energy = term.formula.xreplace({symbol("r"): sp.sqrt(S)})
    slope = sp.diff(energy, S)
    derivatives = [energy, slope, sp.diff(slope, S)]
    require_smooth(around.words, term.where, derivatives)
    terms = lowered([_by_powers(x) for x in derivatives], [S, INVERSE, ROOT, *around.theta])
    cutoff, switch = (None if x is None else jnp.asarray(x) for x in (around.cutoff, around.switch))
    return PairPotential(
        terms,
        _numbers(around.theta),
        None if around.kind is None else jnp.asarray(around.kind),
        cutoff,
        switch,
        around.cell,
    )


def _by_powers(expression: sp.Expr) -> sp.Expr:
    """Powers of s through 1/s and sqrt(s): one division and one root for all of them."""

    def written(power: sp.Pow) -> sp.Expr:
        whole, odd = divmod(int(2 * power.exp), 2)  # s^(n/2) = s^floor(n/2) sqrt(s)
        base = S**whole if whole >= 0 else INVERSE**-whole
        return base * (ROOT if odd else 1)

    def is_power(x: sp.Basic) -> bool:
        return isinstance(x, sp.Pow) and x.base == S and (2 * x.exp).is_Integer is True

    return expression.replace(is_power, written)


def _one_body_potential(term: EnergyTerm, around: Surroundings) -> OneBodyPotential:
    """V of one body's place, with its gradient and the upper triangle of its Hessian."""
    theta = {name: x for name, x in around.theta.items() if isinstance(x, float)}
    lacking = {x for x in around.theta if x not in theta} & term.formula.free_symbols
    if lacking:
        name = min(map(str, lacking))
        raise study_error(around.words, term.where, "species.pair",
                          f"{name} differs from pair to pair, and sum(i, ...) has one body",
                          "it has a meaning in sum(i<j, ...) only")  # fmt: skip
    q = around.places
    slope = [sp.diff(term.formula, x) for x in q]
    curvature = [sp.diff(f, y) for k, f in enumerate(slope) for y in q[k:]]
    require_smooth(around.words, term.where, [term.formula, *slope, *curvature])
    symbols = [*q, *theta]
    value, first, second = (lowered(x, symbols) for x in ([term.formula], slope, curvature))
    return OneBodyPotential(value, first, second, _numbers(theta))


def _many_bodies(term: EnergyTerm, around: Surroundings) -> ManyBodyPotential:
    """Sums within sums, and over triples."""
    single = {name: x for name, x in around.theta.items() if isinstance(x, float)}
    paired = {str(name): x for name, x in around.theta.items() if name not in single}
    return many_body_potential(
        term.sums, single, paired, around.kind, around.cutoff, around.switch, around.cell,
        lambda formulas: require_smooth(around.words, term.where, formulas),
    )  # fmt: skip


def _numbers(theta: Mapping[sp.Symbol, Number]) -> jnp.ndarray:
    """(P,), or (P, K, K) where the numbers differ from pair to pair."""
    return jnp.asarray(np.stack(np.broadcast_arrays(*theta.values())) if theta else np.zeros(0))


def require_smooth(locator: Locator, where: Expression | None, terms: Sequence[sp.Expr]) -> None:
    """Raises Faults where forces or their slopes do not exist or are not finite, as far as symbols
    can tell."""
    odd = (sp.zoo, sp.nan, sp.oo, -sp.oo, sp.I)
    if any(term.has(*odd) for term in terms):
        raise study_error(
            locator, where, "not-finite",
            "a constant in this expression is not a finite real number",
            "look for a division by zero, log(0) or the root of a negative number",
        )  # fmt: skip
    if any(term.has(sp.DiracDelta, sp.Derivative, sp.Subs) for term in terms):
        raise study_error(
            locator, where, "kink",
            "the force and its slope need derivatives that do not exist here",
            "replace a kink such as |r - a| by a smooth function, sqrt((r - a)^2 + eps^2)",
        )  # fmt: skip


def require_vanishing(terms: Sequence[EnergyTerm], around: Surroundings, dimension: int) -> None:
    """Raises Faults where the energy of three bodies jumps as one leaves the cut-off of another: a
    cut-off without a switch is for laws that vanish there."""
    cutoff = around.cutoff or 1.0
    x = cutoff * np.array([1 - 1e-9, 1 + 1e-9, 0.55, 0.6, 0.7, 0.8])
    away = x * np.eye(dimension)[0][:, None]
    beside = np.broadcast_to(np.array([-0.45, -0.35, -0.2])[:dimension, None] * cutoff, away.shape)
    q = jnp.asarray(np.stack([np.zeros_like(away), away, beside], axis=1))
    kinds = sorted({*(around.kind or (0,))})
    for one, other in combinations_with_replacement(kinds, 2):
        three = replace(around, kind=(one, other, other) if around.kind else None, cell=None)
        for term in terms:
            if term.kind.arity == 1:
                continue
            energy = np.asarray(term.lower(three).energy(q, None))
            size = np.max(np.abs(energy[np.isfinite(energy)]), initial=0.0)
            jump = abs(float(energy[0] - energy[1]))
            if not jump <= 1e-6 * size:
                raise study_error(
                    around.words, ("system", "switch"), "system.switch",
                    f"the energy jumps by {jump:.3g} where a body leaves the cutoff",
                    "leave switch out, or give a smaller one: the energy fades from there",
                )  # fmt: skip


MANY_BODIES = InteractionKind(
    0, "Potential of many bodies", "V_n", "V_n", "the sums within sums", _many_bodies
)
INTERACTIONS = {
    "pair": InteractionKind(
        2, "Potential of a pair", "U(r)", r"\sum_{i<j} U(r_{ij})", "sum(i<j, U(r[i,j]))",
        _pair_potential,
    ),
    "external": InteractionKind(
        1, "External potential", "V_1", r"\sum_i V_1(q_i)", "sum(i, V_1(q[i]))",
        _one_body_potential,
    ),
}  # fmt: skip
