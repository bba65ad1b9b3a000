"""Work against precision: every method at several steps over the same span of time.

Work is counted in evaluations of the force, which are the same on every machine; seconds are for
tests/bench.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from actionrun.compiler.findings import Axis, Curve, Figure, Findings, Panel, Table
from actionrun.compiler.program import Tell

from .propagators import DivergedError, ExplicitMethod, InitialValueProblem, Rows, VariationalMethod
from .setup import FACTORS, Comparison, Course, Truth, distance, label

Point = tuple[float, int, int, float]  # step, steps, evaluations, error


def with_work_precision(comparison: Comparison, findings: Findings, tell: Tell) -> Findings:
    """The findings with a figure and a table of error at the end against work."""
    r, span = comparison.r, comparison.setting.h * comparison.steps
    makers: dict[str, Callable[[InitialValueProblem], Course]] = {
        "ggl": lambda setting: VariationalMethod(setting, r, iterated=True)
    }
    for method in comparison.methods:
        makers[method.name] = lambda setting, method=method: ExplicitMethod(setting, method)
    fine = round(comparison.steps / FACTORS[-1])
    truth = comparison.truth(comparison.setting._replace(h=span / fine))
    true = _end(truth, fine)
    size = float(np.max(np.abs(true.q))) or 1.0
    points: dict[str, list[Point]] = {name: [] for name in makers}
    for done, factor in enumerate(FACTORS):
        steps = max(1, round(comparison.steps / factor))
        for name, make in makers.items():
            course = make(comparison.setting._replace(h=span / steps))
            try:
                end = _end(course, steps)
                # of a transformed time, each method ends at a time of its own
                error = distance(
                    end, true if isinstance(truth, VariationalMethod) else truth.at(end.t)
                )
            except DivergedError:
                continue
            if error < 10 * size:  # beyond that the numbers are finite, but no answer
                points[name].append((span / steps, steps, course.evaluations, error))
        tell("work and precision", done + 1, len(FACTORS), {})
    return replace(
        findings,
        figures=(*findings.figures, _figure(comparison, points, size)),
        tables=(*findings.tables, _table(comparison, points)),
    )


def _end(course: Course | Truth, steps: int) -> Rows:
    """The one row after `steps` steps; in parts, so that one compiled loop serves all."""
    block = course.setting.block
    whole, left = divmod(steps, block)
    parts = [(min(block, whole - done), block) for done in range(0, whole, block)]
    last = [course.next_block(*part) for part in [*parts, *([(1, left)] if left else [])]][-1]
    return Rows(*(part[-1:] for part in last))


def _figure(comparison: Comparison, points: dict[str, list[Point]], size: float) -> Figure:
    words = comparison.setting.system.words
    floor, coordinates = np.finfo(float).eps / 4 * size, list(words.slices)
    unit = words.unit(coordinates[0]) if len(coordinates) == 1 else ""
    curves = []
    for name, runs in points.items():
        work = np.array([point[2] for point in runs], float)
        error = np.maximum([point[3] for point in runs], floor)
        curves.append(Curve(work, error, label(name, comparison.r)))
    panel = Panel(
        Axis("evaluations of the force", log=True),
        Axis("position error at the end", unit, log=True),
        tuple(curves),
    )
    return Figure("work_precision", _caption(comparison), (panel,))


def _caption(comparison: Comparison, short: bool = False) -> str:
    true = "the exact solution" if comparison.exact is not None else (
        f"our own run with r = {comparison.r + 2} and a quarter of the step"
    )  # fmt: skip
    way = "" if short else comparison.way
    return (
        f"Error of the last positions, measured against {true}, against work: steps from 8 to 1/4 "
        f"of integrator.dt.{way} The GGL step is iterated here even where one linear map would do."
    )


def _table(comparison: Comparison, points: dict[str, list[Point]]) -> Table:
    rows = [(label(name, comparison.r), *point) for name, runs in points.items() for point in runs]
    header = ("method", "step", "steps", "evaluations", "position error at the end")
    return Table("work_precision", _caption(comparison, short=True), header, tuple(rows))
