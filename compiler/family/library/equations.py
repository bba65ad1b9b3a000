"""A library's Euler-Lagrange equations as array functions: linear in the coefficients of its terms.

    R(q, v, a; c) = R_0 + sum_k c_k R_k,    R_k = A_k(q, v) a + b_k(q, v)

R_k of a term T of the Lagrangian is d/dt dT/dv - dT/dq, of a term of K it is -dK/dq-. Terms that
change no equation, or that others stand for, are told by the rank of these at random states.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import sympy as sp
from actionrun.compiler.numerics.inference.segment_shooting import LinearLaw
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem

from .array_program import ArrayProgram

STATES = 8  # random ones a term, in which dependences show
DEPENDENT = 1e-11  # of a column's length, left when those before it are taken out
SPREAD = (-1.0, 3.0)  # of the sizes of the states, in powers of two: smooth functions part far out
SHARE = 1e-6  # of a dependence: a term with less has no part in it
SEED = 21


@dataclass(frozen=True)
class Dependence:
    """A term without an equation of its own, and by which others it is replaced; none where it
    changes no equation of motion."""

    name: str
    by: tuple[str, ...]

    @property
    def text(self) -> str:
        if not self.by:
            return f"{self.name} changes no equation of motion"
        together = " together" if len(self.by) > 1 else ""
        return f"{self.name} acts as {', '.join(self.by)}{together}"


@dataclass
class LibraryEquations:
    """The equations of a library: `known` R_0 (n,) and `terms` R_k (n,) each, in symbols q, v, a;
    the Lagrangian parts of all, of which the weak form takes the derivatives; names of terms."""

    q: tuple[sp.Symbol, ...]
    v: tuple[sp.Symbol, ...]
    a: tuple[sp.Symbol, ...]
    lagrangians: tuple[sp.Expr, ...]  # the known one first
    pushes: tuple[tuple[sp.Expr, ...], ...]  # -dK/dq- of each, like them
    names: tuple[str, ...]
    _slopes: dict[int, tuple[tuple[sp.Expr, ...], ...]] = field(default_factory=dict)

    @property
    def n(self) -> int:
        return len(self.q)

    @cached_property
    def residuals(self) -> tuple[tuple[sp.Expr, ...], ...]:
        """R_0, R_1, ... (n,) each."""
        return tuple(
            tuple(
                sp.Add(
                    *(sp.diff(law, v, w) * acc for w, acc in zip(self.v, self.a, strict=True)),
                    *(sp.diff(law, v, x) * rate for x, rate in zip(self.q, self.v, strict=True)),
                    -sp.diff(law, q),
                    push,
                )
                for q, v, push in zip(self.q, self.v, pushes, strict=True)
            )
            for law, pushes in zip(self.lagrangians, self.pushes, strict=True)
        )

    @cached_property
    def all_residuals(self) -> Callable[..., np.ndarray]:
        """R_0, R_1, ... of arrays q, v, a (n, ...): (1 + terms, n, ...)."""
        flat = [one for row in self.residuals for one in row]
        return self._arrays([*self.q, *self.v, *self.a], flat, (len(self.residuals), self.n))

    @cached_property
    def weak_parts(self) -> Callable[..., np.ndarray]:
        """dT/dv and dT/dq - push of all, of arrays q, v: (2, 1 + terms, n, ...)."""
        flat = [sp.diff(law, v) for law in self.lagrangians for v in self.v]
        flat += [
            sp.diff(law, q) - push
            for law, pushes in zip(self.lagrangians, self.pushes, strict=True)
            for q, push in zip(self.q, pushes, strict=True)
        ]
        return self._arrays([*self.q, *self.v], flat, (2, len(self.lagrangians), self.n))

    def law(self, chosen: Sequence[int]) -> LinearLaw:
        """The law of some terms: what motions of it are integrated with."""
        which = [0, *(k + 1 for k in chosen)]
        rows = [self.residuals[k] for k in which]
        c = sp.symbols(f"c_:{len(which)}")
        mass = [
            sp.Add(*(w * sp.diff(row[i], acc) for w, row in zip(c, rows, strict=True)))
            for i in range(self.n) for acc in self.a
        ]  # fmt: skip
        at_rest = dict.fromkeys(self.a, sp.Integer(0))
        each = [row[i].subs(at_rest) for row in rows for i in range(self.n)]
        slopes = [
            sp.Add(*(w * self._slope(k)[i][j] for w, k in zip(c, which, strict=True)))
            for i in range(self.n) for j in range(2 * self.n)
        ]  # fmt: skip
        whole = [r for row in rows for r in row]
        state = [*c, *self.q, *self.v]
        count = len(which)
        return LinearLaw(
            self.n, count - 1,
            self._arrays(state, [*mass, *(sp.Add(*(w * each[k * self.n + i] for k, w in
                         enumerate(c))) for i in range(self.n))], (self.n + 1, self.n)),
            self._arrays([*state, *self.a], [*slopes, *whole], (2 * self.n + count, self.n)),
        )  # fmt: skip

    def _slope(self, k: int) -> tuple[tuple[sp.Expr, ...], ...]:
        if k not in self._slopes:
            self._slopes[k] = tuple(
                tuple(sp.diff(one, x) for x in (*self.q, *self.v)) for one in self.residuals[k]
            )
        return self._slopes[k]

    def _arrays(self, arguments, flat: list[sp.Expr], shape: tuple[int, ...]):
        made = ArrayProgram(arguments, flat)

        def values(*rows: np.ndarray) -> np.ndarray:
            result = made(*rows)
            return result.reshape(*shape, *result.shape[1:])

        return values

    def dependences(self, scale: np.ndarray) -> list[Dependence]:
        """Terms without an equation of their own, by the rank of all at random states of a size
        (3 n,) of q, v, a; of those that depend on one another, the first stay."""
        count, n = len(self.residuals), self.n
        dice = np.random.default_rng(SEED)
        state = dice.normal(size=(3 * n, STATES * count)) * scale[:, None]
        state = state * 2 ** dice.uniform(*SPREAD, size=state.shape[1])
        rows = self.all_residuals(*state).reshape(count, -1).T
        with np.errstate(all="ignore"):
            rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        rows = rows[np.isfinite(rows).all(axis=1)]
        length = np.linalg.norm(rows, axis=0)
        kept, basis, result = [], np.zeros((len(rows), 0)), []
        for k in range(count):
            if not length[k] > 0:
                if k:
                    result.append(Dependence(self.names[k - 1], ()))
                continue
            column = rows[:, k] / length[k]
            left = column.copy()
            for _ in range(2):
                left = left - basis @ (basis.T @ left)
            if np.linalg.norm(left) > DEPENDENT:
                basis = np.column_stack([basis, left / np.linalg.norm(left)])
                kept.append(k)
                continue
            if not k:
                continue
            shares = np.linalg.lstsq(rows[:, kept] / length[kept], column, rcond=None)[0]
            by = tuple(
                "what is known" if j == 0 else self.names[j - 1]
                for j, share in zip(kept, shares, strict=True) if abs(share) > SHARE
            )  # fmt: skip
            result.append(Dependence(self.names[k - 1], by))
        return result

    def without(self, names: set[str]) -> LibraryEquations:
        """The library without some of its terms."""
        keep = [0, *(k + 1 for k, name in enumerate(self.names) if name not in names)]
        return LibraryEquations(
            self.q, self.v, self.a, tuple(self.lagrangians[k] for k in keep),
            tuple(self.pushes[k] for k in keep), tuple(self.names[k - 1] for k in keep[1:]),
        )  # fmt: skip


def library_equations(
    symbolic: LagrangianSystem, texts: Sequence[str] | None = None
) -> LibraryEquations | None:
    """The library that a law is linear in; None where it is not, or where it holds the time, files
    or constraints. Parameters have their numbers; `texts` are names of the terms."""
    words, c = symbolic.words, symbolic.coefficients
    whole = [symbolic.lagrangian, symbolic.nonconservative or sp.Integer(0)]
    slopes = [[sp.diff(one, x) for x in c] for one in whole]
    if any(s.has(*c) for row in slopes for s in row) or symbolic.holonomic or symbolic.driven:
        return None
    if symbolic.timed or any(one.has(words.t) for one in whole):
        return None
    values = {symbol: sp.Float(value, 17) for symbol, value in symbolic.values.items()}
    rest = [one.subs(dict.fromkeys(c, sp.Integer(0))) for one in whole]
    laws, ks = ([one.subs(values) for one in (rest[i], *slopes[i])] for i in (0, 1))
    limit = dict.fromkeys((*words.minus, *words.minus_v), sp.Integer(0))
    if any(one.has(*words.minus_v) for one in ks):
        return None
    pushes = tuple(tuple(-sp.diff(one, m).subs(limit) for m in words.minus) for one in ks)
    a = tuple(sp.Symbol(f"a_{k}", real=True) for k in range(len(words.q)))
    names = tuple(texts or (x.name for x in c))
    return LibraryEquations(tuple(words.q), tuple(words.v), a, tuple(laws), pushes, names)
