"""What each command does. Heavy rooms are imported by the command that needs them."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from .errors import DATA, Refused

if TYPE_CHECKING:
    from actionrun.runtime.storage.run_folder import Folder
    from actionrun.spec import Fault, Study


COMMANDS = (
    "run", "check", "compare", "explain", "latex", "export", "infer", "list", "report", "schema",
    "new",
)  # fmt: skip


def run(options: Namespace) -> int:
    from actionrun.runtime.storage.run_folder import require_free

    require_free(options.study, options.out, sys.argv)
    from .cli import Signals, set_switches
    from .display import display, summary
    from .runner import run as execute

    study = _study(options)
    set_switches()
    done = execute(
        study,
        out=options.out,
        fresh=options.fresh,
        tell=display(quiet=options.quiet),
        stop=Signals(),
        command=tuple(sys.argv),
        workers=options.workers,
        cluster=options.cluster,
    )
    if not options.quiet:
        summary(done)
    return 0


def check(options: Namespace) -> int:
    import gc

    gc.disable()  # editors run this at each save, and imports are nearly all of its time
    from actionrun.spec import check as faults_of

    faults: list[Fault] = []
    for path in options.study:
        _there(path)
        faults += faults_of(path, overrides=options.overrides, seed=options.seed, data=options.data)
    if options.deep and not _wrong(faults):
        from .check_subprocess import deep_faults

        for path in options.study:
            faults += deep_faults(
                path, overrides=options.overrides, seed=options.seed, data=options.data
            )
    if options.format == "json":
        import json

        print(json.dumps([fault.as_dict() for fault in faults], indent=2, ensure_ascii=False))
    elif faults:
        print_faults(faults, sys.stdout)
    if options.format == "text" and not _wrong(faults):
        count = len(options.study)
        print("no faults" if count == 1 else f"no faults in {count} studies")
    return DATA if _wrong(faults) else 0


def explain(options: Namespace) -> int:
    from actionrun.compiler import explain as sections
    from actionrun.runtime.report.latex import explained_tex, explained_text
    from actionrun.spec import resolved_toml

    from .cli import set_switches

    study = _study(options)
    set_switches()
    found, whole = sections(study), resolved_toml(study)
    if study.sweep:
        from actionrun.compiler.findings import Section
        from actionrun.runtime.sweep.findings import described
        from actionrun.spec import swept

        found = (*found, Section("Sweep", described(swept(study))))
    print(explained_tex(found, whole) if options.latex else explained_text(found, whole))
    return 0


def latex(options: Namespace) -> int:
    from actionrun.runtime.report.latex import standalone

    folder = _finished(options.run)
    if options.standalone:
        print(standalone(folder))
    else:
        print((folder / "equations.tex").read_text(encoding="utf-8"), end="")
    return 0


def export(options: Namespace) -> int:
    from actionrun.runtime.report.export import csv_files
    from actionrun.runtime.storage.atomic_write import write

    folder = _finished(options.run)
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


def _export_structures(folder: Folder, out: Path | None) -> int:
    from actionrun.runtime.storage.atomic_write import write

    source, place = folder / "trajectory.extxyz", (out or folder / "export") / "trajectory.extxyz"
    if not source.is_file():
        raise Refused(f"{folder.path} has no trajectory.extxyz: this run has no atoms")
    write(place, source.read_bytes())
    print(place)
    return 0


def infer(options: Namespace) -> int:
    from .display import display
    from .infer import infer as inferred

    table, place = inferred(
        _finished(options.run), options.data, options.out, options.workers, options.cluster,
        display(quiet=False),
    )  # fmt: skip
    print(table)
    print(f"\n{place}")
    return 0


def list_runs(options: Namespace) -> int:
    from actionrun.runtime.report.listing import listing
    from actionrun.runtime.storage.run_folder import runs_under

    runs = runs_under(options.folder)
    if not runs:
        print(f"no runs in {options.folder}")
    else:
        print(listing(runs))
    return 0


def compare(options: Namespace) -> int:
    from actionrun.runtime.report.comparison import comparison, page, text
    from actionrun.runtime.storage.atomic_write import write

    if len(options.run) < 2:
        raise Refused("compare needs two runs at least: actionrun compare RUN RUN")
    found = comparison([_run_at(path) for path in options.run])
    print(text(found))
    if options.out.exists() and not options.out.read_bytes().startswith(b"<!DOCTYPE html>"):
        raise Refused(f"{options.out} is there already and is no page. Name another with --out")
    write(options.out, page(found))
    print(f"\npage  {options.out}")
    return 0


def report(options: Namespace) -> int:
    from actionrun.runtime.report.page import write_report

    folder = _finished(options.run)
    with folder.lock():
        print(write_report(folder))
    return 0


def schema(options: Namespace) -> int:
    import json

    from actionrun.spec import schema as json_schema

    print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
    return 0


def new(options: Namespace) -> int:
    from actionrun.spec import template

    print(template(options.kind), end="")
    return 0


def print_faults(faults: Iterable[Fault], stream: TextIO) -> None:
    """Faults as text, in colour on a terminal alone (and never with NO_COLOR)."""
    color = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    listed = list(faults)
    print("\n\n".join(fault.render(color) for fault in listed), file=stream)
    count = sum(fault.severity == "error" for fault in listed)
    if count:
        print(f"\n{count} fault{'s' if count > 1 else ''}", file=stream)


def _wrong(faults: Iterable[Fault]) -> bool:
    return any(fault.severity == "error" for fault in faults)


def _study(options: Namespace) -> Study:
    from actionrun.spec import load

    _there(options.study)
    return load(options.study, overrides=options.overrides, seed=options.seed, data=options.data)


def _there(path: Path) -> None:
    """Tell a mistyped command from a study that is not there, which `spec` complains of."""
    if path.is_dir():
        raise Refused(f"{path} is a folder. Name a study's file")
    if path.exists() or path.suffix == ".toml":
        return
    from difflib import get_close_matches

    near = path.with_name(f"{path.name}.toml")
    words = get_close_matches(path.name, COMMANDS, n=1)
    hint = f"Did you mean {near}?" if near.is_file() else "See actionrun --help"
    if words:
        hint = f"Did you mean actionrun {words[0]}?"
    raise Refused(f'"{path}" is neither a command nor a file. {hint}')


def _run_at(path: Path) -> Folder:
    """The run in a folder, or the latest finished one below it."""
    from actionrun.runtime.storage.run_folder import Folder

    return folder if (folder := Folder(path)).is_run else _finished(path)


def _finished(path: Path) -> Folder:
    """The run that a path means: its folder, or the latest finished one below it."""
    from actionrun.runtime.storage.run_folder import Folder, runs_under

    folder = Folder(path)
    if folder.is_run:
        if folder.finished:
            return folder
        raise Refused(f"the run in {path} is not finished. Run its study again to go on with it")
    below = [run for run in runs_under(path) if run.finished]
    if not below:
        raise Refused(f"{path} is no run folder, and holds none that is finished")
    return max(below, key=lambda run: run.result.stat().st_mtime)
