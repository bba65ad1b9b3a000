"""What a worker does, in a process of ours or of a Dask cluster: one task at a time, by its name.

    python -m actionrun.runtime.workers.worker DESCRIPTOR

is a process of `--workers`: it takes tasks from a pipe until the pipe closes, and ends at once when
the process that started it has ended, whatever it is doing.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from actionrun.runtime.errors import RETRY, Refused, RunError
from actionrun.spec.text.source import Faults

LOCK = threading.Lock()  # threads of one Dask worker would share jax and the random generators
READY: list[bool] = []
PROGRAMS: dict[str, Any] = {}  # of the last folder
NETWORKS: dict[str, Any] = {}


def point(place: str) -> None:
    """Run one point of a sweep; what came of it is in its folder."""
    from actionrun.runtime.sweep.points import asked_to_stop, run_point

    run_point(Path(place), stop=lambda: asked_to_stop(Path(place)))


def scores(folder: str, genomes: np.ndarray) -> np.ndarray:
    """Scores (n, objectives) of genomes (n, genes) of the search in a run folder."""
    import jax

    with jax.enable_x64(True):
        return np.asarray(_program(folder).scores(genomes))


def part(folder: str, name: str, arguments: tuple[Any, ...]) -> Any:
    """A part of a step of the program in a run folder (`program.Shared`)."""
    import jax

    with jax.enable_x64(True):
        return _program(folder).sharing.part(name, arguments)


def infer(folder: str, observations: Mapping[str, np.ndarray]) -> Any:
    """What the network of a finished run says of some motions."""
    from actionrun.runtime.infer import Network

    if folder not in NETWORKS:
        NETWORKS.clear()
        NETWORKS[folder] = Network(Path(folder))
    return NETWORKS[folder].told(observations)


def _program(folder: str) -> Any:
    """The program or search of a run folder, compiled once."""
    import jax

    if folder not in PROGRAMS:
        from actionrun.compiler import compile
        from actionrun.runtime.data.observations import observations
        from actionrun.spec import load

        study = load(Path(folder) / "resolved.toml")
        PROGRAMS.clear()
        with jax.enable_x64(True):
            PROGRAMS[folder] = compile(study, observations(study))
    return PROGRAMS[folder]


WORK: Mapping[str, Callable[..., Any]] = {
    "point": point, "scores": scores, "part": part, "infer": infer,
}  # fmt: skip
# "done" and a value, "faults" and these, or "error" and (message, exit code, traceback)
Answer = tuple[str, Any]


def work(name: str, versions: Mapping[str, str], *arguments: Any) -> Answer:
    """Do one task. `versions` are those of who asks: other ones would give other bits."""
    try:
        with LOCK:
            _prepare(versions)
            return "done", WORK[name](*arguments)
    except Faults as faults:
        return "faults", faults.faults
    except RunError as error:
        return "error", (str(error), error.code, "")
    except MemoryError:
        return "error", ("a worker is out of memory. Use fewer workers", RETRY, "")
    except Exception as error:
        return "error", (f"{type(error).__name__}: {error}", 1, traceback.format_exc())


def versions() -> dict[str, str]:
    """What processes must share for their results to be the same to the last bit."""
    from actionrun.runtime.storage.provenance import stamp

    return {name: value for name, value in stamp("").items() if name != "study"}


def _prepare(theirs: Mapping[str, str]) -> None:
    """Set the switches once, before jax is imported. Raises Refused for another version."""
    if not READY:
        from actionrun.runtime.cli import set_switches

        if "jax" in sys.modules and "NPROC" not in os.environ:
            raise Refused("jax was set up in this worker by others; start workers for actionrun")
        set_switches()
        READY.append(True)
    ours = versions()
    changed = [name for name in ours if ours[name] != theirs.get(name)]
    if changed:
        from socket import gethostname

        told = ", ".join(f"{name} {ours[name]} there, {theirs.get(name)} here" for name in changed)
        raise Refused(f"the worker on {gethostname()} is not the same as this process: {told}")


def main(descriptor: int) -> None:
    from multiprocessing.connection import Connection

    threading.Thread(target=_end_with_parent, daemon=True).start()
    pipe = Connection(descriptor)
    while True:
        try:
            task = pipe.recv()
        except EOFError:
            return
        pipe.send(work(*task))


def _end_with_parent() -> None:
    """Nothing is ever written to our standard input: it ends when the parent does."""
    while os.read(0, 1):
        pass
    os._exit(RETRY)


if __name__ == "__main__":
    main(int(sys.argv[1]))
