"""Limits that a user sets to a run: wall time, and memory."""

from __future__ import annotations

import os
import re
import signal
import threading

MEMORY = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)\s*([KMGT])?i?B?", re.ASCII | re.I)
POWERS = {"K": 10, "M": 20, "G": 30, "T": 40}


def bytes_in(text: str) -> int:
    """The bytes of "4GB", "500 MB", a power of 1024 each; a number alone is of GB. Raises
    ValueError."""
    match = MEMORY.fullmatch(text.strip())
    if match is None or not float(match[1]):
        raise ValueError(text)
    return int(float(match[1]) * 2 ** POWERS[(match[2] or "G").upper()])


def limit_memory(most: int) -> bool:
    """Let this process, and each that it starts, hold at most so many bytes of its own: beyond them
    it is out of memory, which it says, and goes on from what is saved. False where the system has
    no such limit."""
    try:
        import resource  # at start-up: not on Windows
    except ImportError:
        return False
    try:
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    except (ValueError, OSError):  # above what an administrator allows: that holds then
        return False
    return True


def limit_minutes(most: float) -> None:
    """Ask this process to save and stop after so many minutes, as SIGTERM does."""
    timer = threading.Timer(60 * most, os.kill, (os.getpid(), signal.SIGTERM))
    timer.daemon = True
    timer.start()
