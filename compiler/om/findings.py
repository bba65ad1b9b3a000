"""Findings of a minimised path: metrics, tables, arrays, and how far to trust them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.findings import Array, Check, Findings, Table
from actionrun.compiler.numerics.molecular.observables import (
    first_peak,
    first_zero,
    radial_distribution,
    rmsd,
    velocity_autocorrelation,
)
from actionrun.compiler.numerics.paths.network_path import parameter_count
from actionrun.compiler.program import Tell

from .diagnostics import PathDiagnostics, ReferenceDeviation, path_diagnostics, reference_deviation
from .equations import equations, start_name
from .figures import path_figures
from .minimization import PathMinimization, State
from .reference_md import SHELLS
from .result import FluidStatistics, PathResult, StartResult
from .structures import trajectory

OTHERS, MOST = 4, 16  # further starts where the answer is not unique
APART = 1e-6  # of the way between the ends: paths further apart are different ones


@dataclass(frozen=True)
class PathReport:
    """The findings of a finished minimisation."""

    solver: PathMinimization

    def __call__(self, state: State, samples: Mapping[str, np.ndarray], tell: Tell) -> Findings:
        return _findings(self.solver, jax.tree.map(jnp.asarray, state), samples, tell)


def _findings(
    program: PathMinimization, state: State, samples: Mapping[str, np.ndarray], tell: Tell
) -> Findings:
    problem, given = program.problem, state["given"]
    starts = _starts(program, state, tell)
    best = min(starts, key=_rank)
    compared = None
    if program.reference is not None and problem.velocities:
        compared = reference_deviation(problem, best.diagnostics.path, state["reference"])
    result = PathResult(
        problem, program.reference, state["reference"], state["fit"], program.species,
        best.diagnostics, compared, starts,
        _fluid(program, best.diagnostics, compared, state["reference"]), samples,
    )  # fmt: skip
    path = best.diagnostics.path
    return Findings(
        metrics=_metrics(result),
        equations=equations(problem),
        summary=_summary(result),
        arrays=_arrays(result),
        figures=path_figures(result),
        tables=_tables(result),
        trajectory=trajectory(
            problem.settings, problem.system, path.q, times=path.t, v=path.v,
            energies=path.potential, species=program.species,
        ) if problem.settings.many else None,
        checks=_checks(result, given),
        notes=_notes(result),
    )  # fmt: skip


def _rank(start: StartResult) -> float:
    """Newton's motions rank alike, so that the first of them is shown; else the least action."""
    if start.newton:
        return -1.0
    return start.diagnostics.action if np.isfinite(start.diagnostics.action) else np.inf


def _starts(program: PathMinimization, state: State, tell: Tell) -> tuple[StartResult, ...]:
    """The path of the run and, where positions alone are given, those from further starts: OTHERS
    at least, and more until one of them is a motion of Newton's."""
    problem, given, fit = program.problem, state["given"], state["fit"]
    tell("measure", 0, 1, {})
    starts = [
        StartResult(start_name(problem), path_diagnostics(problem, fit.x, given), int(fit.ended))
    ]
    tell("measure", 1, 1, {})
    for number in range(1, MOST + 1) if problem.several else ():
        if number > OTHERS and any(start.newton for start in starts):
            break
        tell("further starts", number - 1, MOST, {})
        x, ended = program.relaxed(state, number, tell)
        starts.append(
            StartResult(f"shaken line {number}", path_diagnostics(problem, x, given), ended)
        )
    return tuple(starts)


