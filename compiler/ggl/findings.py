"""What a finished integration says: numbers, arrays, and how far to trust them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from actionrun.compiler.findings import Array, Check, Findings
from actionrun.compiler.numerics.integrators.time_marching import (
    Trajectory,
    constraint_error,
    energy_error,
)
from actionrun.compiler.symbolic.equations import numeric_equations, symbolic_equations
from actionrun.compiler.symbolic.evaluation import numbers
from actionrun.compiler.symbolic.printing import text
from actionrun.compiler.symbolic.regularity import kinks

from .body_figures import figures as body_figures
from .constraint_forces import force_arrays
from .figures import figures
from .integration import Integration
from .series import Series

BLOWN_UP = 10.0  # times what was there at the start: no error of a motion but its end
LISTED = 6  # bodies whose places stand in the summary
WRITTEN = 1000  # numbers of a final state that stand in result.json; data.nc has all


def integration_findings(run: Integration, state: Trajectory, series: Series) -> Findings:
    """Findings of a finished run."""
    system, metrics = run.system, _metrics(run, state)
    if system.body_count:
        equations, drawn = symbolic_equations(system), body_figures(run, series)
    else:
        equations = (*numeric_equations(system, {}), *symbolic_equations(system, ", in symbols"))
        drawn = figures(run, series)
    return Findings(
        metrics=metrics,
        equations=equations,
        extra={"final": _final(run, series)},
        summary=_summary(run, state, series),
        arrays=_arrays(run, series),
        figures=drawn,
        checks=_checks(run, state, series, metrics),
        notes=(*_notes(state), *_kink_notes(run, series)),
    )


def _metrics(run: Integration, state: Trajectory) -> dict[str, float | int]:
    steps = int(state.step)
    metrics: dict[str, float | int] = {
        "steps": steps,
        "order": run.integrator.rule.order,
        "iterations_mean": int(state.monitor.iterations) / max(steps, 1),
        "iterations_max": int(state.monitor.iterations_most),
    }
    if run.system.conservative:
        metrics["energy_error_max"] = energy_error(state)
    if run.system.constraints:
        metrics["constraint_error_max"] = constraint_error(state)
    if run.march.exact is not None:
        metrics["exact_error_max"] = float(state.monitor.exact_error)
    return metrics


def _final(run: Integration, series: Series) -> dict[str, object]:
    system = run.system
    last: dict[str, object] = {"t": float(series.t[-1])}
    if system.n > WRITTEN:
        return last
    for what, rows in (("position", series.q), ("momentum", series.p), ("velocity", series.v)):
        names = system.words.slices
        last[what] = {name: system.of_coordinate(rows[-1], name).tolist() for name in names}
    return last


def _summary(run: Integration, state: Trajectory, series: Series) -> tuple[tuple[str, str], ...]:
    settings, system, rule = run.settings, run.system, run.integrator.rule
    lines = [("method", f"GGL r = {rule.r}, order {rule.order}, {solver_name(run, state)}")]
    precision = [("precision", "single, 7 digits")] * (settings.precision == "single")
    lines += [] if system.body_count else precision
    lines.append(("steps", f"{int(state.step)} of {settings.h:.6g}{_step_unit(run)}"))
    if system.body_count:
        lines.append(("bodies", f"{system.body_count}, {system.n} degrees of freedom"))
        lines += [*precision, *_places_of_bodies(run, series)]
    else:
        lines += _places(run, series)
    if system.conservative:
        left = ", without what events added" if series.acted else ""
        error = f"{energy_error(state):.2e} relative, largest of all steps{left}"
        lines.append(("energy error", error))
    if system.holonomic:
        error = constraint_error(state)
        lines.append(("constraint error", f"{error:.2e} relative, largest of all steps"))
    if run.march.exact is not None:
        bodies = " and bodies" if system.body_count else ""
        error = float(state.monitor.exact_error)
        lines.append(("exact error", f"{error:.2e}, largest of all steps{bodies}"))
    return tuple(lines)


def _places(run: Integration, series: Series) -> list[tuple[str, str]]:
    lines = []
    for k, name in enumerate(run.system.words.names):
        unit = run.system.words.unit(name.partition("[")[0])
        value = f"{series.q[-1, k]:.12g}"
        lines.append((f"{name}({series.t[-1]:.6g})", f"{value} {unit}".rstrip()))
    return lines


def _places_of_bodies(run: Integration, series: Series) -> list[tuple[str, str]]:
    """Of few bodies all, of more none."""
    system, lines = run.system, []
    for name in system.words.slices if system.body_count <= LISTED else ():
        unit = f" {run.system.words.unit(name)}".rstrip()
        for body, row in enumerate(system.of_coordinate(series.q[-1], name), 1):
            place = ", ".join(f"{x:.9g}" for x in np.atleast_1d(row))
            place = f"({place})" if np.ndim(row) else place
            lines.append((f"{name}[{body}]({series.t[-1]:.6g})", f"{place}{unit}"))
    return lines


def _step_unit(run: Integration) -> str:
    """What stands behind the number of a step."""
    transform = run.settings.time_transform
    if transform is None:
        return run.system.words.unit.behind("t")
    return f" of s, where dt = ({transform.text}) ds"


def solver_name(run: Integration, state: Trajectory) -> str:
    match run.march.solver, bool(state.newton):
        case "linear", _:
            return "one linear map a step"
        case "fixed point", False:
            return "explicit" if run.integrator.explicit else "fixed-point iteration"
        case "fixed point", True:
            return "Newton iteration from where the fixed-point iteration failed"
    return "Newton iteration" + (" on the surface" if run.system.constraints else "")


def _arrays(run: Integration, series: Series) -> dict[str, Array]:
    system, unit_of = run.system, run.system.words.unit
    arrays = {"t": Array(series.t, ("t",), unit_of("t"), "time")}
    bodies = ("body",) * bool(system.body_count)
    each = " of each body" if system.body_count else ""
    for name in system.words.slices:
        for prefix, rows, unit, meaning in (
            ("", series.q, unit_of(name), "position"),
            ("v_", series.v, unit_of(f"{name}'"), "velocity"),
            ("pi_", series.p, unit_of(f"pi_{name}"), "discrete momentum"),
        ):
            data = system.of_coordinate(rows, name)
            dims = ("t", *bodies, f"{name}_component")[: data.ndim]
            arrays[prefix + name] = Array(data, dims, unit, f"{meaning} {name}{each}")
    arrays["energy"] = Array(series.energy, ("t",), unit_of("lagrangian"), "energy")
    if series.forces is not None:
        arrays |= force_arrays(system, series.forces)
    return arrays


def _checks(
    run: Integration, state: Trajectory, series: Series, metrics: Mapping[str, float]
) -> tuple[Check, ...]:
    checks = [
        Check(
            "convergence",
            True,
            f"every step converged to round-off ({solver_name(run, state)}, "
            f"at most {metrics['iterations_max']} passes)",
        )
    ]
    if "energy_error_max" in metrics:
        error = metrics["energy_error_max"]
        left = ", but for what events added," if series.acted else ""
        text = f"the energy{left} stays within {error:.1e} of its first value"
        if not error < BLOWN_UP:
            text = f"the run blew up: the energy left its first value by {error:.1e} times that"
        checks.append(Check("energy", error < 1e-2, text))
    if "constraint_error_max" in metrics:
        error = metrics["constraint_error_max"]
        text = f"the constraints hold within {error:.1e} of the size of their terms"
        checks.append(Check("constraints", error < 1e-12, text))
    if "exact_error_max" in metrics:
        error = metrics["exact_error_max"]
        size = float(np.max(np.abs(np.asarray(run.q[: run.system.n])))) or 1.0
        text = f"the motion stays within {error:.2e} of the exact solution"
        checks.append(Check("exact solution", error < 1e-2 * size, text))
    return tuple(checks)


def _notes(state: Trajectory) -> tuple[str, ...]:
    notes = []
    if bool(state.newton):
        notes.append(
            "the fixed-point iteration did not converge, or too slowly, and Newton took over; "
            "a smaller integrator.dt would be faster"
        )
    return tuple(notes)


def _kink_notes(run: Integration, series: Series) -> list[str]:
    """Surfaces where the force or a derivative of it jumps, and how often kept states cross them:
    the order of the method holds between the crossings only."""
    system, words = run.system, run.system.words
    if system.body_count:
        return []
    switches = kinks(system.force)
    at = {**system.values, words.t: series.t}
    at |= dict(zip((*words.q, *words.v), (*series.q.T, *series.v.T), strict=True))
    notes = []
    for switch, row in zip(switches, numbers(switches, at), strict=True):
        signs = np.sign(row[np.isfinite(row) & (row != 0)])
        if crossings := int(np.sum(signs[1:] != signs[:-1])):
            notes.append(
                f"a kink at {text(switch, words)} = 0 was crossed {crossings} times or more; order "
                f"{run.integrator.rule.order} holds between crossings, and a step over one has an "
                "error of low order in dt"
            )
    return notes
