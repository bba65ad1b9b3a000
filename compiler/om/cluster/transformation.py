"""Transformation of a cluster, as a march: first the path is relaxed (`om.minimization`), then come
batches of saddle searches that grow a graph of minima and saddles (`pathway_search`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from actionrun.compiler.om.minimization import PathMinimization
from actionrun.compiler.om.path_problem import PathProblem, most_iterations
from actionrun.compiler.program import Report

from .endpoints import Endpoints
from .pathway_search import PathwaySearch

STRETCHES = 20  # steps of the march in which the path is relaxed

State = dict[str, Any]


class ClusterTransformation:
    """Transformation of a cluster, a solver (see `program.Solver`)."""

    quantum = 1

    def __init__(self, problem: PathProblem, ends: Endpoints):
        self.problem, self.ends = problem, ends
        self.stage = "relax"
        names = ends.species if problem.settings.many else None
        self.path = PathMinimization(problem, ends.pair, names)
        refine = problem.settings.refine
        self.search = PathwaySearch(problem, ends) if refine.barrier else None
        self.learn = self._stretches
        self.total = self.learn + (self.search.total if self.search else 0)

    @property
    def sharing(self) -> PathwaySearch | None:
        """The search, where a step of it has parts that several processes can do."""
        return self.search if self.search and self.search.shares > 1 else None

    @property
    def _stretches(self) -> int:
        return self.path.total if self._by_slope else STRETCHES

    @property
    def _by_slope(self) -> bool:
        return self.problem.method.first_order

    @property
    def iterations(self) -> int:
        """Steps of the path's own march that are taken."""
        total = self.path.total
        return total if self._by_slope else min(total, 1 + most_iterations(self.problem))

    def start(self) -> State:
        return {"path": self.path.start(), "search": self.search.start() if self.search else {}}

    def advance(self, state: State, done: int, count: int) -> tuple[State, Report]:
        metrics: dict[str, float] = {}
        rows: list[dict[str, np.ndarray]] = []
        if self.search and done >= self.learn:
            state = {**state, "search": self.search.copied(state["search"])}
        for step in range(done, done + count):
            if self.search is None or step < self.learn:
                first, stop = (self._place(n) for n in (step, step + 1))
                if stop > first:
                    path, report = self.path.advance(state["path"], first, stop - first)
                    if report.diverged is not None:
                        return state, report
                    state = {**state, "path": path}
                    metrics = dict(report.metrics)
                self.stage = self.path.stage
                continue
            self.stage = "search"
            if step == self.learn:
                state = {**state, "search": self.search.copied(state["search"])}
            metrics, row = self.search.advance(state["search"], step - self.learn)
            if row is not None:
                rows.append(row)
        names = rows[0] if rows else ()
        return state, Report(metrics, {name: np.stack([r[name] for r in rows]) for name in names})

    def _place(self, stretch: int) -> int:
        return self.iterations * stretch // self.learn
