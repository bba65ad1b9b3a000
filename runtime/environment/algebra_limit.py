"""A limit of CPU time for the algebra of a run: a stranger's formula can make it take hours."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from actionrun.runtime.errors import AlgebraTooLong

SECONDS = 600.0
VARIABLE = "ACTIONRUN_ALGEBRA_SECONDS"  # of the environment: another limit


class _SpentError(BaseException):
    """No Exception: algebra catches these and goes on."""


@contextmanager
def limited_algebra() -> Iterator[None]:
    """Raises AlgebraTooLong where the block takes more CPU time than that, from the main thread:
    signals come to no other."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seconds = _seconds()

    def answer(number: int, frame: object) -> None:
        raise _SpentError

    before = signal.signal(signal.SIGPROF, answer)
    signal.setitimer(signal.ITIMER_PROF, seconds, 1.0)  # again: it may be lost in a destructor
    try:
        yield
    except _SpentError:
        raise AlgebraTooLong(
            f"the algebra of this study did not end within {seconds:g} s of CPU time: multiply "
            "powers of long sums out by hand, or make the formulas shorter. To allow more, set "
            f"{VARIABLE}={2 * seconds:g} in the environment"
        ) from None
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _seconds() -> float:
    try:
        seconds = float(os.environ.get(VARIABLE, SECONDS))
    except ValueError:
        return SECONDS
    return seconds if 0 < seconds < float("inf") else SECONDS
