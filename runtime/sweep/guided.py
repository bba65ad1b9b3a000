"""Guided sweeps: Optuna chooses each batch of points by what came of those before.

All that it knows are the results in the points' folders, and its randomness comes from the study's
seed and the number of the batch alone. So a sweep that was killed asks for the same points again,
and the number of workers changes none of them.
"""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import optuna
from actionrun.compiler.findings import Axis, Curve, Figure, Panel
from actionrun.runtime.storage.atomic_write import write
from actionrun.spec import Swept
from actionrun.spec.sweep.guided import Guide
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from .points import Outcome

JOURNAL = "optuna.journal"


class Guided:
    """The search over the points of one study; `entries` are its swept keys."""

    def __init__(self, guide: Guide, entries: Sequence[Swept], seed: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.guide, self.entries, self.seed = guide, entries, seed
        self._distributions = {entry.name: self._distribution(entry) for entry in entries}
        self._trials: list[Any] = []
        self._study = optuna.create_study(direction=self._direction)

    @property
    def _direction(self) -> Literal["minimize", "maximize"]:
        return "maximize" if self.guide.maximize else "minimize"

    def _distribution(self, entry: Swept) -> Any:
        kinds, space = optuna.distributions, entry.space
        if space is None:
            return kinds.CategoricalDistribution(tuple(range(len(entry.values))))
        if space.whole:
            return kinds.IntDistribution(int(space.low), int(space.high), log=space.log)
        return kinds.FloatDistribution(space.low, space.high, log=space.log)

    def ask(self, count: int) -> list[dict[str, Any]]:
        """The values of the next points, by dotted key."""
        first = len(self._trials)
        text = f"{self.seed} {first}".encode()
        seed = int.from_bytes(hashlib.sha256(text).digest()[:4])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # constant_liar is new, and tested here
            self._study.sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        asked = [self._study.ask(self._distributions) for _ in range(count)]
        self._trials += asked
        return [self._values(trial.params) for trial in asked]

    def _values(self, params: Mapping[str, Any]) -> dict[str, Any]:
        return {
            entry.name: entry.space.value(params[entry.name])
            if entry.space is not None
            else entry.values[params[entry.name]]
            for entry in self.entries
        }

    def tell(self, number: int, outcome: Outcome) -> None:
        """What came of a point; one that failed, or has no such metric, is a failure."""
        value = outcome.result.get("metrics", {}).get(self.guide.metric)
        failed = type(value) not in (int, float) or not math.isfinite(value)
        state = optuna.trial.TrialState.FAIL if failed else None
        self._study.tell(self._trials[number], None if failed else float(value), state=state)

    def write_journal(self, folder: Path) -> None:
        """Leave Optuna's study in the run folder, for its own tools."""
        with TemporaryDirectory() as scratch:  # Optuna opens what it finds at a name
            path = Path(scratch) / JOURNAL
            storage = JournalStorage(JournalFileBackend(str(path)))
            study = optuna.create_study(
                storage=storage, study_name="sweep", direction=self._direction
            )
            study.add_trials(self._study.get_trials())
            write(folder / JOURNAL, path.read_bytes())

    def best(self, outcomes: Sequence[Outcome]) -> int | None:
        """The number of the best point, the first of equal ones; None where all failed."""
        values = [_measure(one, self.guide.metric) for one in outcomes]
        sign = -1.0 if self.guide.maximize else 1.0
        good = [(sign * value, number) for number, value in enumerate(values) if value == value]
        return min(good)[1] if good else None

    def figure(self, outcomes: Sequence[Outcome]) -> Figure | None:
        """The metric of each point in their order, and the best until then."""
        values = np.array([_measure(one, self.guide.metric) for one in outcomes])
        known = np.isfinite(values)
        if not known.any():
            return None
        best = np.maximum if self.guide.maximize else np.minimum
        numbers = np.arange(len(values))
        low, high = values[known].min(), values[known].max()
        y = Axis(self.guide.metric, log=bool(low > 0 and high > 30 * low))
        curves = (
            Curve(numbers[known], values[known], "each point", "points"),
            Curve(numbers[known], best.accumulate(values[known]), "the best so far", "line"),
        )
        caption = f"{self.guide.metric} of the points in the order in which they were chosen."
        return Figure("search", caption, (Panel(Axis("point"), y, curves),))


def _measure(outcome: Outcome, name: str) -> float:
    value = outcome.result.get("metrics", {}).get(name)
    return float(value) if type(value) in (int, float) else math.nan
