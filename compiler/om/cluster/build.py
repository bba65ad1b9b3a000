"""Transformations of clusters: the path of least action between two structures, and the lowest
barrier on the way from one to the other.

The march: first the path is relaxed (`om_relax`), then come batches of saddle searches that grow
a graph of minima and saddles (`om_clusters_search`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from actionrun.compiler.errors import study_error
from actionrun.compiler.findings import Findings
from actionrun.compiler.om.minimization import Relaxation
from actionrun.compiler.om.path_problem import FIRST_ORDER, Setting, most_iterations
from actionrun.compiler.program import Report, Tell

from .endpoints import Ends, ends, of_files
from .parallel_tasks import Sharing
from .pathway_search import Hunt

STRETCHES = 20  # steps of the march in which the path is relaxed

State = dict[str, Any]


def build(setting: Setting, observations: Mapping[str, np.ndarray] | None) -> Clusters:
    """The program of such a study. Raises Faults."""
    _require_cluster(setting)
    if observations is None:
        raise study_error(
            setting.study, ("ends",), "ends.missing", "the structures of [ends] were not read"
        )
    setting, start, end = of_files(setting, observations)
    return Clusters(setting, ends(setting, start, end))


def _require_cluster(setting: Setting) -> None:
    study = setting.study
    if study.system.particles is None or not isinstance(study.ends.start, str):
        raise study_error(
            study, ("refine", "barrier"), "not-built",
            "a barrier is looked for between two structures of atoms, from files, in this version",
            'write start = "a.xyz" and end = "b.xyz" in [ends], or delete [refine]',
        )  # fmt: skip
    if setting.bodies.edge is not None:
        where = ("refine", "barrier") if study.refine.barrier else ("ends", "align")
        raise study_error(
            study, where, "not-built",
            "alignments and barriers are built for clusters in this version, without a box",
            "delete box in [system]",
        )  # fmt: skip
    if study.refine.barrier and setting.bodies.external is not None:
        raise study_error(
            study, study.system.external, "not-built",
            "a barrier in an external field is not built yet in this version",
            "leave out external, or delete [refine]",
        )  # fmt: skip
    if setting.velocities:
        where = ("refine", "barrier") if study.refine.barrier else ("ends", "align")
        raise study_error(
            study, where, "ends.given", "velocities at the ends, where these are turned or relaxed",
            'write given = ["positions"] in [ends]',
        )  # fmt: skip


class Clusters:
    """The program of a cluster's transformation (see `program.Program`)."""

    quantum = 1
    minutes = None

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
        return self.setting.method in FIRST_ORDER

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

    def findings(self, state: State, samples: Mapping[str, np.ndarray], tell: Tell) -> Findings:
        from .findings import found

        return found(self, jax.tree.map(np.asarray, state), samples, tell)
