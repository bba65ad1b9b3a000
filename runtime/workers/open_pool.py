"""Opening a worker pool, and what its workers do for a program."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

import numpy as np
from actionrun.compiler.program import Parts, Program
from actionrun.runtime.environment.jax_setup import READY
from actionrun.runtime.errors import Refused
from actionrun.runtime.events import Listener, Noted
from actionrun.runtime.storage.run_folder import Folder

from . import MOST_WORKERS
from .pool import ProcessPool, WorkerPool, in_order

Scorer = Callable[[np.ndarray], np.ndarray]


@runtime_checkable
class Bred(Protocol):
    """A search that the runtime breeds; `evaluate` scores whole generations in its place."""

    evaluate: Scorer | None


@contextmanager
def open_pool(workers: int, cluster: str | None, on_event: Listener) -> Iterator[WorkerPool | None]:
    """The workers that were asked for, None for this process alone."""
    if not 0 <= workers <= MOST_WORKERS:
        raise Refused(f"--workers {workers}: write a number from 1 to {MOST_WORKERS}")
    if cluster is not None:
        try:
            from .dask_pool import DaskPool  # at start-up: a second, of an extra that may be absent
        except ImportError:
            hint = "pip install 'actionrun[cluster]'"
            raise Refused(f"--cluster needs dask.distributed: {hint}") from None
        with DaskPool(cluster, on_event) as pool:
            yield pool
    elif workers:
        with ProcessPool(workers) as pool:
            yield pool
    else:
        yield None


def unasked_processes(program: Program) -> int:
    """Processes of this machine for a program that has parts to share, where nobody asked for
    workers: as many as there are cores. A worker starts none of its own."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    sharing = program.sharing
    return 1 if READY or sharing is None else min(cores or 1, sharing.shares)


def share(program: Program, pool: WorkerPool, folder: Folder, on_event: Listener) -> None:
    """Let the workers score the generations of a search, or do the parts of a program's steps."""
    if isinstance(program, Bred):
        program.evaluate = _scorer(pool, folder)
    elif program.sharing is not None:
        program.sharing.shared(_sharer(pool, folder))
    else:
        on_event(Noted("one run of this kind has nothing to share: the workers stay idle"))


def _scorer(pool: WorkerPool, folder: Folder) -> Scorer:
    """Scores of genomes by the workers: rows in the order of the genomes."""
    place = str(folder.path.resolve())

    def evaluate(genomes: np.ndarray) -> np.ndarray:
        blocks = np.array_split(genomes, min(pool.size, len(genomes)))
        return np.concatenate(in_order(pool, "scores", [(place, block) for block in blocks]))

    return evaluate


def _sharer(pool: WorkerPool, folder: Folder) -> Callable[[Parts], list[Any]]:
    """The parts of a step by the workers, in their order."""
    place = str(folder.path.resolve())
    return lambda parts: in_order(pool, "part", [(place, *part) for part in parts])
