"""Noether's theorem: symmetries of a Lagrangian, their charges, and what K does to them.

A symmetry is a displacement delta q = xi(q) = A q + c that leaves L (and every constraint) as it
is, or a shift of time. Its charge P . xi changes by Noether's theorem only through K,

    d/dt (P . xi) = [dK/dq-] . xi + [dK/dv-] . d(xi)/dt,    dE/dt = v . ([dK/dq-] - d/dt [dK/dv-])

(Galley, Phys. Rev. Lett. 110, 174301, 2013; E is that of L alone). The affine symmetries are found
whole for a few degrees of freedom, as the null space of a linear system, and among shifts and
rotations of the coordinates beyond; each is proved by SymPy before it is believed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, cast

import numpy as np
import sympy as sp

from .evaluation import null_space, numbers, vanishes
from .lagrangian_system import LagrangianSystem
from .many_body_sums import Summand
from .printing import latex, sums_latex, sums_text, text
from .vocabulary import ArgumentPlace, BodyIndex, Vocabulary

WHOLE = 9  # degrees of freedom up to which every affine symmetry is looked for
LARGEST = 64  # beyond it only the energy is kept: the algebra would take longer than the run
DENOMINATOR = 12  # of the numbers in a displacement
TOLERANCE = 1e-9


Kind = Literal["time", "translation", "rotation", "linear"]


@dataclass(frozen=True)
class Symmetry:
    """A displacement of few coordinates xi (empty for time), its charge, and the charge's rate of
    change through K: expressions of q, v, t and (rate alone) the accelerations a.

    Of bodies, all are shifted, or turned, alike: in the `components` that stand here, by pairs for
    turns. Their charges are sums, which `charge_text` and `charge_latex` write.
    """

    name: str
    kind: Kind
    charge_name: str
    displacement: tuple[sp.Expr, ...] = ()
    charge: sp.Expr = sp.S.Zero
    rate: sp.Expr = sp.S.Zero
    components: tuple[int, ...] = ()


def symmetries(system: LagrangianSystem) -> tuple[Symmetry, ...]:
    """The symmetries of a system, time first."""
    if system.body_count:
        return tuple(_of_bodies(system))
    result = [] if system.timed else [_of_time(system)]
    if system.n <= LARGEST:
        space = _candidates(system) if system.n > WHOLE else _null_space(system)
        result += [_of_space(system, A, c) for A, c in space if _invariant(system, A, c)]
    return tuple(result)


def charge_text(system: LagrangianSystem, symmetry: Symmetry) -> str:
    """The charge of a symmetry in the study language."""
    words, of = system.words, symmetry.components
    if not system.body_count:
        return text(symmetry.charge, words)
    if symmetry.kind == "time":
        return sums_text(system.energy_terms, words)
    x = [str(words.at("q", k, BodyIndex("i", 0))) for k in of]
    if symmetry.kind == "translation":
        return f"sum(i, pi_{x[0]})"
    planes = zip(x[::2], x[1::2], strict=True)
    return f"sum(i, {' + '.join(f'{a}*pi_{b} - {b}*pi_{a}' for a, b in planes)})"


def charge_latex(system: LagrangianSystem, symmetry: Symmetry) -> str:
    """The charge of a symmetry as LaTeX, without delimiters."""
    words, of = system.words, symmetry.components
    if not system.body_count:
        return latex(symmetry.charge, words)
    if symmetry.kind == "time":
        return sums_latex(system.energy_terms, words)
    x = [latex(words.at("q", k, BodyIndex("i", 0)), words) for k in of]
    if symmetry.kind == "translation":
        return rf"\sum_i \pi_{{{x[0]}}}"
    turns = " + ".join(
        rf"{a} \, \pi_{{{b}}} - {b} \, \pi_{{{a}}}" for a, b in zip(x[::2], x[1::2], strict=True)
    )
    return rf"\sum_i \left( {turns} \right)"


def _of_bodies(system: LagrangianSystem) -> Iterator[Symmetry]:
    """The symmetries of bodies, by algebra on summands: time, shifts and turns of all of them."""
    words, laws = system.words, system.laws
    if not system.timed:
        yield Symmetry("shift of time", "time", "energy")
    for a, name in enumerate(words.names):
        if all(_kept(one, {a: {a: None}}) for one in laws):
            shown = words.at("q", a, BodyIndex("i", 0))
            yield Symmetry(f"shift of {shown} for all i", "translation",
                           f"total momentum of {name}", components=(a,))  # fmt: skip
    firsts: dict[int, list[int]] = {}  # first components of the vectors of a size
    for name, part in words.slices.items():
        if name in words.vectors:
            firsts.setdefault(part.stop - part.start, []).append(part.start)
    for size, starts in firsts.items():
        for low, high in {2: [(0, 1)], 3: [(1, 2), (2, 0), (0, 1)]}.get(size, []):
            turn = {f + low: {f + high: -1} for f in starts} | {
                f + high: {f + low: 1} for f in starts
            }
            if all(_kept(one, turn) for one in laws):
                planes = ", ".join(
                    f"({words.names[f + low]}, {words.names[f + high]})" for f in starts
                )
                yield Symmetry(
                    f"rotation of {planes} for all i", "rotation", f"angular momentum of {planes}",
                    components=tuple(f + k for f in starts for k in (low, high)),
                )  # fmt: skip


def _kept(one: Summand, change: Mapping[int, Mapping[int, int | None]]) -> bool:
    """Whether a summand stays as it is: component a of each body changes by `change[a]`, which
    has the factors of the other components (None: a constant)."""
    total, at = sp.Integer(0), {place: symbol for symbol, place in one.places.items()}
    for symbol in one.symbols("q", "v"):
        what, of, body = one.places[symbol]
        for other, factor in change.get(cast("int", of), {}).items():
            if factor is None:
                total += sp.diff(one.expression, symbol) if what == "q" else 0
                continue
            partner = at.get(ArgumentPlace(what, other, body))
            if partner is None:
                return False
            total += factor * partner * sp.diff(one.expression, symbol)
    return vanishes(total)


def _couplings(system: LagrangianSystem) -> tuple[tuple[sp.Expr, ...], tuple[sp.Expr, ...]]:
    """[dK/dq-] and [dK/dv-] in the physical limit."""
    first = len(system.lagrangian_terms)
    momenta = [d for d in system.momentum_terms if d.part >= first]
    return system.by_component(system.coupling_terms), system.by_component(momenta)


def _of_time(system: LagrangianSystem) -> Symmetry:
    words = system.words
    forces, momenta = _couplings(system)
    rate = sp.Add(*(v * f for v, f in zip(words.v, forces, strict=True)))
    for v, momentum in zip(words.v, momenta, strict=True):
        if momentum == 0:
            continue
        rate -= v * words.driven.explicit_rate(momentum)
        for k in range(system.n):
            rate -= v * sp.diff(momentum, words.q[k]) * words.v[k]
            rate -= v * sp.diff(momentum, words.v[k]) * words.a[k]
    return Symmetry("shift of time", "time", "energy", (), system.energy, rate)


def _of_space(system: LagrangianSystem, A: sp.Matrix, c: sp.Matrix) -> Symmetry:
    words = system.words
    forces, momenta = _couplings(system)
    xi = list(A * sp.Matrix(words.q) + c)
    slope = list(A * sp.Matrix(words.v))
    charge = sp.Add(*(p * x for p, x in zip(system.momentum, xi, strict=True)))
    rate = sp.Add(
        *(f * x for f, x in zip(forces, xi, strict=True)),
        *(m * x for m, x in zip(momenta, slope, strict=True)),
    )
    kind, name, charge_name = _named(system, A, c)
    return Symmetry(name, kind, charge_name, tuple(xi), sp.expand_mul(charge), rate)


def _invariant(system: LagrangianSystem, A: sp.Matrix, c: sp.Matrix) -> bool:
    """Whether L and every constraint stay as they are: by algebra, else at thirty digits."""
    words = system.words
    xi, slope = A * sp.Matrix(words.q) + c, A * sp.Matrix(words.v)
    for law in (system.lagrangian, *system.constraints):
        change = sp.Add(
            *(sp.diff(law, q) * x for q, x in zip(words.q, xi, strict=True) if x != 0),
            *(sp.diff(law, v) * x for v, x in zip(words.v, slope, strict=True) if x != 0),
        )
        if not vanishes(change):
            return False
    return True


def _null_space(system: LagrangianSystem) -> Iterator[tuple[sp.Matrix, sp.Matrix]]:
    """A and c of the affine displacements that leave L alone at many points, in a plain basis."""
    n, words = system.n, system.words
    rows = np.concatenate([_changes(system, law) for law in (system.lagrangian,
                           *system.constraints)])  # fmt: skip
    rows = rows[np.isfinite(rows).all(axis=1) & (np.abs(rows).max(axis=1) > 0)]
    if len(rows) < n + n * n:
        return
    rows /= np.abs(rows).max(axis=1, keepdims=True)
    for row in _reduced(null_space(rows, TOLERANCE)):
        whole = [Fraction(float(x)).limit_denominator(DENOMINATOR) for x in row]
        if np.max(np.abs(row - np.array(whole, float))) < 1e-6:
            plain = [sp.Rational(x) for x in whole]
            yield (
                _oriented(sp.Matrix(n, n, plain[n:]), words),
                sp.Matrix(n, 1, plain[:n]),
            )


def _changes(system: LagrangianSystem, law: sp.Expr) -> np.ndarray:
    """d(law) for each unit entry of (c, A) at random points, (points, n + n^2)."""
    words, n = system.words, system.n
    draw = np.random.default_rng(0)
    count = 3 * (n + n * n) + 10
    q = draw.uniform(0.3, 1.3, (n, count))
    v = draw.uniform(-0.3, 0.3, (n, count))
    t = draw.uniform(0.3, 1.3, count)
    zeros = {s for s, value in system.values.items() if value == 0}
    constants = [
        np.zeros(count) if s in zeros else np.full(count, draw.uniform(0.5, 1.5))
        for s in system.constants
    ]
    symbols = [*words.q, *words.v, words.t, *system.constants]
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


def _candidates(system: LagrangianSystem) -> Iterator[tuple[sp.Matrix, sp.Matrix]]:
    """Every coordinate shifted; all vectors of a dimension shifted or turned together."""
    n, words = system.n, system.words
    still = sp.zeros(n, n)
    for k in range(n):
        if not system.lagrangian.has(words.q[k]):
            yield still, sp.Matrix(n, 1, [int(j == k) for j in range(n)])
    groups: dict[int, list[slice]] = {}
    for name, part in words.slices.items():
        size = part.stop - part.start if name in words.vectors else 0
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
                yield _oriented(A, words), sp.zeros(n, 1)


def _oriented(A: sp.Matrix, words: Vocabulary) -> sp.Matrix:
    """A rotation in the positive sense: x to y to z to x for three axes."""
    if A != -A.T or not any(A):
        return A
    k, j = next((k, j) for k in range(A.rows) for j in range(A.cols) if A[k, j] != 0)
    for name, part in words.slices.items():
        if name in words.vectors and part.stop - part.start == 3 and part.start <= k < part.stop:
            cyclic = (j - k) % 3 == 1  # from axis k to axis j
            return -A if (A[k, j] > 0) == cyclic else A
    return -A if A[k, j] > 0 else A


def _named(system: LagrangianSystem, A: sp.Matrix, c: sp.Matrix) -> tuple[Kind, str, str]:
    """Kind of the symmetry, its name, and the name of its charge."""
    names = system.words.names
    if not any(A):
        moved = [names[k] for k in range(system.n) if c[k] != 0]
        if len(moved) == 1:
            return "translation", f"shift of {moved[0]}", f"momentum of {moved[0]}"
        some = _listed(moved)
        return "translation", f"shift of {some} together", f"total momentum of {some}"
    if A == -A.T:
        planes = [
            (names[k], names[j])
            for k in range(system.n)
            for j in range(k + 1, system.n)
            if A[k, j] != 0
        ]
        some = _listed([f"({one}, {two})" for one, two in planes])
        return "rotation", f"rotation of {some}", f"angular momentum of {some}"
    moved = [names[k] for k in range(system.n) if any(A.row(k)) or c[k] != 0]
    return "linear", f"linear map of {_listed(moved)}", f"charge of {_listed(moved)}"


def _listed(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:3])}, ... ({len(names)})"
