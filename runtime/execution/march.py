"""The march: a program's steps in chunks, with reports, checkpoints and ways to stop between them.

The result does not depend on the chunks, so their size is free: it grows until a chunk takes
about half a second. That keeps the screen alive, the loss by a kill small, and Ctrl-C quick.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from time import monotonic, process_time

import jax
import numpy as np
from actionrun.compiler.findings import Findings
from actionrun.compiler.program import Program
from actionrun.runtime.environment.signals import PROGRESS, Stop
from actionrun.runtime.errors import Diverged, Refused, Stopped, size
from actionrun.runtime.events import Listener, Noted, ProgressThrottle
from actionrun.runtime.storage.checkpoint import Checkpoints, Point

from .job import Timing

CHUNK_SECONDS = 0.5
SAVE_SECONDS = 10.0
MOST_OUTPUT = 100 * 10**9  # bytes that a run may write unasked
FEW_ROWS = 20


@dataclass
class OutputSize:
    """How many bytes of samples a run will have kept at its end."""

    steps: int = 0
    rows: int = 0
    bytes: int = 0
    told: bool = False
    allowed: bool = False

    def add(self, steps: int, samples: Mapping[str, np.ndarray]) -> None:
        self.steps += steps
        self.rows += max((len(one) for one in samples.values()), default=0)
        self.bytes += sum(np.asarray(one).nbytes for one in samples.values())

    def estimate(self, total: int) -> int | None:
        """None until enough rows were seen to say."""
        return self.bytes * total // self.steps if self.rows >= FEW_ROWS else None


@dataclass
class ProgramRunner:
    """One session of a program's march in a run folder."""

    program: Program
    checkpoints: Checkpoints
    on_event: Listener
    stop: Stop = lambda: None
    chunk_seconds: float = field(default_factory=lambda: CHUNK_SECONDS)
    save_seconds: float = field(default_factory=lambda: SAVE_SECONDS)
    timing: Timing = field(default_factory=Timing)
    allow_output: Callable[[int], bool] = lambda size: False
    _output: OutputSize = field(default_factory=OutputSize)
    cut: str = ""  # said where a cap in wall time ended the march

    def findings(self) -> Findings:
        """March to the end, from the newest checkpoint if there is one, and evaluate.

        Raises Diverged, Stopped, CannotWrite, Refused; what was saved by then stays good.
        """
        self._begin, self._cpu = monotonic(), process_time()
        try:
            state = self._to_the_end()
        finally:
            PROGRESS.unsaved = False
        self._count()
        marched = self.timing.first[0] > 0
        self.timing.marched = self.timing.seconds if marched else self._before[0]
        progress = ProgressThrottle(self.on_event, before=self.timing.seconds)

        def tell(stage: str, done: int, total: int, metrics: Mapping[str, float]) -> None:
            self._obey(self.program.total)
            progress(stage, done, total, metrics)

        findings = self.program.findings(state, self.checkpoints.samples(), tell)
        self._count()
        return replace(findings, notes=(*findings.notes, self.cut)) if self.cut else findings

    def _to_the_end(self) -> object:
        program, timing = self.program, self.timing
        state = program.start()
        point = self.checkpoints.latest(state)
        done = 0
        if point is not None:
            done, state = point.step, point.state
            self.on_event(Noted(f"going on from step {done} of {program.total}"))
        self._before = (point.seconds, point.cpu) if point else (0.0, 0.0)
        minutes = program.minutes
        progress = ProgressThrottle(self.on_event, before=self._before[0], spacing=0.0)
        if done < program.total:
            progress.start(program.stage, program.total, done)
        rows: dict[str, list[np.ndarray]] = {}
        saved, patience = monotonic(), self.save_seconds
        count, lost = max(1, program.quantum), None
        while done < program.total:
            self._obey(done, state, rows)
            if minutes and done and self._before[0] + monotonic() - self._begin > 60 * minutes:
                self.cut = (
                    f"training.minutes cut this run at step {done} of {program.total}: another run "
                    "of it will not give the same numbers"
                )
                self.on_event(Noted(self.cut))
                break
            count = min(count, program.total - done)
            clock, cpu = monotonic(), process_time()
            following, report = program.advance(state, done, count)
            metrics = {name: float(value) for name, value in report.metrics.items()}
            # Wait for work that was only dispatched, so that clocks and checkpoints see it done.
            jax.block_until_ready(following)
            spent, cpu = monotonic() - clock, process_time() - cpu
            if report.diverged is not None:
                lost = done + count
                if count > max(1, program.quantum):
                    count = self._half(count)  # as steps do not depend on chunks: find the step
                    continue
                self._save(done, state, rows)
                raise Diverged(f"stopped after step {done} of {program.total}: {report.diverged}")
            state, done = following, done + count
            PROGRESS.unsaved = True
            for name, array in report.samples.items():
                rows.setdefault(name, []).append(np.asarray(array))
            if timing.first[0]:  # the first chunk holds the start as well
                self._output.add(count, report.samples)
                self._require_room(program.total)
            timing.enter(count, spent, cpu)
            progress(program.stage, done, program.total, metrics)
            if monotonic() - saved > patience:
                clock = monotonic()
                self._save(done, state, rows)
                saved = monotonic()
                patience = max(self.save_seconds, 20 * (saved - clock))
            count = self._next(count, spent) if lost is None else self._half(lost - done)
        self._save(done, state, rows)
        self._obey(done)
        return state

    def _next(self, count: int, spent: float) -> int:
        """A chunk size for the next chunk, a multiple of the quantum."""
        quantum = max(1, self.program.quantum)
        growth = min(8.0, self.chunk_seconds / max(spent, 1e-9))
        # The first chunk compiles: it says nothing of the rate, so the second is of its size.
        if not self.timing.later[0]:
            growth = 1.0
        return max(1, round(count * growth / quantum)) * quantum

    def _require_room(self, total: int) -> None:
        """Tell of an output that the disk has no room for. Raises Refused, once it is known, for
        one that is larger than anybody wants unasked."""
        need = self._output.estimate(total)
        if need is None:
            return
        folder = self.checkpoints.home
        free = shutil.disk_usage(folder).free
        if need > free and not self._output.told:
            self._output.told = True
            self.on_event(Noted(f"this run will write about {size(need)}, and {size(free)} are "
                                f"free in {folder}"))  # fmt: skip
        if need > MOST_OUTPUT and not self._output.allowed:
            if not self.allow_output(need):
                raise Refused(
                    f"this run would write about {size(need)}. Keep fewer samples, for ggl by "
                    "save_every, or allow it by --yes"
                )
            self._output.allowed = True

    def _half(self, count: int) -> int:
        quantum = max(1, self.program.quantum)
        return max(1, count // (2 * quantum)) * quantum

    def _obey(self, done: int, state: object = None, rows: dict | None = None) -> None:
        """Save and raise Stopped where we were asked to stop."""
        code = self.stop()
        if code is None:
            return
        if rows is not None:
            self._save(done, state, rows)
        raise Stopped(f"stopped at step {done} of {self.program.total}, saved", code)

    def _save(self, done: int, state: object, rows: dict[str, list[np.ndarray]]) -> None:
        self._count()
        self.checkpoints.save(Point(done, state, self.timing.seconds, self.timing.cpu), rows)
        PROGRESS.unsaved = False
        rows.clear()

    def _count(self) -> None:
        self.timing.seconds = self._before[0] + monotonic() - self._begin
        self.timing.cpu = self._before[1] + process_time() - self._cpu
