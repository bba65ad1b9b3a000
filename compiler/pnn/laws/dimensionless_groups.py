"""Dimensionless groups of the columns of a table (Buckingham, Phys. Rev. 4, 345, 1914).

Exponents are exact: the null space of the matrix of dimensions over the rational numbers, then a
basis of it with small whole exponents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import combinations
from math import gcd, lcm

import sympy as sp
from actionrun.compiler.errors import Locator, study_error

MOST_NAMES = 30
Exponents = tuple[Fraction, ...]
Dimension = Sequence[int | Fraction]


def buckingham_groups(
    words: Locator, target: str, dimensions: Mapping[str, Dimension]
) -> tuple[Exponents, list[Exponents]]:
    """What the target is divided by, and the groups of the others, as exponents of the names in
    `dimensions` (in their order), all but the target. Without groups the dimensions alone fix the
    law, up to a number.

    Raises Faults where no product of the others has the dimension of the target.
    """
    names = [name for name in dimensions if name != target]
    if len(names) > MOST_NAMES:
        raise study_error(
            words, ("data", "columns"), "groups.many",
            f"{len(names)} columns form too many groups; at most {MOST_NAMES} are looked through",
            "write the groups that matter as inputs in [search]",
        )  # fmt: skip
    matrix = sp.Matrix([[sp.Rational(x) for x in dimensions[name]] for name in names]).T
    wanted = sp.Matrix([sp.Rational(x) for x in dimensions[target]])
    where = ("search", "outputs", 0)
    if not names or matrix.rank() < matrix.row_join(wanted).rank():
        raise study_error(
            words, where, "groups.none",
            f"no product of powers of the other columns has the dimension of {target}",
            'name what is lacking in [parameters], such as k = "k_B" and h = "hbar"',
        )  # fmt: skip
    basis = small_basis([[*map(Fraction, vector)] for vector in matrix.nullspace()])
    one, unknown = matrix.gauss_jordan_solve(wanted)
    start = [Fraction(x.subs(dict.fromkeys(unknown, 0))) for x in one]
    bottom = _smallest(start, basis)
    return bottom, [_turned(one, bottom) for one in basis]


def small_basis(vectors: Sequence[Sequence[Fraction]]) -> list[Exponents]:
    """A basis of the same space with whole exponents, made small by adding and subtracting its
    members; each group starts with a positive exponent."""
    basis = [_whole(vector) for vector in vectors]
    better = True
    while better:
        better = False
        for i, j in combinations(range(len(basis)), 2):
            for sign in (1, -1):
                total = _whole([a + sign * b for a, b in zip(basis[i], basis[j], strict=True)])
                longer = i if _size(basis[i]) >= _size(basis[j]) else j
                if _size(total) < _size(basis[longer]):
                    basis[longer], better = total, True
    return sorted(basis, key=lambda one: (_size(one), [-x for x in one]))


def _turned(group: Exponents, bottom: Exponents) -> Exponents:
    """A group or its inverse, so that what the target is measured in is what the others are
    measured in, too: for y/x1 groups are x2/x1 and not x1/x2."""
    repeating = sum(e for e, b in zip(group, bottom, strict=True) if b)
    return tuple(-e for e in group) if repeating > 0 else group


def _smallest(start: Sequence[Fraction], basis: Sequence[Exponents]) -> Exponents:
    """Of all that have the dimension of `start`, one with small exponents."""
    best = tuple(start)
    steps = [Fraction(k, 6) for k in range(-12, 13) if k]
    better = True
    while better:
        better = False
        for group in basis:
            for step in steps:
                trial = tuple(a + step * b for a, b in zip(best, group, strict=True))
                if _size(trial) < _size(best):
                    best, better = trial, True
    return best


def _size(vector: Sequence[Fraction]) -> tuple[int, Fraction, int]:
    """Roots first, then large exponents, then many of them."""
    roots = sum(x.denominator - 1 for x in vector)
    return roots, sum((abs(x) for x in vector), Fraction(0)), sum(x != 0 for x in vector)


def _whole(vector: Sequence[Fraction]) -> Exponents:
    """The same direction in whole numbers without a common factor, its first one positive."""
    scale = lcm(*(x.denominator for x in vector))
    whole = [int(x * scale) for x in vector]
    divisor = gcd(*whole) or 1
    sign = 1 if next((x for x in whole if x), 1) > 0 else -1
    return tuple(Fraction(sign * x // divisor) for x in whole)
