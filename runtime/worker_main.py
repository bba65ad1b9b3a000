"""The tasks of a worker, by their names, in a process of ours or of a Dask cluster.

    python -m actionrun.runtime.worker_main DESCRIPTOR

is a process of `--workers`, which takes tasks from that pipe.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from actionrun import spec
from actionrun.compiler import compile
from actionrun.runtime.data.observations import observations
from actionrun.runtime.environment.jax_setup import double_precision
from actionrun.runtime.runner import run_point
from actionrun.runtime.storage.run_folder import Folder
from actionrun.runtime.sweep.points import asked_to_stop
from actionrun.runtime.workers.worker import Answer, answer, serve

PROGRAMS: dict[str, Any] = {}  # of the last folder
NETWORKS: dict[str, Any] = {}


def point(place: str) -> None:
    """Run one point of a sweep; what came of it is in its folder."""
    run_point(Path(place), stop=lambda: asked_to_stop(Path(place)))


def scores(folder: str, genomes: np.ndarray) -> np.ndarray:
    """Scores (n, objectives) of genomes (n, genes) of the search in a run folder."""
    with double_precision():
        return np.asarray(_program(folder).scores(genomes))


def part(folder: str, name: str, arguments: tuple[Any, ...]) -> Any:
    """A part of a step of the program in a run folder (`program.Shared`)."""
    with double_precision():
        return _program(folder).sharing.part(name, arguments)


def infer(folder: str, motions: Mapping[str, np.ndarray]) -> Any:
    """What the network of a finished run says of some motions."""
    # at start-up: it needs jax, which comes after the switches
    from actionrun.runtime.trained_network import TrainedNetwork

    if folder not in NETWORKS:
        NETWORKS.clear()
        NETWORKS[folder] = TrainedNetwork(Path(folder))
    return NETWORKS[folder].infer(motions)


def _program(folder: str) -> Any:
    """The program or search of a run folder, compiled once."""
    if folder not in PROGRAMS:
        file = Path(folder) / "resolved.toml"
        study = spec.load(Folder(Path(folder)).regular(file.name) if file.exists() else file)
        PROGRAMS.clear()
        PROGRAMS[folder] = compile(study, observations(study))
    return PROGRAMS[folder]


TASKS: Mapping[str, Callable[..., Any]] = {
    "point": point, "scores": scores, "part": part, "infer": infer,
}  # fmt: skip


def work(name: str, versions: Mapping[str, str], *arguments: Any) -> Answer:
    """Do the task of this name."""
    return answer(TASKS[name], versions, arguments)


if __name__ == "__main__":
    serve(int(sys.argv[1]), work)
