"""The symbolic stage of `check --deep` in a child process of bounded CPU time and memory.

A stranger's formula can make algebra take hours and gigabytes: then the child ends, not we.
"""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from actionrun import compiler, spec
from actionrun.spec.text.source import Fault, Faults

from .environment.jax_setup import set_switches
from .environment.limits import limit_memory

SECONDS = 60  # of CPU time: how busy the machine is does not change the answer
WALL = 20  # times as long by the clock, for a child that waits
MEGABYTES = 2048
OUT_OF_MEMORY = 77  # the child's exit code


def deep_faults(
    path: Path, *, overrides: Sequence[str] = (), seed: int | None = None,
    data: Path | None = None, seconds: float = SECONDS, megabytes: int = MEGABYTES,
) -> list[Fault]:  # fmt: skip
    """The faults and notes of a study's symbolic stage. The study has passed `spec.check`."""
    asked = {
        "path": str(path), "overrides": [*overrides], "seed": seed,
        "data": None if data is None else str(data), "seconds": seconds, "megabytes": megabytes,
    }  # fmt: skip
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "JAX_PLATFORMS": "cpu"}
    child = subprocess.Popen(
        [sys.executable, "-m", "actionrun.runtime.check_subprocess"], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
        env=environment, start_new_session=True,
    )  # fmt: skip
    try:
        out, err = child.communicate(json.dumps(asked), timeout=WALL * seconds)
    except subprocess.TimeoutExpired:
        return [_beyond(path, "deep.time", f"did not end within {WALL * seconds:g} s")]
    finally:
        _end(child)
    if child.returncode == -signal.SIGXCPU:
        return [_beyond(path, "deep.time", f"did not end within {seconds:g} s of CPU time")]
    try:
        answer: dict[str, Any] = json.loads(out)
    except ValueError:
        answer = {"trouble": err.strip().splitlines()[-1:] or [f"exit {child.returncode}"]}
    if "faults" in answer:
        return [Fault(**fault) for fault in answer["faults"]]
    if answer.get("memory") or child.returncode in (OUT_OF_MEMORY, -signal.SIGKILL):
        return [_beyond(path, "deep.memory", f"needs more than {megabytes} MB of memory")]
    raise RuntimeError(f"the child of check --deep: {answer.get('trouble')}")


def _end(child: subprocess.Popen[str]) -> None:
    """Leave no process behind, nor one that the child has started."""
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()


def _beyond(path: Path, code: str, message: str) -> Fault:
    return Fault(
        code, f"the algebra of this study {message}", str(path),
        hint="multiply powers of long sums out by hand, or make the formulas shorter",
    )  # fmt: skip


def _answer(asked: dict[str, Any]) -> dict[str, Any]:
    try:
        data = None if asked["data"] is None else Path(asked["data"])
        study = spec.load(
            asked["path"], overrides=asked["overrides"], seed=asked["seed"], data=data
        )
        return {"faults": [fault.as_dict() for fault in compiler.symbolic_check(study)]}
    except Faults as faults:
        return {"faults": [fault.as_dict() for fault in faults.faults]}
    except MemoryError:
        return {"memory": True}
    except RecursionError:
        return {"memory": True}
    except Exception as error:
        return {"trouble": f"{type(error).__name__}: {error}"}


def _watch(size: int) -> None:
    """Ends this process when it holds more than `size` bytes. A MemoryError would come too, but
    libraries catch it and go on for minutes without memory."""
    held, page = Path("/proc/self/statm"), os.sysconf("SC_PAGE_SIZE")
    while held.exists():  # on Linux; elsewhere the limit on data must do
        time.sleep(0.05)
        if int(held.read_text().split()[1]) * page > size:
            os._exit(OUT_OF_MEMORY)


def main() -> None:
    """The child: one question on standard input, one answer on standard output."""
    asked = json.load(sys.stdin)
    seconds = math.ceil(asked["seconds"])
    size = asked["megabytes"] * 2**20
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 2))
    limit_memory(2 * size)  # should no thread get its turn
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    threading.Thread(target=_watch, args=(size,), daemon=True).start()
    set_switches()
    answer = _answer(asked)
    print(json.dumps(answer), flush=True)
    os._exit(0)  # tearing down gigabytes of expressions takes as long as making them


if __name__ == "__main__":
    main()
