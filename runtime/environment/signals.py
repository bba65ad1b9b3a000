"""Signals as a polite question: has anybody asked this process to stop?"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

from actionrun.runtime.errors import INTERRUPTED, RETRY

Stop = Callable[[], int | None]  # the exit code with which we were asked to stop, or None


class Signals:
    """Ctrl-C and SIGTERM ask the run to stop when it has saved; Ctrl-C twice stops at once."""

    def __init__(self) -> None:
        self.code: int | None = None
        signal.signal(signal.SIGINT, self._heard)
        signal.signal(signal.SIGTERM, self._heard)

    def __call__(self) -> int | None:
        return self.code

    def _heard(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self.code == INTERRUPTED:
            if sys.stderr.isatty():
                os.write(2, b"\x1b[?25h\n")  # the live bar hides the cursor
            os._exit(INTERRUPTED)  # files are whole or absent at any moment
        self.code = INTERRUPTED if number == signal.SIGINT else RETRY
        word = "Ctrl-C again stops at once" if number == signal.SIGINT else "asked to stop"
        os.write(2, f"\nsaving ({word})\n".encode())
