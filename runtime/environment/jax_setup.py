"""Switches of JAX and XLA: set once in a process, before JAX is imported."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from actionrun.runtime.storage.versions import version_of

from .compile_cache import use

XLA_FLAGS = "--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold=10000000"
# XLA's YNNPACK fusions give wrong sums of products in single precision: of its parts only those
# for single products of matrices are used.
SUMS = "--xla_cpu_experimental_ynn_fusion_type"
SUMS_OF = ("0.10.", "0.11.")  # versions of jaxlib that know it; to others it is a fatal mistake
GARBAGE = 1_000_000  # new objects between two looks for garbage: more than a start makes
SET: list[bool] = []  # holds True where the switches were set before XLA started
READY: list[bool] = []  # holds True in a worker process whose switches are set


def set_switches(*, doubles: bool = True) -> None:
    """Settings that must be there before jax is imported. What the user has set is kept.

    XLA divides sums among its threads, so their number changes the last bits of a result. NPROC is
    what its thread pool asks for. One thread gives the same bits on any number of cores, and for
    programs of our size is no slower; cores are for several runs at a time.
    """
    environment = os.environ
    SET.append(True)
    if doubles:
        environment["JAX_ENABLE_X64"] = "true"
    environment.setdefault("NPROC", "1")
    environment.setdefault("OPENBLAS_NUM_THREADS", "1")  # of NumPy and of JAX's eigenvalues
    flags = environment.get("XLA_FLAGS", "")
    if XLA_FLAGS not in flags:
        environment["XLA_FLAGS"] = f"{flags} {XLA_FLAGS}".strip()
    if SUMS not in flags and version_of("jaxlib").startswith(SUMS_OF):
        environment["XLA_FLAGS"] += f" {SUMS}=individual_dot"
    use(environment)
    # Imports and tracing make objects by the hundred thousand and hardly any garbage: with Python's
    # own threshold its collector looks at all of them again and again, 0.2 s of a short run.
    gc.set_threshold(GARBAGE)


def set_switches_unless_imported(*, doubles: bool) -> None:
    """Set the switches, also where this process has imported jax and not used it yet: XLA reads
    them when it starts. After that they are the owner's (`foreign_setup`)."""
    if "jax" not in sys.modules:
        set_switches(doubles=doubles)
    elif not _is_started():
        set_switches(doubles=False)


def _is_started() -> bool:
    """Whether XLA has read its settings. Where jax does not say, it counts as started."""
    bridge = sys.modules.get("jax._src.xla_bridge")
    known = vars(bridge).get("backends_are_initialized") if bridge else None
    return known is None or bool(known())


def foreign_setup() -> str:
    """How XLA is set up in this process where it was at work before its switches could be set, and
    so computes with other last bits; "" where they are ours."""
    if "jax" not in sys.modules or SET or not _is_started():
        return ""
    same = os.environ.get("NPROC") == "1" and XLA_FLAGS in os.environ.get("XLA_FLAGS", "")
    return "" if same else "as the process that called actionrun had set it up"


@contextmanager
def double_precision() -> Iterator[None]:
    """Doubles in this block, whatever the process that called us has chosen for itself."""
    import jax  # at start-up: the switches must be set before it is imported

    with jax.enable_x64(True):
        yield


def forget_compiled() -> None:
    """Let go of all compiled programs: the next run has its own."""
    if jax := sys.modules.get("jax"):
        jax.clear_caches()
