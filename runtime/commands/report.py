"""`actionrun report`."""

from __future__ import annotations

import sys
from argparse import Namespace

from actionrun.runtime.report.page import write_report
from actionrun.runtime.report.paper import write_paper
from actionrun.runtime.storage.provenance import other_version

from .run_arguments import finished_run


def report(options: Namespace) -> int:
    """Make a run's page again from its folder, and with --paper a folder for a paper."""
    folder = finished_run(options.run)
    if note := other_version(folder.read_json(folder.provenance)):
        print(f"note: {note}", file=sys.stderr)
    with folder.lock():
        print(write_report(folder))
        for path in write_paper(folder) if options.paper else ():
            print(path)
    return 0
