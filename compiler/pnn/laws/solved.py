"""Laws that are solved for, not searched: the output is a function of a sum of few terms, or of a
quotient of two such sums. Which terms is linear regression; constants follow by Gauss-Newton.

What is not exact has to earn its place by the extended Bayesian information criterion (Chen & Chen,
Biometrika 95, 759, 2008): out of so many terms some fit any few rows by chance. A term is named by
its place in the list, which is in order of simplicity.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import log

import numpy as np
from actionrun.compiler.numerics.genomes.term_selection import (
    Subset,
    best_subsets,
    best_triples,
    eliminated,
    exact_subset,
)
from actionrun.compiler.pnn.genome import Layout
from actionrun.compiler.pnn.row_choice import evenly_apart

from .shaped.law import ShapedLaw
from .shaped.search import shaped_laws
from .shaped.shapes import allowed_shapes
from .sum_law import LINKS, POSITIVE, Link, SumLaw, fit_sum_law
from .table import TableRows
from .terms import Term, candidate_terms, power_products, term_values

MOST_ROWS = 1000  # that terms are chosen by
SIMPLE, BY_RANK = 500, 700  # terms: the simplest, and of the others those of the highest rank
SIMPLEST = 60  # terms of which two are in every sum of three that is looked through
QUOTIENT = 150  # terms of a quotient's sums
MOST_CONSTANTS = 3  # of laws that are not exact
KEPT = 60  # subsets of a size
FITTED = 25  # of them, that are fitted
FEW_STEPS = 12  # of a fit that only ranks
NOTHING, FEW = 1e-6, 3  # of the output's spread: an error that is none, for so few constants
STRICT = 1e-9  # for more, which come near much that they are not
MIMICS = 20  # rows a constant: fewer rows are enough for a law that only looks exact
DIGITS = 1e-12  # what double precision leaves of a law that is right
MOST_LAWS = 25
PLAIN = 9  # simplest terms, that stand beside one with constants inside
SolvableLaw = SumLaw | ShapedLaw


@dataclass(frozen=True)
class SolvedLaw:
    """A law on a table: its constants, the mean square of its fit, weighed, the errors (repeats,)
    of its cross-validation and the squares (rows to learn from) as `fit.LawFits` has them; the
    output that it says for every row, and what its folds say of the rows that they left out."""

    law: SolvableLaw
    values: np.ndarray
    complexity: int
    cost: float
    errors: np.ndarray
    squares: np.ndarray
    given: np.ndarray
    left_out: np.ndarray


def solved_laws(rows: TableRows, layout: Layout) -> tuple[SolvableLaw, ...]:
    """Laws of a table, those of the lowest criterion for their complexity, exact ones alone where
    there are some."""
    allowed = dict(zip(layout.activations, layout.scores, strict=True))
    learn = rows.learn[evenly_apart(len(rows.learn), MOST_ROWS)]
    x, y = rows.inputs[learn], rows.output[learn]
    precision = rows.precision[learn]
    size = rows.size
    terms, values = term_values(candidate_terms(x.shape[1], allowed), x)
    table = _Table(x, y, precision, terms, values)
    quotients = "inverse" in allowed
    links = [one for one in LINKS if one.activation in {*allowed, "linear"}]
    aims = {link: aim for link in links if (aim := table.linked(link)) is not None}
    judged: list[tuple[float, float, int, SolvableLaw]] = []

    def judge(law: SolvableLaw) -> None:
        cost = table.cost(law)
        if np.isfinite(cost):
            criterion = table.criterion(law, cost, size)
            judged.append((criterion, cost, law.complexity(layout), law))

    def exact() -> list[tuple[float, float, int, SolvableLaw]]:
        return [one for one in judged if _is_exact(one[3], one[1], size)]

    def settled() -> bool:
        """Whether few constants leave nothing but digits; many mimic a law of few, though not so
        few to the last digit."""
        return any(
            (law.constants <= FEW and cost <= (STRICT * size) ** 2)
            or (law.constants <= len(y) / MIMICS and cost <= (0.1 * DIGITS * size) ** 2)
            for _, cost, _, law in exact()
        )

    for link, aim in aims.items():
        for law in table.exact_laws(link, *aim, quotients):
            judge(law)
    judged = exact()
    if not settled():
        for link, aim in aims.items():
            for law in table.sparse_laws(link, *aim, quotients):
                judge(law)
        if judged:
            _, _, _, best = min(judged, key=lambda one: one[0])
            for law in table.beside(best) if isinstance(best, SumLaw) else ():
                judge(law)
    if not settled():
        shapes = allowed_shapes(layout.activations, layout.own)
        for law in shaped_laws(x, aims, shapes, table.terms[:PLAIN]):
            judge(law)
        for _, _, _, law in exact():
            if isinstance(law, ShapedLaw):
                for term in law.above:  # that may not be needed
                    judge(replace(law, above=tuple(t for t in law.above if t != term)))
    if nothing := exact():
        most = 100 * max(min(one[1] for one in nothing), (DIGITS * size) ** 2)
        return (min((one for one in nothing if one[1] <= most), key=lambda one: one[2])[3],)
    chosen, least = [], np.inf
    for criterion, _, _, law in sorted(judged, key=lambda one: (one[2], one[0])):
        if criterion < least:
            least = criterion
            chosen.append(law)
    return tuple(chosen[-MOST_LAWS:])


def _first(subsets: Sequence[Subset]) -> Iterator[Subset]:
    """The best few of each size."""
    counts: dict[int, int] = {}
    for subset in subsets:
        counts[len(subset)] = counts.get(len(subset), 0) + 1
        if counts[len(subset)] <= FITTED:
            yield subset


def _is_exact(law: SolvableLaw, cost: float, size: float) -> bool:
    """Whether nothing is left but digits: few constants may leave more."""
    return bool(np.sqrt(cost) <= size * (NOTHING if law.constants <= FEW else STRICT))


def integer_code(number: int) -> float:
    """Length of a whole number from 1 in nats, log*(n) + log c (Rissanen, Ann. Stat. 11, 416, 1983,
    eq. 2.4): a choice out of a list in order of simplicity, of no known end."""
    length, rest = 1.0526, float(number)
    while (rest := log(rest)) > 0:
        length += rest
    return length


class _Table:
    """The rows that terms are chosen by, with the values of all terms."""

    def __init__(self, x, y, precision, terms: list[Term], values: np.ndarray):
        self.x, self.y, self.precision = x, y, precision
        self.terms, self.values = terms, values
        self.index = {term: k for k, term in enumerate(terms)}

    def linked(self, link: Link) -> tuple[float, np.ndarray, np.ndarray] | None:
        """The sign of the output, u of each row and what its residual counts there; None where the
        output is no value of the link."""
        y = self.y
        sign = 1.0
        if link.name in POSITIVE:
            if np.all(y < 0):
                sign = -1.0
            elif not np.all(y >= 0):
                return None
        with np.errstate(all="ignore"):
            u = link.to(sign * y)
            slope = np.abs(link.slope(u))
            same = np.abs(link.back(u) - sign * y) <= 1e-9 * np.abs(y).max()
        slope = np.where(np.isfinite(slope), slope, 0.0)
        weight = np.minimum(slope, 1e6 * max(np.median(slope), 1e-300)) * self.precision
        if not (np.all(np.isfinite(u)) and np.all(same) and np.any(weight > 0)):
            return None
        return sign, u, weight

    def exact_laws(self, link, sign, target, weight, quotients: bool):
        """Laws of which nothing is left, as far as linear regression sees."""
        count = self.x.shape[1]
        first, second, third = (
            [Term(p) for p in power_products(count, most, sign=False)] for most in (1, 2, 3)
        )
        weighed = target * weight
        for family in (first, second, third, self.terms[: len(self.y) // 3]):
            places = [self.index[t] for t in family if t in self.index]
            subset = exact_subset(self.values[:, places] * weight[:, None], weighed)
            if subset is not None:
                yield SumLaw(link, sign, tuple(self.terms[places[k]] for k in subset))
                break
        for family in (first, second, self.terms[: len(self.y) // 6]) if quotients else ():
            places = [self.index[t] for t in family if t in self.index]
            below = [k for k in places if self.terms[k] != Term((0,) * count)]
            columns = np.concatenate(
                [self.values[:, places], -target[:, None] * self.values[:, below]], axis=1
            )
            subset = exact_subset(columns * weight[:, None], weighed)
            if subset is not None:
                yield self._quotient(link, sign, [*places, *below], len(places), subset)
                break

    def sparse_laws(self, link, sign, target, weight, quotients: bool):
        """The best laws of few terms."""
        aim = target * weight
        columns = self.values * weight[:, None]
        places = self._screened(aim, columns)
        count = self.x.shape[1]
        for degree, either in ((1, False), (2, False), (2, True)):
            family = [Term(p) for p in power_products(count, degree, sign=either)]
            plain = [self.index[t] for t in family if t in self.index]
            for subset in eliminated(columns[:, plain], aim):
                yield SumLaw(link, sign, tuple(self.terms[plain[k]] for k in subset))
        for subset in _first(best_subsets(columns[:, places], aim, MOST_CONSTANTS, KEPT)):
            chosen = tuple(self.terms[places[k]] for k in subset)
            yield SumLaw(link, sign, chosen)
        for subset in best_triples(columns, aim, self.simplest(len(self.terms)), FITTED):
            yield SumLaw(link, sign, tuple(self.terms[k] for k in subset))
        if quotients:
            top = list(range(min(QUOTIENT, len(self.terms))))
            below = [k for k in top if self.terms[k] != Term((0,) * self.x.shape[1])]
            both = np.concatenate([columns[:, top], -target[:, None] * columns[:, below]], axis=1)
            simple = self.simplest(len(top))
            simple += tuple(len(top) + below.index(k) for k in simple if k in below)
            triples = best_triples(both, aim, simple, FITTED)
            for subset in (*_first(best_subsets(both, aim, MOST_CONSTANTS, KEPT)), *triples):
                if any(k >= len(top) for k in subset) and any(k < len(top) for k in subset):
                    yield self._quotient(link, sign, [*top, *below], len(top), subset)

    def simplest(self, most: int) -> Subset:
        """Places of the simplest of the first `most` terms, functions of an input among them."""
        order = sorted(range(min(most, len(self.terms))), key=lambda k: self.terms[k].cost)
        return tuple(sorted(order[:SIMPLEST]))

    def beside(self, law: SumLaw) -> Iterator[SumLaw]:
        """Sums of each term of a law with the best two others: all pairs are looked through, where
        growing a term at a time may have gone astray."""
        aim = self.linked(law.link)
        if aim is None or law.below:
            return
        sign, target, weight = aim
        places = self._screened(target * weight, self.values * weight[:, None])
        columns = self.values[:, places] * weight[:, None]
        for term in law.above:
            where = np.flatnonzero(places == self.index[term])
            if len(where):
                for subset in best_subsets(columns, target * weight, 2, 5, (int(where[0]),)):
                    yield SumLaw(law.link, sign, tuple(self.terms[places[k]] for k in {*subset}))

    def _screened(self, aim: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Places of the simplest terms, and of those of the others that go most along the aim."""
        places = np.arange(len(self.terms))
        if len(places) <= SIMPLE + BY_RANK:
            return places
        others = columns[:, SIMPLE:]
        centred = others - others.mean(axis=0)
        length = np.maximum(np.linalg.norm(centred, axis=0), 1e-300)
        along = np.abs(centred.T @ (aim - aim.mean())) / length
        ranks = np.argsort(-along, kind="stable")[:BY_RANK]
        return np.concatenate([places[:SIMPLE], np.sort(places[SIMPLE:][ranks])])

    def _quotient(self, link, sign, places, top: int, subset: Subset) -> SumLaw:
        above = tuple(self.terms[places[k]] for k in subset if k < top)
        below = tuple(self.terms[places[k]] for k in subset if k >= top)
        return SumLaw(link, sign, above, below)

    def criterion(self, law: SolvableLaw, cost: float, size: float) -> float:
        """The Bayesian information criterion, with what it takes to name the link and the terms; a
        constant is always among them."""
        rows, fit = len(self.y), max(cost, (1e-12 * size) ** 2)
        names = [1 + self.index[t] for t in (*law.above, *law.below) if t.cost > 0]
        if isinstance(law, ShapedLaw):
            names += [1 + one.cost for one in (law.factor, law.base)]
            names.append(1 + law.place)
        chosen = sum(map(integer_code, [*names, 1 + LINKS.index(law.link)] if names else []))
        return rows * log(fit) + law.constants * log(rows) + 2 * chosen

    def cost(self, law: SolvableLaw) -> float:
        """The mean square that a law leaves after a few steps; of one with constants inside after
        all, as it begins at a point of a grid."""
        if isinstance(law, ShapedLaw):
            return law.fit(self.x, self.y, self.precision)[1]
        above = self.values[:, [self.index[t] for t in law.above]]
        below = self.values[:, [self.index[t] for t in law.below]]
        return fit_sum_law(law, above, below, self.y, self.precision, FEW_STEPS)[1]


