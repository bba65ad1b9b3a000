"""`actionrun latex`."""

from __future__ import annotations

from argparse import Namespace

from actionrun.runtime.report.latex import equations, standalone
from actionrun.spec.text.source import shown

from .run_arguments import finished_run


def latex(options: Namespace) -> int:
    """Print a run's equations as LaTeX."""
    folder = finished_run(options.run)
    text = f"{standalone(folder)}\n" if options.standalone else equations(folder)
    print(shown(text), end="")
    return 0
