"""Faults on the screen."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TextIO

from actionrun.spec.text.source import Fault


def print_faults(faults: Iterable[Fault], stream: TextIO) -> None:
    """Faults as text, in colour on a terminal alone (and never with NO_COLOR)."""
    color = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    listed = list(faults)
    print("\n\n".join(fault.render(color) for fault in listed), file=stream)
    count = sum(fault.severity == "error" for fault in listed)
    if count:
        print(f"\n{count} fault{'s' if count > 1 else ''}", file=stream)