def fitted_output(law: SolvableLaw, rows: TableRows) -> np.ndarray:
    """The output (n,) that a law says for every row, fitted to the rows to learn from."""
    return law.output(rows.inputs, _fitted(law, rows, rows.learn)[0])


def _fitted(law: SolvableLaw, rows: TableRows, places: np.ndarray) -> tuple[np.ndarray, float]:
    return law.fit(rows.inputs[places], rows.output[places], rows.precision[places])


def law_on_table(law: SolvableLaw, rows: TableRows, layout: Layout) -> SolvedLaw:
    """A law fitted to the rows to learn from, and cross-validated on the same folds as all."""
    learn, x = rows.learn, rows.inputs
    values, cost = _fitted(law, rows, learn)
    missed = np.zeros((len(rows.folds), len(learn)))
    left_out = np.zeros(len(learn))
    for number, fold in enumerate(rows.folds[:, learn]):
        own = law.output(x[learn], _fitted(law, rows, learn[~fold])[0])
        missed[number] = np.where(fold, own - rows.output[learn], 0.0)
        left_out += np.where(fold, own, 0.0) / rows.repeats
    missed = np.where(np.isfinite(missed), missed, np.inf)
    errors, squares = rows.cross_validated(missed)
    return SolvedLaw(
        law, values, law.complexity(layout), cost, errors, squares, law.output(x, values), left_out
    )
