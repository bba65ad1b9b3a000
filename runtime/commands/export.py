"""`actionrun export`."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from actionrun.runtime.errors import Refused
from actionrun.runtime.report.export import csv_files
from actionrun.runtime.report.figures import Format, drawn
from actionrun.runtime.report.page import stem
from actionrun.runtime.storage.atomic_write import write
from actionrun.runtime.storage.findings_file import read_content
from actionrun.runtime.storage.run_folder import Folder

from .run_arguments import finished_run


def export(options: Namespace) -> int:
    """Write a run's arrays for other tools, or its figures for a paper."""
    folder = finished_run(options.run)
    if options.format in ("pdf", "png"):
        return _export_figures(folder, options.format, options.out)
    if options.format == "extxyz":
        return _export_structures(folder, options.out)
    source = folder / "data.nc"
    if not source.is_file():
        raise Refused(f"{folder.path} has no data.nc: this run made no arrays")
    place = options.out or folder / "export"
    files: dict[str, str | bytes] = {"data.nc": source.read_bytes()}
    if options.format == "csv":
        files = dict(csv_files(source))
    for name, content in files.items():
        write(place / name, content)
        print(place / name)
    return 0


def _export_figures(folder: Folder, form: Format, out: Path | None) -> int:
    figures = read_content(folder).findings.figures
    if not figures:
        raise Refused(f"{folder.path} has no figures")
    for figure in figures:
        path = (out or folder / "export") / f"{stem(figure.name)}.{form}"
        write(path, drawn(figure, form))
        print(path)
    return 0


def _export_structures(folder: Folder, out: Path | None) -> int:
    source, place = folder / "trajectory.extxyz", (out or folder / "export") / "trajectory.extxyz"
    if not source.is_file():
        raise Refused(f"{folder.path} has no trajectory.extxyz: this run has no atoms")
    write(place, source.read_bytes())
    print(place)
    return 0
