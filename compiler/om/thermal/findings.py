"""Findings of Langevin paths: actions, channels by their probability, and how far to trust them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from actionrun.compiler.findings import Array, Check, Findings, Table
from actionrun.compiler.program import Tell

from .channels import RESTS, Channel, channels, relaxation_time
from .equations import convention, langevin_equations
from .figures import channel_figures
from .minimization import LangevinPaths, State, states
from .problem import LangevinProblem

EXACT = 1e-6  # of the action: its error that a path may have


@dataclass(frozen=True)
class LangevinReport:
    """The findings of finished minimisations."""

    solver: LangevinPaths

    def __call__(self, state: State, samples: Mapping[str, np.ndarray], tell: Tell) -> Findings:
        problem = self.solver.problem
        tell("measure", 0, 1, {})
        each = channels(problem, states(state))
        tell("measure", 1, 1, {})
        best, relaxation = each[0], relaxation_time(problem)
        iterations = int(np.sum(np.asarray(state["iterations"])))
        return Findings(
            metrics=_metrics(problem, each, relaxation, iterations),
            equations=langevin_equations(problem.motion),
            summary=_summary(problem, each),
            arrays=_arrays(problem, each),
            figures=channel_figures(problem, each),
            tables=(_table(problem, each),),
            checks=_checks(best),
            notes=_notes(problem, best, relaxation),
        )  # fmt: skip


def _metrics(
    problem: LangevinProblem, each: tuple[Channel, ...], relaxation: float | None, iterations: int
) -> dict[str, float | int]:
    best, thermal = each[0], problem.motion.thermal
    metrics: dict[str, float | int | None] = {
        "action": best.action,
        "action_error": best.error,
        "action_squares": best.work,
        "action_divergence": best.divergence,
        "minus_log_probability": best.action / problem.motion.spread if thermal.heat else None,
        "barrier_on_path": best.climb,
        "start_energy": float(best.potential[0]),
        "end_energy": float(best.potential[-1]),
        "path_length": float(best.length[-1]),
        "end_distance": float(np.linalg.norm(problem.ends[:, 1] - problem.ends[:, 0])),
        "channels": len(each),
        "starts": problem.starts,
        "points": problem.settings.path.points,
        "iterations": iterations,
    }
    if relaxation is not None and not problem.free:
        metrics["relaxation_times"] = problem.duration / relaxation
        metrics["rest_force"] = _rest_force(problem, best)
    return {name: x for name, x in metrics.items() if x is not None and np.isfinite(x)}


def _rest_force(problem: LangevinProblem, path: Channel) -> float:
    """|F| where the path is slowest, over the largest on the way."""
    force = np.linalg.norm(np.asarray(problem.motion.density.force(path.q)), axis=0)
    slowest = int(np.argmin(np.linalg.norm(path.v, axis=0)))
    return float(force[slowest] / max(float(force.max()), np.finfo(float).tiny))


def _summary(problem: LangevinProblem, each: tuple[Channel, ...]) -> tuple[tuple[str, str], ...]:
    best, energy = each[0], problem.settings.energy_unit.label
    error = "not known" if best.error is None else f"{best.error:.1e}"
    lines = [
        ("action", f"{best.action:.8g}, error {error}"),
        ("of it", f"squares {best.work:.6g}, divergence {best.divergence:.6g}"),
    ]
    if problem.motion.thermal.heat:
        exponent = best.action / problem.motion.spread
        lines.append(("probability", f"exp({-exponent:.6g}) times what all thin tubes share"))
    barrier = best.climb
    lines += [
        ("climbs", f"{barrier:.6g} {energy}".rstrip()),
        ("channels", f"{len(each)} from {problem.starts} starts"),
    ]
    return tuple(lines)


def _arrays(problem: LangevinProblem, each: tuple[Channel, ...]) -> dict[str, Array]:
    words, best = problem.motion.words, each[0]
    arrays = {"t": Array(best.t, ("t",), words.unit("t"), "time")}
    for k, name in enumerate(problem.motion.system.names):
        of = name.partition("[")[0]
        arrays[name] = Array(best.q[k], ("t",), words.unit(of), f"position {name}")
        arrays[f"v_{name}"] = Array(best.v[k], ("t",), words.unit(f"{of}'"), f"{name}'")
        if len(each) > 1:
            all_of = np.stack([one.q[k] for one in each])
            arrays[f"channels_{name}"] = Array(
                all_of, ("channel", "t"), words.unit(of), f"position {name} in each channel"
            )
    unit = problem.settings.energy_unit.label
    arrays["potential_energy"] = Array(best.potential, ("t",), unit, "potential energy")
    arrays["length"] = Array(best.length, ("t",), "", "length of the way")
    return arrays


def _table(problem: LangevinProblem, each: tuple[Channel, ...]) -> Table:
    unit, spread = problem.settings.energy_unit.label, problem.motion.spread
    header = ["channel", "action", "error", f"climbs [{unit}]" if unit else "climbs", "minimum",
              "starts"]  # fmt: skip
    if spread:
        header.insert(3, "probability")
    rows = []
    for number, one in enumerate(each, 1):
        row: list[str | float | int | None] = [
            number, one.action, one.error, one.climb,
            "yes" if one.minimum else "no", len(one.starts),
        ]  # fmt: skip
        if spread:
            row.insert(3, float(np.exp(-(one.action - each[0].action) / spread)))
        rows.append(tuple(row))
    caption = (
        "Channels, in order of their action. The probability is that of the thin tube around a "
        "path over that of the first; how wide a channel is, is not in it. A path that is no "
        "minimum is a saddle of the action, or was stopped."
    )
    return Table("channels", caption, tuple(header), tuple(rows))


def _checks(best: Channel) -> tuple[Check, ...]:
    scale = abs(best.work) + abs(best.divergence)
    error = best.error
    return (
        Check("convergence", best.minimum,
              "the action has a minimum at the path: its Hessian is positive, its slope nought"
              if best.minimum else
              "no path nearby was found at which the action has a minimum: write more epochs or "
              "points"),
        Check("resolution", error is not None and error <= EXACT * scale,
              "with half as many functions of time more no minimum was found near the path"
              if error is None else
              f"with half as many functions of time more the action changes by {error:.1e}"),
    )  # fmt: skip


def _notes(problem: LangevinProblem, best: Channel, relaxation: float | None) -> tuple[str, ...]:
    notes = [convention(problem.motion)]
    heat = problem.motion.thermal.heat
    if heat and not problem.motion.inertial and relaxation and not problem.free:
        times = problem.duration / relaxation
        if times > RESTS:
            notes.append(
                f"The duration is {times:.3g} relaxation times. The most probable path is then no "
                "typical path (Pinski and Stuart, J. Chem. Phys. 132, 184104, 2010): it rests where"
                " |F|^2/friction^2 + 2 D div(F/friction) is least, where wells are narrow, and not"
                f" where motions spend their time; where it is slowest the force is "
                f"{_rest_force(problem, best):.2g} of the largest on the way. Its way over the "
                "barrier and the order of channels hold for tubes alone: give a duration of a few "
                "relaxation times, or temperature = 0.0."
            )
    return tuple(notes)
