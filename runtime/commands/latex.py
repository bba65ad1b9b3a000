"""`actionrun latex`."""

from __future__ import annotations

from argparse import Namespace

from actionrun.runtime.report.latex import standalone

from .run_arguments import finished_run


def latex(options: Namespace) -> int:
    """Print a run's equations as LaTeX."""
    folder = finished_run(options.run)
    if options.standalone:
        print(standalone(folder))
    else:
        print((folder / "equations.tex").read_text(encoding="utf-8"), end="")
    return 0
