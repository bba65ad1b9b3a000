"""`actionrun report`."""

from __future__ import annotations

from argparse import Namespace

from actionrun.runtime.report.page import write_report

from .arguments import finished_run


def report(options: Namespace) -> int:
    """Make a run's page again from its folder."""
    folder = finished_run(options.run)
    with folder.lock():
        print(write_report(folder))
    return 0
