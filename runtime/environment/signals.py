"""Signals as a polite question: has anybody asked this process to stop? Where nothing would be lost
by it, such as in algebra, in compiling and in evaluation, the answer is an end at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType

from actionrun.runtime.errors import INTERRUPTED, RETRY

Stop = Callable[[], int | None]  # the exit code with which we were asked to stop, or None
GRACE = 1.0  # seconds that the main thread has to answer, until it counts as busy in a library


@dataclass
class Progress:
    """Whether this process holds progress that is not on the disk yet."""

    unsaved: bool = False
    done: str = ""  # how far it came, in words, such as "2 of 4 points"


PROGRESS = Progress()


class Signals:
    """Ctrl-C and SIGTERM ask the run to stop when it has saved; Ctrl-C twice stops at once.

    Python answers a signal between two of its own instructions. XLA can compile for a minute, so a
    thread listens too: the kernel tells it of each signal by a byte in a pipe.
    """

    def __init__(self) -> None:
        self.code: int | None = None
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        threading.Thread(target=self._listen, args=(reader,), daemon=True).start()
        signal.signal(signal.SIGINT, self._answer)
        signal.signal(signal.SIGTERM, self._answer)

    def __call__(self) -> int | None:
        return self.code

    def _answer(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self.code == INTERRUPTED:
            _end(number, "")
        self.code = _code(number)
        if not PROGRESS.unsaved:
            _end(number, _stopped())
        word = "Ctrl-C again stops at once" if number == signal.SIGINT else "asked to stop"
        _say(f"saving ({word})")

    def _listen(self, reader: int) -> None:
        """End in place of the main thread where it is busy in a library and holds nothing."""
        while number := os.read(reader, 1):
            if number[0] not in (signal.SIGINT, signal.SIGTERM):
                continue
            time.sleep(GRACE)
            if self.code is None and not PROGRESS.unsaved:
                _end(number[0], _stopped())


def _stopped() -> str:
    far = f" with {PROGRESS.done} done" if PROGRESS.done else ""
    return f"stopped{far}; the same command goes on from what is saved"


def _code(number: int) -> int:
    return INTERRUPTED if number == signal.SIGINT else RETRY


def _say(text: str) -> None:
    with suppress(OSError):  # nobody listens
        os.write(2, f"\n{text}\n".encode())


def _end(number: int, text: str) -> None:
    """End this process now: its files are whole or absent at any moment, the kernel drops its lock,
    and its workers end with it."""
    if sys.stderr is not None and sys.stderr.isatty():
        os.write(2, b"\x1b[?25h")  # the live bar hides the cursor
    _say(f"actionrun: {text}" if text else "")
    os._exit(_code(number))
