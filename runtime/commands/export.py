"""`actionrun export`."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

from actionrun.runtime.errors import Refused
from actionrun.runtime.execution.job import Run
from actionrun.runtime.report.export import csv_files, npz_file
from actionrun.runtime.report.figures import Format, drawn
from actionrun.runtime.report.page import stem
from actionrun.runtime.storage.atomic_write import write
from actionrun.runtime.storage.findings_file import StoredArrays, read, read_content
from actionrun.runtime.storage.regular_files import ARRAY_BYTES, is_regular
from actionrun.runtime.storage.run_folder import Folder
from actionrun.spec.text.source import shown

from .run_arguments import finished_run

SOURCES = {
    "python": ("equations.py", "python_source"), "c": ("equations.c", "c_source"),
    "sympy": ("equations_sympy.py", "sympy_source"),
}  # fmt: skip


def export(options: Namespace) -> int:
    """Write a run's arrays for other tools, or its figures for a paper."""
    folder = finished_run(options.run)
    if options.format in ("pdf", "png"):
        return _export_figures(folder, options.format, options.out)
    if options.format == "extxyz":
        return _export_structures(folder, options.out)
    if options.format in SOURCES:
        return _export_source(folder, options.format, options.out)
    if options.format == "study":
        _write(folder, options.out, "study.toml", folder.text("resolved.toml"))
        return 0
    if not is_regular(folder / "data.nc"):
        raise Refused(f"{folder.path} has no data.nc: this run made no arrays")
    files: dict[str, str] | dict[str, bytes]
    if options.format == "csv":
        files = csv_files(StoredArrays(folder))
    elif options.format == "npz":
        files = {"data.npz": npz_file(StoredArrays(folder))}
    else:
        files = {"data.nc": folder.content("data.nc", limit=ARRAY_BYTES)}
    for name, content in files.items():
        _write(folder, options.out, name, content)
    return 0


def _export_source(folder: Folder, form: str, out: Path | None) -> int:
    """The equations as a file of source code; those that are no formula are said."""
    # at start-up: SymPy, for those who ask for source code
    from actionrun.compiler.formulas import source_code

    run, laws = Run(folder.path, folder.results(), read(folder)), []
    for equation in run.equations:
        try:
            function, whole = equation.function(), equation.sympy()
        except Refused as reason:
            print(f"left out: {shown(str(reason))}", file=sys.stderr)
            continue
        laws.append(source_code.Written(equation.name, equation.text, function, whole))
    if not laws:
        raise Refused(f"{folder.path} has no equation that is a formula")
    name, write_source = SOURCES[form]
    title = f"{run.result['title']}: equations of {folder.path.name}"
    _write(folder, out, name, getattr(source_code, write_source)(laws, title))
    return 0


def _export_figures(folder: Folder, form: Format, out: Path | None) -> int:
    figures = read_content(folder).findings.figures
    if not figures:
        raise Refused(f"{folder.path} has no figures")
    for figure in figures:
        _write(folder, out, f"{stem(figure.name)}.{form}", drawn(figure, form))
    return 0


def _export_structures(folder: Folder, out: Path | None) -> int:
    name = "trajectory.extxyz"
    if not is_regular(folder / name):
        raise Refused(f"{folder.path} has no {name}: this run has no atoms")
    _write(folder, out, name, folder.content(name, limit=ARRAY_BYTES))
    return 0


def _write(folder: Folder, out: Path | None, name: str, content: str | bytes) -> None:
    if out is None:
        print(folder.write(f"export/{name}", content))
    else:
        write(out / name, content)
        print(out / name)
