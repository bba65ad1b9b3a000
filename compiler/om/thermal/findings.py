"""Findings of Langevin paths: actions, channels by their probability, and how far to trust them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from actionrun.compiler.findings import Array, Check, Findings, Table
from actionrun.compiler.program import Tell

from .channels import RESTS, Channel, relaxation_time
from .equations import convention, langevin_equations
from .escape_rates import escapes
from .figures import channel_figures
from .problem import LangevinProblem

State = dict[str, Any]
EXACT = 1e-6  # of the action: its error that a path may have


@dataclass(frozen=True)
class LangevinReport:
    """The findings of finished minimisations, whose states `channels` make paths of."""

    problem: LangevinProblem
    channels: Callable[[LangevinProblem, State], tuple[Channel, ...]]

    def __call__(self, state: State, samples: Mapping[str, np.ndarray], tell: Tell) -> Findings:
        problem = self.problem
        tell("measure", 0, 1, {})
        each = self.channels(problem, state)
        tell("measure", 1, 1, {})
        best, relaxation = each[0], relaxation_time(problem)
        iterations = int(np.sum(np.asarray(state["iterations"])))
        return Findings(
            metrics=_metrics(problem, each, relaxation, iterations),
            equations=langevin_equations(problem.motion),
            summary=_summary(problem, each),
            arrays=_arrays(problem, each),
            figures=channel_figures(problem, each),
            tables=(_table(problem, each), *_stops(problem, best), *_rates(problem, best)),
            checks=_checks(problem, best),
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
        "channels": sum(one.minimum for one in each),
        "starts": problem.starts,
        "points": problem.settings.path.points,
        "iterations": iterations,
    }
    if not thermal.heat and not problem.motion.inertial:
        metrics["quasipotential"] = best.action / 2
    if problem.free:
        metrics["critical_points"] = len(best.stops)
        metrics["action_of_heights"] = _of_heights(problem, best)
    over, heat = escapes(problem, best), problem.rate_heat
    if len(over) == 2 and over[0].saddle is over[1].saddle and heat is not None:
        metrics["rate_forward"], metrics["rate_backward"] = (one.rate(heat) for one in over)
    if relaxation is not None and not problem.free:
        metrics["relaxation_times"] = problem.duration / relaxation
        metrics["rest_force"] = _rest_force(problem, best)
    return {name: x for name, x in metrics.items() if x is not None and np.isfinite(x)}


def _of_heights(problem: LangevinProblem, path: Channel) -> float | None:
    """4/gamma times all that a path climbs, between its ends and the critical points on it: the
    least action of any path that passes them, where all of the force has a potential."""
    if not problem.motion.gradient:
        return None
    levels = [path.potential[0], *(one.potential for one in path.stops), path.potential[-1]]
    rises = np.maximum(np.diff(levels), 0).sum() / problem.settings.energy_unit.scale
    return float(4 * rises / problem.motion.thermal.friction)


def _rest_force(problem: LangevinProblem, path: Channel) -> float:
    """|F| where the path is slowest, over the largest on the way."""
    force = np.linalg.norm(np.asarray(problem.motion.density.force(jnp.asarray(path.q))), axis=0)
    slowest = int(np.argmin(np.linalg.norm(path.v, axis=0)))
    return float(force[slowest] / max(float(force.max()), np.finfo(float).tiny))


def _summary(problem: LangevinProblem, each: tuple[Channel, ...]) -> tuple[tuple[str, str], ...]:
    best, energy = each[0], problem.settings.energy_unit.label
    error = "not known" if best.error is None else f"{best.error:.1e}"
    lines = [
        ("action", f"{best.action:.8g}, error {error}"),
        *([("of it", f"squares {best.work:.6g}, divergence {best.divergence:.6g}")]
          if best.divergence else []),
    ]  # fmt: skip
    if problem.motion.thermal.heat:
        exponent = best.action / problem.motion.spread
        lines.append(("probability", f"exp({-exponent:.6g}) times what all thin tubes share"))
    barrier = best.climb
    passed = [f"{one.potential:.7g} ({one.kind})" for one in best.stops]
    lines += [("passes", ", ".join(passed))] if passed else []
    lines += [
        ("climbs", f"{barrier:.6g} {energy}".rstrip()),
        ("channels", f"{sum(one.minimum for one in each)} from {problem.starts} starts"),
    ]
    return tuple(lines)


def _arrays(problem: LangevinProblem, each: tuple[Channel, ...]) -> dict[str, Array]:
    words, best = problem.motion.words, each[0]
    dim = "image" if problem.free else "t"
    arrays = {} if problem.free else {"t": Array(best.t, ("t",), words.unit("t"), "time")}
    for k, name in enumerate(problem.motion.system.names):
        of = name.partition("[")[0]
        arrays[name] = Array(best.q[k], (dim,), words.unit(of), f"position {name}")
        if not problem.free:
            arrays[f"v_{name}"] = Array(best.v[k], (dim,), words.unit(f"{of}'"), f"{name}'")
        if len({one.q.shape for one in each}) == 1 < len(each):
            all_of = np.stack([one.q[k] for one in each])
            arrays[f"channels_{name}"] = Array(
                all_of, ("channel", dim), words.unit(of), f"position {name} in each channel"
            )
    unit = problem.settings.energy_unit.label
    arrays["potential_energy"] = Array(best.potential, (dim,), unit, "potential energy")
    arrays["length"] = Array(best.length, (dim,), "", "length of the way")
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


def _stops(problem: LangevinProblem, path: Channel) -> tuple[Table, ...]:
    """The critical points on a path of free duration."""
    if not path.stops:
        return ()
    unit, names = problem.settings.energy_unit.label, problem.motion.system.names
    header = (*names, f"V [{unit}]" if unit else "V", "kind", "distance of the relaxed path")
    rows = tuple((*map(float, one.q), one.potential, one.kind, one.distance) for one in path.stops)
    caption = (
        "Critical points of the drift on the first path, in its order, solved for by Newton's "
        "method; a path rests there without end."
    )
    return (Table("critical_points", caption, header, rows),)


def _rates(problem: LangevinProblem, path: Channel) -> tuple[Table, ...]:
    """Rates over the saddles of a path."""
    each, heat = escapes(problem, path), problem.rate_heat
    if not each:
        return ()
    unit, time = problem.settings.energy_unit, problem.motion.words.unit("t")
    energy = f" [{unit.label}]" if unit.label else ""
    per = f" [1/{time}]" if time else ""
    header = [f"from V{energy}", f"over V{energy}", f"height{energy}", f"prefactor{per}"]
    rows = [[one.well.potential, one.saddle.potential, one.height * unit.scale, one.prefactor]
            for one in each]  # fmt: skip
    if heat is not None:
        header += [f"rate{per}", "k_B T/height"]
        rows = [[*row, one.rate(heat), heat / one.height]
                for row, one in zip(rows, each, strict=True)]  # fmt: skip
    caption = (
        "Escape over the saddles of the first path by Eyring and Kramers: the prefactor times "
        "exp(-height/k_B T), one over the mean time from the well to beyond the saddle. It is the "
        "limit of weak noise, off by the order of k_B T/height; other saddles around a well are "
        "not in it."
    )
    return (Table("rates", caption, tuple(header), tuple(map(tuple, rows))),)


def _checks(problem: LangevinProblem, best: Channel) -> tuple[Check, ...]:
    scale = abs(best.work) + abs(best.divergence)
    error = best.error
    more = "twice as many images" if problem.free else "half as many functions of time more"
    settled = (
        "the path relaxed until no image moved"
        if problem.free
        else "the action has a minimum at the path: its Hessian is positive, its slope nought"
    )
    checks = [
        Check("convergence", best.minimum,
              settled if best.minimum else
              "no path nearby was found at which the action has a minimum: write more epochs or "
              "points"),
        Check("resolution", error is not None and error <= EXACT * scale,
              f"with {more} no minimum was found near the path"
              if error is None else f"with {more} the action changes by {error:.1e}"),
    ]  # fmt: skip
    if problem.free and (least := _of_heights(problem, best)) is not None:
        over = best.action - least
        checks.append(Check("heights", abs(over) <= 1e-5 * max(least, best.action) + (error or 0.0),
                            "4/friction times what the path climbs between the critical points is "
                            f"{least:.8g}, and the action {over:+.1e} beside it"))  # fmt: skip
    return tuple(checks)


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
