"""Commands that read run folders: `list` and `compare`."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict
from pathlib import Path

from actionrun.runtime.errors import Refused
from actionrun.runtime.report.comparison import comparison, page, text
from actionrun.runtime.report.listing import by, facts, listing
from actionrun.runtime.storage.atomic_write import json_text, write
from actionrun.runtime.storage.regular_files import content
from actionrun.runtime.storage.run_folder import runs_under

from .run_arguments import run_at

DEFAULT = Path("runs")


def list_runs(options: Namespace) -> int:
    """List the runs in a folder."""
    if not options.folder.is_dir() and options.folder != DEFAULT:
        raise Refused(f"{options.folder} is no folder. Runs are in runs/, or where --out said")
    if not options.folder.is_dir() and not options.json:
        print(f"there is no folder {options.folder} here: nothing was run yet")
        return 0
    runs = by(options.sort, runs_under(options.folder))
    if options.json:
        print(json_text([facts(run) for run in runs]))
        return 0
    print(listing(runs) if runs else f"no runs in {options.folder}")
    return 0


def _is_free(page: Path) -> bool:
    """Whether a page may be written there: over nothing but another page."""
    try:
        return content(page).startswith(b"<!DOCTYPE html>")
    except FileNotFoundError:
        return True
    except OSError:  # a link, a pipe, something of another size
        return False


def compare(options: Namespace) -> int:
    """Show what differs between runs."""
    if len(options.run) < 2:
        raise Refused("compare needs two runs at least: actionrun compare RUN RUN")
    compared = comparison([run_at(path) for path in options.run])
    if options.json:
        print(json_text(asdict(compared)))
        return 0
    print(text(compared))
    if not _is_free(options.out):
        raise Refused(f"{options.out} is there already and is no page. Name another with --out")
    write(options.out, page(compared))
    print(f"\npage  {options.out}")
    return 0
