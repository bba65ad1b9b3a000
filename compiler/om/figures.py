"""Figures of a minimised path, as the paper drew them: a few bodies beside the reference,
deviations over time and iterations, structure and dynamics of the fluid, energies.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from actionrun.compiler.findings import Axis, Curve, Figure, Panel
from actionrun.spec.units.unit_table import LENGTH

from .diagnostics import ReferenceDeviation
from .result import FluidStatistics, PathResult

SHOWN = 4  # bodies whose paths are drawn
TINY = 1e-17
SPREAD = 20  # largest over smallest value from which an axis is logarithmic


def path_figures(result: PathResult) -> tuple[Figure, ...]:
    """Paths, deviations, convergence, structure and dynamics, energies."""
    figures = [_bodies(result) if result.problem.system.shape[1] > 1 else _motion(result)]
    if result.score is not None:
        figures.append(_deviations(result, result.score))
    if (history := _history(result)) is not None:
        figures.append(history)
    if result.fluid is not None:
        figures.append(_fluid(result, result.fluid))
    figures.append(_energies(result))
    return tuple(figures)


def length(result: PathResult) -> str:
    """The label of the unit of lengths."""
    return result.problem.settings.units.label(LENGTH)


def _time(result: PathResult, label: str = "time t") -> Axis:
    return Axis(label, result.problem.system.words.unit("t"))


def _furthest(q: np.ndarray) -> np.ndarray:
    """The bodies that turn most: whose way is longest for the distance between its ends."""
    way = np.sum(np.linalg.norm(np.diff(q, axis=2), axis=0), axis=1)
    return np.argsort(np.linalg.norm(q[..., -1] - q[..., 0], axis=0) - way)[:SHOWN]


def _bodies(result: PathResult) -> Figure:
    """Paths of four bodies in the plane of their first two coordinates (the paper's Fig. 2)."""
    q, unit = result.diagnostics.path.q, length(result)
    other, name = None, ""
    if result.score is not None:
        other, name = result.score.reference.q, "molecular dynamics"
    elif result.diagnostics.again is not None:
        other, name = result.diagnostics.again, "Newton's motion from its start"
    panels = []
    for k in _furthest(q):
        x, y = (q[0, k], q[1, k]) if len(q) > 1 else (result.diagnostics.path.t, q[0, k])
        curves = [Curve(x, y, "path of least action")]
        if other is not None:
            a, b = (other[0, k], other[1, k]) if len(q) > 1 else (x, other[0, k])
            curves.append(Curve(a[::5], b[::5], name, "points"))
        axes = (
            (Axis("x", unit), Axis("y", unit)) if len(q) > 1 else (_time(result), Axis("x", unit))
        )
        panels.append(Panel(*axes, tuple(curves), f"atom {k + 1}", equal=len(q) > 1))
    beside = f", beside {name}" if name else ""
    caption = f"Paths of the four atoms that turn most, seen along the z axis{beside}."
    if len(q) < 3:
        caption = f"Paths of the four atoms that turn most{beside}."
    return Figure("paths", caption, tuple(panels))


def _motion(result: PathResult) -> Figure:
    """Coordinates against time, beside Newton's motion from the path's own start."""
    unit_of, path = result.problem.system.words.unit, result.diagnostics.path
    panels = []
    for k, name in enumerate(result.problem.system.names):
        curves = [Curve(path.t, path.q[k, 0], "path of least action")]
        if result.diagnostics.again is not None:
            newton = result.diagnostics.again[k, 0]
            curves.append(
                Curve(path.t[::5], newton[::5], "Newton's motion from its start", "points")
            )
        unit = unit_of(name.partition("[")[0])
        panels.append(Panel(_time(result), Axis(f"position {name}", unit), tuple(curves)))
    caption = "The path between the two states, and Newton's motion from the path's own start."
    return Figure("path", caption, tuple(panels))


def _deviations(result: PathResult, score: ReferenceDeviation) -> Figure:
    """RMSD of positions and momenta over time (the paper's Fig. 3)."""
    t = result.diagnostics.path.t
    inner = slice(1, -1)  # at the ends there is rounding alone
    unit = length(result)
    places = Curve(t[inner], np.maximum(score.positions[inner], TINY))
    momenta = Curve(t[inner], np.maximum(score.momenta[inner], TINY))
    panels = (
        Panel(_time(result), Axis("RMSD of positions", unit, log=True), (places,)),
        Panel(_time(result), Axis("RMSD of momenta", "", log=True), (momenta,)),
    )
    caption = (
        "Distance of the path from the reference run (a quarter of its time step), root mean "
        "square over the atoms, against time."
    )
    return Figure("deviation", caption, panels)


def _history(result: PathResult) -> Figure | None:
    """The loss, and the largest RMSD, over iterations."""
    history = result.history
    if "iteration" not in history or len(history["iteration"]) < 2:
        return None
    n, loss = history["iteration"], history["loss"]
    many = n[-1] > 100
    axis, style = Axis("iteration", log=bool(many)), "line" if many else "marked"
    shown = [("loss", "", loss)]
    if "rmsd" in history:
        shown.append(("largest RMSD", length(result), np.max(history["rmsd"], axis=1)))
    panels = []
    for label, unit, y in shown:
        keep = np.isfinite(y) & (y > 0) & ((n > 0) | (not many))
        wide = bool(keep.any() and np.max(y[keep]) > SPREAD * np.min(y[keep]))
        panels.append(Panel(axis, Axis(label, unit, wide), (Curve(n[keep], y[keep], "", style),)))
    caption = "How the path relaxed: what is minimised, and the distance from the reference run."
    if len(panels) == 1:
        caption = "How the path relaxed: what is minimised, against the iterations."
    return Figure("convergence", caption, tuple(panels))


def _fluid(result: PathResult, fluid: FluidStatistics) -> Figure:
    """g(r) and the velocity autocorrelation (the paper's Fig. 4)."""
    names = ("path of least action", "molecular dynamics")
    styles: tuple[Literal["line", "points"], ...] = ("line", "points")
    thin = (slice(None), slice(None, None, 2))
    g = tuple(
        Curve(fluid.r[some], y[some], name, style)
        for y, name, style, some in zip(fluid.g, names, styles, thin, strict=False)
    )
    vacf = tuple(
        Curve(fluid.t[some], y[some], name, style)
        for y, name, style, some in zip(fluid.vacf, names, styles, thin, strict=False)
    )
    caption = "Structure and dynamics of the fluid along the path."
    if fluid.rest is not None:
        of_rest, lags, memory = fluid.rest
        kept = lags <= fluid.t[-1]
        name = "the liquid before"
        g += (Curve(fluid.r, of_rest, name, "dashed"),)
        vacf += (Curve(lags[kept], memory[kept], name, "dashed"),)
        caption += (
            " The liquid before: mean over the reference run's rest without thermostat, which is "
            "longer; one path of a few hundred atoms scatters around it."
        )
    panels = (
        Panel(Axis("distance r", length(result)), Axis("radial distribution g(r)"), g),
        Panel(_time(result), Axis("velocity autocorrelation"), vacf),
    )
    return Figure("fluid", caption, panels)


def _energies(result: PathResult) -> Figure:
    path, settings = result.diagnostics.path, result.problem.settings
    n = result.problem.system.shape[1]
    each = " per body" if n > 1 else ""
    unit = settings.energy_unit.label
    curves = tuple(
        Curve(path.t, y / n, name)
        for y, name in ((path.potential, "potential"), (path.kinetic, "kinetic"),
                        (path.energy, "total"))
    )  # fmt: skip
    size = max(abs(path.energy[0]), 1e-3 * float(np.max(path.kinetic)), 1e-300)
    error = Curve(path.t, (path.energy - path.energy[0]) / size)
    panels = (
        Panel(_time(result), Axis(f"energy{each}", unit), curves),
        Panel(_time(result), Axis("relative energy error"), (error,)),
    )
    return Figure("energies", "Energies along the path; Newton's motion keeps their sum.", panels)
