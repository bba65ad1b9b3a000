"""The march of a cluster's transformation: first the path is relaxed (`om.minimization`), then come
batches of saddle searches that grow a graph of minima and saddles (`pathway_search`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from actionrun.compiler.om.minimization import Relaxation
from actionrun.compiler.om.path_problem import Setting, most_iterations
from actionrun.compiler.program import Report

from .endpoints import Ends
from .parallel_tasks import Sharing
from .pathway_search import Hunt

STRETCHES = 20  # steps of the march in which the path is relaxed

State = dict[str, Any]


class Clusters:
    """The program of a cluster's transformation (see `program.Program`)."""

    quantum = 1

    def __init__(self, setting: Setting, ends: Ends):
        self.setting, self.ends = setting, ends
        self.stage = "relax"
        self.path = Relaxation(setting, ends.pair, ends.species)
        refine = setting.study.refine
        self.hunt = Hunt(setting, ends) if refine.barrier else None
        self.learn = self._stretches
        self.total = self.learn + (self.hunt.total if self.hunt else 0)

    @property
    def sharing(self) -> Clusters | None:
        return self if self.shares > 1 else None

    @property
    def shares(self) -> int:
        """Parts of one step that several processes can do; 1 where that is not worth it."""
        return self.hunt.shares if self.hunt else 1

    def part(self, name: str, arguments: tuple[Any, ...]) -> Any:
        """What a process does of a step: it depends on its arguments alone, to the last bit."""
        assert self.hunt is not None
        return self.hunt.parts.do(name, arguments)

    def shared(self, share: Sharing) -> None:
        """Let `share` do the parts, (name, arguments) each, in the order of the tasks."""
        if self.hunt:
            self.hunt.share = share

    @property
    def _stretches(self) -> int:
        return self.path.total if self._by_slope else STRETCHES

    @property
    def _by_slope(self) -> bool:
        return self.setting.first_order

    @property
    def iterations(self) -> int:
        """Steps of the path's own march that are taken."""
        total = self.path.total
        return total if self._by_slope else min(total, 1 + most_iterations(self.setting))

    def start(self) -> State:
        return {"path": self.path.start(), "hunt": self.hunt.start() if self.hunt else {}}

    def advance(self, state: State, done: int, count: int) -> tuple[State, Report]:
        metrics: dict[str, float] = {}
        rows: list[dict[str, np.ndarray]] = []
        if self.hunt and done >= self.learn:
            state = {**state, "hunt": self.hunt.copied(state["hunt"])}
        for step in range(done, done + count):
            if step < self.learn:
                first, stop = (self._place(n) for n in (step, step + 1))
                if stop > first:
                    path, report = self.path.advance(state["path"], first, stop - first)
                    if report.diverged is not None:
                        return state, report
                    state = {**state, "path": path}
                    metrics = dict(report.metrics)
                self.stage = self.path.stage
                continue
            assert self.hunt is not None
            self.stage = "search"
            if step == self.learn:
                state = {**state, "hunt": self.hunt.copied(state["hunt"])}
            metrics, row = self.hunt.advance(state["hunt"], step - self.learn)
            if row is not None:
                rows.append(row)
        names = rows[0] if rows else ()
        return state, Report(metrics, {name: np.stack([r[name] for r in rows]) for name in names})

    def _place(self, stretch: int) -> int:
        return self.iterations * stretch // self.learn
