"""What a finished integration says: numbers, arrays, figures, and how far to trust them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.findings import Array, Axis, Check, Curve, Figure, Findings, Panel
from actionrun.compiler.numerics.integrators.time_marching import (
    March,
    Trajectory,
    constraint_error,
    energy_error,
)
from actionrun.compiler.symbolic.equations import numeric_equations, symbolic_equations
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem
from actionrun.spec.kinds.ggl import Ggl

from .constraint_forces import Forces, force_arrays, force_figure, forces


class Motion(NamedTuple):
    """A run and where it started; arrays are (n,)."""

    study: Ggl
    problem: LagrangianSystem
    march: March
    theta: jax.Array
    h: float
    q: jax.Array
    p: jax.Array


class Series(NamedTuple):
    """The kept rows with the start put first: t (rows,), q, p, v (rows, n), energy (rows,).

    `forces` are those of the constraints, where there are any.
    """

    t: np.ndarray
    q: np.ndarray
    p: np.ndarray
    v: np.ndarray
    energy: np.ndarray
    forces: Forces | None


def found(motion: Motion, state: Trajectory, samples: Mapping[str, np.ndarray]) -> Findings:
    """Findings of a finished run."""
    series = _series(motion, samples)
    metrics = metrics_of(motion, state)
    return Findings(
        metrics=metrics,
        equations=numeric_equations(motion.problem, {})
        + symbolic_equations(motion.problem, ", in symbols"),
        extra={"final": _final(motion, series)},
        summary=_summary(motion, state, series),
        arrays=_arrays(motion, series),
        figures=_figures(motion, series),
        checks=checks_of(motion, state, metrics),
        notes=notes_of(motion, state),
    )


def _series(motion: Motion, samples: Mapping[str, np.ndarray]) -> Series:
    t = np.concatenate([[0.0], samples["t"]])
    q = np.concatenate([np.asarray(motion.q)[None], samples["q"]])
    p = np.concatenate([np.asarray(motion.p)[None], samples["p"]])
    m = motion.march.ggl.mechanics

    @jax.jit
    def velocities(q, p, t, theta):
        v = m.velocity(q.T, p.T, t, theta[:, None])
        return v.T, m.energy(q.T, v, t, theta[:, None])

    v, energy = velocities(jnp.asarray(q), jnp.asarray(p), jnp.asarray(t), motion.theta)
    on = forces(motion.march.ggl, q, np.asarray(v), t, motion.theta)
    return Series(t, q, p, np.asarray(v), np.asarray(energy), on)


def metrics_of(motion: Motion, state: Trajectory) -> dict[str, float | int]:
    steps = int(state.step)
    metrics: dict[str, float | int] = {
        "steps": steps,
        "order": motion.march.ggl.rule.order,
        "iterations_mean": int(state.monitor.passes) / max(steps, 1),
        "iterations_max": int(state.monitor.passes_most),
    }
    if motion.problem.conservative:
        metrics["energy_error_max"] = energy_error(state)
    if motion.problem.constraints:
        metrics["constraint_error_max"] = constraint_error(state)
    if motion.march.exact is not None:
        metrics["exact_error_max"] = float(state.monitor.exact_error)
    return metrics


def _by_coordinate(motion: Motion, row: np.ndarray) -> dict[str, float | list[float]]:
    words, system = motion.problem.words, motion.study.system
    return {
        name: row[part].tolist() if system.is_vector(name) else float(row[part][0])
        for name, part in words.slices.items()
    }


def _final(motion: Motion, series: Series) -> dict[str, object]:
    return {
        "t": float(series.t[-1]),
        "position": _by_coordinate(motion, series.q[-1]),
        "momentum": _by_coordinate(motion, series.p[-1]),
        "velocity": _by_coordinate(motion, series.v[-1]),
    }


def _summary(motion: Motion, state: Trajectory, series: Series) -> tuple[tuple[str, str], ...]:
    study, words = motion.study, motion.problem.words
    lines = [
        (
            "method",
            f"GGL r = {motion.march.ggl.r}, order {motion.march.ggl.rule.order}, "
            f"{solver_name(motion, state)}",
        )
    ]
    if study.integrator.precision == "single":
        lines.append(("precision", "single, 7 digits"))
    lines.append(("steps", f"{int(state.step)} of {motion.h:.6g}{step_unit(study)}"))
    for k, name in enumerate(words.names):
        coordinate = name.partition("[")[0]
        unit = study.unit(coordinate)
        value = f"{series.q[-1, k]:.12g}"
        lines.append((f"{name}({series.t[-1]:.6g})", f"{value} {unit}".rstrip()))
    if motion.problem.conservative:
        lines.append(("energy error", f"{energy_error(state):.2e} relative, largest of all steps"))
    if motion.problem.constraints:
        error = constraint_error(state)
        lines.append(("constraint error", f"{error:.2e} relative, largest of all steps"))
    if motion.march.exact is not None:
        lines.append(
            ("exact error", f"{float(state.monitor.exact_error):.2e}, largest of all steps")
        )
    return tuple(lines)


def step_unit(study: Ggl) -> str:
    """What stands behind the number of a step."""
    transform = study.integrator.time_transform
    if transform is None:
        return f" {study.unit('t')}".rstrip()
    return f" of s, where dt = ({transform.text}) ds"


def solver_name(motion: Motion, state: Trajectory) -> str:
    match motion.march.solver, bool(state.newton):
        case "linear", _:
            return "one linear map a step"
        case "fixed point", False:
            return "explicit" if motion.march.ggl.explicit else "fixed-point iteration"
        case "fixed point", True:
            return "Newton iteration from where the fixed-point iteration failed"
    return "Newton iteration" + (" on the surface" if motion.problem.constraints else "")


def _arrays(motion: Motion, series: Series) -> dict[str, Array]:
    study, system, words = motion.study, motion.study.system, motion.problem.words
    arrays = {"t": Array(series.t, ("t",), study.unit("t"), "time")}
    for name, part in words.slices.items():
        for prefix, rows, unit, meaning in (
            ("", series.q, study.unit(name), "position"),
            ("v_", series.v, study.unit(f"{name}'"), "velocity"),
            ("pi_", series.p, study.unit(f"pi_{name}"), "discrete momentum"),
        ):
            data = rows[:, part] if system.is_vector(name) else rows[:, part.start]
            dims = ("t", f"{name}_component") if system.is_vector(name) else ("t",)
            arrays[prefix + name] = Array(data, dims, unit, f"{meaning} {name}")
    arrays["energy"] = Array(series.energy, ("t",), study.unit("lagrangian"), "energy")
    if series.forces is not None:
        arrays |= force_arrays(study, words, series.forces)
    return arrays


def path(x: np.ndarray, y: np.ndarray, label: str = "") -> Curve:
    """A path in a plane: a line, or points where rows are too far apart for a line to be true."""
    chord = np.median(np.hypot(np.diff(x), np.diff(y)))
    size = np.hypot(np.ptp(x), np.ptp(y))
    return Curve(x, y, label, "points" if chord > 0.1 * size else "line")


def _figures(motion: Motion, series: Series) -> tuple[Figure, ...]:
    study, words = motion.study, motion.problem.words
    time = Axis("time t", study.unit("t"))
    panels = []
    for name, part in words.slices.items():
        curves = tuple(
            Curve(series.t, series.q[:, k], words.names[k]) for k in range(part.start, part.stop)
        )
        panels.append(Panel(time, Axis(f"position {name}", study.unit(name)), curves))
    figures = [Figure("motion", "Positions against time.", tuple(panels))]
    figures += [
        Figure(
            f"orbit_{name}",
            f"The path of {name} in its plane; the dot marks the start.",
            (
                Panel(
                    Axis(f"{name}[1]", study.unit(name)),
                    Axis(f"{name}[2]", study.unit(name)),
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
        figures.append(force_figure(study, words, series.t, series.forces))
    figures.append(energy_figure(motion, series, time))
    if motion.march.exact is not None:
        figures.append(_error_figure(motion, series, time))
    return tuple(figures)


def energy_figure(motion: Motion, series: Series, time: Axis) -> Figure:
    start = series.energy[0]
    if motion.problem.conservative and start:
        y = Axis("relative energy error (E − E₀)/|E₀|")
        curve = Curve(series.t, (series.energy - start) / abs(start))
        caption = "Relative error of the energy, which the true motion conserves."
    else:
        y = Axis("energy E", motion.study.unit("lagrangian"))
        curve = Curve(series.t, series.energy)
        caption = "Energy of the conservative part of the Lagrangian against time."
    return Figure("energy", caption, (Panel(time, y, (curve,)),))


def _error_figure(motion: Motion, series: Series, time: Axis) -> Figure:
    assert motion.march.exact is not None
    true = motion.march.exact(jnp.asarray(series.t), *motion.theta)
    words, curves = motion.problem.words, []
    for k, values in enumerate(true):
        error = np.abs(series.q[:, k] - np.broadcast_to(np.asarray(values), series.t.shape))
        floor = np.finfo(float).eps * max(np.max(np.abs(series.q[:, k])), 1e-300)
        curves.append(Curve(series.t[1:], np.maximum(error[1:], floor), words.names[k]))
    first = words.names[0].partition("[")[0]
    y = Axis("absolute error of position", motion.study.unit(first), log=True)
    caption = "Distance from the exact solution of the study; at the bottom, round-off."
    return Figure("exact_error", caption, (Panel(time, y, tuple(curves)),))


def checks_of(motion: Motion, state: Trajectory, metrics: Mapping[str, float]) -> tuple[Check, ...]:
    checks = [
        Check(
            "convergence",
            True,
            f"every step converged to round-off ({solver_name(motion, state)}, "
            f"at most {metrics['iterations_max']} passes)",
        )
    ]
    if "energy_error_max" in metrics:
        error = metrics["energy_error_max"]
        text = f"the energy stays within {error:.1e} of its first value"
        checks.append(Check("energy", error < 1e-2, text))
    if "constraint_error_max" in metrics:
        error = metrics["constraint_error_max"]
        text = f"the constraints hold within {error:.1e} of the size of their terms"
        checks.append(Check("constraints", error < 1e-12, text))
    if "exact_error_max" in metrics:
        error = metrics["exact_error_max"]
        size = float(np.max(np.abs(np.asarray(motion.q)))) or 1.0
        text = f"the motion stays within {error:.2e} of the exact solution"
        checks.append(Check("exact solution", error < 1e-2 * size, text))
    return tuple(checks)


def notes_of(motion: Motion, state: Trajectory) -> tuple[str, ...]:
    notes = []
    if bool(state.newton):
        notes.append(
            "the fixed-point iteration did not converge, or too slowly, and Newton took over; "
            "a smaller integrator.dt would be faster"
        )
    return tuple(notes)
