"""Lagrangian system: the one intermediate form, of few coordinates and of many bodies.

    d/dt P_i = F_i,    P_i = dL/dv_i + [dK/dv-_i]_PL,    F_i = dL/dq_i + [dK/dq-_i]_PL

with the physical limit PL (minus variables to zero) taken symbolically, so that no doubled variable
is left at run time (Galley, Phys. Rev. Lett. 110, 174301, 2013; Roberts, eq. 10-11, with q- = q1 -
q2 not halved). Sums over bodies are differentiated summand by summand, never written out; a law of
few coordinates is one summand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import sympy as sp
from actionrun.compiler.errors import study_error
from actionrun.spec import Expression, Study
from actionrun.spec.kinds.ggl import Ggl

from .histories import histories
from .many_body_sums import (
    Derivative,
    HolonomicConstraint,
    Summand,
    derivatives,
    holonomic_constraint,
    summands,
)
from .regularity import diagonal_mass, require_odd, require_real, require_regular
from .vocabulary import Vocabulary, vocabulary

MOST_IN_PAIRS = 4000  # bodies of a sum over pairs: each pair is a number of every array


@dataclass(frozen=True)
class LagrangianSystem:
    """A Lagrangian system in components: of few coordinates (`body_count` 0), or of many bodies
    with the components `words.names` each.

    `values` are the numbers of the parameters (and of coefficients that are fixed), `lists` those
    of parameters with a number for each body, `coefficients` the unknowns of a family. Lagrangian,
    nonconservative part and energy are sums; force (with `coupling_terms`, the part of K in it),
    momentum and, of bodies, mass are derivatives of their summands. Of few coordinates the
    properties `lagrangian`, `force`, ... are the whole expressions in the components `q`, `v`, the
    minus variables `minus`, `minus_v`, and `t`. `holonomic` are the constraints phi = 0, whose
    forces sum_k lambda_k dphi_k/dq are not part of the force. `written` are the laws L and K of
    bodies as the study has them.
    """

    words: Vocabulary
    lagrangian_terms: tuple[Summand, ...]
    nonconservative_terms: tuple[Summand, ...]
    force_terms: tuple[Derivative, ...]
    coupling_terms: tuple[Derivative, ...]
    momentum_terms: tuple[Derivative, ...]
    mass_terms: tuple[Derivative, ...]
    energy_terms: tuple[Summand, ...]
    values: dict[sp.Symbol, float]
    lists: dict[str, tuple[float, ...]]
    coefficients: tuple[sp.Symbol, ...]
    holonomic: tuple[HolonomicConstraint, ...]
    written: dict[str, str]

    @property
    def body_count(self) -> int:
        return self.words.body_count

    @property
    def n(self) -> int:
        """Degrees of freedom."""
        return len(self.words.names) * (self.body_count or 1)

    @property
    def parts(self) -> tuple[Summand, ...]:
        return (*self.lagrangian_terms, *self.nonconservative_terms)

    @property
    def laws(self) -> tuple[Summand, ...]:
        """What a symmetry leaves as it is: the Lagrangian and the constraints."""
        return (*self.lagrangian_terms, *(part for one in self.holonomic for part in one.parts))

    @property
    def constants(self) -> tuple[sp.Symbol, ...]:
        """Parameters, coefficients and what is driven, in the order in which compiled code takes
        them."""
        return (*self.values, *self.coefficients, *self.driven)

    @property
    def driven(self) -> tuple[sp.Symbol, ...]:
        """The constants that a step takes from files: numbers by trial, and pieces of inputs."""
        return self.words.driven.symbols

    @property
    def conservative(self) -> bool:
        """Whether the energy is a constant of the motion."""
        return not self.nonconservative_terms and not self.timed

    @property
    def timed(self) -> bool:
        """Whether the Lagrangian or a constraint holds t, or an input."""
        return any(law.expression.has(*self.words.driven.clock) for law in self.laws)

    @cached_property
    def lagrangian(self) -> sp.Expr:
        return sp.Add(*(one.expression for one in self.lagrangian_terms))

    @cached_property
    def nonconservative(self) -> sp.Expr | None:
        """K, None where there is none."""
        whole = sp.Add(*(one.expression for one in self.nonconservative_terms))
        return None if whole == 0 else whole

    @cached_property
    def force(self) -> tuple[sp.Expr, ...]:
        return self.by_component(self.force_terms)

    @cached_property
    def momentum(self) -> tuple[sp.Expr, ...]:
        return self.by_component(self.momentum_terms)

    def by_component(self, terms: Sequence[Derivative]) -> tuple[sp.Expr, ...]:
        """Sums of derivatives by what few coordinates there are, (n,)."""
        return tuple(
            sp.Add(*(one.expression for one in terms if one.place.of == k))
            for k in range(len(self.words.names))
        )

    @cached_property
    def energy(self) -> sp.Expr:
        return sp.Add(*(one.expression for one in self.energy_terms))

    @cached_property
    def mass(self) -> sp.ImmutableMatrix:
        """dP_i/dv_j, shape (n, n)."""
        return sp.ImmutableMatrix([[sp.diff(p, v) for v in self.words.v] for p in self.momentum])

    @cached_property
    def constraints(self) -> tuple[sp.Expr, ...]:
        return tuple(one.expression for one in self.holonomic)

    @property
    def multipliers(self) -> tuple[sp.Symbol, ...]:
        """lambda_1, lambda_2, ... of the constraints; longer names where a study has these."""
        taken = {str(s) for s in (*self.words.q, *self.constants)}
        count, stem = len(self.constraints), "lambda"
        while taken & {f"{stem}_{k + 1}" for k in range(count)}:
            stem += "_"
        return tuple(sp.Symbol(f"{stem}_{k + 1}", real=True) for k in range(count))

    def of_coordinate(self, rows: np.ndarray, name: str) -> np.ndarray:
        """What belongs to a coordinate of rows (..., n): (..., bodies, components), less either
        where there are no bodies, or the coordinate is a scalar."""
        part = self.words.slices[name]
        at = part if name in self.words.vectors else part.start
        if not self.body_count:
            return rows[..., at]
        folded = rows.reshape((*rows.shape[:-1], len(self.words.names), self.body_count))
        return np.moveaxis(folded[..., at, :], -2, -1) if at is part else folded[..., at, :]

    def state_names(self, most: int) -> list[str]:
        """Of the entries of a state; of bodies, the first few."""
        names = [*self.words.names]
        if not self.body_count:
            return names
        name, bracket, rest = names[0].partition("[")
        return [f"{name}[{k + 1}]{bracket}{rest}" for k in range(min(self.body_count, most))]


def lagrangian_system(
    study: Study, columns: Mapping[str, np.ndarray] | None = None, trials: int = 0
) -> LagrangianSystem:
    """The system of a study; `columns` are those of the inputs of an integration, by name; of
    `trials` each has the coefficients that are its own. Raises Faults that point at the expression
    at fault."""
    if isinstance(study, Ggl):
        between = "linear" if study.inputs is None else study.inputs.between
        driving = histories(study.driven[0], between, columns)
        words = vocabulary(study, study.system.particles or 0, driving)
    else:
        words = vocabulary(study, trials=trials)
    lagrangian = _lagrangian(study, words)
    coupling: tuple[Summand, ...] = ()
    if study.system.nonconservative is not None:
        coupling = summands(words, study.system.nonconservative)
        for one in coupling:
            require_odd(words, one)
    holonomic = tuple(holonomic_constraint(words, one) for one in study.system.holonomic)
    laws: list[tuple[Expression | None, tuple[Summand, ...]]] = [
        (study.system.lagrangian or study.system.potential, lagrangian),
        (study.system.nonconservative, coupling),
        *((one.where, one.parts) for one in holonomic),
    ]
    require_real(words, laws)
    if words.body_count > MOST_IN_PAIRS and any(
        one.domain == "pairs" for one in (*lagrangian, *coupling)
    ):
        raise study_error(
            study, ("system", "particles"), "too-many-bodies",
            f"a sum over all pairs of {words.body_count} bodies, {MOST_IN_PAIRS} at most",
            "take fewer bodies, or let neighbours alone act on each other: sum(i, ...q[i+1]...)",
        )  # fmt: skip
    limit = dict.fromkeys(words.of("minus", "minus_v"), sp.Integer(0))
    force: list[Derivative] = []
    pushes: list[Derivative] = []
    momentum: list[Derivative] = []
    for k, one in enumerate(lagrangian):
        force += derivatives(k, one, "q")
        momentum += derivatives(k, one, "v")
    for k, one in enumerate(coupling, len(lagrangian)):
        for terms, what in ((pushes, "minus"), (momentum, "minus_v")):
            terms += [d._replace(expression=d.expression.subs(limit))
                      for d in derivatives(k, one, what)]  # fmt: skip
    force += pushes
    mass = diagonal_mass(words, momentum) if words.body_count else ()
    values = {
        words.constants[name]: study.number(value)
        for name, value in study.parameters.items()
        if name not in words.lists
    }
    lists = {n: study.numbers(n) for n in words.lists} if isinstance(study, Ggl) else {}
    free: list[sp.Symbol] = []
    for name, coefficient in getattr(study, "coefficients", {}).items():
        if name in words.by_trial:
            free += words.by_trial[name]
        elif coefficient.fixed is not None:
            values[words.constants[name]] = study.number(coefficient.fixed)
        else:
            free.append(words.constants[name])
    system = LagrangianSystem(
        words, lagrangian, coupling, tuple(force), tuple(pushes), tuple(momentum), mass,
        tuple(_energy(one) for one in lagrangian), values,
        lists, tuple(free), holonomic,
        {sign: law.text for sign, (law, _) in zip("LK", laws, strict=False)
         if law is not None and words.body_count},
    )  # fmt: skip
    if not words.body_count:
        require_regular(words, laws[0][0], system.force, system.mass)
    return system


def _energy(one: Summand) -> Summand:
    """v dL/dv - L of a summand."""
    kinetic = sp.Add(*(v * sp.diff(one.expression, v) for v in one.symbols("v")))
    return replace(one, expression=distributed(kinetic - one.expression))


def distributed(expression: sp.Expr) -> sp.Expr:
    """Products of sums multiplied out at the top, so that like terms cancel; powers stay."""
    terms = (sp.expand_mul(term, deep=False) for term in sp.Add.make_args(expression))
    return sp.Add(*terms)


def _lagrangian(study: Study, words: Vocabulary) -> tuple[Summand, ...]:
    if study.system.lagrangian is not None:
        return summands(words, study.system.lagrangian)
    assert study.system.potential is not None  # a study has one of them
    kinetic = sp.Integer(0)
    for name in study.system.coordinates:
        mass = study.system.mass
        value = mass.get(name) if isinstance(mass, dict) else mass
        m: sp.Expr = sp.Integer(1)
        if value is not None:
            number = study.number(value)
            m = sp.Integer(int(number)) if number == int(number) else sp.Float(number, 17)
            tree_name = getattr(value.tree, "name", None)
            if tree_name in words.constants:
                m = words.constants[tree_name]
        kinetic += m * sp.Add(*(v**2 for v in words.v[words.slices[name]])) / 2
    whole = kinetic - words.scalar(study.system.potential)
    return (Summand("single", whole, words.places),)
