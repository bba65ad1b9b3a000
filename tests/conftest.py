"""Global switches, set before any test imports JAX: the same as the command line's."""

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from actionrun.runtime.environment.jax_setup import set_switches
from hypothesis import settings

set_switches()

# No deadlines: the first example of a test pays for compiling. Derandomised: the same every time.
settings.register_profile("actionrun", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("actionrun")

ROOM = 2 * 2**30  # bytes of compiled programs that a process may gather before it lets go of them
_kept = [2**30]


def _resident() -> int:
    """Bytes; 0 where the system does not say."""
    table = Path("/proc/self/statm")
    return int(table.read_text().split()[1]) * 4096 if table.exists() else 0


@pytest.fixture(autouse=True)
def _memory() -> Iterator[None]:
    """Each test compiles its own programs, and JAX keeps all of them: with thousands of tests in a
    process that is more than a laptop has."""
    yield
    if _resident() > _kept[0] + ROOM and "jax" in sys.modules:
        sys.modules["jax"].clear_caches()
        gc.collect()
        _kept[0] = _resident()
