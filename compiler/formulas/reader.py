"""Equations read back: the study language's text to SymPy symbols that a person would type."""

from __future__ import annotations

import keyword
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import sympy as sp
from actionrun.compiler.symbolic.vocabulary import Meaning, Reader
from actionrun.spec.expressions import syntax_tree as syntax
from actionrun.spec.expressions.parser import ExpressionFault, parse
from actionrun.spec.text.source import Faults

from .array_function import ArrayFunction, array_function

DOTS = ("", "dot", "ddot")
# What a derivative of a study's formula may hold beside the functions that a study may write.
DERIVED = {"sign": sp.sign, "Heaviside": sp.Heaviside, "DiracDelta": sp.DiracDelta}
ARGUMENTS = syntax.FUNCTIONS | dict.fromkeys(DERIVED, (1, 1))
SPOKEN = ("integral over", "dV/dq", "force of constraint", "the sums", "least over")


class FormulaError(ValueError):
    """An equation that is no formula of numbers; the message says why."""


@dataclass(frozen=True)
class Quantity:
    """What a symbol stands for: a name of the study, the order of its time derivative, its
    component from 1 (0: it has none)."""

    name: str
    order: int = 0
    component: int = 0


@dataclass(frozen=True)
class Formula:
    """An equation `left` = `right`, or an expression alone (`left` None).

    `quantities` by their symbols, in the order in which the text has them; a coordinate's component
    q'[2] is the symbol qdot_2.
    """

    left: sp.Expr | None
    right: sp.Expr
    quantities: Mapping[sp.Symbol, Quantity]

    @property
    def whole(self) -> sp.Basic:
        """The SymPy equation, or expression."""
        return self.right if self.left is None else sp.Eq(self.left, self.right, evaluate=False)

    def of_time(self, moving: Collection[str]) -> sp.Basic:
        """The same, with what moves as functions of t and their derivatives."""
        t = next((s for s, q in self.quantities.items() if q == Quantity("t")), sp.Symbol("t"))
        moves = {*moving, *(q.name for q in self.quantities.values() if q.order)}
        names = _names(self.quantities.values())
        functions = {}
        for symbol, quantity in self.quantities.items():
            if quantity.name in moves:
                still = Quantity(quantity.name, 0, quantity.component)
                function = sp.Function(names.get(still) or _spelling(still))(t)
                functions[symbol] = sp.diff(function, t, quantity.order)
        return self.whole.xreplace(functions)

    def arguments(self, moving: Sequence[str] = ()) -> tuple[sp.Symbol, ...]:
        """The symbols as a function takes them: coordinates, velocities, accelerations, t, then
        constants; each group in the order of `moving`, then of the text."""
        moves = [*moving, *(q.name for q in self.quantities.values() if q.order or q.component)]

        def place(symbol: sp.Symbol) -> tuple[int, int, int]:
            quantity = self.quantities[symbol]
            if quantity.name not in moves:
                return (3 if quantity.name == "t" else 4), 0, 0
            return quantity.order, moves.index(quantity.name), quantity.component

        there = self.whole.free_symbols
        return tuple(sorted((s for s in self.quantities if s in there), key=place))

    def function(self, moving: Sequence[str] = ()) -> ArrayFunction:
        """What the formula gives, as a function of arrays; see `value` and `arguments`."""
        expression, gives = self.value()
        return array_function(expression, self.arguments(moving), gives)

    def value(self) -> tuple[sp.Expr, str]:
        """What the formula gives as an expression, and its name: the right side of a law or of an
        equation that is solved, the acceleration where there is one alone; else "residual", left
        side minus right side."""
        if self.left is None:
            return self.right, "value"
        if isinstance(self.left, sp.Symbol):
            return self.right, str(self.left)
        residual = self.left - self.right
        there = [s for s, q in self.quantities.items() if q.order == 2]
        if len(there) == 1 and not self.right.has(there[0]):
            factor = sp.diff(self.left, there[0])
            rest = self.left.subs(there[0], 0)
            if not factor.has(there[0]) and sp.expand(self.left - factor * there[0] - rest) == 0:
                return (self.right - rest) / factor, str(there[0])
        return residual, "residual"


