"""One run, from a study to a finished folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from actionrun import spec
from actionrun.spec.kinds.registry import Study
from actionrun.spec.text.source import Faults

from .environment import is_output_allowed
from .environment.jax_setup import foreign_setup, forget_compiled, set_switches_unless_imported
from .environment.signals import Stop
from .errors import DATA, Busy, RunError
from .events import Failed, Finished, Listener, Noted, Opened
from .execution.build_job import build_job
from .execution.job import Job, Run
from .execution.run_files import begin_folder
from .storage.findings_file import read
from .storage.run_folder import Folder, check_owner, folder_for
from .sweep.points import PATIENCE, write_failure
from .workers.open_pool import open_pool
from .workers.pool import WorkerPool


def run(
    study: Study | Job,
    *,
    out: Path | str | None = None,
    fresh: bool = False,
    on_event: Listener = lambda event: None,
    stop: Stop = lambda: None,
    command: Sequence[str] = (),
    workers: int = 0,
    cluster: str | None = None,
    allow_output: Callable[[int], bool] = is_output_allowed,
) -> Run:
    """Run a study in its folder, go on with it, or read it where it is finished.

    `workers` processes of this machine, or those of the Dask scheduler at the address `cluster`,
    share the points of a sweep, the generations of a search or the saddle searches of a cluster;
    the result is the same. A long search for saddles takes the cores of this machine unasked.

    `allow_output` is asked, with the bytes, whether a run may write more than 100 GB; of the points
    of a sweep the environment variable ACTIONRUN_YES says it.

    Raises `actionrun.spec.Faults` for faults that only the compiler or the data show, and a
    RunError (Busy, Stopped, Diverged, CannotWrite, Refused), which knows its exit code.
    """
    job = study if isinstance(study, Job) else build_job(study)
    where = Path(out) if out is not None else None
    try:
        folder = folder_for(job.name, job.hash, out=where, fresh=fresh)
        with folder.lock():
            check_owner(folder, job.hash, job.resolved)
            on_event(Opened(job.title, job.kind, folder.path))
            if foreign := foreign_setup():
                on_event(Noted(f"XLA is set up {foreign}: last bits may differ from those of the "
                               "command line. Import jax after actionrun has run, or set NPROC=1 "
                               "and XLA_FLAGS as its provenance.json has them"))  # fmt: skip
            if folder.finished:
                result = folder.results()
                on_event(Finished(folder.path, result.get("seconds") or 0.0, again=True))
                return Run(folder.path, result, read(folder))
            with open_pool(workers, cluster, on_event) as pool:
                return _run(job, folder, on_event, stop, tuple(command), pool, allow_output)
    except BaseException as error:
        on_event(Failed(str(error), error.code if isinstance(error, RunError) else 1))
        raise


def _run(
    job: Job,
    folder: Folder,
    on_event: Listener,
    stop: Stop,
    command: tuple[str, ...],
    pool: WorkerPool | None,
    allow_output: Callable[[int], bool],
) -> Run:
    # At start-up: a finished run is read, and a folder in use refused, without jax and Matplotlib.
    if pool is None or not job.is_sweep:
        set_switches_unless_imported(doubles=False)
    if not job.is_sweep:
        from .execution.single_run import single_run  # at start-up: jax, after the switches

        return single_run(job, folder, on_event, stop, command, pool, allow_output)
    from .sweep.sweep import by_workers, one_by_one, run_sweep  # at start-up: Matplotlib

    parts = list(job.parts())  # their faults are told before the folder is a run's
    provenance = begin_folder(job, folder, command)
    run_parts = by_workers(pool) if pool else one_by_one(_run_point_here)
    return run_sweep(job, parts, folder, provenance, on_event, stop, run_parts)


def _run_point_here(place: Path, on_event: Listener, stop: Stop) -> None:
    run_point(place, on_event, stop)
    forget_compiled()


def run_point(
    place: Path, on_event: Listener = lambda event: None, stop: Stop = lambda: None
) -> None:
    """Run the study in a point's folder, or go on with it; a fault of it is kept there.

    Raises as `run`, but for faults of the study and numbers that diverge.
    """
    file = Folder(place).regular("resolved.toml")
    Folder(place).failure.unlink(missing_ok=True)
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            study = spec.load(file)
            run(study, out=place, on_event=on_event, stop=stop, command=("actionrun", str(file)))
            return
        except Busy:
            if time.monotonic() > deadline or stop() is not None:
                raise
            time.sleep(0.2)
        except Faults as faults:
            # The place in resolved.toml says little to who wrote the sweep; the key does.
            words = "; ".join(f"{fault.key}: {fault.message}" for fault in faults.faults)
            return write_failure(place, words)
        except RunError as error:
            if error.code != DATA:
                raise
            return write_failure(place, str(error))
