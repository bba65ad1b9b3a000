"""`actionrun run`. Whether the folder is in use is told before pydantic or numpy is imported."""

from __future__ import annotations

import os
import sys
from argparse import Namespace

from actionrun import runtime
from actionrun.runtime.display import display, summary
from actionrun.runtime.environment import YES, is_output_allowed
from actionrun.runtime.environment.jax_setup import set_switches
from actionrun.runtime.environment.limits import limit_memory, limit_minutes
from actionrun.runtime.environment.signals import Signals
from actionrun.runtime.errors import size
from actionrun.runtime.storage.run_folder import require_free
from actionrun.spec.text.source import UsageFault

from .arguments import study_of


def _ask(need: int) -> bool:
    """Whether a run may write that much: asked on a terminal, else as --yes said."""
    if is_output_allowed(need):
        return True
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    print(f"This run will write about {size(need)}. Go on? [y/N] ", end="", file=sys.stderr,
          flush=True)  # fmt: skip
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def run(options: Namespace) -> int:
    """Run a study, or go on with it."""
    stop = Signals()
    if options.limit_memory and not limit_memory(options.limit_memory):
        raise UsageFault("this system cannot limit the memory to that")
    if options.limit_minutes:
        limit_minutes(options.limit_minutes)
    require_free(options.study, options.out, sys.argv)
    if options.yes:
        os.environ[YES] = "1"  # also for the points of a sweep, here and in workers
    study = study_of(options)
    set_switches()
    finished = runtime.run(
        study,
        out=options.out,
        fresh=options.fresh,
        on_event=display(quiet=options.quiet),
        stop=stop,
        command=tuple(sys.argv),
        workers=options.workers,
        cluster=options.cluster,
        allow_output=_ask,
    )
    if not options.quiet:
        summary(finished)
    return 0
