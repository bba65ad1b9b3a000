"""[compare]: other integrators on the same problem with the same step, for the same report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import sympy as sp
from actionrun.compiler.findings import Array, Axis, Curve, Figure, Findings, Panel, Table
from actionrun.compiler.numerics.integrators.many_body.mechanics import AtAll
from actionrun.compiler.numerics.integrators.runge_kutta import Tableau
from actionrun.compiler.program import Tell
from actionrun.spec.kinds.ggl import Ggl

from .propagators import (
    Exact,
    ExactOfMany,
    Explicit,
    LostError,
    Rows,
    Setting,
    Variational,
    energy_at,
)

BINS = 1000  # points of a curve of errors: each is the largest of its part of the steps
FACTORS = (8, 4, 2, 1, 1 / 2, 1 / 4)  # of the step, in a work-precision figure
Course = Explicit | Variational


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


@dataclass(frozen=True)
class Comparison:
    """What is asked for in [compare], ready to be run; `exact` are the true positions of t."""

    study: Ggl
    setting: Setting
    methods: tuple[Tableau, ...]
    r: int
    steps: int
    exact: list[sp.Expr] | AtAll = field(default_factory=list)

    def solution(self, setting: Setting) -> Exact | ExactOfMany:
        """The exact solution, in the steps of a setting."""
        if isinstance(self.exact, list):
            return Exact(setting, self.exact)
        return ExactOfMany(setting, self.exact)

    @property
    def held(self) -> bool:
        """Whether there are constraints."""
        return self.setting.constraints is not None

    @property
    def way(self) -> str:
        """In words: what steps are of, and what the other methods do about constraints."""
        words, transform = "", self.study.integrator.time_transform
        if transform is not None:
            words = (
                f" Steps are of s, dt = g ds with g = {transform.text}: the others integrate "
                "dq/ds = g q', dq'/ds = g q'', dt/ds = g."
            )
        if self.held:
            words += (
                " The others integrate the accelerations that keep the second derivative of every "
                "constraint at zero; nothing pulls them back to the constraints, which they leave."
            )
        return words

    @property
    def reference(self) -> tuple[str, Callable[[], Exact | ExactOfMany | Variational | None]]:
        """Where the true energy comes from, in words, and what follows it (None: it is E0)."""
        if self.exact:
            return "the energy of the exact solution", lambda: self.solution(self.setting)
        if self.setting.problem.conservative:
            return "the energy at the start", lambda: None
        name = f"the energy of our own run with r = {self.r + 2}"
        return name, lambda: Variational(self.setting, self.r + 2)


def compared(comparison: Comparison, kinetic: float, findings: Findings, tell: Tell) -> Findings:
    """The findings with the comparison put in. `kinetic`: the largest kinetic energy of our run,
    by which errors are scaled where the energy at the start is nearly zero (as in runs.md)."""
    setting = comparison.setting
    start = energy_at(setting)
    scale = max(abs(start), 1e-3 * kinetic) or 1.0
    runs, ends = _marched(comparison, start, scale, tell)
    unit = comparison.study.unit("t")
    found = replace(
        findings,
        metrics={**findings.metrics, **_metrics(runs)},
        figures=(*findings.figures, _figure(comparison, ends, unit, runs)),
        tables=(*findings.tables, _table(comparison, runs)),
        arrays={**findings.arrays, **_arrays(ends, unit, runs)},
        notes=(*findings.notes, *_notes(setting, runs)),
    )
    assert comparison.study.compare is not None
    if comparison.study.compare.work_precision:
        from .work_precision import with_work_precision

        found = with_work_precision(comparison, found, tell)
    return found


def _bins(steps: int) -> int:
    return min(steps, BINS)


def _marched(
    comparison: Comparison, start: float, scale: float, tell: Tell
) -> tuple[list[Errors], np.ndarray]:
    """Errors of all methods, ours first, marched side by side, and the times at which bins end:
    in steps of s, those of our own run."""
    setting, steps = comparison.setting, comparison.steps
    bins = _bins(steps)
    ends = setting.h * np.ceil(np.arange(1, bins + 1) * steps / bins)
    if setting.transformed:
        ends = np.zeros(bins)
    courses: list[Course] = [Variational(setting, comparison.r)]
    courses += [Explicit(setting, method) for method in comparison.methods]
    runs = [
        Errors(c.name, c, np.zeros(bins), np.zeros(bins) if comparison.held else None)
        for c in courses
    ]
    truth = comparison.reference[1]()
    for done in range(0, steps, setting.block):
        count = min(setting.block, steps - done)
        true = truth.following(count) if truth else None
        energy = start if true is None else true.energy
        place = (np.arange(done, done + count) * bins) // steps
        for run in runs:
            if run.lost is not None:
                continue
            try:
                rows = run.course.following(count)
            except LostError:
                run.lost = done + 1
                run.energy[place[0] :] = np.nan
                if run.off is not None:
                    run.off[place[0] :] = np.nan
                continue
            if isinstance(truth, Exact | ExactOfMany) and setting.transformed:
                true = truth.at(rows.t)  # each method has a time of its own
                energy = true.energy
            np.maximum.at(run.energy, place, np.abs(rows.energy - energy) / scale)
            if run.off is not None:
                np.maximum.at(run.off, place, rows.off(setting))
            if comparison.exact and true is not None:
                run.position = max(run.position or 0.0, distance(rows, true))
            if setting.transformed and run is runs[0]:
                np.maximum.at(ends, place, rows.t)
        tell("compare", done + count, steps, {})
    return runs, ends


def distance(rows: Rows, true: Rows) -> float:
    return float(np.max(np.abs(rows.q - true.q)))


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


def label(name: str, r: int) -> str:
    """A method as a legend names it."""
    return f"GGL r = {r}" if name == "ggl" else name


def _figure(comparison: Comparison, t: np.ndarray, unit: str, runs: Sequence[Errors]) -> Figure:
    """Energy error against time, as Fig. 6 of Roberts, and beside it the error of constraints."""
    each = "" if comparison.steps <= BINS else " Each point is the largest error of its interval."
    caption = (
        f"Energy error relative to the first energy, measured against {comparison.reference[0]}, "
        f"the same step for all methods.{comparison.way}{each}"
    )
    if comparison.held:
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
    header += ["constraint error"] if comparison.held else []
    header += ["position error"] if comparison.exact else []
    orders = {"ggl": 2 * comparison.r + 2} | {m.name: m.order for m in comparison.methods}
    rows = []
    for run in runs:
        mapped = isinstance(run.course, Variational) and run.course.march.solver == "linear"
        each = None if mapped else float(f"{run.course.evaluations / comparison.steps:.3g}")
        worst = None if run.lost is not None else float(np.max(run.energy))
        name = label(run.name, comparison.r)
        off = () if run.off is None else (None if run.lost is not None else float(max(run.off)),)
        position = (run.position,) if comparison.exact else ()
        rows.append((name, orders[run.name], each, worst, *off, *position))
    caption = (
        f"Largest errors over all steps, the same step for all; energies against "
        f"{comparison.reference[0]}.{comparison.way} An evaluation is one of the force; a linear "
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


def _notes(setting: Setting, runs: Sequence[Errors]) -> tuple[str, ...]:
    of = "s" if setting.transformed else "t"
    return tuple(
        f"{run.name} left the finite numbers within {setting.block} steps after "
        f"{of} = {setting.h * (run.lost - 1):.6g}; its curve ends there"
        for run in runs
        if run.lost is not None
    )
