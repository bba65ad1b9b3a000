"""The terms of a study's [library]: products of its functions, and its drags."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import sympy as sp
from actionrun.compiler.errors import study_error
from actionrun.compiler.symbolic.vocabulary import Vocabulary
from actionrun.spec import Expression
from actionrun.spec.tables.library import Library

from .equations import Dependence, LibraryEquations

MOST_TERMS = 400


@dataclass(frozen=True)
class LibraryTerms:
    """A study's library: its equations, without those terms that have none of their own; `dropped`
    says why; `drags` are, by the names of drags, their texts with the minus variables."""

    words: Vocabulary
    known: Expression
    equations: LibraryEquations
    dropped: tuple[Dependence, ...]
    excluded: int
    drags: dict[str, str]

    def lagrangian(self, coefficients: dict[str, str]) -> str:
        """The text of a Lagrangian with some terms, each times its coefficient."""
        terms = [f"{c}*{name}" for name, c in coefficients.items() if name not in self.drags]
        return " + ".join([self.known.text, *terms])

    def nonconservative(self, coefficients: dict[str, str]) -> str | None:
        """The text of K with some drags; None without."""
        parts = [f"-{c}*{self.drags[n]}" for n, c in coefficients.items() if n in self.drags]
        return " ".join(parts) if parts else None


def library_terms(library: Library, words: Vocabulary, values: Mapping[str, float]) -> LibraryTerms:
    """The library of a study with parameters of these values. Raises Faults for what algebra finds
    wrong with it."""
    numbers = {words.constants[name]: sp.Float(value, 17) for name, value in values.items()}

    def read(expression: Expression) -> sp.Expr:
        return words.scalar(expression).subs(numbers)

    known = read(library.known)
    terms = dict(_products(library, words, read))
    if len(terms) > MOST_TERMS:
        raise study_error(
            words, ("library", "degree"), "library.size",
            f"{len(terms)} products, {MOST_TERMS} at most",
            "lower degree or velocity_degree, or leave functions out",
        )  # fmt: skip
    before = len(terms)
    for expression in library.exclude:
        gone = sp.expand(read(expression))
        names = [text for text, law in terms.items() if sp.expand(law - gone) == 0]
        if not names:
            raise study_error(
                words, expression, "library.exclude", "no product of the functions is this",
                "leave it out",
            )  # fmt: skip
        for name in names:
            del terms[name]
    excluded = before - len(terms)
    zero = (sp.Integer(0),) * len(words.q)
    laws, pushes, drags = [known, *terms.values()], [zero] * (1 + len(terms)), {}
    for expression in library.drag:
        law = read(expression)
        moved = [k for k, v in enumerate(words.v) if law.has(v)]
        if len(moved) != 1 or law.has(*words.minus, *words.minus_v):
            raise study_error(
                words, expression, "library.drag",
                "a drag holds the velocity of one coordinate, and no minus variable",
                f"write {words.names[0]}_plus', or abs({words.names[0]}_plus')*"
                f"{words.names[0]}_plus'",
            )  # fmt: skip
        text = _factor(expression.text)
        name = f"drag {expression.text}"
        laws.append(sp.Integer(0))
        pushes.append(tuple(law if k == moved[0] else sp.Integer(0) for k in range(len(zero))))
        drags[name] = f"{text}*{words.names[moved[0]]}_minus"
    a = tuple(sp.Symbol(f"a_{k}", real=True) for k in range(len(zero)))
    equations = LibraryEquations(
        tuple(words.q), tuple(words.v), a, tuple(laws), tuple(pushes), (*terms, *drags)
    )
    dropped = tuple(equations.dependences(np.ones(3 * len(zero))))
    equations = equations.without({one.name for one in dropped})
    return LibraryTerms(words, library.known, equations, dropped, excluded, drags)


def _products(library: Library, words: Vocabulary, read) -> Iterator[tuple[str, sp.Expr]]:
    """Texts and laws of all products, those of few factors first."""
    functions = [read(one) for one in library.functions]
    texts = [_factor(one.text) for one in library.functions]
    moving = [law.has(*words.v) for law in functions]

    def powers(left: int, place: int) -> Iterator[tuple[int, ...]]:
        if place == len(functions):
            if not left:
                yield ()
            return
        for power in range(left, -1, -1):
            for rest in powers(left - power, place + 1):
                yield (power, *rest)

    for degree in range(1, library.degree + 1):
        for each in powers(degree, 0):
            if sum(p for p, m in zip(each, moving, strict=True) if m) > library.velocity_degree:
                continue
            factors = [f"{t}^{p}" if p > 1 else t for t, p in zip(texts, each, strict=True) if p]
            law = sp.Mul(*(f**p for f, p in zip(functions, each, strict=True)))
            yield "*".join(factors), law


def _factor(text: str) -> str:
    """A formula as a factor: in brackets unless it is a name or one call."""
    bare = text.strip()
    inner = bare.rstrip("'")
    if inner.replace("_", "").isalnum():
        return bare
    name, bracket, rest = bare.partition("(")
    if bracket and name.isidentifier() and rest.endswith(")") and not {*"()"} & {*rest[:-1]}:
        return bare
    return f"({bare})"
