"""Writing a finished run: arrays, equations, figures, page; result.json last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from actionrun.compiler.findings import Findings, Section
from actionrun.runtime.events import Listener, Noted
from actionrun.runtime.storage.atomic_write import json_text, plain_data, write
from actionrun.runtime.storage.findings_file import content_data, equation_data
from actionrun.runtime.storage.provenance import now
from actionrun.runtime.storage.run_folder import Folder

from .march import Timing

if TYPE_CHECKING:
    from actionrun.runtime.runner import Job


def write_results(
    task: Job,
    folder: Folder,
    story: dict[str, Any],
    found: Findings,
    asked: Sequence[Section],
    stage: str,
    timing: Timing,
    tell: Listener,
    device: str,
) -> dict[str, Any]:
    """Write all files of a finished run; returns result.json's content. Raises CannotWrite."""
    from actionrun.runtime.report.export import equations_tex, netcdf
    from actionrun.runtime.report.latex import tables_tex
    from actionrun.runtime.report.page import write_report

    lost: list[str] = []
    result = plain_data(_result(task, found, stage, timing), lost=lost)
    if lost:
        note = f"not finite, written as null in result.json: {', '.join(lost)}"
        tell(Noted(note))
        found = replace(found, notes=(*found.notes, note))
    if found.arrays:
        write(folder / "data.nc", netcdf(found.arrays, {"title": task.title, "study": task.kind}))
    if found.trajectory is not None:
        from actionrun.runtime.data.structures import extended_xyz

        write(folder / "trajectory.extxyz", extended_xyz(found.trajectory))
    write(folder / "equations.tex", equations_tex(found.equations))
    exact = {"format": 1, "equations": [equation_data(equation) for equation in found.equations]}
    write(folder / "equations.json", json_text(exact))
    if text := tables_tex(found.tables):
        write(folder / "tables.tex", text)
    write(folder.findings, json_text(content_data(found, asked), indent=None))
    story = story | {
        "status": "done",
        "finished": now(),
        "seconds": timing.seconds,
        "cpu_seconds": timing.cpu,
        "compile_seconds": timing.compile_seconds,
        "step_nanoseconds": _nanoseconds(timing),
        "device": device,
    }
    write(folder.provenance, json_text(story))
    write_report(folder)
    write(folder.result, json_text(result))
    return result


def _result(task: Job, found: Findings, stage: str, timing: Timing) -> dict[str, Any]:
    """result.json by runs.md. Programs know no clock, so the times are added here."""
    times: dict[str, float | None] = {}
    if timing.first[0]:
        times = {
            "compile_seconds": timing.compile_seconds,
            "step_nanoseconds": _nanoseconds(timing),
        }
    if stage == "train":
        times["training_seconds"] = timing.marched
    if (networks := found.metrics.get("networks_trained")) and timing.marched:
        times["networks_per_second"] = networks / timing.marched
    return {
        "format": 1,
        "study": task.kind,
        "title": task.title,
        "status": "done",
        "seed": task.seed,
        "seconds": timing.seconds,
        "metrics": times | dict(found.metrics),
        "equations": [equation_data(equation) for equation in found.equations],
    } | dict(found.extra)


def _nanoseconds(timing: Timing) -> float | None:
    return None if timing.seconds_a_step is None else timing.seconds_a_step * 1e9
