"""What a run says while it works. The screen, metrics.jsonl and the tests listen."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from .report.rounding import brief, duration

MOST_METRICS = 4  # of a report that are shown on the screen


@dataclass(frozen=True, slots=True)
class Opened:
    """A run folder is ours; `done` steps are behind us where we go on with an older run."""

    title: str
    kind: str
    folder: Path


@dataclass(frozen=True, slots=True)
class Started:
    """A stage begins, or goes on at step `done` of `total` (0: no known end)."""

    stage: str
    total: int
    done: int = 0
    unit: str = "steps"


@dataclass(frozen=True, slots=True)
class Progressed:
    """Steps a second by the last ones, seconds left by that rate (None: not known yet)."""

    stage: str
    done: int
    total: int
    seconds: float  # of the whole run so far
    rate: float | None = None
    left: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    detail: str = ""  # what its parts are doing, for the screen alone

    @property
    def metrics_text(self) -> str:
        """Its first metrics in a few words."""
        chosen = list(self.metrics.items())[:MOST_METRICS]
        return "  ".join(f"{name} {brief(value, 3)}" for name, value in chosen)


@dataclass(frozen=True, slots=True)
class Reached:
    """A part of the run is done, such as a point of a sweep."""

    text: str


@dataclass(frozen=True, slots=True)
class Noted:
    """Something a person should know that does not end the run."""

    text: str


@dataclass(frozen=True, slots=True)
class Saved:
    path: Path
    step: int


@dataclass(frozen=True, slots=True)
class Finished:
    """`again`: this run had been finished before, nothing was computed."""

    folder: Path
    seconds: float
    again: bool = False

    @property
    def text(self) -> str:
        """The end of a run in words."""
        if self.again:
            return f"this run is finished, {self.folder} has it (--fresh starts a new one)"
        return f"done in {duration(self.seconds)}"


@dataclass(frozen=True, slots=True)
class Failed:
    message: str
    code: int


Event = Opened | Started | Progressed | Reached | Noted | Saved | Finished | Failed
Listener = Callable[[Event], None]


def broadcast(*listeners: Listener) -> Listener:
    """One listener that passes each event on to all."""

    def on_event(event: Event) -> None:
        for listener in listeners:
            listener(event)

    return on_event


MEMORY_SECONDS = 4.0


class ProgressThrottle:
    """Turns `tell(stage, done, total, metrics)` into events with rates and times left.

    Events come at most every `spacing` seconds, but for the first and the last of a stage.
    """

    def __init__(self, on_event: Listener, *, before: float = 0.0, spacing: float = 0.2) -> None:
        self._on_event, self._spacing = on_event, spacing
        self._origin = monotonic() - before
        self._stage: str | None = None
        self._total = 0
        self._mark = self._last = 0.0
        self._begin = 0
        self._rate: float | None = None

    @property
    def seconds(self) -> float:
        return monotonic() - self._origin

    def start(self, stage: str, total: int, done: int = 0, unit: str = "steps") -> None:
        self._stage, self._total, self._begin = stage, total, done
        self._mark, self._last, self._rate = monotonic(), -math.inf, None
        self._on_event(Started(stage, total, done, unit))

    def __call__(self, stage: str, done: int, total: int, metrics: Mapping[str, float]) -> None:
        if stage != self._stage or total != self._total:
            self.start(stage, total)
            self._begin = done  # when these were done is not known, so they say nothing of a rate
        now = monotonic()
        if now - self._last < self._spacing and done != total:
            return
        self._last = now
        if now > self._mark and done > self._begin:
            spent = now - self._mark
            recent = (done - self._begin) / spent
            # Young rates hold compilation; old ones fade in seconds, so that the time left is calm.
            weight = 1.0 if self._rate is None else -math.expm1(-spent / MEMORY_SECONDS)
            self._rate = recent * weight + (self._rate or 0.0) * (1 - weight)
            self._mark, self._begin = now, done
        left = self._left(done, total)
        numbers = {name: float(value) for name, value in metrics.items()}
        self._on_event(Progressed(stage, done, total, self.seconds, self._rate, left, numbers))

    def detail(self, stage: str, done: int, total: int, words: str) -> None:
        """What the parts of a step are doing, between two steps."""
        left = self._left(done, total)
        self._on_event(Progressed(stage, done, total, self.seconds, self._rate, left, detail=words))

    def _left(self, done: int, total: int) -> float | None:
        return (total - done) / self._rate if self._rate and total else None
