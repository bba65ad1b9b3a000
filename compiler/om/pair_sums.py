"""The potential of many bodies as a formula, `sum(i<j, U(r[i,j])) + sum(i, V(x[i], y[i], z[i]))`:
its U(r), which pairs sum, and its V of one body.

No sum is written out: `r[i,j]` is read as the letter r of `pair`, `x[i]` as the x of `external`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import sympy as sp
from actionrun.compiler.errors import study_error
from actionrun.compiler.symbolic.vocabulary import Meaning, Reader, Vocabulary, symbol
from actionrun.spec import Expression, Faults
from actionrun.spec.expressions import syntax_tree as syntax

from .many_body_sums import BodySum, BodySumReader, is_many_body


@dataclass
class SumReader(Reader):
    """Folds a formula into SymPy; a sum becomes a mark, beside which its summand is kept."""

    words: Vocabulary
    expression: Expression
    axes: tuple[str, ...]
    parameters: frozenset[str]
    paired: frozenset[str] = frozenset()
    sums: dict[sp.Symbol, tuple[int, sp.Expr]] = field(default_factory=dict)
    many: dict[sp.Symbol, BodySum] = field(default_factory=dict)
    letters: tuple[str, ...] = ()

    def __post_init__(self):
        super().__init__(self.words, self.expression)

    def sum(self, node: syntax.Sum) -> Meaning:
        if is_many_body(node):
            reader = BodySumReader(
                self.words, self.expression, self.axes, self.parameters, self.paired, ()
            )
            mark = symbol(f"_sum_of_many_{len(self.many) + 1}")
            self.many[mark] = reader.of(node)
            return mark
        self.letters = node.indices
        body = self.scalar(node.body)
        self.letters = ()
        mark = symbol(f"_sum_{len(self.sums) + 1}")
        self.sums[mark] = (len(node.indices), body)
        return mark

    def scalar(self, node: syntax.Node) -> sp.Expr:
        value = self.read(node)
        assert isinstance(value, sp.Expr)  # bodies have no vectors here
        return value

    def name(self, node: syntax.Name) -> Meaning:
        if node.name in self.letters:
            raise self.fail(
                node, "bodies.index", "the number of a body is no part of a law",
                "write r[i,j] in a sum over pairs, x[i] in a sum over bodies",
            )  # fmt: skip
        if node.name in ("r", *self.axes) and node.name not in self.parameters:
            bodies = "i,j" if node.name == "r" else "i"
            raise self._lost(node, f"which {node.name}?", f"write {node.name}[{bodies}]")
        return super().name(node)

    def index(self, node: syntax.Index) -> Meaning:
        indices = [one.name for one in node.indices if isinstance(one, syntax.Name)]
        name = node.base.name if isinstance(node.base, syntax.Name) else ""
        own = name not in self.parameters and len(indices) == len(node.indices)
        pairs = len(self.letters) == 2
        if own and pairs and name == "r" and {*indices} == {*self.letters}:
            return symbol("r")
        if own and not pairs and name in self.axes and indices == [*self.letters]:
            return symbol(name)
        raise self._lost(node, "this is no distance of the two bodies" if pairs
                         else "this is no place of the body")  # fmt: skip

    def _lost(self, node: syntax.Node, message: str, hint: str = "") -> Faults:
        axes = ", ".join(f"{x}[i]" for x in self.axes)
        return self.fail(node, "bodies.index", message, hint or (
            "a pair acts by its distance: write r[i,j] in sum(i<j, ...)" if len(self.letters) == 2
            else f"write {axes} in sum(i, ...)"
        ))  # fmt: skip


@dataclass(frozen=True)
class PotentialSums:
    """What the sums of a potential add up, by the number of bodies joined, and the sums of many
    bodies, each with its factor."""

    by_arity: dict[int, sp.Expr]
    many: tuple[tuple[sp.Expr, BodySum], ...]


def potential_sums(
    words: Vocabulary, where: Expression, axes: tuple[str, ...], parameters: frozenset[str],
    paired: frozenset[str],
) -> PotentialSums:  # fmt: skip
    """The sums of a potential; `paired` are the parameters that differ from pair to pair. Raises
    Faults."""
    reader = SumReader(words, where, axes, parameters, paired)
    whole = reader.scalar(where.tree)
    marks = [*reader.sums, *reader.many]
    many = []
    for mark, one in reader.many.items():
        many.append((_factor(words, where, whole, mark, marks), one))
    result = {1: sp.Integer(0), 2: sp.Integer(0)}
    for mark, (kind, body) in reader.sums.items():
        factor = _factor(words, where, whole, mark, marks)
        # A definition may hold them, unseen by the reader.
        strange = {symbol("r")} if kind == 1 else {symbol(x) for x in axes}
        if odd := body.free_symbols & (strange - {symbol(x) for x in parameters}):
            raise study_error(
                words, where, "bodies.index",
                f"{min(map(str, odd))} has no meaning in a sum over "
                + ("bodies" if kind == 1 else "pairs"),
                "sum(i<j, ...) holds r[i,j], sum(i, ...) the place x[i]",
            )  # fmt: skip
        result[kind] += factor * body
    if whole.xreplace(dict.fromkeys(marks, sp.Integer(0))) != 0:
        raise study_error(
            words, where, "sum-in-formula", "a term of this potential stands outside of any sum",
            "write it into sum(i<j, ...) over pairs or sum(i, ...) over bodies",
        )  # fmt: skip
    if result[2] == 0 and not many:
        raise study_error(
            words, where, "bodies.sum", "no two bodies act on each other",
            "write sum(i<j, U(r[i,j])) over pairs, e.g. sum(i<j, 4*(1/r[i,j]^12 - 1/r[i,j]^6))",
        )  # fmt: skip
    return PotentialSums({k: formula for k, formula in result.items() if formula != 0}, (*many,))


def _factor(
    words: Vocabulary, where: Expression, whole: sp.Expr, mark: sp.Symbol, marks: list[sp.Symbol]
) -> sp.Expr:
    """What a sum is multiplied by in a potential. Raises Faults where that is another sum."""
    factor = sp.diff(whole, mark)
    if factor.free_symbols & {*marks}:
        raise study_error(
            words, where, "sum-in-formula", "a sum over bodies stands inside a function",
            "a potential is a sum of sums, each with a constant factor: a*sum(i<j, ...) + ...; a "
            "function of a sum stands in a sum(i, ...) around it",
        )  # fmt: skip
    return factor
