"""Findings of a cluster's transformation: the path, the pathway of minima and saddles, its
barrier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from actionrun.compiler.findings import Array, Findings, Table, Trajectory
from actionrun.compiler.om.diagnostics import path_diagnostics
from actionrun.compiler.om.equations import equations
from actionrun.compiler.om.structures import trajectory
from actionrun.compiler.program import Tell

from .checks import checks, notes
from .endpoints import quenched_structures
from .figures import transformation_figures
from .landscape import landscape, landscape_arrays
from .pathway import pathway
from .rates import rates, temperature_label
from .result import TransformationResult
from .study_units import in_study_units
from .transformation import ClusterTransformation

PAIRS = 150_000  # of bodies in all images of a path that are quenched: where there are more, fewer


@dataclass(frozen=True)
class TransformationReport:
    """The findings of a finished march."""

    solver: ClusterTransformation

    def __call__(
        self, state: Mapping[str, Any], samples: Mapping[str, np.ndarray], tell: Tell
    ) -> Findings:
        return _findings(self.solver, jax.tree.map(np.asarray, state), samples, tell)


def _findings(
    program: ClusterTransformation,
    state: Mapping[str, Any],
    samples: Mapping[str, np.ndarray],
    tell: Tell,
) -> Findings:
    problem = program.problem
    tell("measure", 0, 3, {})
    path = path_diagnostics(problem, state["path"]["fit"].x, state["path"]["given"])
    tell("measure", 1, 3, {})
    ends = program.ends
    images = _quenched_images(path.path.q)
    settled = quenched_structures(
        ends.surface, path.path.q[..., images] / float(ends.surface.length), ends.length,
        ends.scale / ends.length,
    )  # fmt: skip
    unit = float(ends.surface.energy_unit) * problem.settings.energy_unit.scale
    levels = np.where(settled.converged, settled.energy * unit, np.nan)
    tell("measure", 2, 3, {})
    stops = pathway(program.search, state["search"]) if program.search else ()
    speeds = rates(problem, ends, stops)
    land = landscape(problem, ends, state["search"]) if program.search else None
    ends, stops = in_study_units(problem.settings.energy_unit, ends, stops)
    result = TransformationResult(
        problem,
        ends,
        state["path"]["fit"],
        state["search"],
        path,
        images,
        levels,
        stops,
        samples,
        speeds,
        land,
    )
    return Findings(
        metrics=_metrics(result),
        equations=equations(problem),
        summary=_summary(result),
        arrays=_arrays(result),
        figures=transformation_figures(result),
        tables=_tables(result),
        trajectory=_trajectory(result),
        checks=checks(result),
        notes=notes(result),
    )


def _quenched_images(q: np.ndarray) -> np.ndarray:
    """Which images of a path q (dim, N, K) are quenched: all, of a large system every so many, the
    last among them."""
    _, n, images = q.shape
    count = int(np.clip(PAIRS // n**2, 5, images))
    return np.unique(np.linspace(0, images - 1, count).round().astype(int))


def _metrics(result: TransformationResult) -> dict[str, float | int]:
    ends, path, search = result.ends, result.path, result.search
    metrics: dict[str, float | int | None] = {
        "points": result.problem.settings.path.points,
        "action": path.action,
        "force_error_max": path.force_error,
        "energy_error_max": path.energy_error,
        "reintegration_miss": path.miss,
        "ends_error_max": path.ends_error,
        "start_energy": ends.start.point.energy,
        "end_energy": ends.end.point.energy,
        "start_negative_modes": ends.start.point.negative,
        "end_negative_modes": ends.end.point.negative,
        "end_distance": path.distance,
        "end_distance_unaligned": ends.apart,
        "path_length": path.length,
        "iterations": int(result.fit.iterations),
    }
    if search:
        for name in ("searches", "converged", "minima", "saddles", "verified", "corrected"):
            metrics[name] = int(search[name])
    if (top := result.top) is not None:
        metrics["saddle_energy"] = top.point.energy
        metrics["saddle_negative_modes"] = top.point.negative
        metrics["saddle_gradient"] = top.point.gradient
        metrics["barrier_forward"] = top.point.energy - ends.start.point.energy
        metrics["barrier_backward"] = top.point.energy - ends.end.point.energy
        metrics["chain_saddles"] = sum(stop.is_saddle for stop in result.chain)
        metrics["chain_minima"] = sum(not stop.is_saddle for stop in result.chain)
        metrics["chain_length"] = result.chain[-1].along
    if (speeds := result.rates) is not None:
        metrics["rate_forward"], metrics["rate_backward"] = speeds.forward, speeds.backward
        metrics["prefactor_forward"], metrics["prefactor_backward"] = speeds.prefactors
        metrics["imaginary_frequency"] = speeds.imaginary
    return {name: x for name, x in metrics.items() if x is not None and np.isfinite(x)}


def energy_text(result: TransformationResult, x: float, digits: int = 6) -> str:
    """An energy with its unit."""
    unit = result.problem.settings.energy_unit.label
    return f"{x:.{digits}f} {unit}".rstrip()


def _summary(result: TransformationResult) -> tuple[tuple[str, str], ...]:
    ends, path = result.ends, result.path

    def end(one) -> str:
        kind = {0: "a minimum", 1: "a saddle (one negative mode)"}.get(
            one.point.negative, f"no minimum: {one.point.negative} negative modes"
        )
        return f"{energy_text(result, one.point.energy, 9)}, {kind}"

    lines = [
        ("start", end(ends.start)),
        ("end", end(ends.end)),
        ("distance", f"{path.distance:.4f} (in the files {ends.apart:.4f})"),
        ("path of least action", f"length {path.length:.4f}, action {path.action:.2e}"),
    ]
    if (top := result.top) is not None:
        forward = max(top.point.energy - ends.start.point.energy, 0.0)
        backward = max(top.point.energy - ends.end.point.energy, 0.0)
        lines += [
            ("barrier", f"{energy_text(result, forward)} from the start, "
                        f"{energy_text(result, backward)} from the end"),
            ("highest saddle", f"{energy_text(result, top.point.energy, 9)}, "
                               f"{top.point.negative} negative mode"),
        ]  # fmt: skip
        count = sum(stop.is_saddle for stop in result.chain)
        searches = int(result.search["searches"])
        lines.append(("chain", f"{count} saddle{'s' * (count > 1)}; {searches} searches"))
        if (speeds := result.rates) is not None:
            time, heat = result.problem.system.words.unit("t"), temperature_label(result.problem)
            per = f" /{time}" if time else ""
            lines.append(
                ("rates", f"{speeds.forward:.4g}{per} forward, {speeds.backward:.4g}{per} back at "
                 f"{speeds.temperature:g} {heat}".rstrip()
                 + ", over the highest saddle (harmonic transition-state theory)")
            )  # fmt: skip
    elif result.search:
        lines.append(("barrier", "no way was found in the searches of the study"))
    return tuple(lines)


def _arrays(result: TransformationResult) -> dict[str, Array]:
    system, path = result.problem.system, result.path.path
    unit, energy = system.words.unit("t"), result.problem.settings.energy_unit.label
    q, v = system.whole(path.q).T, system.whole_rates(path.v).T
    arrays = {
        "t": Array(path.t, ("t",), unit, "time"),
        "q": Array(q, ("t", "body", "axis"), "", "position of the path"),
        "v": Array(v, ("t", "body", "axis"), "", "velocity of the path"),
        "potential_energy": Array(path.potential, ("t",), energy, "energy before the quench"),
        "t_quench": Array(path.t[result.images], ("t_quench",), unit, "times of the quenches"),
        "quenched_energy": Array(result.quenched, ("t_quench",), energy, "energy after the quench"),
    }
    if result.chain:
        q = system.whole(np.stack([stop.q for stop in result.chain], axis=2)).T
        arrays["chain_q"] = Array(q, ("stop", "body", "axis"), "", "the chain's structures")
        levels = np.array([stop.point.energy for stop in result.chain])
        arrays["chain_energy"] = Array(levels, ("stop",), energy, "their energies")
        negative = np.array([stop.point.negative for stop in result.chain])
        arrays["chain_negative_modes"] = Array(negative, ("stop",), "", "their negative modes")
        along = np.array([stop.along for stop in result.chain])
        arrays["chain_length"] = Array(along, ("stop",), "", "distance along the chain")
    if "lid" in result.history:
        lid = result.history["lid"]
        arrays["best_saddle"] = Array(lid, ("batch",), energy, "highest saddle of the best way")
    if result.landscape is not None:
        arrays |= landscape_arrays(result.landscape, energy)
    return arrays


def _tables(result: TransformationResult) -> tuple[Table, ...]:
    ends, tables = result.ends, []
    if result.chain:
        unit = result.problem.settings.energy_unit.label
        header = (
            "stop", f"energy [{unit}]" if unit else "energy", "above the start", "negative modes",
            "largest gradient", "distance from the last", "joined by",
        )  # fmt: skip
        before = [0.0, *(stop.along for stop in result.chain[:-1])]
        start = ends.start.point.energy
        rows = tuple(
            (stop.name, f"{stop.point.energy:.9f}", f"{stop.point.energy - start:.6f}",
             stop.point.negative, f"{stop.point.gradient:.1e}", f"{stop.along - last:.4f}",
             "steepest descent" if stop.is_saddle else "")
            for stop, last in zip(result.chain, before, strict=True)
        )  # fmt: skip
        caption = (
            "The chain from start to end: minima, and the saddles between them. Each saddle was "
            "left by steepest descent, which ended in the minima beside it."
        )
        tables.append(Table("chain", caption, header, rows))
    if len(ends.aligned) > 1:
        rows = tuple((k + 1, f"{one.distance:.4f}") for k, one in enumerate(ends.aligned))
        caption = "The nearest copies of the end: strings from the start to each began the search."
        tables.append(Table("alignments", caption, ("copy", "distance"), rows))
    return tuple(tables)


def _trajectory(result: TransformationResult) -> Trajectory | None:
    problem, path = result.problem, result.path.path
    if not problem.settings.many:
        return None
    species = problem.system.species
    if len(result.chain) < 2:
        return trajectory(problem.settings, problem.system, path.q, times=path.t, v=path.v,
                          energies=path.potential, species=species)  # fmt: skip
    q = np.stack([stop.q for stop in result.chain], axis=2)
    energies = np.array([stop.point.energy for stop in result.chain])
    return trajectory(problem.settings, problem.system, q, energies=energies, species=species,
                      labels=[stop.name for stop in result.chain])  # fmt: skip
