"""What a finished run says of the motion between its steps: [output] and [events]."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from actionrun.compiler.findings import (
    Array,
    Axis,
    Check,
    Curve,
    Figure,
    Findings,
    Panel,
    Table,
)
from actionrun.compiler.numerics.integrators.time_marching import Trajectory
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem
from actionrun.compiler.symbolic.vocabulary import ALONE, ArgumentPlace

from .acting_events import ACCUMULATED, RESTING, STOPPED, ended, history_of
from .dense_output import DenseOutput
from .integration import Integration

ROUNDED = 1e-15  # of the slope of an event times the time: two crossings so near are none
NEAR = 1e-9  # of the time of the run: crossings farther apart are two
SECTION, PANELS = 8, 4  # crossings from which on a section is drawn, and coordinates of it
FLAT = 1e-9  # of its size: a coordinate that changes less is on the section
LISTED = 1000  # events of a name in result.json; data.nc has all
WRITTEN = 1000  # degrees of freedom whose states stand there


def with_dense_output(
    run: Integration, sought: DenseOutput, state: Trajectory, samples: Mapping[str, np.ndarray],
    findings: Findings,
) -> Findings:  # fmt: skip
    """The findings with what was found between the steps."""
    arrays, extra = dict(findings.arrays), dict(findings.extra)
    metrics, tables = dict(findings.metrics), list(findings.tables)
    summary, notes = list(findings.summary), list(findings.notes)
    unit, drawn = run.system.words.unit("t"), [*findings.figures]
    if len(sought.times):
        notes += _unreached(run, sought, samples)
        arrays["output_t"] = Array(samples["output_t"], ("output_t",), unit, "time of output")
        arrays |= _states(run, "output", samples["output_q"], samples["output_v"])
        gap = samples["output_gap"]
        if np.isfinite(gap).any():
            metrics["output_error"], metrics["output_velocity_error"] = map(
                float, np.nanmax(gap, axis=0)
            )
            summary.append(("between the steps", f"{metrics['output_error']:.1e} in positions: the "
                            "most that the motions from both ends of a step differ"))  # fmt: skip
    if sought.names:
        extra["events"] = {}
        rows: list[tuple] = []
        for number, name in enumerate(sought.names):
            mine = np.flatnonzero(samples["event"] == number)
            mine = mine[~_touching(samples, mine)]
            t, rising = samples["event_t"][mine], samples["event_rising"][mine]
            q, v = samples["event_q"][mine], samples["event_v"][mine]
            dims, key = (f"event_{name}_t",), f"event_{name}"
            arrays[f"{key}_t"] = Array(t, dims, unit, f"time of the event {name}")
            arrays[f"{key}_direction"] = Array(2 * rising - 1, dims, "", "1 rising, -1 falling")
            arrays |= _states(run, key, q, v)
            extra["events"][name] = _listed(run.system, t, rising, q, v)
            metrics[f"events.{name}"] = len(t)
            if np.isfinite(gap := samples["event_gap"][mine]).any():
                metrics[f"events.{name}.time_error"] = float(np.nanmax(gap))
            spans = _spans(t, rising)
            each = "" if spans[-1] is None else f", one direction each {spans[-1]:.10g} {unit}"
            summary.append((f"event {name}", f"{len(t)} times{each}".rstrip()))
            rows.append((name, run.settings.events[name].when.text, len(t), *spans))
            notes += _without_crossing(run, name, samples, number)
            drawn += _section(
                run, name, rising, q, v, np.max(np.abs(samples["q"]), axis=0, initial=0.0)
            )
            if run.settings.events[name].set:
                acted = np.flatnonzero(samples["act"] == number)
                dims = (f"event_{name}_after_t",)
                t = samples["act_t"][acted]
                arrays[dims[0]] = Array(t, dims, unit, f"times at which {name} acted")
                states = samples["act_q"][acted], samples["act_v"][acted]
                arrays |= _states(run, f"event_{name}_after", *states)
                added = float(np.sum(samples["act_energy"][acted]))
                metrics[f"events.{name}.energy"] = added
                energy = run.system.words.unit.behind("lagrangian")
                line = f"{len(acted)} times, and added {added:.9g}{energy} to the energy"
                summary.append((f"{name} acted", line))
        tables.append(_table(rows, unit))
    checks = findings.checks
    if why := ended(state):
        line, trouble = _end(run, state, why)
        summary.append(line)
        checks = (*checks, *trouble)
    return replace(
        findings,
        arrays=arrays,
        extra=extra,
        metrics=metrics,
        tables=tuple(tables),
        figures=tuple(drawn),
        summary=tuple(summary),
        checks=checks,
        notes=tuple(notes),
    )


def _end(
    run: Integration, state: Trajectory, why: int
) -> tuple[tuple[str, str], tuple[Check, ...]]:
    """The line of what ended a run before its last step; and what is wrong with that."""
    history = history_of(state)
    name = [*run.settings.events][int(history.ended_by)]
    t = float(np.max(history.last))
    at = f"t = {t:.12g}{run.system.words.unit.behind('t')}"
    line = "ended", f"by the event {name} at {at}"
    if why == STOPPED:
        return line, ()
    what = {
        ACCUMULATED: f"the times of the event {name} accumulate at {at} (a Zeno point)",
        RESTING: f"the event {name} leaves the motion at rest on it at {at}",
    }[why]
    text = (f"{what}: what comes after is a contact, which is not built, and the run ends there; "
            "stop = true or count ends it before")  # fmt: skip
    return line, (Check(f"event {name}", False, text),)


def _section(
    run: Integration, name: str, rising: np.ndarray, q: np.ndarray, v: np.ndarray, size: np.ndarray
) -> list[Figure]:
    """The Poincare section of an event: positions and velocities at its crossings of one direction,
    that of the first; nothing of few crossings, and of bodies. `size` (n,): of the coordinates."""
    words = run.system.words
    mine = rising == rising[0] if len(rising) else rising.astype(bool)
    if run.system.body_count or np.sum(mine) < SECTION:
        return []
    panels = []
    for k, label in enumerate(words.names):
        x, y = q[mine, k], v[mine, k]
        if np.ptp(x) <= FLAT * size[k] or len(panels) == PANELS:
            continue  # the coordinate that the section is across
        speed = words.spelling(ArgumentPlace("v", k, ALONE))
        across, up = (Axis(one, words.unit(one.partition("[")[0])) for one in (label, speed))
        panels.append(Panel(across, up, (Curve(x, y, "", "points"),)))
    way = "rising" if rising[0] else "falling"
    caption = f"The Poincare section of the event {name}: its {np.sum(mine)} {way} crossings."
    return [Figure(f"section_{name}", caption, tuple(panels))] if panels else []


def _touching(samples: Mapping[str, np.ndarray], mine: np.ndarray) -> np.ndarray:
    """Of the crossings of an event, pairs there and back between which it leaves zero by less than
    rounding: a zero that is touched where two steps meet."""
    t, slope, up = (samples[f"event_{x}"][mine] for x in ("t", "slope", "rising"))
    touching = np.zeros(len(mine), bool)
    if len(mine) < 2:
        return touching
    end = max(float(t[-1]), 1e-300)
    pair = (up[1:] != up[:-1]) & (np.diff(t) <= NEAR * end)
    pair &= ~(np.abs(slope[1:]) * np.diff(t) > ROUNDED * np.nanmax(np.abs(slope), initial=0) * end)
    touching[1:] |= pair
    touching[:-1] |= pair
    return touching


def _without_crossing(
    run: Integration, name: str, samples: Mapping[str, np.ndarray], number: int
) -> list[str]:
    """What an event does beside crossing zero."""
    mine, notes = samples["mark"] == number, []
    jumps = np.isnan(samples["mark_value"])
    unit = run.system.words.unit.behind("t")
    for chosen, what in (
        (mine & ~jumps, "touches zero without a change of sign"),
        (mine & jumps, "jumps across zero, which is no zero,"),
    ):
        if count := int(np.sum(chosen)):
            first = float(np.min(samples["mark_t"][chosen]))
            times = "once" if count == 1 else f"{count} times"
            notes.append(f"the event {name} {what} {times}, first at t = {first:.6g}{unit}")
    return notes


def _unreached(
    run: Integration, sought: DenseOutput, samples: Mapping[str, np.ndarray]
) -> list[str]:
    """Times that a run of a transformed time did not come to: it ends when it ends."""
    missed = len(sought.times) - len(samples["output_t"])
    if not (run.settings.output.listed and missed):
        return []
    unit = run.system.words.unit("t")
    end = f"t = {float(samples['t'][-1]):.6g} {unit}".rstrip()
    return [f"{missed} of {len(sought.times)} times of output lie behind the end of the run, {end}"]


def _listed(problem: LagrangianSystem, t, rising, q, v) -> list[dict[str, object]]:
    events = []
    for k in range(min(len(t), LISTED)):
        event = {"t": float(t[k]), "direction": 1 if rising[k] else -1}
        for what, row in (("position", q[k]), ("velocity", v[k])):
            if problem.n <= WRITTEN:
                names = problem.words.slices
                event[what] = {x: problem.of_coordinate(row, x).tolist() for x in names}
        events.append(event)
    return events


def _spans(t: np.ndarray, rising: np.ndarray) -> tuple[float | None, float | None, float | None]:
    """First and last time, and the mean time between crossings of the same direction."""
    if not len(t):
        return None, None, None
    same = t[rising == rising[0]]
    mean = float((same[-1] - same[0]) / (len(same) - 1)) if len(same) > 1 else None
    return float(t[0]), float(t[-1]), mean


def _states(run: Integration, key: str, q: np.ndarray, v: np.ndarray) -> dict[str, Array]:
    problem, unit_of, arrays = run.system, run.system.words.unit, {}
    axes = (f"{key}_t", *(["body"] if problem.body_count else []))
    for name in problem.words.slices:
        for prefix, rows, unit, what in (
            ("", q, unit_of(name), "position"),
            ("v_", v, unit_of(f"{name}'"), "velocity"),
        ):
            data = problem.of_coordinate(rows, name)
            dims = (*axes, f"{name}_component")[: data.ndim]
            arrays[f"{key}_{prefix}{name}"] = Array(data, dims, unit, f"{what} {name} there")
    return arrays


def _table(rows: Sequence[tuple], unit: str) -> Table:
    time = f" [{unit}]" if unit else ""
    header = ("event", "crosses zero", "count", f"first t{time}", f"last t{time}",
              f"mean interval, one direction{time}")  # fmt: skip
    caption = "Crossings of zero, located on the motion itself."
    return Table("events", caption, header, tuple(rows))
