"""A worker process: it is asked for one task at a time and answers.

The tasks themselves are in `worker_main`, above everything that they run.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from socket import gethostname
from typing import Any

from actionrun.runtime.environment.jax_setup import READY, set_switches
from actionrun.runtime.errors import RETRY, Refused, RunError, is_out_of_memory
from actionrun.runtime.storage.provenance import stamp
from actionrun.spec.text.source import Faults

# The module that a worker runs. It is named and not imported: it imports all that a run needs, and
# so whoever starts workers.
MAIN = "actionrun.runtime.worker_main"
LOCK = threading.Lock()  # threads of one Dask worker would share jax and the random generators

# "done" and a value, "faults" and these, or "error" and (message, exit code, traceback)
Answer = tuple[str, Any]


def answer(task: Callable[..., Any], versions: Mapping[str, str], arguments: tuple) -> Answer:
    """Do one task. `versions` are those of who asks: other ones would give other bits."""
    try:
        with LOCK:
            _prepare(versions)
            return "done", task(*arguments)
    except Faults as faults:
        return "faults", faults.faults
    except RunError as error:
        return "error", (str(error), error.code, "")
    except Exception as error:
        if is_out_of_memory(error):
            return "error", ("a worker is out of memory. Use fewer workers", RETRY, "")
        return "error", (f"{type(error).__name__}: {error}", 1, traceback.format_exc())


def versions() -> dict[str, str]:
    """What processes must share for their results to be the same to the last bit."""
    mine = {name: value for name, value in stamp("").items() if name != "study"}
    # A worker sets its own switches, also where the process that asks has others.
    return mine | {"threads of XLA": os.environ.get("NPROC", "1")}


def _prepare(theirs: Mapping[str, str]) -> None:
    """Set the switches once, before jax is imported. Raises Refused for another version."""
    if not READY:
        if "jax" in sys.modules and "NPROC" not in os.environ:
            raise Refused("jax was set up in this worker by others; start workers for actionrun")
        set_switches()
        READY.append(True)
    ours = versions()
    changed = [name for name in ours if ours[name] != theirs.get(name)]
    if changed:
        list_ = ", ".join(f"{name} {ours[name]} there, {theirs.get(name)} here" for name in changed)
        raise Refused(f"the worker on {gethostname()} is not the same as this process: {list_}")


def serve(descriptor: int, work: Callable[..., Answer]) -> None:
    """Take tasks from a pipe until it closes; end at once when the process that started us has
    ended, whatever we are doing."""
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
