"""Figures of Langevin paths: over lines of equal potential, against time, and what they climb."""

from __future__ import annotations

import numpy as np
from actionrun.compiler.findings import Axis, Curve, Figure, Panel

from .channels import Channel
from .problem import LangevinProblem

GRID = 61
SHOWN = 4  # channels that are drawn


def channel_figures(problem: LangevinProblem, each: tuple[Channel, ...]) -> tuple[Figure, ...]:
    """Paths and profiles of the first channels."""
    some = each[:SHOWN]
    figures = [_surface(problem, some)] if len(problem.ends) == 2 else []
    return (*figures, _courses(problem, some), _profile(problem, some))


def _label(number: int, each: tuple[Channel, ...]) -> str:
    return "most probable path" if len(each) == 1 else f"channel {number}"


def _axis(problem: LangevinProblem, k: int) -> Axis:
    name = problem.motion.system.names[k]
    return Axis(name, problem.motion.words.unit(name.partition("[")[0]))


def _surface(problem: LangevinProblem, each: tuple[Channel, ...]) -> Figure:
    q = np.concatenate([one.q for one in each], axis=1)
    low, high = q.min(axis=1), q.max(axis=1)
    wide = np.maximum(high - low, 0.3 * np.max(high - low))
    middle = (low + high) / 2
    rows = [np.linspace(m - 0.7 * w, m + 0.7 * w, GRID) for m, w in zip(middle, wide, strict=True)]
    x, y = (one.ravel() for one in np.meshgrid(*rows))
    energy = problem.motion.energy(np.stack([x, y])) * problem.settings.energy_unit.scale
    along = np.concatenate([one.potential for one in each])
    climb = float(np.ptp(along)) or 1.0
    depth = np.where(np.isfinite(energy), energy, np.inf)
    lines = Curve(x, y, "", "contours", depth=np.clip(depth, None, along.min() + 2 * climb))
    paths = [Curve(one.q[0], one.q[1], _label(n, each)) for n, one in enumerate(each, 1)]
    (x, y) = problem.ends[:, :2]
    marks = [Curve(x, y, "ends", "points")]
    if stops := [one for one in each[0].stops if one.growing]:
        x, y = np.stack([one.q for one in stops], axis=1)
        marks.append(Curve(x, y, "saddles", "points"))
    panel = Panel(_axis(problem, 0), _axis(problem, 1), (lines, *paths, *marks))
    return Figure("surface", "Paths over lines of equal potential energy.", (panel,))


def _courses(problem: LangevinProblem, each: tuple[Channel, ...]) -> Figure:
    unit = problem.motion.words.unit("t")
    time = Axis("length of the way") if problem.free else Axis("time t", unit)
    panels = tuple(
        Panel(time, _axis(problem, k),
              tuple(Curve(one.t, one.q[k], _label(n, each)) for n, one in enumerate(each, 1)))
        for k in range(len(problem.ends))
    )  # fmt: skip
    return Figure(
        "path", "The paths along their way." if problem.free else "The paths in time.", panels
    )


def _profile(problem: LangevinProblem, each: tuple[Channel, ...]) -> Figure:
    """V along the way, with k_B T above the start."""
    unit = problem.settings.energy_unit
    curves = [Curve(one.length, one.potential, _label(n, each)) for n, one in enumerate(each, 1)]
    heat, low = problem.motion.thermal.heat * unit.scale, float(each[0].potential[0])
    said = ""
    if heat:
        ends = np.array([0.0, max(float(one.length[-1]) for one in each)])
        curves.append(Curve(ends, np.full(2, low + heat), "k_B T above the start", "dashed"))
        said = "; dashed, k_B T above the start"
    panel = Panel(Axis("length of the way"), Axis("potential energy V", unit.label), tuple(curves))
    return Figure("profile", f"Potential energy along the paths{said}.", (panel,))
