"""Terms that a law may be made of: monomials of the inputs, functions of simple ones, products.

A term is a product of powers of the inputs and at most one function of a power product, a sum or a
difference; its values are arrays, its expression is made only where it is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, product
from math import ceil

import numpy as np
import sympy as sp

MOST_POWERS = 300
MOST_BASES = 40
MOST_TERMS = 11_000
Exponents = tuple[int | Fraction, ...]  # whole or half

FUNCTIONS = {  # of one number: the activation that a study has to allow, values, symbols
    "exp": ("exp", np.exp, sp.exp),
    "exp of minus": ("exp", lambda u: np.exp(-u), lambda u: sp.exp(-u)),
    "log": ("log", np.log, sp.log),
    "sqrt": ("sqrt", np.sqrt, sp.sqrt),
    "sin": ("sin", np.sin, sp.sin),
    "cos": ("cos", np.cos, sp.cos),
    "sin squared": ("sin", lambda u: np.sin(u) ** 2, lambda u: sp.sin(u) ** 2),
    "cos squared": ("cos", lambda u: np.cos(u) ** 2, lambda u: sp.cos(u) ** 2),
    "tanh": ("tanh", np.tanh, sp.tanh),
    "tan": ("tan", np.tan, sp.tan),
    "asin": ("asin", np.arcsin, sp.asin),
    "acos": ("acos", np.arccos, sp.acos),
    "sinh": ("sinh", np.sinh, sp.sinh),
    "cosh": ("cosh", np.cosh, sp.cosh),
    "square": ("square", np.square, lambda u: u**2),
    "inverse": ("inverse", lambda u: 1 / u, lambda u: 1 / u),
    "inverse square": ("inverse", lambda u: 1 / u**2, lambda u: 1 / u**2),
}
OF_SUMS = {"square", "inverse", "inverse square"}  # else they are powers


@dataclass(frozen=True)
class Base:
    """What a function is of: a power product (`other` empty), or it plus `sign` times another."""

    one: Exponents
    other: Exponents = ()
    sign: int = 1

    def values(self, inputs: np.ndarray) -> np.ndarray:
        first = power(inputs, self.one)
        return first + self.sign * power(inputs, self.other) if self.other else first

    def expression(self, inputs: Sequence[sp.Expr]) -> sp.Expr:
        first = _power(inputs, self.one)
        return first + self.sign * _power(inputs, self.other) if self.other else first

    @property
    def cost(self) -> int:
        return size(self.one) + (1 + size(self.other) if self.other else 0)


@dataclass(frozen=True)
class Term:
    """A power product, times a function of a base where there is one."""

    powers: Exponents
    function: str = ""
    base: Base | None = None

    def values(self, inputs: np.ndarray) -> np.ndarray:
        """On rows (rows, inputs)."""
        result = power(inputs, self.powers)
        if self.base is None:
            return result
        return result * FUNCTIONS[self.function][1](self.base.values(inputs))

    def expression(self, inputs: Sequence[sp.Expr]) -> sp.Expr:
        result = _power(inputs, self.powers)
        if self.base is None:
            return result
        return result * FUNCTIONS[self.function][2](self.base.expression(inputs))

    @property
    def cost(self) -> int:
        """Weights of a network that says it."""
        return size(self.powers) + (self.base.cost if self.base else 0)

    def activations(self) -> set[str]:
        """Those of a network that says it, but for linear ones."""
        used = _activations(self.powers)
        if self.base is not None:
            used |= {FUNCTIONS[self.function][0]} | _activations(self.base.one)
            used |= _activations(self.base.other)
            if any(self.powers):
                used.add("product")
        return used


def size(powers: Exponents) -> int:
    return ceil(sum(map(abs, powers)))


def power(inputs: np.ndarray, powers: Exponents) -> np.ndarray:
    result = np.ones(len(inputs))
    for k, exponent in enumerate(powers):
        if exponent:
            result = result * inputs[:, k] ** float(exponent)
    return result


def _power(inputs: Sequence[sp.Expr], powers: Exponents) -> sp.Expr:
    pairs = zip(inputs, powers, strict=False)
    return sp.Mul(*(x ** sp.Rational(e) for x, e in pairs))


def _activations(powers: Exponents) -> set[str]:
    used = set()
    if any(e < 0 for e in powers):
        used.add("inverse")
    if sum(e != 0 for e in powers) > 1:
        used.add("product")
    if any(abs(e) > 1 for e in powers):
        used.add("square")
    if any(e.denominator > 1 for e in powers):
        used.add("sqrt")
    return used


def power_products(count: int, most: int, sign: bool = True) -> list[Exponents]:
    """Exponents of all products of powers up to `most` in all, the simplest first; of at most three
    inputs, but for the second degree."""
    found: list[Exponents] = [(0,) * count]
    signs = (1, -1) if sign else (1,)
    for width in range(1, min(count, 3) + 1):
        for places in combinations(range(count), width):
            for sizes in product(range(1, most + 1), repeat=width):
                if sum(sizes) > most:
                    continue
                for way in product(signs, repeat=width):
                    one = [0] * count
                    for place, amount, s in zip(places, sizes, way, strict=True):
                        one[place] = s * amount
                    found.append(tuple(one))
    return sorted(found, key=lambda e: (size(e), sum(x < 0 for x in e), [-x for x in e]))


def candidate_terms(count: int, allowed: Mapping[str, int]) -> list[Term]:
    """Terms over so many inputs that a study's activations allow, the simplest first."""

    def fine(term: Term) -> bool:
        return term.activations() <= allowed.keys()

    highest = 4 if count <= 3 else 3
    powers = [p for p in power_products(count, highest) if fine(Term(p))][:MOST_POWERS]
    units = [p for p in powers if size(p) == 1 and sum(p) == 1]
    nothing = (0,) * count
    bases = [Base(p) for p in powers if 1 <= size(p) <= 3][:MOST_BASES]
    sums = [Base(a, b, s) for a, b in combinations(units, 2) for s in (-1, 1)]
    sums += [Base(nothing, p, s) for p in powers if 1 <= size(p) <= 2 for s in (-1, 1)]
    functions = [name for name, (activation, *_) in FUNCTIONS.items() if activation in allowed]
    apart = [base for base in sums if any(base.one) or size(base.other) == 1]
    alone = [
        Term(nothing, name, base)
        for name in functions
        for base in (sums if name in OF_SUMS else [*bases, *apart])
    ]
    alone = sorted(filter(fine, alone), key=lambda term: term.cost)
    factors = [p for p in powers if 1 <= size(p) <= 2]
    scaled = [
        Term(p, one.function, one.base)
        for one in alone
        for p in factors
        if one.cost + (0 if one.base and one.base.other else size(p)) <= 3
        and size(p) + one.cost <= 4
    ]
    roots = [tuple(Fraction(e, 2) for e in p) for p in powers if 1 <= size(p) <= 2]
    roots = [p for p in roots if any(e.denominator > 1 for e in p)]
    scaled += [Term(p, one.function, one.base) for one in alone if one.cost == 1 for p in roots]
    scaled = sorted(filter(fine, scaled), key=lambda term: term.cost)
    return [*(Term(p) for p in powers), *alone, *scaled][:MOST_TERMS]


def term_values(terms: Sequence[Term], inputs: np.ndarray) -> tuple[list[Term], np.ndarray]:
    """Terms that are numbers on all rows, and differ from those before them, with their values
    (rows, terms)."""
    kept, columns, seen = [], [], set()
    with np.errstate(all="ignore"):
        for term in terms:
            column = term.values(inputs)
            if not np.all(np.isfinite(column)):
                continue
            length = np.linalg.norm(column)
            if not 1e-150 < length < 1e150:
                continue
            way = column / length * np.sign(column[np.argmax(np.abs(column))])
            key = np.round(way, 9).tobytes()
            if key not in seen:
                seen.add(key)
                kept.append(term)
                columns.append(column)
    return kept, np.stack(columns, axis=1) if columns else np.zeros((len(inputs), 0))
