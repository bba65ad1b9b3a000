"""Regularity of a Lagrangian: K odd, constants real, and velocities that follow from momenta.

The kinetic matrix of many bodies has to be diagonal and constant: one mass a body and component.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np
import sympy as sp
from actionrun.compiler.errors import study_error
from actionrun.spec import Expression

from .evaluation import expanded, is_zero, points, vanishes
from .many_body_sums import Derivative, Summand
from .printing import text
from .vocabulary import Vocabulary

L, K = ("system", "lagrangian"), ("system", "nonconservative")  # where they stand
NOT_REAL = (sp.zoo, sp.nan, sp.oo, -sp.oo, sp.I)


def require_odd(words: Vocabulary, one: Summand) -> None:
    """K must change sign with the minus variables (Galley's antisymmetry under 1 <-> 2). Raises
    Faults."""
    flip = {m: -m for m in one.symbols("minus", "minus_v")}
    for term in sp.Add.make_args(expanded(one.expression)):
        both = term + term.subs(flip, simultaneous=True)
        if not vanishes(both):
            hint = (
                "q_minus[i] or q_minus'[i], as in sum(i, -c*q_plus'[i]*q_minus[i])"
                if words.body_count
                else "q_minus or q_minus', as in -lam*q_plus'*q_minus"
            )
            raise study_error(
                words, K, "k-not-odd",
                "K must be odd in the minus variables, but the term "
                f"{text(term, words, doubled=True)} is not",
                f"every term needs an odd number of factors {hint}",
            )  # fmt: skip


def require_real(
    words: Vocabulary, laws: Iterable[tuple[Expression | None, tuple[Summand, ...]]]
) -> None:
    """Infinite and complex constants would fail later, and far from their place. Raises Faults."""
    for where, parts in laws:
        if any(one.expression.has(*NOT_REAL) for one in parts):
            raise study_error(
                words, where, "not-finite",
                "a constant in this expression is not a finite real number",
                "look for a division by zero, log(0) or the root of a negative number",
            )  # fmt: skip


def require_regular(
    words: Vocabulary, where: Expression | None, force: Sequence[sp.Expr],
    mass: sp.ImmutableMatrix,
) -> None:  # fmt: skip
    """Few velocities must follow from their momenta: dP/dv must not be singular for every motion.

    Judged by numbers at three points: the determinant of symbols can take hours. Raises Faults.
    """
    entries, n = list(mass), len(words.names)
    if any(entry.has(sp.DiracDelta, *NOT_REAL) for entry in (*force, *entries)):
        raise study_error(
            words, where, "kink",
            "the equations of motion need derivatives that do not exist here",
            "replace a kink such as |q'| by a smooth function, sqrt(q'^2 + eps^2)",
        )  # fmt: skip
    for k, name in enumerate(words.names):
        if all(entry == 0 for entry in mass.row(k)):
            raise study_error(
                words, where, "degenerate",
                f"the Lagrangian has no kinetic term in {name}', "
                "so its velocity does not follow from its momentum",
                f"add a term in {name}'^2",
            )  # fmt: skip
    ranks = []
    for at in points(entries):
        numbers = [complex(sp.N(entry.subs(at), 15)) for entry in entries]
        matrix = np.array(numbers).reshape(n, n)
        if np.isfinite(matrix).all():
            ranks.append(np.linalg.matrix_rank(matrix, tol=1e-10 * np.abs(matrix).max()))
    if ranks and max(ranks) < n:
        raise study_error(
            words, where, "degenerate",
            "the kinetic matrix d2L/dv dv is singular, so the velocities do not follow "
            "from the momenta",
            "give every coordinate a kinetic term of its own",
        )  # fmt: skip


def diagonal_mass(words: Vocabulary, momentum: Sequence[Derivative]) -> tuple[Derivative, ...]:
    """dP/dv of each momentum of a body. Raises Faults where it is more than a
    constant mass."""
    masses = []
    for part, place, expression in momentum:
        own = words.at("v", place.of, place.body)
        for other in sorted(words.of("v"), key=str):
            if other != own and not is_zero(sp.diff(expression, other)):
                raise study_error(
                    words, L, "mass-not-diagonal",
                    f"the momentum of {own} holds the velocity {other}: the kinetic energy of "
                    "many bodies is a sum of squares",
                    "write sum(i, m[i]*dot(r'[i], r'[i])/2), or mass times velocity^2 a body",
                )  # fmt: skip
        mass = expanded(sp.diff(expression, own))
        if mass.free_symbols & (words.moving | {words.t}):
            raise study_error(
                words, L, "mass-not-constant",
                f"the mass in {own} changes with the motion: {text(mass, words)}",
                "the masses of many bodies are constant numbers; write such a system with "
                "coordinates of its own, without particles",
            )  # fmt: skip
        masses.append(Derivative(part, place, mass))
    return tuple(masses)


def require_masses(words: Vocabulary, inverse: np.ndarray) -> None:
    """Raises Faults where a mass, given by its inverse (components, bodies), is none."""
    bad = ~(np.isfinite(inverse) & (inverse != 0))
    if not bad.any():
        return
    component, body = (int(x[0]) for x in np.nonzero(bad))
    coordinate, bracket, rest = words.names[component].partition("[")
    name = f"{coordinate}'[{body + 1}]{bracket}{rest}"
    raise study_error(
        words, L, "degenerate",
        f"the Lagrangian has no kinetic term in {name}, so its velocity does not follow from "
        "its momentum",
        "a sum runs over those i for which every body in it exists: with q[i+1] it ends one "
        "early, so give the kinetic energy a sum of its own",
    )  # fmt: skip


def kinks(expressions: Iterable[sp.Expr]) -> tuple[sp.Expr, ...]:
    """Switching functions: where one is zero, a derivative of an expression jumps or is infinite.

    Of |a| and sign(a) that is a, of max and min the difference of two arguments.
    """
    switches: dict[sp.Expr, None] = {}
    for expression in expressions:
        for node in sp.preorder_traversal(expression):
            if isinstance(node, sp.Abs | sp.sign | sp.Heaviside):
                switches[node.args[0]] = None
            elif isinstance(node, sp.Max | sp.Min):
                switches.update(dict.fromkeys(a - b for a, b in combinations(node.args, 2)))
    forward = (-one if one.could_extract_minus_sign() else one for one in switches)
    return tuple(dict.fromkeys(one for one in forward if one.free_symbols))
