"""[compare]: other integrators on the same problem with the same step, for the same report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from actionrun.compiler.findings import Array, Axis, Curve, Figure, Findings, Panel, Table
from actionrun.compiler.program import Tell

from .propagators import (
    DivergedError,
    ExactMethod,
    ExplicitMethod,
    InitialValueProblem,
    VariationalMethod,
)
from .setup import Comparison, Course, distance, label
from .work_precision import with_work_precision

BINS = 1000  # points of a curve of errors: each is the largest of its part of the steps


@dataclass
class Errors:
    """Of one method: largest errors over all steps so far, and by bin; `lost` at a step.

    `off` (bins,) is how far it is off the constraints, where there are any.
    """

    name: str
    course: Course
    energy: np.ndarray
    off: np.ndarray | None
    position: float | None = None
    lost: int | None = None

    def lose(self, step: int, first: int) -> None:
        """The method gave no numbers at a step; nothing is known from bin `first` on."""
        self.lost = step
        self.energy[first:] = np.nan
        if self.off is not None:
            self.off[first:] = np.nan

    def see_distance(self, error: float) -> None:
        self.position = max(self.position or 0.0, error)


def with_comparison(
    comparison: Comparison, scale: float, findings: Findings, tell: Tell
) -> Findings:
    """The findings with the comparison put in. `scale`: what errors of the energy are relative
    to (`time_marching.energy_scale`)."""
    setting = comparison.setting
    start = float(setting.start()[1][0])
    runs, ends = _marched(comparison, start, scale or 1.0, tell)
    unit = setting.system.words.unit("t")
    findings = replace(
        findings,
        metrics={**findings.metrics, **_metrics(runs)},
        figures=(*findings.figures, _figure(comparison, ends, unit, runs)),
        tables=(*findings.tables, _table(comparison, runs)),
        arrays={**findings.arrays, **_arrays(ends, unit, runs)},
        notes=(*findings.notes, *_notes(setting, runs)),
    )
    if comparison.settings.work_precision:
        return with_work_precision(comparison, findings, tell)
    return findings


def _bins(steps: int) -> int:
    return min(steps, BINS)


def _marched(
    comparison: Comparison, start: float, scale: float, tell: Tell
) -> tuple[list[Errors], np.ndarray]:
    """Errors of all methods, ours first, marched side by side, and the times at which bins end:
    in steps of s, those of our own run."""
    setting, steps, surface = comparison.setting, comparison.steps, comparison.setting.surface
    bins = _bins(steps)
    ends = setting.h * np.ceil(np.arange(1, bins + 1) * steps / bins)
    if setting.transformed:
        ends = np.zeros(bins)
    courses: list[Course] = [VariationalMethod(setting, comparison.r)]
    courses += [ExplicitMethod(setting, method) for method in comparison.methods]
    runs = [
        Errors(c.name, c, np.zeros(bins), np.zeros(bins) if comparison.constrained else None)
        for c in courses
    ]
    truth = comparison.energy_truth()
    for done in range(0, steps, setting.block):
        count = min(setting.block, steps - done)
        true = truth.next_block(count) if truth else None
        energy = start if true is None else true.energy
        place = (np.arange(done, done + count) * bins) // steps
        for run in runs:
            if run.lost is not None:
                continue
            try:
                rows = run.course.next_block(count)
            except DivergedError:
                run.lose(done + 1, place[0])
                continue
            if isinstance(truth, ExactMethod) and setting.transformed:
                true = truth.at(rows.t)  # each method has a time of its own
                energy = true.energy
            np.maximum.at(run.energy, place, np.abs(rows.energy - energy) / scale)
            if run.off is not None and surface is not None:
                np.maximum.at(run.off, place, rows.constraint_error(setting, surface))
            if comparison.exact is not None and true is not None:
                run.see_distance(distance(rows, true))
            if setting.transformed and run is runs[0]:
                np.maximum.at(ends, place, rows.t)
        tell("compare", done + count, steps, {})
    return runs, ends


def _metrics(runs: Sequence[Errors]) -> dict[str, float]:
    metrics = {}
    for run in runs:
        if run.lost is None:
            metrics[f"compare.{run.name}.energy_error_max"] = float(np.max(run.energy))
            if run.off is not None:
                metrics[f"compare.{run.name}.constraint_error_max"] = float(np.max(run.off))
            if run.position is not None:
                metrics[f"compare.{run.name}.position_error_max"] = run.position
    return metrics


def _figure(comparison: Comparison, t: np.ndarray, unit: str, runs: Sequence[Errors]) -> Figure:
    """Energy error against time, as Fig. 6 of Roberts, and beside it the error of constraints."""
    each = "" if comparison.steps <= BINS else " Each point is the largest error of its interval."
    caption = (
        f"Energy error relative to the first energy, measured against {comparison.reference}, "
        f"the same step for all methods.{comparison.way}{each}"
    )
    if comparison.constrained:
        caption += (
            " The constraint error is how far a method is off the constraints, relative to the "
            "sizes of their terms."
        )
    panels = [_panel(comparison, t, unit, "relative energy error", [r.energy for r in runs], runs)]
    off = [run.off for run in runs if run.off is not None]
    if off:
        panels.append(_panel(comparison, t, unit, "constraint error", off, runs))
    return Figure("compare_energy", caption, tuple(panels))


def _panel(
    comparison: Comparison, t: np.ndarray, unit: str, what: str, errors: Sequence[np.ndarray],
    runs: Sequence[Errors],
) -> Panel:  # fmt: skip
    floor = np.finfo(float).eps / 4
    curves = tuple(
        Curve(t, np.maximum(error, floor), label(run.name, comparison.r))
        for run, error in zip(runs, errors, strict=True)
    )
    return Panel(Axis("time t", unit), Axis(what, log=True), curves)


def _table(comparison: Comparison, runs: Sequence[Errors]) -> Table:
    header = ["method", "order", "evaluations a step", "energy error"]
    header += ["constraint error"] if comparison.constrained else []
    header += ["position error"] if comparison.exact is not None else []
    orders = {"ggl": 2 * comparison.r + 2} | {m.name: m.order for m in comparison.methods}
    rows = []
    for run in runs:
        mapped = isinstance(run.course, VariationalMethod) and run.course.march.solver == "linear"
        each = None if mapped else float(f"{run.course.evaluations / comparison.steps:.3g}")
        worst = None if run.lost is not None else float(np.max(run.energy))
        name = label(run.name, comparison.r)
        off = () if run.off is None else (None if run.lost is not None else float(max(run.off)),)
        position = (run.position,) if comparison.exact is not None else ()
        rows.append((name, orders[run.name], each, worst, *off, *position))
    caption = (
        f"Largest errors over all steps, the same step for all; energies against "
        f"{comparison.reference}.{comparison.way} An evaluation is one of the force; a linear "
        "map needs none."
    )
    return Table("compare", caption, tuple(header), tuple(rows))


def _arrays(t: np.ndarray, unit: str, runs: Sequence[Errors]) -> dict[str, Array]:
    arrays = {"compare_t": Array(t, ("compare_t",), unit, "end of an interval of steps")}
    for run in runs:
        what = f"largest relative energy error of {run.name} in the interval"
        arrays[f"compare_{run.name}_energy_error"] = Array(run.energy, ("compare_t",), "", what)
        if run.off is not None:
            what = f"largest relative constraint error of {run.name} in the interval"
            arrays[f"compare_{run.name}_constraint_error"] = Array(
                run.off, ("compare_t",), "", what
            )
    return arrays


def _notes(setting: InitialValueProblem, runs: Sequence[Errors]) -> tuple[str, ...]:
    of = "s" if setting.transformed else "t"
    return tuple(
        f"{run.name} left the finite numbers within {setting.block} steps after "
        f"{of} = {setting.h * (run.lost - 1):.6g}; its curve ends there"
        for run in runs
        if run.lost is not None
    )
