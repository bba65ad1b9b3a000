"""`actionrun report`."""

from __future__ import annotations

import sys
from argparse import Namespace

from actionrun.runtime.report.page import write_report
from actionrun.runtime.storage.provenance import other_version

from .run_arguments import finished_run


def report(options: Namespace) -> int:
    """Make a run's page again from its folder."""
    folder = finished_run(options.run)
    if note := other_version(folder.read_json(folder.provenance)):
        print(f"note: {note}", file=sys.stderr)
    with folder.lock():
        print(write_report(folder))
    return 0
