"""The search of a library as a choice of terms of a fit."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from actionrun.compiler.family.measured.shooting_problem import ShootingProblem
from actionrun.compiler.family.term_selection import Term, TermSelection
from actionrun.compiler.program import Tell
from actionrun.spec.tables.observables import OBSERVABLES

from .equations import library_equations
from .search import LibraryLaw, LibrarySearch


class ChosenLaw(NamedTuple):
    """Coefficients (k,), zero of terms that were dropped, and states (2 n, trials) at the starts;
    what was chosen, and the search's own result."""

    x: np.ndarray
    starts: np.ndarray
    choice: TermSelection
    law: LibraryLaw


def library_law(problem: ShootingProblem, tell: Tell) -> ChosenLaw | None:
    """The terms of a law that these motions have; None where the law is not linear in its
    coefficients, the positions are not all seen, the starts or priors say more than samples do, or
    no law of the library goes through them."""
    o, settings = problem.observed, problem.settings
    states = {OBSERVABLES[key].state if key in OBSERVABLES else "" for key, _ in o.names}
    if not states <= {"position", "velocity"} or len(problem.motions) < o.t.shape[1]:
        return None
    if settings.start is not None or settings.start_prior is not None:
        return None
    if np.isfinite(settings.prior[1]).any() or problem.within.inequalities is not None:
        return None
    equations = library_equations(problem.symbolic)
    if equations is None:
        return None
    low, high = problem.within.low, problem.within.high
    n, names = problem.symbolic.n, list(equations.names)
    q, v = problem.scales[:n], problem.scales[n:]
    alike = {one.name for one in equations.dependences(np.concatenate([q, v, v**2 / q]))}
    fewer = equations.without(alike)
    needed = [k for k, name in enumerate(fewer.names)
              if not low[names.index(name)] <= 0 <= high[names.index(name)]]  # fmt: skip
    search = LibrarySearch(fewer, o, problem.motions, problem.scales, tell, tuple(needed))
    law = search.result()
    if law is None:
        return None
    x, terms = np.zeros(len(names)), []
    evidence = dict(zip(fewer.names, law.evidence, strict=True))
    kept = {fewer.names[k]: float(c) for k, c in zip(law.best.terms, law.best.fit.c, strict=True)}
    for k, name in enumerate(names):
        x[k] = kept.get(name, 0.0)
        terms.append(Term(name, name in kept, float(evidence.get(name, -np.inf))))
    return ChosenLaw(x, law.starts, TermSelection(None, tuple(terms)), law)
