"""Figures of a motion of many bodies: of some of them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.findings import Axis, Curve, Figure, Panel
from actionrun.compiler.numerics.integrators.mechanics import ExactSolution

from .constraint_forces import Forces
from .figures import energy_figure, path
from .integration import Integration
from .series import Series

SHOWN = 6  # bodies that are drawn
MANY = 20  # bodies in a row from which on their positions are drawn against their number


def _chosen(count: int, most: int) -> list[int]:
    """Bodies to draw, from 0, the first and the last among them."""
    return sorted({round(x) for x in np.linspace(0, count - 1, min(count, most))})


def figures(run: Integration, series: Series) -> tuple[Figure, ...]:
    system = run.system
    time = Axis("time t", system.words.unit("t"))
    drawn = []
    for name, part in system.words.slices.items():
        size, data = part.stop - part.start, run.system.of_coordinate(series.q, name)
        data = data if data.ndim == 3 else data[..., None]
        if size >= 2:
            drawn.append(_paths(run, name, data))
        if system.body_count >= MANY and size == 1:
            drawn.append(_profiles(run, name, data[..., 0], series.t))
        drawn.append(_against_time(run, name, data, series.t, time))
        if series.forces is not None:
            drawn.append(_forces(run, name, series.forces, series.t, time))
    drawn.append(energy_figure(run, series, time))
    if run.march.exact is not None:
        drawn.append(_error(run, series, time, run.march.exact))
    return tuple(drawn)


def _of(count: int) -> str:
    return "" if count <= SHOWN else f" {SHOWN} of {count} bodies are drawn."


def _paths(run: Integration, name: str, data: np.ndarray) -> Figure:
    unit, panels = run.system.words.unit(name), []
    for x, y in zip(range(data.shape[2] - 1), range(1, data.shape[2]), strict=True):
        curves = [
            path(data[:, body, x], data[:, body, y], f"body {body + 1}")
            for body in _chosen(data.shape[1], SHOWN)
        ]
        panels.append(Panel(Axis(f"{name}[{x + 1}]", unit), Axis(f"{name}[{y + 1}]", unit),
                            tuple(curves), equal=True))  # fmt: skip
    caption = f"The paths of the bodies in {name}.{_of(data.shape[1])}"
    return Figure(f"paths_{name}", caption, tuple(panels))


def _profiles(run: Integration, name: str, data: np.ndarray, t: np.ndarray) -> Figure:
    number, unit = np.arange(1.0, data.shape[1] + 1), run.system.words.unit("t")
    curves = tuple(
        Curve(number, data[row], f"t = {t[row]:.4g} {unit}".rstrip()) for row in _chosen(len(t), 5)
    )
    panel = Panel(Axis("body i"), Axis(f"position {name}", run.system.words.unit(name)), curves)
    return Figure(f"profile_{name}", "Positions of all bodies at some times.", (panel,))


def _against_time(
    run: Integration, name: str, data: np.ndarray, t: np.ndarray, time: Axis
) -> Figure:
    panels = []
    for k in range(data.shape[2]):
        curves = tuple(
            Curve(t, data[:, body, k], f"body {body + 1}") for body in _chosen(data.shape[1], SHOWN)
        )
        label = f"{name}[{k + 1}]" if name in run.system.words.vectors else name
        panels.append(Panel(time, Axis(f"position {label}", run.system.words.unit(name)), curves))
    caption = f"Positions against time.{_of(data.shape[1])}"
    return Figure(f"motion_{name}", caption, tuple(panels))


def _forces(run: Integration, name: str, on: Forces, t: np.ndarray, time: Axis) -> Figure:
    data = run.system.of_coordinate(on.forces, name)
    size = np.linalg.norm(data, axis=2) if data.ndim == 3 else data
    curves = tuple(Curve(t, size[:, b], f"body {b + 1}") for b in _chosen(size.shape[1], SHOWN))
    y = Axis(f"force on {name}", run.system.words.unit(f"force_{name}"))
    what = "The sizes of the forces" if data.ndim == 3 else "The forces"
    caption = f"{what} that keep the constraints.{_of(size.shape[1])}"
    return Figure(f"constraint_forces_{name}", caption, (Panel(time, y, curves),))


def _error(run: Integration, series: Series, time: Axis, exact: ExactSolution) -> Figure:
    true = np.asarray(jax.lax.map(lambda t: exact(t, *run.theta), jnp.asarray(series.t)))
    error = np.max(np.abs(series.q - true), axis=1)
    floor = np.finfo(float).eps * max(np.max(np.abs(series.q)), 1e-300)
    words = run.system.words
    y = Axis("absolute error of position", words.unit(next(iter(words.slices))), log=True)
    curve = Curve(series.t[1:], np.maximum(error[1:], floor))
    caption = "Largest distance of any body from the exact solution; at the bottom, round-off."
    return Figure("exact_error", caption, (Panel(time, y, (curve,)),))
