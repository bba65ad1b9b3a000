"""Writing a finished run: arrays, equations, figures, page; result.json last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from actionrun.compiler.findings import Findings, Section
from actionrun.runtime.data.structures import extended_xyz
from actionrun.runtime.events import Listener, Noted
from actionrun.runtime.report import page
from actionrun.runtime.report.latex import equations_tex, tables_tex
from actionrun.runtime.storage.atomic_write import json_text, plain_data
from actionrun.runtime.storage.findings_file import content_data, equation_data
from actionrun.runtime.storage.netcdf import netcdf
from actionrun.runtime.storage.provenance import now
from actionrun.runtime.storage.run_folder import Folder

from .job import Job, Timing


def write_results(
    job: Job,
    folder: Folder,
    provenance: dict[str, Any],
    findings: Findings,
    asked: Sequence[Section],
    stage: str,
    timing: Timing,
    on_event: Listener,
    device: str,
) -> dict[str, Any]:
    """Write all files of a finished run; returns result.json's content. Raises CannotWrite."""
    lost: list[str] = []
    result = plain_data(_result(job, findings, stage, timing), lost=lost)
    if lost:
        note = f"not finite, written as null in result.json: {', '.join(lost)}"
        on_event(Noted(note))
        findings = replace(findings, notes=(*findings.notes, note))
    if findings.arrays:
        folder.write("data.nc", netcdf(findings.arrays, {"title": job.title, "study": job.kind}))
    if findings.trajectory is not None:
        folder.write("trajectory.extxyz", extended_xyz(findings.trajectory))
    folder.write("equations.tex", equations_tex(findings.equations))
    exact = {"format": 1, "equations": [equation_data(equation) for equation in findings.equations]}
    folder.write("equations.json", json_text(exact))
    if text := tables_tex(findings.tables):
        folder.write("tables.tex", text)
    folder.write("findings.json", json_text(content_data(findings, asked), indent=None))
    provenance = provenance | {
        "status": "done",
        "finished": now(),
        "seconds": timing.seconds,
        "cpu_seconds": timing.cpu,
        "compile_seconds": timing.compile_seconds,
        "step_nanoseconds": _nanoseconds(timing),
        "device": device,
    }
    folder.write("provenance.json", json_text(provenance))
    page.write_report(folder)
    folder.write("result.json", json_text(result))
    return result


def _result(job: Job, findings: Findings, stage: str, timing: Timing) -> dict[str, Any]:
    """result.json by runs.md. Programs know no clock, so the times are added here."""
    times: dict[str, float | None] = {}
    if timing.first[0]:
        times = {
            "compile_seconds": timing.compile_seconds,
            "step_nanoseconds": _nanoseconds(timing),
        }
    if stage == "train":
        times["training_seconds"] = timing.marched
    if (networks := findings.metrics.get("networks_trained")) and timing.marched:
        times["networks_per_second"] = networks / timing.marched
    return {
        "format": 1,
        "study": job.kind,
        "title": job.title,
        "status": "done",
        "seed": job.seed,
        "seconds": timing.seconds,
        "metrics": times | dict(findings.metrics),
        "equations": [equation_data(equation) for equation in findings.equations],
    } | dict(findings.extra)


def _nanoseconds(timing: Timing) -> float | None:
    return None if timing.seconds_a_step is None else timing.seconds_a_step * 1e9