def _fluid(
    program: PathMinimization,
    path: PathDiagnostics,
    compared: ReferenceDeviation | None,
    run: Mapping[str, Any],
) -> FluidStatistics | None:
    edge = program.problem.system.edge
    if edge is None or program.problem.system.shape[1] < 8:
        return None
    courses = [path.path] + ([compared.reference] if compared else [])
    both = [radial_distribution(c.q, edge, SHELLS) for c in courses]
    vacf = tuple(velocity_autocorrelation(c.v, len(c.t) // 3) for c in courses)
    rest = None
    if program.reference is not None and (seen := int(run["seen"])):
        g, memory = (np.asarray(run[name]) / seen for name in ("g", "vacf"))
        rest = g, program.reference.lags, memory
    return FluidStatistics(
        both[0][0], tuple(g for _, g in both), path.path.t[: len(vacf[0])], vacf, rest
    )


def _metrics(result: PathResult) -> dict[str, float | int]:
    diagnostics, problem = result.diagnostics, result.problem
    path = diagnostics.path
    metrics: dict[str, float | int | None] = {}
    if result.score is not None:  # first what tells most: sweeps draw the first few
        metrics["rmsd_max"] = float(np.max(result.score.positions))
        metrics["momentum_rmsd_max"] = float(np.max(result.score.momenta))
    metrics |= {
        "energy_error_max": diagnostics.energy_error,
        "points": problem.settings.path.points,
        "coefficients": parameter_count(result.fit.x),
        "action": diagnostics.action,
        "force_error_max": diagnostics.force_error,
        "reintegration_miss": diagnostics.miss,
        "ends_error_max": diagnostics.ends_error,
        "start_energy": float(path.potential[0]),
        "end_energy": float(path.potential[-1]),
        "total_energy": diagnostics.energy,
        "end_distance": diagnostics.distance,
        "path_length": diagnostics.length,
        "iterations": int(result.fit.iterations),
    }
    if result.score is None and result.reference is not None:
        energy = float(np.asarray(result.run["energies"])[:, 0].sum())
        energy *= problem.settings.energy_unit.scale
        metrics["energy_from_reference"] = diagnostics.energy - energy
    for name, size in _own_terms(result).items():
        metrics[f"terms.{name}"] = size
    if problem.several:
        metrics["starts"] = len(result.starts)
        metrics["newtonian_paths"] = _different(result)
    if result.fluid is not None:
        fluid = result.fluid
        peak = first_peak(fluid.r, fluid.g[0])
        metrics["first_peak"] = None if peak is None else peak[0]
        metrics["first_zero"] = first_zero(fluid.t, fluid.vacf[0])
        if fluid.rest is not None:
            g, lags, memory = fluid.rest
            peak = first_peak(fluid.r, g)
            metrics["liquid_first_peak"] = None if peak is None else peak[0]
            metrics["liquid_first_zero"] = first_zero(lags, memory)
    return {name: x for name, x in metrics.items() if x is not None and np.isfinite(x)}


def _own_terms(result: PathResult) -> dict[str, float]:
    """The study's own terms along the path: root mean square over time, bodies added."""
    problem, path = result.problem, result.diagnostics.path
    terms = problem.terms(path.t)
    if terms is None:
        return {}
    values = np.asarray(terms(jnp.asarray(path.q), jnp.asarray(path.v)))
    sizes = np.sqrt(np.mean(np.sum(values**2, axis=1), axis=1))
    return dict(zip(problem.settings.loss.terms, map(float, sizes), strict=True))


def _different(result: PathResult) -> int:
    """How many of Newton's motions among the paths differ from each other."""
    kept: list[np.ndarray] = []
    bar = APART * max(result.diagnostics.length, 1e-300)
    for start in result.starts:
        q = start.diagnostics.path.q
        if start.newton and all(np.max(rmsd(q, other)) > bar for other in kept):
            kept.append(q)
    return len(kept)


def _summary(result: PathResult) -> tuple[tuple[str, str], ...]:
    diagnostics, problem, metrics = result.diagnostics, result.problem, _metrics(result)
    length = problem.system.words.unit("x") if problem.settings.many else ""
    lines = [
        (
            "path",
            f"{problem.name}, {metrics['points']} points, start: {start_name(problem)}",
        ),
        (
            "action",
            f"{diagnostics.action:.3e}, largest force error {diagnostics.force_error:.1e} relative",
        ),
        ("energy error", f"{diagnostics.energy_error:.2e} relative, largest along the path"),
    ]
    if result.score is not None:
        value = f"{metrics['rmsd_max']:.2e} {length}".rstrip()
        lines.append(("RMSD to the reference", f"{value}, largest over time"))
    lines += _told_of_fluid(metrics)
    if diagnostics.miss is not None:
        value = f"{diagnostics.miss:.2e} {length}".rstrip()
        lines.append(("re-integration miss", f"{value} at the end, from the path's own start"))
    if problem.several:
        lines.append(
            ("uniqueness", f"{metrics['newtonian_paths']} of Newton's motions found from "
             f"{len(result.starts)} starts; positions alone do not make it unique")
        )  # fmt: skip
    return tuple(lines)


def _told_of_fluid(metrics: Mapping[str, float | int]) -> list[tuple[str, str]]:
    """Where g(r) and the velocities' memory have their first peak and zero."""
    lines = []
    for name, what in (("first_peak", "first peak of g(r)"), ("first_zero", "memory's first zero")):
        if name in metrics:
            there = metrics.get(f"liquid_{name}")
            beside = "" if there is None else f"; in the liquid before, a longer mean: {there:.4g}"
            lines.append((what, f"{metrics[name]:.4g} along the path{beside}"))
    return lines


def _arrays(result: PathResult) -> dict[str, Array]:
    settings, path = result.problem.settings, result.diagnostics.path
    names, label = result.problem.system.names, result.problem.system.words.unit
    unit = label("t")
    arrays = {"t": Array(path.t, ("t",), unit, "time")}
    if settings.many:
        system = result.problem.system
        q, v = system.whole(path.q), system.whole_rates(path.v)
        for name, data, kind in (("q", q, "position"), ("v", v, "velocity")):
            arrays[name] = Array(data.T, ("t", "body", "axis"), "", f"{kind} of the path")
    else:
        for k, name in enumerate(names):
            of = name.partition("[")[0]
            arrays[name] = Array(path.q[k, 0], ("t",), label(of), f"position {name}")
            arrays[f"v_{name}"] = Array(path.v[k, 0], ("t",), label(f"{of}'"), f"{name}'")
    energy = settings.energy_unit.label
    arrays["energy"] = Array(path.energy, ("t",), energy, "total energy along the path")
    arrays["potential_energy"] = Array(path.potential, ("t",), energy, "potential energy")
    if result.score is not None:
        arrays["rmsd"] = Array(result.score.positions, ("t",), "", "RMSD to the reference run")
        arrays["momentum_rmsd"] = Array(result.score.momenta, ("t",), "", "RMSD of the momenta")
    if result.fluid is not None:
        fluid = result.fluid
        arrays["r"] = Array(fluid.r, ("r",), "", "distance of a pair")
        arrays["g"] = Array(fluid.g[0], ("r",), "", "radial distribution along the path")
        arrays["lag"] = Array(fluid.t, ("lag",), unit, "time lag")
        arrays["vacf"] = Array(fluid.vacf[0], ("lag",), "", "velocity autocorrelation")
        if fluid.rest is not None:
            g, lags, memory = fluid.rest
            arrays["g_liquid"] = Array(g, ("r",), "", "radial distribution of the liquid at rest")
            arrays["lag_liquid"] = Array(lags, ("lag_liquid",), unit, "time lag")
            arrays["vacf_liquid"] = Array(
                memory, ("lag_liquid",), "", "velocity autocorrelation of the liquid at rest"
            )
    return arrays


def _tables(result: PathResult) -> tuple[Table, ...]:
    tables = [_cost(result)]
    if len(result.starts) > 1:
        rows = tuple(
            (s.name, s.diagnostics.action, s.diagnostics.miss, s.diagnostics.energy,
             float(np.max(rmsd(s.diagnostics.path.q, result.diagnostics.path.q))),
             "yes" if s.newton else "no")
            for s in result.starts
        )  # fmt: skip
        unit = result.problem.settings.energy_unit.label
        energy = f"energy [{unit}]" if unit else "energy"
        header = ("start", "action", "re-integration miss", energy, "RMSD to the one shown",
                  "Newton's motion")  # fmt: skip
        caption = (
            "Paths from several starts. A path whose action is nought but for rounding is one of "
            "Newton's motions; another is the least action near its start only."
        )
        tables.append(Table("starts", caption, header, rows))
    return tuple(tables)


def _cost(result: PathResult) -> Table:
    """Work in evaluations of one configuration, which do not depend on the machine."""
    problem, fit = result.problem, result.fit
    nodes = problem.settings.path.points
    iterations = int(fit.iterations)
    products = int(problem.minimizer.progress(fit).get("products", iterations))
    rows: list[tuple[str, int, int]] = [("this path", nodes * 2 * iterations, nodes * products)]
    if result.reference is not None:
        duration = problem.duration
        rows += [
            ("molecular dynamics, dt", round(duration / result.reference.dt), 0),
            ("molecular dynamics, dt/4", round(duration / result.reference.finest), 0),
        ]
    caption = (
        "Work for the stretch between the ends: forces, and products with the Hessian, of one "
        "configuration. Where the start alone is given, molecular dynamics is cheaper by far; it "
        "cannot meet an end that is given too."
    )
    return Table("cost", caption, ("method", "forces", "Hessian products"), tuple(rows))


def _checks(result: PathResult, given: Any) -> tuple[Check, ...]:
    diagnostics, problem = result.diagnostics, result.problem
    ended = int(result.fit.ended)
    checks = [
        Check("ends",
              diagnostics.ends_error <= 1e-9 * max(diagnostics.length, 1e-300) or not problem.exact,
              f"the path is within {diagnostics.ends_error:.1e} of the given ends"),
        Check("convergence", ended == 1 or problem.method.first_order,
              ("the minimisation settled" if ended == 1 else
               "the minimisation was stopped after the epochs of the study" if ended == 0 else
               "no further step lowers the action")
              + f" ({int(result.fit.iterations)} iterations)"),
        Check("equation of motion", diagnostics.force_error < 0.05,
              f"m q'' = F holds within {diagnostics.force_error:.1e} of the largest force"),
        Check("energy", diagnostics.energy_error < 1e-4,
              f"the energy stays within {diagnostics.energy_error:.1e} of its first value"),
    ]  # fmt: skip
    if problem.several:
        newton = any(start.newton for start in result.starts)
        text = (
            "a start led to one of Newton's motions"
            if newton
            else (
                "no start led to one of Newton's motions: the path shown has the least action found"
            )
        )
        checks.append(Check("Newton's motion", newton, text))
    if diagnostics.miss is not None:
        scale = max(diagnostics.distance / np.sqrt(given.shape[1]), 1e-300)
        text = f"Newton's motion from the path's own start misses its end by {diagnostics.miss:.1e}"
        checks.append(Check("re-integration", diagnostics.miss < 1e-2 * scale, text))
    if problem.system.cutoff is not None:
        checks.append(
            Check("neighbour list", diagnostics.listed, "the lists held all pairs in reach")
        )
    return tuple(checks)


def _notes(result: PathResult) -> tuple[str, ...]:
    problem, notes = result.problem, []
    if problem.marched:
        notes.append(
            "the start is a march from both ends to the middle, an integration of Newton's "
            "equations; the minimisation then holds both ends at once"
        )
    if result.reference is not None:
        notes.append(
            "for the motion from a given start, molecular dynamics is cheaper than a path of least "
            "action (table of work); a path is for ends that are given"
        )
    if problem.settings.loss.terms:
        notes.append(
            "[loss] terms bend the path: it is one of Newton's motions only where they vanish on it"
        )
    if not problem.velocities:
        notes.append(
            "positions at the ends do not make the path unique: there may be other motions of "
            "other energies, so no distance from a reference run is given as an error"
        )
    if result.diagnostics.miss is None:
        notes.append("Newton's motion from the path's own start could not be integrated")
    if int(result.fit.ended) == 0 and not problem.method.first_order:
        notes.append("training.epochs ended the minimisation before it settled")
    return tuple(notes)
