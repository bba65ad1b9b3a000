"""The one intermediate form: a symbolic problem.

    d/dt P_i = F_i,    P_i = dL/dv_i + [dK/dv-_i]_PL,    F_i = dL/dq_i + [dK/dq-_i]_PL

with the physical limit PL (minus variables to zero) taken symbolically, so that no doubled variable
is left at run time (Galley, Phys. Rev. Lett. 110, 174301, 2013; Roberts, eq. 10-11, with q- = q1 -
q2 not halved).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import sympy as sp
from actionrun.compiler.errors import study_error
from actionrun.spec import Study

from .vocabulary import Vocabulary, vocabulary


@dataclass(frozen=True)
class LagrangianSystem:
    """A Lagrangian system in components; n is the number of degrees of freedom.

    `values` are the numbers of the parameters (and of coefficients that are fixed), `coefficients`
    the unknowns of a family. `lagrangian` and `nonconservative` are in the components `q`, `v`, the
    minus variables `minus`, `minus_v`, and `t`. `constraints` are the phi of holonomic constraints
    phi = 0, whose forces sum_k lambda_k dphi_k/dq are not part of `force`.
    """

    words: Vocabulary
    lagrangian: sp.Expr
    nonconservative: sp.Expr | None
    force: tuple[sp.Expr, ...]
    momentum: tuple[sp.Expr, ...]
    energy: sp.Expr
    values: dict[sp.Symbol, float]
    coefficients: tuple[sp.Symbol, ...]
    constraints: tuple[sp.Expr, ...] = ()

    @property
    def n(self) -> int:
        return len(self.words.q)

    @property
    def constants(self) -> tuple[sp.Symbol, ...]:
        """Parameters and coefficients, in the order in which compiled code takes them."""
        return (*self.values, *self.coefficients)

    @property
    def mass(self) -> sp.ImmutableMatrix:
        """dP_i/dv_j, shape (n, n)."""
        return sp.ImmutableMatrix([[sp.diff(p, v) for v in self.words.v] for p in self.momentum])

    @property
    def multipliers(self) -> tuple[sp.Symbol, ...]:
        """lambda_1, lambda_2, ... of the constraints; longer names where a study has these."""
        taken = {str(s) for s in (*self.words.q, *self.constants)}
        count, stem = len(self.constraints), "lambda"
        while taken & {f"{stem}_{k + 1}" for k in range(count)}:
            stem += "_"
        return tuple(sp.Symbol(f"{stem}_{k + 1}", real=True) for k in range(count))

    @property
    def conservative(self) -> bool:
        """Whether the energy is a constant of the motion."""
        laws = (self.lagrangian, *self.constraints)
        return self.nonconservative is None and not any(e.has(self.words.t) for e in laws)


def lagrangian_system(study: Study) -> LagrangianSystem:
    """The symbolic problem of a study. Raises Faults that point at the expression at fault."""
    words = vocabulary(study)
    lagrangian = _lagrangian(study, words)
    coupling = None
    if study.system.nonconservative is not None:
        coupling = words.scalar(study.system.nonconservative)
        _require_odd(study, words, coupling)
        if coupling == 0:
            coupling = None
    at_limit = dict.fromkeys((*words.minus, *words.minus_v), sp.Integer(0))

    def variation(of: sp.Symbol, partner: sp.Symbol) -> sp.Expr:
        result = sp.diff(lagrangian, of)
        if coupling is not None:
            result += sp.diff(coupling, partner).subs(at_limit)
        return result

    force = tuple(variation(q, m) for q, m in zip(words.q, words.minus, strict=True))
    momentum = tuple(variation(v, m) for v, m in zip(words.v, words.minus_v, strict=True))
    energy = sp.Add(*(v * sp.diff(lagrangian, v) for v in words.v)) - lagrangian
    values = {words.constants[name]: study.number(v) for name, v in study.parameters.items()}
    free: list[sp.Symbol] = []
    for name, coefficient in getattr(study, "coefficients", {}).items():
        if coefficient.fixed is not None:
            values[words.constants[name]] = study.number(coefficient.fixed)
        else:
            free.append(words.constants[name])
    constraints = tuple(words.scalar(c) for c in study.system.holonomic)
    found = LagrangianSystem(
        words,
        lagrangian,
        coupling,
        force,
        momentum,
        distributed(energy),
        values,
        tuple(free),
        constraints,
    )
    _require_real(study, found)
    _require_regular(study, found)
    return found


def distributed(expression: sp.Expr) -> sp.Expr:
    """Products of sums multiplied out at the top, so that like terms cancel; powers stay."""
    terms = (sp.expand_mul(term, deep=False) for term in sp.Add.make_args(expression))
    return sp.Add(*terms)


def _lagrangian(study: Study, words: Vocabulary) -> sp.Expr:
    if study.system.lagrangian is not None:
        return words.scalar(study.system.lagrangian)
    assert study.system.potential is not None
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
    return kinetic - words.scalar(study.system.potential)


def _require_odd(study: Study, words: Vocabulary, coupling: sp.Expr) -> None:
    """K must change sign with the minus variables (Galley's antisymmetry under 1 <-> 2)."""
    flip = {m: -m for m in (*words.minus, *words.minus_v)}
    expanded = sp.expand(coupling)
    for term in sp.Add.make_args(expanded):
        if sp.expand(term + term.subs(flip, simultaneous=True)) != 0 and not vanishes(
            term + term.subs(flip, simultaneous=True)
        ):
            from .printing import text

            raise study_error(
                study,
                study.system.nonconservative,
                "k-not-odd",
                "K must be odd in the minus variables, but the term "
                f"{text(term, words, doubled=True)} "
                "is not",
                "every term needs an odd number of factors q_minus or q_minus', "
                "as in -lam*q_plus'*q_minus",
            )


def _points(expressions: Sequence[sp.Expr]) -> list[dict[sp.Symbol, sp.Expr]]:
    """Three points at irrational numbers for the symbols of some expressions."""
    symbols = sorted(set[sp.Symbol]().union(*(e.free_symbols for e in expressions)), key=str)
    return [{s: sp.sqrt(k * shift + 2) / 3 for k, s in enumerate(symbols)} for shift in (1, 2, 3)]


def vanishes(expression: sp.Expr) -> bool:
    """Whether an expression is zero at three irrational points (where expand cannot see it)."""
    return all(abs(sp.N(expression.subs(at), 30)) < 1e-20 for at in _points([expression]))


def _require_real(study: Study, found: LagrangianSystem) -> None:
    """Infinite and complex constants would fail later, and far from their place."""
    odd = (sp.zoo, sp.nan, sp.oo, -sp.oo, sp.I)
    parts = [(study.system.lagrangian or study.system.potential, found.lagrangian)]
    if found.nonconservative is not None:
        parts.append((study.system.nonconservative, found.nonconservative))
    parts += zip(study.system.holonomic, found.constraints, strict=True)
    for where, expression in parts:
        if expression.has(*odd):
            raise study_error(
                study,
                where,
                "not-finite",
                "a constant in this expression is not a finite real number",
                "look for a division by zero, log(0) or the root of a negative number",
            )
    for entry in (*found.force, *found.mass):
        if entry.has(sp.DiracDelta, *odd):
            raise study_error(
                study,
                parts[0][0],
                "kink",
                "the equations of motion need derivatives that do not exist here",
                "replace a kink such as |q'| by a smooth function, sqrt(q'^2 + eps^2)",
            )


def _require_regular(study: Study, found: LagrangianSystem) -> None:
    """The velocities must follow from the momenta: dP/dv must not be singular for every motion.

    Judged by numbers at three points: the determinant of symbols can take hours.
    """
    where = study.system.lagrangian or study.system.potential
    for k, name in enumerate(found.words.names):
        if all(entry == 0 for entry in found.mass.row(k)):
            raise study_error(
                study,
                where,
                "degenerate",
                f"the Lagrangian has no kinetic term in {name}', "
                "so its velocity does not follow from its momentum",
                f"add a term in {name}'^2",
            )
    entries = list(found.mass)
    ranks = []
    for at in _points(entries):
        numbers = [complex(sp.N(entry.subs(at), 15)) for entry in entries]
        matrix = np.array(numbers).reshape(found.n, found.n)
        if np.isfinite(matrix).all():
            ranks.append(np.linalg.matrix_rank(matrix, tol=1e-10 * np.abs(matrix).max()))
    if ranks and max(ranks) < found.n:
        raise study_error(
            study,
            where,
            "degenerate",
            "the kinetic matrix d2L/dv dv is singular, so the velocities do not follow "
            "from the momenta",
            "give every coordinate a kinetic term of its own",
        )
