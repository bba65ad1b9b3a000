"""One run of one program, in this process: march, evaluate, write."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import jax
from actionrun.runtime.environment.algebra_limit import limited_algebra
from actionrun.runtime.environment.jax_setup import double_precision
from actionrun.runtime.environment.signals import Stop
from actionrun.runtime.events import Finished, Listener, Started, broadcast
from actionrun.runtime.storage.checkpoint import Checkpoints
from actionrun.runtime.storage.progress_log import Log
from actionrun.runtime.storage.provenance import stamp
from actionrun.runtime.storage.run_folder import Folder
from actionrun.runtime.workers.open_pool import share, unasked_processes
from actionrun.runtime.workers.pool import ProcessPool, WorkerPool

from .job import Job, Run
from .march import ProgramRunner
from .results import write_results
from .run_files import begin_folder

DERIVING = "derive the equations"


def single_run(
    job: Job,
    folder: Folder,
    on_event: Listener,
    stop: Stop,
    command: tuple[str, ...],
    pool: WorkerPool | None,
    allow_output: Callable[[int], bool],
) -> Run:
    """Run a job in its folder, which is ours, or go on with it. Raises as `runner.run`."""
    with double_precision(), ExitStack() as stack:
        on_event(Started(DERIVING, 0))
        with limited_algebra():
            program = job.program()
        provenance = begin_folder(job, folder, command)
        if pool is None and (processes := unasked_processes(program)) > 1:
            pool = stack.enter_context(ProcessPool(processes))
        if pool:
            share(program, pool, folder, on_event)
        listener = broadcast(on_event, Log(folder.metrics))
        mark = stamp(job.study_hash) | {"device": device()}
        march = ProgramRunner(
            program, Checkpoints(folder.checkpoint, mark, listener), listener, stop,
            allow_output=allow_output,
        )  # fmt: skip
        findings = march.findings()
        with limited_algebra():
            sections = job.explained()
    result = write_results(
        job, folder, provenance, findings, sections, program.stage, march.timing, on_event, device()
    )
    on_event(Finished(folder.path, march.timing.seconds))
    return Run(folder.path, result, findings)


def device() -> str:
    """What this process computes on, such as "cpu (cpu)" or "2 of gpu (NVIDIA H200)"."""
    devices: list[Any] = jax.devices()
    count = f"{len(devices)} of " if len(devices) > 1 else ""
    return f"{count}{devices[0].platform} ({devices[0].device_kind})"
