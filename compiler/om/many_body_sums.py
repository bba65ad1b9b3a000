"""Sums over bodies within sums, and over triples, as formulas: what an embedded atom or a bond
angle adds to the potential energy.

`sum(i, F(sum(j, f(r[i,j]))))`: an inner sum runs over all bodies but those of the sums around it;
`sum(i, sum(j<k, h))` and `sum(i<j<k, h)` count each pair or triple once. A formula holds distances
`r[i,j]` and differences of places `r[i] - r[j]`, in a box those of the nearest images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import sympy as sp
from actionrun.compiler.numerics.molecular.many_body_potential import (
    Argument,
    ManyBodyPotential,
    SummedTerm,
)
from actionrun.compiler.numerics.molecular.periodic_cell import Cell
from actionrun.compiler.symbolic.lowering import lowered
from actionrun.compiler.symbolic.printing import latex
from actionrun.compiler.symbolic.vocabulary import Meaning, Reader, Vocabulary, symbol
from actionrun.spec import Expression
from actionrun.spec.expressions import syntax_tree as syntax

MOST = 3  # bodies that a formula may join


@dataclass(frozen=True)
class BodySum:
    """A sum over new `letters` (in order i<j<k where there are several), within those of the sums
    around it: its summand, what its symbols stand for, and the sums in it by their marks."""

    letters: tuple[str, ...]
    outer: tuple[str, ...]
    formula: sp.Expr
    arguments: Mapping[sp.Symbol, Argument]
    inner: Mapping[sp.Symbol, BodySum]

    def lower(self, theta: tuple[sp.Symbol, ...]) -> SummedTerm:
        """As array code; `theta` are the parameters."""
        symbols = [*self.arguments, *self.inner, *theta]
        return SummedTerm(
            lowered([self.formula], symbols), len(self.outer), len(self.letters),
            tuple(self.arguments.values()), tuple(one.lower(theta) for one in self.inner.values()),
        )  # fmt: skip

    def latex(self, words: Vocabulary) -> str:
        """The sum as mathematics."""
        result = latex(self.formula, words)
        for mark, one in self.inner.items():
            result = result.replace(latex(mark, words), rf"\left({one.latex(words)}\right)")
        if isinstance(self.formula, sp.Add):
            result = rf"\left({result}\right)"
        below = "<".join(self.letters)
        if self.outer:
            below += rf" \neq {','.join(self.outer)}"
        return rf"\sum_{{{below}}} {result}"


def is_many_body(node: syntax.Sum) -> bool:
    """Whether a sum is none of pairs by their distances, nor of bodies by their places."""
    if len(node.indices) > 2:
        return True
    parts = [*syntax.walk(node.body)]
    return any(isinstance(one, syntax.Sum) for one in parts) or any(
        isinstance(one, syntax.Index) and _name(one) == "r" and len(one.indices) == 1
        for one in parts
    )


def _name(node: syntax.Index) -> str:
    return node.base.name if isinstance(node.base, syntax.Name) else ""


class BodySumReader(Reader):
    """Folds the summand of a sum into SymPy; sums in it become marks."""

    def __init__(
        self, words: Vocabulary, expression: Expression, axes: tuple[str, ...],
        parameters: frozenset[str], paired: frozenset[str], letters: tuple[str, ...],
    ):  # fmt: skip
        super().__init__(words, expression)
        self.axes, self.parameters, self.paired = axes, parameters, paired
        self.letters = letters
        self.arguments: dict[sp.Symbol, Argument] = {}
        self.inner: dict[sp.Symbol, BodySum] = {}

    def sum(self, node: syntax.Sum) -> Meaning:
        result = self.of(node)
        mark = symbol(f"Zsum_{len(self.letters)}_{len(self.inner) + 1}")
        self.inner[mark] = result
        return mark

    def of(self, node: syntax.Sum) -> BodySum:
        """A sum within the letters of this reader."""
        letters = (*self.letters, *node.indices)
        if len({*letters}) < len(letters) or len(letters) > MOST:
            raise self.fail(
                node, "bodies.sum", f"a formula joins up to {MOST} bodies, each by its own letter",
                "write sum(i, sum(j<k, ...)) with the letters i, j and k",
            )  # fmt: skip
        reader = BodySumReader(
            self.words, self.expression, self.axes, self.parameters, self.paired, letters
        )
        value = reader.read(node.body)
        if isinstance(value, tuple):
            raise self.fail(node.body, "vector-for-scalar", "a number is wanted here")
        strange = {symbol(x) for x in ("r", *self.axes) if x not in self.parameters}
        if odd := value.free_symbols & strange:
            raise self.fail(
                node, "bodies.index", f"{min(map(str, odd))} of which bodies?",
                "write r[i,j] in the formula itself",
            )  # fmt: skip
        used = {k for one in reader.arguments.values() for k in one.bodies}
        used |= {k for one in reader.inner.values() for k in _reached(one)}
        for k in range(len(self.letters), len(letters)):
            if k not in used:
                raise self.fail(
                    node, "bodies.sum", f"nothing in this sum belongs to the body {letters[k]}",
                    f"write r[{letters[0]},{letters[k]}] in it, or leave the sum out",
                )  # fmt: skip
        return BodySum(node.indices, self.letters, value, reader.arguments, reader.inner)

    def name(self, node: syntax.Name) -> Meaning:
        if node.name in self.letters and node.name not in self.parameters:
            raise self.fail(node, "bodies.index", "the number of a body is no part of a law",
                            "write r[i,j], the distance of two bodies")  # fmt: skip
        if node.name in self.paired:
            if len(self.letters) != 2:
                raise self.fail(
                    node, "species.pair", f"{node.name} differs from pair to pair, and this sum "
                    f"joins {len(self.letters)} bodies", "it has a meaning where two are joined",
                )  # fmt: skip
            return self._argument(f"{node.name}_{'_'.join(self.letters)}",
                                  Argument("paired", (0, 1), node.name))  # fmt: skip
        if node.name in ("r", *self.axes) and node.name not in self.parameters:
            raise self._lost(node)
        return super().name(node)

    def binary(self, node: syntax.Binary) -> Meaning:
        sides = [self._body(side) for side in (node.left, node.right)]
        if node.op == "-" and all(side is not None for side in sides):
            a, b = (int(side or 0) for side in sides)
            if a == b:
                raise self.fail(node, "bodies.index", "a body is nowhere from itself")
            one, other = self.letters[a], self.letters[b]
            return tuple(
                self._argument(f"r_{one}_{other}_{axis}", Argument("way", (a, b), str(k)))
                for k, axis in enumerate(self.axes)
            )
        return super().binary(node)

    def _body(self, node: syntax.Node) -> int | None:
        """Which body's place `r[i]` a node is."""
        if not isinstance(node, syntax.Index) or _name(node) != "r" or len(node.indices) != 1:
            return None
        letter = node.indices[0]
        if not isinstance(letter, syntax.Name) or letter.name not in self.letters:
            return None
        return self.letters.index(letter.name)

    def index(self, node: syntax.Index) -> Meaning:
        letters = [one.name for one in node.indices if isinstance(one, syntax.Name)]
        own = _name(node) == "r" and "r" not in self.parameters and len(letters) == 2
        if own and len({*letters}) == 2 and {*letters} <= {*self.letters}:
            a, b = sorted(map(self.letters.index, letters))
            return self._argument(f"r_{self.letters[a]}_{self.letters[b]}",
                                  Argument("distance", (a, b), ""))  # fmt: skip
        raise self._lost(node)

    def _argument(self, name: str, argument: Argument) -> sp.Symbol:
        result = symbol(name)
        self.arguments[result] = argument
        return result

    def _lost(self, node: syntax.Node):
        return self.fail(
            node, "bodies.index", "this is neither a distance nor a difference of places",
            "write r[i,j], or r[i] - r[j]; a field stands in a sum(i, ...) of its own",
        )  # fmt: skip


