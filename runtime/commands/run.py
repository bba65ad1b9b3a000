"""`actionrun run`. Whether the folder is in use is told before pydantic or numpy is imported."""

from __future__ import annotations

import sys
from argparse import Namespace

from actionrun import runtime
from actionrun.runtime.display import display, summary
from actionrun.runtime.environment.jax_setup import set_switches
from actionrun.runtime.environment.signals import Signals
from actionrun.runtime.storage.run_folder import require_free

from .arguments import study_of


def run(options: Namespace) -> int:
    """Run a study, or go on with it."""
    require_free(options.study, options.out, sys.argv)
    study = study_of(options)
    set_switches()
    finished = runtime.run(
        study,
        out=options.out,
        fresh=options.fresh,
        on_event=display(quiet=options.quiet),
        stop=Signals(),
        command=tuple(sys.argv),
        workers=options.workers,
        cluster=options.cluster,
    )
    if not options.quiet:
        summary(finished)
    return 0
