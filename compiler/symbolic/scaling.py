"""Scaling symmetries: how the coefficients of a family go with the scales of its motion.

A scaling multiplies every coordinate, the action and every coefficient by powers of a number so
that the form of L and K stays as it is: dimensional analysis with the coefficients' dimensions
unknown. The scalings form a vector space of exponents, found here by linear algebra on the
expression tree. Time is not scaled, since the times of the samples are given.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from .evaluation import expanded
from .lagrangian_system import LagrangianSystem

ACTION = sp.Symbol("_action")


@dataclass(frozen=True)
class Scaling:
    """One basis vector: exponents of a scale s under which the family maps onto itself.

    `pivot` is the coordinate that goes with s itself, or "" for the action (momenta times
    positions), whose exponent is then 1.
    """

    pivot: str
    coordinates: dict[str, sp.Rational]
    action: sp.Rational
    coefficients: dict[str, sp.Rational]


def scalings(system: LagrangianSystem) -> tuple[Scaling, ...]:
    """A basis of the scalings of a family, one pivot each, coordinates first."""
    words = system.words
    weights: dict[sp.Symbol, sp.Expr] = {words.t: sp.Integer(0)}
    unknown: list[sp.Symbol] = []
    names: list[str] = []
    for name, part in words.slices.items():
        w = sp.Symbol(f"w_{name}")
        unknown.append(w)
        names.append(name)
        for of in (words.q, words.v, words.minus, words.minus_v):
            weights |= dict.fromkeys(of[part], w)
    unknown.append(ACTION)
    free = {words.constants[c.name]: sp.Symbol(f"c_{c.name}") for c in system.coefficients}
    unknown += free.values()
    weights |= free
    weights |= dict.fromkeys((*system.values, *system.driven), sp.Integer(0))
    balance: list[sp.Expr] = []
    for expression in (system.lagrangian, system.nonconservative):
        if expression is not None:
            for term in sp.Add.make_args(expanded(expression)):
                balance.append(_weight(term, weights, balance) - ACTION)
    for phi in system.constraints:
        _weight(expanded(phi), weights, balance)
    rows = [[equation.coeff(u) for u in unknown] for equation in map(sp.expand, balance)]
    matrix = sp.Matrix(rows) if rows else sp.zeros(1, len(unknown))
    return _pivoted(matrix.nullspace(), names, [c.name for c in system.coefficients])


def _weight(part: sp.Expr, weights: dict, balance: list[sp.Expr]) -> sp.Expr:
    """The exponent with which a part scales; conditions that this needs go to `balance`."""
    if part in weights:
        return weights[part]
    if not part.free_symbols:
        return sp.Integer(0)
    below = [_weight(a, weights, balance) for a in part.args]
    if isinstance(part, sp.Mul):
        return sp.Add(*below)
    if isinstance(part, sp.Add | sp.Min | sp.Max):
        balance.extend(w - below[0] for w in below[1:])
        return below[0]
    if isinstance(part, sp.Pow) and part.exp.is_Rational:
        return part.exp * below[0]
    if isinstance(part, sp.Abs):
        return below[0]
    if isinstance(part, sp.atan2):
        balance.append(below[0] - below[1])
        return sp.Integer(0)
    balance.extend(below)  # any other function wants, and gives, a pure number
    return sp.Integer(0)


def _pivoted(basis, names: list[str], coefficients: list[str]) -> tuple[Scaling, ...]:
    """The basis in reduced form over (coordinates, action); pure coefficient gauges are dropped."""
    if not basis:
        return ()
    reduced, pivots = sp.Matrix.hstack(*basis).T.rref()
    basis_vectors = []
    for row, column in enumerate(pivots):
        if column > len(names):
            continue  # moves coefficients alone: a redundancy, seen by identifiability
        vector = reduced.row(row)
        basis_vectors.append(
            Scaling(
                names[column] if column < len(names) else "",
                {name: vector[k] for k, name in enumerate(names)},
                vector[len(names)],
                {name: vector[len(names) + 1 + k] for k, name in enumerate(coefficients)},
            )
        )
    return tuple(basis_vectors)
