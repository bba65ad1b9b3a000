"""What a search will need whatever it finds, made beside it where there is a second core.

Its programs are compiled and its peers are trained and judged. What comes out is the same, bit for
bit, in whichever thread and in whatever order.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from threading import Thread, main_thread

import numpy as np
from actionrun.compiler.numerics.genomes.batched_least_squares import FitData, program_sizes

from .evaluation import MapEvaluation, StepFunction, as_step, baselines, map_evaluation
from .model import FINAL_ROWS, MapModel, thinned

Job = Callable[[], object]


class Precompiler:
    """The work of one search, done by a thread of its own once it has begun."""

    def __init__(self, model: MapModel):
        self.model = model
        self.evaluations: dict[str, MapEvaluation] = {}
        self.thread: Thread | None = None

    def start(self) -> None:
        """Start where a second core can take it: on one core both would only take turns."""
        if self.thread is None and _cores() > 1:
            # Not a daemon: one that is inside XLA when the interpreter ends brings it down.
            self.thread = Thread(target=self._work, name="precompiler")
            self.thread.start()

    def baselines(self) -> list[MapEvaluation]:
        """The marks of all peers, once they are there."""
        if self.thread is not None:
            self.thread.join()
        makers = baselines(self.model).items()
        return [
            self.evaluations.get(name) or map_evaluation(self.model, name, make())
            for name, make in makers
        ]

    def _work(self) -> None:
        try:
            for job in (*self._first_programs(), *self._baselines(), *self._last_programs()):
                if not main_thread().is_alive():
                    return
                job()
        except Exception:  # the search meets the same where it needs the result, and says so
            return

    def _first_programs(self) -> Iterator[Job]:
        """Those of the search, but for the one that it begins with."""
        data, rows = self.model.fitness
        some = self._genomes(False)
        for one in some[:1]:
            yield partial(self.model.metrics, one[None], self.model.starts(one[None])[0], rows)
        yield from (partial(self._fit, one, data) for one in some)

    def _baselines(self) -> Iterator[Job]:
        for name, make in baselines(self.model).items():
            yield partial(self._evaluate, name, make)

    def _last_programs(self) -> Iterator[Job]:
        """Those of the findings: the front is fitted on many rows, its best on all."""
        model, straight = self.model, self._genomes(True)
        data = model.data(thinned(model.train, FINAL_ROWS))
        yield from (partial(self._fit, one, data) for one in (*straight, *self._genomes(False)[:2]))
        for one in straight[:1]:
            yield partial(self._fit, one, model.data(model.train))
            step = as_step(model, one, model.starts(one[None])[0, 0])
            yield partial(map_evaluation, model, "", step)

    def _evaluate(self, name: str, make: Callable[[], StepFunction]) -> None:
        self.evaluations[name] = map_evaluation(self.model, name, make())

    def _fit(self, genome: np.ndarray, data: FitData) -> None:
        self.model.fit(genome[None], data, self.model.starts(genome[None])[:1])

    def _genomes(self, linear: bool) -> list[np.ndarray]:
        """One for each program that fits."""
        layout = self.model.layout
        trainable, zero = layout.code(None), layout.code(0)
        codes = [k for k, name in enumerate(layout.activations) if (name == "linear") == linear]
        if trainable is None or not codes or self.model.settings.optimizer == "adam":
            return []
        genomes = []
        for size in program_sizes(layout.net, linear):
            row = np.full(layout.genes, trainable if zero is None else zero, dtype=np.int32)
            row[: layout.units] = codes[0]
            row[layout.units : layout.units + size] = trainable
            genomes.append(row)
        return genomes


def _cores() -> int:
    """Those that this process may use, where the system tells."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1
