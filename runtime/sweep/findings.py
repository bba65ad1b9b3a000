"""What a sweep found: a table of its points, and each measure over each number that was swept."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from actionrun.compiler.findings import Array, Axis, Check, Curve, Figure, Findings, Panel, Table
from actionrun.runtime.report.rounding import brief
from actionrun.spec import Swept
from actionrun.spec.expressions.errors import ExpressionFault
from actionrun.spec.units.quantities import quantity

from .points import Outcome, Part

MOST_COLUMNS, MOST_PANELS, MOST_FIGURES, MOST_GROUPS = 8, 4, 6, 6
TIMES = ("seconds", "nanoseconds", "per_second")  # they differ from run to run


def number_of(data: Mapping[str, Any], name: str) -> float:
    """A number in JSON data, 0 where there is none."""
    value = data.get(name)
    return float(value) if isinstance(value, int | float) else 0.0


def sweep_findings(
    entries: Sequence[Swept], parts: Sequence[Part], outcomes: Sequence[Outcome],
    aim: str | None = None,
) -> Findings:  # fmt: skip
    """Table, figures and arrays over the points; the same for any order in which they were run.

    `aim` is the metric of a guided sweep: it comes first, and each point stands for itself.
    """
    measures = sorted(_measures(outcomes), key=lambda name: name != aim)
    failed = [part.name for part, one in zip(parts, outcomes, strict=True) if not one.done]
    rows = [_data(part, one) for part, one in zip(parts, outcomes, strict=True)]
    text = f"{len(failed)} of {len(parts)} could not be done"
    check = Check("every point was done", not failed, f"{text}: {', '.join(failed[:5])}"
                  if failed else f"all {len(parts)} points have a result")  # fmt: skip
    return Findings(
        metrics={"points": len(parts), "points_failed": len(failed)},
        extra={"sweep": {"keys": [entry.name for entry in entries], "points": rows}},
        summary=(("points", f"{len(parts)}" + (f", {text}" if failed else "")),),
        arrays=_arrays(entries, parts, outcomes, measures),
        figures=_figures(entries, parts, outcomes, measures[:MOST_PANELS], aim is not None),
        tables=(_table(entries, parts, outcomes, measures[:MOST_COLUMNS]),),
        checks=(check,),
    )


def described(entries: Sequence[Swept]) -> str:
    """What is swept, in words."""
    return "\n".join(_words(entry) for entry in entries)


def _words(entry: Swept) -> str:
    if entry.space is not None:
        how = ", on a logarithmic scale" if entry.log else ""
        return f"{entry.name} is searched from {entry.values[0]} to {entry.values[1]}{how}"
    if entry.drawn:
        how = "evenly in its logarithm" if entry.log else "evenly"
        return f"{entry.name} is drawn {len(entry.values)} times, {how}"
    shown = [brief(value) for value in entry.values[:12]]
    more = f" and {len(entry.values) - 12} more" if len(entry.values) > 12 else ""
    return f"{entry.name} takes on {', '.join(shown)}{more}"


def row_text(part: Part, outcome: Outcome) -> str:
    """One point as a line for the screen."""
    if not outcome.done:
        return f"{part.name}  failed: {outcome.message}"
    metrics = outcome.result.get("metrics", {})
    shown = [f"{name} {brief(metrics[name], 3)}" for name in _telling(_timeless(metrics), metrics)]
    return "  ".join((part.name, *shown[:4]))


def _data(part: Part, outcome: Outcome) -> dict[str, Any]:
    return {
        "folder": f"points/{part.name}",
        "values": dict(part.values),
        "status": "done" if outcome.done else "failed",
        "metrics": {
            name: value
            for name, value in outcome.result.get("metrics", {}).items()
            if not name.endswith(TIMES)
        },
        "message": outcome.message,
    }


def _timeless(metrics: Mapping[str, Any]) -> list[str]:
    return [
        name for name, value in metrics.items()
        if not name.endswith(TIMES) and type(value) in (int, float)
    ]  # fmt: skip


def _telling(names: Sequence[str], metrics: Mapping[str, Any]) -> list[str]:
    """Measured numbers before counts, else in their order."""
    return sorted(names, key=lambda name: float(metrics[name]).is_integer())


def _measures(outcomes: Sequence[Outcome]) -> list[str]:
    """The metrics that differ from point to point, or all where none does; counts last."""
    names: dict[str, set[float]] = {}
    for one in outcomes:
        metrics = one.result.get("metrics", {})
        for name in _timeless(metrics):
            names.setdefault(name, set()).add(metrics[name])
    several = [name for name, seen in names.items() if len(seen) > 1] or list(names)
    return sorted(several, key=lambda name: all(float(one).is_integer() for one in names[name]))


def _metric(outcome: Outcome, name: str) -> float:
    value = outcome.result.get("metrics", {}).get(name)
    return float(value) if type(value) in (int, float) else math.nan


def _table(
    entries: Sequence[Swept], parts: Sequence[Part], outcomes: Sequence[Outcome],
    measures: Sequence[str],
) -> Table:  # fmt: skip
    failed = any(not one.done for one in outcomes)
    head = ("point", *(entry.name for entry in entries), *measures, *(("outcome",) * failed))
    rows = []
    for index, (part, one) in enumerate(zip(parts, outcomes, strict=True)):
        cells: list[Any] = [index, *(_cell(part.values[entry.name]) for entry in entries)]
        for name in measures:
            value = one.result.get("metrics", {}).get(name)
            cells.append(value if type(value) in (int, float) else None)
        rows.append((*cells, *((one.message or "done",) * failed)))
    return Table("points", "The points", head, tuple(rows))


def _cell(value: Any) -> str | float | int:
    return value if type(value) in (int, float) else brief(value)


def scale(values: Sequence[Any]) -> tuple[np.ndarray, str] | None:
    """The numbers of values and their unit, that of the first; None where they are no numbers."""
    numbers, units = [], []
    for value in values:
        if isinstance(value, str):
            try:
                parsed = quantity(value)
            except ExpressionFault:
                return None
            if parsed is None:
                return None
            numbers.append(float(parsed[0]))
            units.append(parsed[1])
        elif type(value) in (int, float):
            numbers.append(float(value))
    if len(numbers) != len(values) or len(units) not in (0, len(numbers)):
        return None
    if units:
        numbers = [
            number * float(unit.factor / units[0].factor)
            for number, unit in zip(numbers, units, strict=True)
        ]
    return np.array(numbers), units[0].text if units else ""


def _arrays(
    entries: Sequence[Swept], parts: Sequence[Part], outcomes: Sequence[Outcome],
    measures: Sequence[str],
) -> dict[str, Array]:  # fmt: skip
    arrays = {}
    for entry in entries:
        if known := scale([part.values[entry.name] for part in parts]):
            data, unit = known
            arrays[entry.name] = Array(data, ("point",), unit, "what was swept")
    for name in measures:
        data = np.array([_metric(one, name) for one in outcomes])
        arrays[f"metrics.{name}"] = Array(data, ("point",), "", "a metric of each point")
    return arrays


def _figures(
    entries: Sequence[Swept], parts: Sequence[Part], outcomes: Sequence[Outcome],
    measures: Sequence[str], guided: bool,
) -> tuple[Figure, ...]:  # fmt: skip
    figures = []
    for entry in entries:
        known = scale([part.values[entry.name] for part in parts])
        if known is None or len(set(known[0])) < 2:
            continue
        x, unit = known
        axis = Axis(entry.name, unit, log=entry.log or _logarithmic(x))
        others = [] if guided else [one for one in entries if one is not entry and not one.drawn]
        others = [one for one in others if one.name != "seed"]
        scattered = guided or entry.drawn or entry.name == "seed"
        labels = [
            ", ".join(f"{one.key[-1]} {brief(part.values[one.name], 3)}" for one in others)
            for part in parts
        ]
        panels = []
        for name in measures:
            y = np.array([_metric(one, name) for one in outcomes])
            if np.isfinite(y).any():
                curves = _curves(x, y, labels, scattered)
                panels.append(Panel(axis, Axis(name, log=_logarithmic(y)), curves))
        if panels:
            stem = f"over-{entry.name}"
            figures.append(Figure(stem, _caption(entry, entries, others), tuple(panels)))
    return tuple(figures[:MOST_FIGURES])


def _caption(entry: Swept, entries: Sequence[Swept], others: Sequence[Swept]) -> str:
    text = f"The metrics of each point over {entry.name}"
    if others:
        text += ", a curve for each choice of " + " and ".join(one.name for one in others)
    if any(one.name == "seed" for one in entries) and entry.name != "seed":
        text += "; where several seeds share a place, their median and their range"
    return f"{text}."


def _curves(
    x: np.ndarray, y: np.ndarray, labels: Sequence[str], scattered: bool
) -> tuple[Curve, ...]:
    """A curve for each label; where several points share an x, their median and range."""
    groups = list(dict.fromkeys(labels))
    if len(groups) > MOST_GROUPS:
        return (Curve(x, y, "", "points"),)
    curves = []
    for group in groups:
        mine = np.array([label == group for label in labels]) & np.isfinite(y)
        places = np.unique(x[mine])
        if not len(places):
            continue
        at = [np.sort(y[mine & (x == place)]) for place in places]
        middle = np.array([np.median(values) for values in at])
        if scattered or max(map(len, at)) == 1:
            style = "points" if scattered else "marked"
            same = np.lexsort((y[mine], x[mine])) if scattered else slice(None)
            curve = Curve(x[mine][same], y[mine][same], group, style) if scattered else Curve(
                places, middle, group, style
            )  # fmt: skip
        else:
            low, high = (np.array([values[end] for values in at]) for end in (0, -1))
            curve = Curve(places, middle, group, "marked", low, high)
        curves.append(curve)
    return tuple(curves)


def _logarithmic(values: np.ndarray) -> bool:
    """Whether a logarithmic axis shows these numbers better."""
    finite = np.unique(values[np.isfinite(values)])
    if len(finite) < 2 or finite[0] <= 0:
        return False
    ratios = finite[1:] / finite[:-1]
    even = len(finite) > 2 and np.ptp(ratios) < 0.02 * ratios[0] and finite[-1] > 3 * finite[0]
    return bool(finite[-1] > 30 * finite[0] or even)
