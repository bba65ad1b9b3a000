"""Symmetries of a Lagrangian, their charges, and what the nonconservative part does to them.

A symmetry is a displacement delta q = xi(q) = A q + c that leaves L (and every constraint) as it
is, or a shift of time. Its charge P . xi changes by Noether's theorem only through K,

    d/dt (P . xi) = [dK/dq-] . xi + [dK/dv-] . d(xi)/dt,    dE/dt = v . ([dK/dq-] - d/dt [dK/dv-])

(Galley, Phys. Rev. Lett. 110, 174301, 2013; E is that of L alone). The affine symmetries are found
whole for a few degrees of freedom, as the null space of a linear system, and among shifts and
rotations of the coordinates beyond; each is proved by SymPy before it is believed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import sympy as sp

from .evaluation import numbers
from .lagrangian_system import LagrangianSystem

WHOLE = 9  # degrees of freedom up to which every affine symmetry is looked for
LARGEST = 64  # beyond it only the energy is kept: the algebra would take longer than the run
DENOMINATOR = 12  # of the numbers in a displacement
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Symmetry:
    """A displacement xi (empty for time), its charge, and the charge's rate of change through K.

    `charge` and `rate` are expressions of q, v, t and (rate alone) the accelerations a.
    """

    name: str
    kind: str  # "time", "translation", "rotation", "linear"
    charge_name: str
    displacement: tuple[sp.Expr, ...]
    charge: sp.Expr
    rate: sp.Expr


def symmetries(problem: LagrangianSystem) -> tuple[Symmetry, ...]:
    """All that is found, time first."""
    found = [_of_time(problem)] if _timeless(problem) else []
    if problem.n <= LARGEST:
        space = _candidates(problem) if problem.n > WHOLE else _null_space(problem)
        found += [_of_space(problem, A, c) for A, c in space if _invariant(problem, A, c)]
    return tuple(found)


def _timeless(problem: LagrangianSystem) -> bool:
    laws = (problem.lagrangian, *problem.constraints)
    return not any(law.has(problem.words.t) for law in laws)


def _couplings(problem: LagrangianSystem) -> tuple[list[sp.Expr], list[sp.Expr]]:
    """[dK/dq-] and [dK/dv-] in the physical limit."""
    words, K = problem.words, problem.nonconservative
    if K is None:
        return [sp.Integer(0)] * problem.n, [sp.Integer(0)] * problem.n
    limit = dict.fromkeys((*words.minus, *words.minus_v), sp.Integer(0))
    return (
        [sp.diff(K, m).subs(limit) for m in words.minus],
        [sp.diff(K, m).subs(limit) for m in words.minus_v],
    )


def _of_time(problem: LagrangianSystem) -> Symmetry:
    words = problem.words
    forces, momenta = _couplings(problem)
    rate = sp.Add(*(v * f for v, f in zip(words.v, forces, strict=True)))
    for v, momentum in zip(words.v, momenta, strict=True):
        if momentum == 0:
            continue
        rate -= v * sp.diff(momentum, words.t)
        for k in range(problem.n):
            rate -= v * sp.diff(momentum, words.q[k]) * words.v[k]
            rate -= v * sp.diff(momentum, words.v[k]) * words.a[k]
    return Symmetry("shift of time", "time", "energy", (), problem.energy, rate)


def _of_space(problem: LagrangianSystem, A: sp.Matrix, c: sp.Matrix) -> Symmetry:
    words = problem.words
    forces, momenta = _couplings(problem)
    xi = list(A * sp.Matrix(words.q) + c)
    slope = list(A * sp.Matrix(words.v))
    charge = sp.Add(*(p * x for p, x in zip(problem.momentum, xi, strict=True)))
    rate = sp.Add(
        *(f * x for f, x in zip(forces, xi, strict=True)),
        *(m * x for m, x in zip(momenta, slope, strict=True)),
    )
    kind, name, charge_name = _named(problem, A, c)
    return Symmetry(name, kind, charge_name, tuple(xi), sp.expand_mul(charge), rate)


def _invariant(problem: LagrangianSystem, A: sp.Matrix, c: sp.Matrix) -> bool:
    """Whether L and every constraint stay as they are: by algebra, else at thirty digits."""
    words = problem.words
    xi, slope = A * sp.Matrix(words.q) + c, A * sp.Matrix(words.v)
    for law in (problem.lagrangian, *problem.constraints):
        change = sp.Add(
            *(sp.diff(law, q) * x for q, x in zip(words.q, xi, strict=True) if x != 0),
            *(sp.diff(law, v) * x for v, x in zip(words.v, slope, strict=True) if x != 0),
        )
        if change == 0 or sp.expand(change) == 0:
            continue
        symbols = sorted(change.free_symbols, key=str)
        for shift in (1, 2, 3):
            at = {s: sp.sqrt(k * shift + 2) / 3 for k, s in enumerate(symbols)}
            if not abs(sp.N(change.subs(at), 30)) < 1e-20:
                return False
    return True


def _null_space(problem: LagrangianSystem) -> Iterator[tuple[sp.Matrix, sp.Matrix]]:
    """A and c of the affine displacements that leave L alone at many points, in a plain basis."""
    n, words = problem.n, problem.words
    rows = np.concatenate([_changes(problem, law) for law in (problem.lagrangian,
                           *problem.constraints)])  # fmt: skip
    rows = rows[np.isfinite(rows).all(axis=1) & (np.abs(rows).max(axis=1) > 0)]
    if len(rows) < n + n * n:
        return
    rows /= np.abs(rows).max(axis=1, keepdims=True)
    _, sizes, basis = np.linalg.svd(rows)
    for row in _reduced(basis[np.sum(sizes > TOLERANCE * sizes[0]) :]):
        whole = [Fraction(float(x)).limit_denominator(DENOMINATOR) for x in row]
        if np.max(np.abs(row - np.array(whole, float))) < 1e-6:
            plain = [sp.Rational(x.numerator, x.denominator) for x in whole]
            yield (
                _oriented(sp.Matrix(n, n, plain[n:]), words.study.system),
                sp.Matrix(n, 1, plain[:n]),
            )


def _changes(problem: LagrangianSystem, law: sp.Expr) -> np.ndarray:
    """d(law) for each unit entry of (c, A) at random points, (points, n + n^2)."""
    words, n = problem.words, problem.n
    draw = np.random.default_rng(0)
    count = 3 * (n + n * n) + 10
    q = draw.uniform(0.3, 1.3, (n, count))
    v = draw.uniform(-0.3, 0.3, (n, count))
    t = draw.uniform(0.3, 1.3, count)
    zeros = {s for s, value in problem.values.items() if value == 0}
    constants = [
        np.zeros(count) if s in zeros else np.full(count, draw.uniform(0.5, 1.5))
        for s in problem.constants
    ]
    symbols = [*words.q, *words.v, words.t, *problem.constants]
    at = dict(zip(symbols, [*q, *v, t, *constants], strict=True))
    values = numbers([sp.diff(law, x) for x in (*words.q, *words.v)], at)
    by_q, by_v = values[:n], values[n:]
    turned = q[None] * by_q[:, None] + v[None] * by_v[:, None]  # [k, l] of A_kl
    return np.concatenate([by_q, turned.reshape(n * n, count)]).T


def _reduced(basis: np.ndarray) -> np.ndarray:
    """Row echelon form, so that the basis is plain: shifts first, then turns without shifts."""
    rows, rank = basis.copy(), 0
    for column in range(rows.shape[1]):
        if rank == len(rows):
            break
        best = rank + int(np.argmax(np.abs(rows[rank:, column])))
        if abs(rows[best, column]) < 1e-6:
            continue
        rows[[rank, best]] = rows[[best, rank]]
        rows[rank] /= rows[rank, column]
        for other in range(len(rows)):
            if other != rank:
                rows[other] -= rows[other, column] * rows[rank]
        rank += 1
    return rows


def _candidates(problem: LagrangianSystem) -> Iterator[tuple[sp.Matrix, sp.Matrix]]:
    """Every coordinate shifted; all vectors of a dimension shifted or turned together."""
    n, words = problem.n, problem.words
    still = sp.zeros(n, n)
    for k in range(n):
        if not problem.lagrangian.has(words.q[k]):
            yield still, sp.Matrix(n, 1, [int(j == k) for j in range(n)])
    system = words.study.system
    groups: dict[int, list[slice]] = {}
    for name, part in words.slices.items():
        size = part.stop - part.start if system.is_vector(name) else 0
        groups.setdefault(size, []).append(part)
    for size, parts in groups.items():
        for axis in range(max(size, 1)):
            places = {part.start + axis for part in parts}
            if len(places) > 1:
                yield still, sp.Matrix(n, 1, [int(j in places) for j in range(n)])
        for low in range(size if size in (2, 3) else 0):
            for high in range(low + 1, size):
                A = sp.zeros(n, n)
                for part in parts:
                    A[part.start + low, part.start + high] = 1
                    A[part.start + high, part.start + low] = -1
                yield _oriented(A, system), sp.zeros(n, 1)


def _oriented(A: sp.Matrix, system) -> sp.Matrix:
    """A rotation in the positive sense: x to y to z to x for three axes."""
    if A != -A.T or not any(A):
        return A
    k, j = next((k, j) for k in range(A.rows) for j in range(A.cols) if A[k, j] != 0)
    start = 0
    for name, size in system.coordinates.items():
        if system.is_vector(name) and size == 3 and start <= k < start + 3:
            cyclic = (j - k) % 3 == 1  # from axis k to axis j
            return -A if (A[k, j] > 0) == cyclic else A
        start += size
    return -A if A[k, j] > 0 else A


def _named(problem: LagrangianSystem, A: sp.Matrix, c: sp.Matrix) -> tuple[str, str, str]:
    """Kind of the symmetry, its name, and the name of its charge."""
    names = problem.words.names
    if not any(A):
        moved = [names[k] for k in range(problem.n) if c[k] != 0]
        if len(moved) == 1:
            return "translation", f"shift of {moved[0]}", f"momentum of {moved[0]}"
        some = _listed(moved)
        return "translation", f"shift of {some} together", f"total momentum of {some}"
    if A == -A.T:
        planes = [
            (names[k], names[j])
            for k in range(problem.n)
            for j in range(k + 1, problem.n)
            if A[k, j] != 0
        ]
        some = _listed([f"({one}, {two})" for one, two in planes])
        return "rotation", f"rotation of {some}", f"angular momentum of {some}"
    moved = [names[k] for k in range(problem.n) if any(A.row(k)) or c[k] != 0]
    return "linear", f"linear map of {_listed(moved)}", f"charge of {_listed(moved)}"


def _listed(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:3])}, ... ({len(names)})"