def _reached(one: BodySum) -> set[int]:
    """The bodies of the sums around a sum that it holds."""
    own = {k for x in one.arguments.values() for k in x.bodies}
    return own | {k for x in one.inner.values() for k in _reached(x)}


def many_body_potential(
    sums: tuple[tuple[sp.Expr, BodySum], ...], theta: Mapping[sp.Symbol, float],
    paired: Mapping[str, Any], kind: tuple[int, ...] | None, cutoff: float | None,
    switch: float | None, cell: Cell, check: Callable[[list[sp.Expr]], None],
) -> ManyBodyPotential:  # fmt: skip
    """Sums, each times a constant factor, as array code. Raises Faults by `check`, which looks at
    formulas."""
    terms = []
    for factor, one in sums:
        scaled = BodySum(one.letters, one.outer, factor * one.formula, one.arguments, one.inner)
        for part in _all(scaled):
            check([part.formula])
        terms.append(scaled.lower(tuple(theta)))
    names = [*paired]
    low, high = (None if x is None else jnp.asarray(x) for x in (switch, cutoff))
    return ManyBodyPotential(
        tuple(terms), jnp.asarray([*theta.values()]), tuple(names),
        jnp.stack([jnp.asarray(paired[name]) for name in names]) if names else jnp.zeros((0, 1, 1)),
        None if kind is None else jnp.asarray(kind), high, low, cell,
    )  # fmt: skip


def _all(one: BodySum) -> list[BodySum]:
    return [one, *(part for x in one.inner.values() for part in _all(x))]
