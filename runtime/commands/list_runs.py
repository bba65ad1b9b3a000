"""`actionrun list`: the runs in a folder."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from actionrun.runtime.errors import Refused
from actionrun.runtime.report.listing import facts, in_order_of, listing
from actionrun.runtime.storage.atomic_write import json_text
from actionrun.runtime.storage.run_folder import runs_under

DEFAULT = Path("runs")


def list_runs(options: Namespace) -> int:
    """List the runs in a folder."""
    if not options.folder.is_dir() and options.folder != DEFAULT:
        raise Refused(f"{options.folder} is no folder. Runs are in runs/, or where --out said")
    if not options.folder.is_dir() and not options.json:
        print(f"there is no folder {options.folder} here: nothing was run yet")
        return 0
    runs = in_order_of(options.sort, [facts(run) for run in runs_under(options.folder)])
    if options.json:
        print(json_text(runs))
        return 0
    print(listing(runs) if runs else f"no runs in {options.folder}")
    return 0