def formula(text: str) -> Formula:
    """The formula that an equation's text is. Raises FormulaError where it is none."""
    if "(t+dt)" in text:
        raise FormulaError(
            "it is the map of one step, whose force F(...) is the study's: no formula"
        )
    if any(words in text for words in SPOKEN):
        raise FormulaError("it is told in words and signs: no formula of numbers")
    try:
        tree = parse(text, relation=True, functions=ARGUMENTS)
    except ExpressionFault as fault:
        raise FormulaError(f"its text is no formula of the language: {fault.message}") from None
    for node in syntax.walk(tree):
        _require_numbers(node)
    quantities = dict.fromkeys(_quantity(node) for node in syntax.walk(tree) if _is_whole(node))
    quantities = dict.fromkeys(q for q in quantities if q != Quantity("pi"))
    inner = {Quantity(q.name, q.order) for q in quantities if q.component}
    names = _names([q for q in quantities if q not in inner])
    reader = TextReader(text, {q: sp.Symbol(name) for q, name in names.items()})
    try:
        if isinstance(tree, syntax.Relation):
            left, right = reader.number(tree.left), reader.number(tree.right)
        else:
            left, right = None, reader.number(tree)
    except Faults as faults:  # pragma: no cover - TextReader.fail raises FormulaError
        raise FormulaError(faults.faults[0].message) from None
    return Formula(left, right, {s: q for q, s in reader.symbols.items()})


def _require_numbers(node: syntax.Node) -> None:
    """Raises FormulaError for what is about bodies of any number."""
    if isinstance(node, syntax.Sum):
        raise FormulaError("it sums over bodies, whatever their number")
    if isinstance(node, syntax.Relation) and node.op != "=":
        raise FormulaError("it is an inequality")
    if isinstance(node, syntax.Index) and not (
        len(node.indices) == 1
        and isinstance(node.indices[0], syntax.Number)
        and not isinstance(node.base, syntax.Index)
    ):
        raise FormulaError("it holds for each body of many")


def _is_whole(node: syntax.Node) -> bool:
    return isinstance(node, syntax.Name | syntax.Derivative | syntax.Index)


def _quantity(node: syntax.Node) -> Quantity:
    match node:
        case syntax.Name(name):
            return Quantity(name)
        case syntax.Derivative(base, order):
            return Quantity(base.name, order)
        case syntax.Index(base, (syntax.Number(value),)):
            inner = _quantity(base)
            return Quantity(inner.name, inner.order, int(value))
    raise AssertionError(node)


def _spelling(quantity: Quantity) -> str:
    order, component = quantity.order, quantity.component
    dots = DOTS[order] if order < len(DOTS) else f"d{order}"
    name = f"{quantity.name}{dots}" + (f"_{component}" if component else "")
    if keyword.iskeyword(name):
        return "lamda" if name == "lambda" else f"{name}_"
    return name


def _names(quantities: Collection[Quantity]) -> dict[Quantity, str]:
    """A name for each, plain names first: another that would be the same has a `_` behind it."""
    names: dict[Quantity, str] = {}
    for quantity in sorted(quantities, key=lambda q: (q.order > 0) + (q.component > 0)):
        name = _spelling(quantity)
        while name in names.values():
            name += "_"
        names[quantity] = name
    return {quantity: names[quantity] for quantity in quantities}


class TextReader(Reader):
    """The reader of a study's formulas, of a text whose names mean themselves."""

    def __init__(self, text: str, symbols: Mapping[Quantity, sp.Symbol]):
        self.text, self.symbols, self.bound = text, symbols, {}

    def fail(self, node: syntax.Node, code: str, message: str, hint: str = "") -> Faults:
        raise FormulaError(message)

    def number(self, node: syntax.Node) -> sp.Expr:
        value = self.read(node)
        if isinstance(value, tuple):
            raise FormulaError("it is a vector")
        return value

    def read(self, node: syntax.Node) -> Meaning:
        match node:
            case syntax.Number(_, span):
                written = self.text[span.start : span.stop]
                if any(sign in written for sign in ".eE"):
                    return sp.Float(float(written))
            case syntax.Bars():  # of what we write now there are none: a length or a magnitude?
                raise FormulaError(
                    "an earlier version wrote it without its components: run its study again with "
                    "--fresh"
                )
        return super().read(node)

    def call(self, node: syntax.Call) -> Meaning:
        if of := DERIVED.get(node.function):
            return of(*map(self.number, node.arguments))
        return super().call(node)

    def name(self, node: syntax.Name) -> Meaning:
        return sp.pi if node.name == "pi" else self.symbols[_quantity(node)]

    def derivative(self, node: syntax.Derivative) -> Meaning:
        return self.symbols[_quantity(node)]

    def index(self, node: syntax.Index) -> Meaning:
        return self.symbols[_quantity(node)]
