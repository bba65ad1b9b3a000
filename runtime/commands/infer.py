"""`actionrun infer`."""

from __future__ import annotations

from argparse import Namespace

from actionrun.runtime import infer as inference
from actionrun.runtime.display import display
from actionrun.runtime.environment.signals import Signals

from .run_arguments import finished_run


def infer(options: Namespace) -> int:
    """Name new motions by a trained family network."""
    Signals()  # each part is kept when it is done
    table, place = inference.infer(
        finished_run(options.run), options.data, options.out, options.workers, options.cluster,
        display(quiet=False),
    )  # fmt: skip
    print(table)
    print(f"\n{place}")
    return 0
