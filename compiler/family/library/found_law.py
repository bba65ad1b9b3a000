"""A law out of a library as a study of its own, its fit, and what is said of both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from actionrun.compiler.errors import study_error
from actionrun.compiler.family.fit import FittedMotion, Fitting
from actionrun.compiler.family.fit_findings import fit_findings
from actionrun.compiler.family.measured.shooting_problem import local_scales
from actionrun.compiler.family.measured.starts import smooth_motions
from actionrun.compiler.family.observations import ObservedMotions
from actionrun.compiler.family.term_selection import Term
from actionrun.compiler.findings import Axis, Check, Curve, Figure, Findings, Panel, Table
from actionrun.compiler.program import Report, Tell

from .search import Candidate, LibraryLaw, LibrarySearch
from .terms import LibraryTerms

WIDTH = 10.0  # of a coefficient's value: the range that its fit may look in
NEAR = 10.0  # of the criterion: rivals that the data do not exclude (Kass & Raftery 1995)


class LibraryFitting:
    """The solver of a family study with a [library] (see `program`): nothing to march; `fitting`
    makes the fit of a law by texts of L and K and ranges of its coefficients."""

    stage = "fit"
    total = 0
    quantum = 1

    def __init__(
        self, terms: LibraryTerms, observed: ObservedMotions,
        fitting: Callable[[Mapping[str, Any]], Fitting], taken: frozenset[str],
    ):  # fmt: skip
        self.terms, self.observed, self.fitting, self.taken = terms, observed, fitting, taken
        states = {key for key, _ in observed.names}
        self.motions = smooth_motions(observed, len(terms.words.q))
        if len(self.motions) < observed.t.shape[1] or not states:
            raise study_error(
                terms.words, ("data", "columns"), "library.positions",
                "a library needs every position in every trial, five samples at least",
                "give a column for each coordinate, and leave out trials of fewer samples",
            )  # fmt: skip

    def start(self) -> dict[str, np.ndarray]:
        return {}

    def advance(self, state, done: int, count: int):
        return state, Report()

    def search(self, tell: Tell) -> LibraryLaw:
        """The law that these motions have. Raises Faults where no law of the library has them."""
        scales = local_scales(self.observed, self.motions, len(self.terms.words.q))
        search = LibrarySearch(self.terms.equations, self.observed, self.motions, scales, tell)
        law = search.result()
        if law is None:
            raise study_error(
                self.terms.words, ("library",), "library.none",
                "the search came to no law of this library that stays with these motions; "
                "that does not say that there is none",
                "lower degree, bring more trials or less noise, or give it another known part",
            )  # fmt: skip
        return law

    def symbols(self, best: Candidate) -> dict[str, str]:
        """Names of coefficients by the texts of their terms."""
        result: dict[str, str] = {}
        free = (f"c{k}" for k in range(1, 10_000) if f"c{k}" not in self.taken)
        for k in best.terms:
            result[self.terms.equations.names[k]] = next(free)
        return result

    def document(self, best: Candidate) -> dict[str, Any]:
        """The tables of a study that has this law."""
        symbols = self.symbols(best)
        system: dict[str, Any] = {"lagrangian": self.terms.lagrangian(symbols)}
        if (k := self.terms.nonconservative(symbols)) is not None:
            system["nonconservative"] = k
        ranges = {
            name: [float(c - WIDTH * abs(c)), float(c + WIDTH * abs(c))]
            for name, c in zip(symbols.values(), best.fit.c, strict=True)
        }
        return {"system": system, "coefficients": ranges}


@dataclass(frozen=True)
class LibraryReport:
    """The report of a search (see `program.Reported`)."""

    solver: LibraryFitting

    def __call__(self, state, samples: Mapping[str, np.ndarray], tell: Tell) -> Findings:
        law = self.solver.search(tell)
        if not law.best.terms:
            raise study_error(
                self.solver.terms.words,
                ("library",),
                "library.none",
                "these motions have no term of this library, which leaves nothing to fit",
            )
        fitting = self.solver.fitting(self.solver.document(law.best))
        fitted = fitting.fit_from(law.best.fit.c, law.starts, tell)
        return self.findings(law, fitted)

    def findings(self, law: LibraryLaw, fitted: FittedMotion) -> Findings:
        """Those of the fit, coefficients by the texts of their terms, and of the search."""
        findings, names = fit_findings(fitted), self.solver.terms.equations.names
        symbols = self.solver.symbols(law.best)
        terms = [
            Term(name, name in symbols, float(e))
            for name, e in zip(names, law.evidence, strict=True)
        ]
        given = findings.extra["coefficients"]
        coefficients = {
            text: {**given[name], "symbol": name,
                   "probability": next(t.probability for t in terms if t.name == text)}
            for text, name in symbols.items()
        }  # fmt: skip
        rivals = [
            one for one in law.front
            if one is not law.best and one.criterion - law.best.criterion < NEAR
        ]  # fmt: skip
        shaken = [t for t in terms if t.kept and t.probability < 0.95]
        text = f"kept: {', '.join(symbols)}"
        if shaken or rivals:
            text += "; the data do not exclude " + (
                "; ".join(self._written(one) for one in rivals) or
                f"the law without {', '.join(t.name for t in shaken)}"
            )  # fmt: skip
        said = (("law", self._written(law.best)), ("library", self._size()))
        return replace(
            findings,
            metrics={**findings.metrics, "terms": len(symbols), "library": len(names)},
            extra={**findings.extra, "coefficients": coefficients,
                   "law": self.solver.document(law.best)["system"],
                   "rivals": [self._written(one) for one in rivals]},
            summary=(*said, *findings.summary),
            tables=(*findings.tables, self._front_table(law), self._term_table(terms, symbols)),
            figures=(self._front_figure(law), *findings.figures),
            checks=(*findings.checks, Check("choice of terms", not (shaken or rivals), text)),
        )  # fmt: skip

    def _size(self) -> str:
        terms = self.solver.terms
        text = f"{len(terms.equations.names)} terms"
        if terms.dropped:
            text += f"; {len(terms.dropped)} change no equation of their own"
        return text

    def _written(self, one: Candidate) -> str:
        names = self.solver.terms.equations.names
        known = self.solver.terms.known.text
        parts = [
            f"{'+' if c >= 0 else '-'} {abs(c):.5g}*({names[k]})"
            for k, c in zip(one.terms, one.fit.c, strict=True)
        ]
        return " ".join([known, *parts])

    def _front_table(self, law: LibraryLaw) -> Table:
        caption = (
            "The best laws by number of terms: how much the criterion rises above that of the law "
            "(extended Bayes; Chen and Chen, Biometrika 95, 759, 2008)."
        )
        rows = tuple(
            (len(one.terms), one.criterion - law.best.criterion, self._written(one))
            for one in law.front
        )
        return Table("front", caption, ("terms", "criterion", "law"), rows)

    def _term_table(self, terms: list[Term], symbols: Mapping[str, str]) -> Table:
        caption = (
            "Terms of the library: how much the criterion rises without those that were kept, and "
            "(below zero) with those that were not, and the probability that this stands for."
        )
        shown = sorted(terms, key=lambda t: (-t.evidence, t.name))
        rows = tuple(
            (t.name, symbols.get(t.name, ""), "kept" if t.kept else "dropped",
             t.evidence if np.isfinite(t.evidence) else None, t.probability)
            for t in shown
        )  # fmt: skip
        header = ("term", "coefficient", "kept", "evidence", "probability")
        return Table("terms", caption, header, rows)

    def _front_figure(self, law: LibraryLaw) -> Figure:
        x = np.array([len(one.terms) for one in law.front], float)
        y = np.array([one.criterion - law.best.criterion for one in law.front])
        curve = Curve(x, y, "", "points")
        panel = Panel(Axis("terms", ""), Axis("criterion above the law's", ""), (curve,))
        return Figure("front", "The best laws by number of terms.", (panel,))
