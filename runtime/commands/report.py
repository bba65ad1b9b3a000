"""`actionrun report`."""

from __future__ import annotations

import sys
from argparse import Namespace

from actionrun.runtime.errors import Refused
from actionrun.runtime.report.page import write_report
from actionrun.runtime.report.paper import write_paper
from actionrun.runtime.storage.provenance import other_version
from actionrun.spec.text.source import shown

from .run_arguments import finished_run


def report(options: Namespace) -> int:
    """Make a run's page again from its folder, and with --paper a folder for a paper."""
    folder = finished_run(options.run)
    if note := other_version(folder.origin()):
        print(f"note: {shown(note)}", file=sys.stderr)
    with folder.lock():
        try:
            paths = [write_report(folder), *(write_paper(folder) if options.paper else ())]
        except (ValueError, ArithmeticError, LookupError) as error:
            # Numbers that pass for a figure and that Matplotlib cannot draw: none of ours.
            raise Refused(
                f"{folder.findings} is missing or damaged (a figure cannot be drawn: "
                f"{type(error).__name__}). Run the study again with --fresh"
            ) from error
    for path in paths:
        print(path)
    return 0
