"""Figures of a motion of few coordinates, and those that every motion has."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from actionrun.compiler.findings import Axis, Curve, Figure, Panel
from actionrun.compiler.numerics.integrators.mechanics import ExactSolution

from .constraint_forces import force_figure
from .integration import Integration
from .series import Series


def path(x: np.ndarray, y: np.ndarray, label: str = "") -> Curve:
    """A path in a plane: a line, or points where rows are too far apart for a line to be true."""
    chord = np.median(np.hypot(np.diff(x), np.diff(y)))
    size = np.hypot(np.ptp(x), np.ptp(y))
    return Curve(x, y, label, "points" if chord > 0.1 * size else "line")


def figures(run: Integration, series: Series) -> tuple[Figure, ...]:
    words = run.system.words
    time = Axis("time t", words.unit("t"))
    panels = []
    for name, part in words.slices.items():
        curves = tuple(
            Curve(series.t, series.q[:, k], words.names[k]) for k in range(part.start, part.stop)
        )
        panels.append(Panel(time, Axis(f"position {name}", words.unit(name)), curves))
    drawn = [Figure("motion", "Positions against time.", tuple(panels))]
    drawn += [
        Figure(
            f"orbit_{name}",
            f"The path of {name} in its plane; the dot marks the start.",
            (
                Panel(
                    Axis(f"{name}[1]", words.unit(name)),
                    Axis(f"{name}[2]", words.unit(name)),
                    (
                        path(series.q[:, part.start], series.q[:, part.start + 1]),
                        Curve(
                            series.q[:1, part.start],
                            series.q[:1, part.start + 1],
                            "start",
                            "points",
                        ),
                    ),
                    equal=True,
                ),
            ),
        )
        for name, part in words.slices.items()
        if part.stop - part.start == 2
    ]
    if series.forces is not None:
        drawn.append(force_figure(words, series.t, series.forces))
    drawn.append(energy_figure(run, series, time))
    if run.march.exact is not None:
        drawn.append(_error_figure(run, series, time, run.march.exact))
    return tuple(drawn)


def energy_figure(run: Integration, series: Series, time: Axis) -> Figure:
    start = series.energy[0]
    if run.system.conservative and start and not series.acted:
        y = Axis("relative energy error (E − E₀)/|E₀|")
        curve = Curve(series.t, (series.energy - start) / abs(start))
        caption = "Relative error of the energy, which the true motion conserves."
    else:
        y = Axis("energy E", run.system.words.unit("lagrangian"))
        curve = Curve(series.t, series.energy)
        caption = "Energy of the conservative part of the Lagrangian against time."
    return Figure("energy", caption, (Panel(time, y, (curve,)),))


def _error_figure(run: Integration, series: Series, time: Axis, exact: ExactSolution) -> Figure:
    true = np.asarray(exact(jnp.asarray(series.t), *run.theta))
    words, curves = run.system.words, []
    for k, values in enumerate(true):
        error = np.abs(series.q[:, k] - values)
        floor = np.finfo(float).eps * max(np.max(np.abs(series.q[:, k])), 1e-300)
        curves.append(Curve(series.t[1:], np.maximum(error[1:], floor), words.names[k]))
    first = words.names[0].partition("[")[0]
    y = Axis("absolute error of position", run.system.words.unit(first), log=True)
    caption = "Distance from the exact solution of the study; at the bottom, round-off."
    return Figure("exact_error", caption, (Panel(time, y, tuple(curves)),))
