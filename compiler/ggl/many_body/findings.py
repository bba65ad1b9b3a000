"""What a finished run of many bodies says: numbers, arrays, figures of some of the bodies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.findings import Array, Axis, Curve, Figure, Findings, Panel
from actionrun.compiler.ggl.charge_balance import Book, balanced
from actionrun.compiler.ggl.constraint_forces import Forces, forces
from actionrun.compiler.ggl.findings import (
    Motion,
    Series,
    checks_of,
    energy_figure,
    metrics_of,
    notes_of,
    path,
    solver_name,
    step_unit,
)
from actionrun.compiler.ggl.stability_check import judged_bodies
from actionrun.compiler.numerics.integrators.many_body.flattened import bodies_of
from actionrun.compiler.numerics.integrators.many_body.mechanics import Bodies, rows_of
from actionrun.compiler.numerics.integrators.time_marching import (
    Trajectory,
    constraint_error,
    energy_error,
)
from actionrun.compiler.symbolic.constraints import numbered
from actionrun.compiler.symbolic.equations import symbolic_equations
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem
from actionrun.spec.kinds.ggl import Ggl

SHOWN = 6  # bodies that are drawn
MANY = 20  # bodies in a row from which on their positions are drawn against their number
LISTED = 6  # bodies whose places stand in the summary
WRITTEN = 1000  # numbers of a final state that stand in result.json; data.nc has all


class Run(NamedTuple):
    """A run of bodies: `motion` as that of any system, its problem in its own words."""

    motion: Motion
    problem: LagrangianSystem

    @property
    def study(self) -> Ggl:
        return self.motion.study

    @property
    def stepper(self) -> Bodies:
        """The plain one, by which rows are read."""
        ggl = self.motion.march.ggl
        return bodies_of(ggl.mechanics, ggl.r, self.problem.n)


def found(run: Run, book: Book, state: Trajectory, samples: Mapping[str, np.ndarray]):
    """Findings of a finished run."""
    series = _series(run, samples)
    metrics = metrics_of(run.motion, state)
    findings = Findings(
        metrics=metrics,
        equations=symbolic_equations(run.problem),
        extra={"final": _final(run, series)},
        summary=_summary(run, state, series),
        arrays=_arrays(run, series),
        figures=_figures(run, series),
        checks=checks_of(run.motion, state, metrics),
        notes=(*notes_of(run.motion, state), *([book.note] if book.note else [])),
    )
    if run.study.integrator.time_transform is None and not run.problem.constraints:
        rows = series.t, series.q, series.p
        findings = judged_bodies(run.motion, findings, rows, run.stepper)
    if state.balance is None:
        return findings
    return balanced(run.motion, book, state, samples, findings)


@eqx.filter_jit
def _velocities(stepper: Bodies, q, p, t, theta):
    return rows_of(stepper, q, p, t, theta)


def _series(run: Run, samples: Mapping[str, np.ndarray]) -> Series:
    motion = run.motion
    t = np.concatenate([[0.0], samples["t"]])
    q = np.concatenate([np.asarray(motion.q)[None], samples["q"]])
    p = np.concatenate([np.asarray(motion.p)[None], samples["p"]])
    rows = jnp.asarray(q), jnp.asarray(p), jnp.asarray(t)
    v, energy = _velocities(run.stepper, *rows, motion.theta)
    on = forces(motion.march.ggl, q, np.asarray(v), t, motion.theta)
    return Series(t, q, p, np.asarray(v), np.asarray(energy), on)


def _by_body(run: Run, rows: np.ndarray, name: str) -> np.ndarray:
    return run.problem.of_coordinate(rows, name)


def _final(run: Run, series: Series) -> dict[str, object]:
    last: dict[str, object] = {"t": float(series.t[-1])}
    if run.problem.n > WRITTEN:
        return last
    for what, rows in (("position", series.q), ("momentum", series.p), ("velocity", series.v)):
        names = run.problem.words.slices
        last[what] = {name: _by_body(run, rows[-1], name).tolist() for name in names}
    return last


def _summary(run: Run, state: Trajectory, series: Series) -> tuple[tuple[str, str], ...]:
    study, problem, motion = run.study, run.problem, run.motion
    rule = motion.march.ggl.rule
    way = solver_name(motion, state)
    lines = [
        ("method", f"GGL r = {motion.march.ggl.r}, order {rule.order}, {way}"),
        ("steps", f"{int(state.step)} of {motion.h:.6g}{step_unit(study)}"),
        ("bodies", f"{problem.body_count}, {problem.n} degrees of freedom"),
    ]
    if study.integrator.precision == "single":
        lines.append(("precision", "single, 7 digits"))
    for name in problem.words.slices if problem.body_count <= LISTED else ():
        of = f" {study.unit(name)}".rstrip()
        for body, row in enumerate(_by_body(run, series.q[-1], name), 1):
            place = ", ".join(f"{x:.9g}" for x in np.atleast_1d(row))
            place = f"({place})" if np.ndim(row) else place
            lines.append((f"{name}[{body}]({series.t[-1]:.6g})", f"{place}{of}"))
    if problem.conservative:
        lines.append(("energy error", f"{energy_error(state):.2e} relative, largest of all steps"))
    if problem.constraints:
        error = constraint_error(state)
        lines.append(("constraint error", f"{error:.2e} relative, largest of all steps"))
    if motion.march.exact is not None:
        error = float(state.monitor.exact_error)
        lines.append(("exact error", f"{error:.2e}, largest of all steps and bodies"))
    return tuple(lines)


def _arrays(run: Run, series: Series) -> dict[str, Array]:
    study = run.study
    arrays = {"t": Array(series.t, ("t",), study.unit("t"), "time")}
    for name in run.problem.words.slices:
        for prefix, rows, unit, meaning in (
            ("", series.q, study.unit(name), "position"),
            ("v_", series.v, study.unit(f"{name}'"), "velocity"),
            ("pi_", series.p, study.unit(f"pi_{name}"), "discrete momentum"),
        ):
            data = _by_body(run, rows, name)
            dims = ("t", "body", f"{name}_component")[: data.ndim]
            arrays[prefix + name] = Array(data, dims, unit, f"{meaning} {name} of each body")
    arrays["energy"] = Array(series.energy, ("t",), study.unit("lagrangian"), "energy")
    return arrays if series.forces is None else arrays | _held(run, series.forces)


def _held(run: Run, on: Forces) -> dict[str, Array]:
    """Multipliers by constraint, and the forces of all constraints on the bodies."""
    arrays, at = {}, 0
    for k, (held, first, count) in enumerate(numbered(run.problem), 1):
        data = on.multipliers[:, at : at + count]
        at, key = at + count, f"multiplier_{k}"
        of = f" for i = {first} ... {first + count - 1}" if held.each else ""
        meaning = f"multiplier of the constraint {held.where.text}{of}"
        dims = ("t", f"{key}_i") if held.each else ("t",)
        data = data if held.each else data[:, 0]
        arrays[key] = Array(data, dims, run.study.unit(key), meaning)
    for name in run.problem.words.slices:
        data, unit = _by_body(run, on.forces, name), run.study.unit(f"force_{name}")
        dims = ("t", "body", f"{name}_component")[: data.ndim]
        meaning = f"force of constraint on {name} of each body"
        arrays[f"force_{name}"] = Array(data, dims, unit, meaning)
    return arrays


def _chosen(count: int, most: int) -> list[int]:
    """Bodies to draw, from 0, the first and the last among them."""
    return sorted({round(x) for x in np.linspace(0, count - 1, min(count, most))})


def _figures(run: Run, series: Series) -> tuple[Figure, ...]:
    study, problem = run.study, run.problem
    time = Axis("time t", study.unit("t"))
    figures = []
    for name, part in problem.words.slices.items():
        size, data = part.stop - part.start, _by_body(run, series.q, name)
        data = data if data.ndim == 3 else data[..., None]
        if size >= 2:
            figures.append(_paths(run, name, data))
        if problem.body_count >= MANY and size == 1:
            figures.append(_profiles(run, name, data[..., 0], series.t))
        figures.append(_against_time(run, name, data, series.t, time))
        if series.forces is not None:
            figures.append(_forces(run, name, series.forces, series.t, time))
    figures.append(energy_figure(run.motion, series, time))
    if run.motion.march.exact is not None:
        figures.append(_error(run, series, time))
    return tuple(figures)


def _of(count: int) -> str:
    return "" if count <= SHOWN else f" {SHOWN} of {count} bodies are drawn."


def _paths(run: Run, name: str, data: np.ndarray) -> Figure:
    unit, panels = run.study.unit(name), []
    for x, y in zip(range(data.shape[2] - 1), range(1, data.shape[2]), strict=True):
        curves = [
            path(data[:, body, x], data[:, body, y], f"body {body + 1}")
            for body in _chosen(data.shape[1], SHOWN)
        ]
        panels.append(Panel(Axis(f"{name}[{x + 1}]", unit), Axis(f"{name}[{y + 1}]", unit),
                            tuple(curves), equal=True))  # fmt: skip
    caption = f"The paths of the bodies in {name}.{_of(data.shape[1])}"
    return Figure(f"paths_{name}", caption, tuple(panels))


def _profiles(run: Run, name: str, data: np.ndarray, t: np.ndarray) -> Figure:
    number, unit = np.arange(1.0, data.shape[1] + 1), run.study.unit("t")
    curves = tuple(
        Curve(number, data[row], f"t = {t[row]:.4g} {unit}".rstrip()) for row in _chosen(len(t), 5)
    )
    panel = Panel(Axis("body i"), Axis(f"position {name}", run.study.unit(name)), curves)
    return Figure(f"profile_{name}", "Positions of all bodies at some times.", (panel,))


def _against_time(run: Run, name: str, data: np.ndarray, t: np.ndarray, time: Axis) -> Figure:
    panels = []
    for k in range(data.shape[2]):
        curves = tuple(
            Curve(t, data[:, body, k], f"body {body + 1}") for body in _chosen(data.shape[1], SHOWN)
        )
        label = f"{name}[{k + 1}]" if run.study.system.is_vector(name) else name
        panels.append(Panel(time, Axis(f"position {label}", run.study.unit(name)), curves))
    caption = f"Positions against time.{_of(data.shape[1])}"
    return Figure(f"motion_{name}", caption, tuple(panels))


def _forces(run: Run, name: str, on: Forces, t: np.ndarray, time: Axis) -> Figure:
    data = _by_body(run, on.forces, name)
    size = np.linalg.norm(data, axis=2) if data.ndim == 3 else data
    curves = tuple(Curve(t, size[:, b], f"body {b + 1}") for b in _chosen(size.shape[1], SHOWN))
    y = Axis(f"force on {name}", run.study.unit(f"force_{name}"))
    what = "The sizes of the forces" if data.ndim == 3 else "The forces"
    caption = f"{what} that keep the constraints.{_of(size.shape[1])}"
    return Figure(f"constraint_forces_{name}", caption, (Panel(time, y, curves),))


def _error(run: Run, series: Series, time: Axis) -> Figure:
    exact, theta = run.motion.march.exact, run.motion.theta
    assert exact is not None
    true = np.asarray(jax.lax.map(lambda t: exact(t, *theta), jnp.asarray(series.t)))
    error = np.max(np.abs(series.q - true), axis=1)
    floor = np.finfo(float).eps * max(np.max(np.abs(series.q)), 1e-300)
    y = Axis("absolute error of position", run.study.unit(next(iter(run.problem.words.slices))),
             log=True)  # fmt: skip
    curve = Curve(series.t[1:], np.maximum(error[1:], floor))
    caption = "Largest distance of any body from the exact solution; at the bottom, round-off."
    return Figure("exact_error", caption, (Panel(time, y, (curve,)),))
