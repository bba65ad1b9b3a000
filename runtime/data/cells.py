"""Cells of a data file: what is a number, a missing sample, a time stamp.

A number is what a measuring program writes: ASCII digits with a point (or, where the file has it
so, a comma), an exponent, a sign; `0.1_0` and digits of other scripts are none.
"""

from __future__ import annotations

import math
import re
from datetime import datetime

MISSING = frozenset(
    ("", "nan", "-", "--", "---", "na", "n/a", "#n/a", "#na", "#nv", "#nan", "null", "none",
     "missing", "#value!", "#wert!", "#div/0!", "1.#qnan", "-1.#ind", "?")
)  # fmt: skip
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
CLOCK = re.compile(r"(?:([0-9]{1,4}):)?([0-9]{1,2}):([0-9]{2}(?:[.,][0-9]+)?)", re.ASCII)
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ].*)?", re.ASCII)
INFINITE = frozenset(("inf", "+inf", "-inf", "infinity", "+infinity", "-infinity"))


def is_missing(text: str) -> bool:
    """Whether a cell says that there is no sample."""
    return text.strip().lower() in MISSING


def number_in(text: str, decimal: str) -> float | None:
    """The number of a cell; None for what is none. Words for infinity give an infinite number."""
    text = text.strip()
    if decimal == ",":
        if "." in text:
            return None
        text = text.replace(",", ".")
    if text[:1] == "\N{MINUS SIGN}":
        text = "-" + text[1:]
    if NUMBER.fullmatch(text):
        return float(text)
    return math.inf if text.lower() in INFINITE else None


def seconds_in(text: str) -> float | None:
    """The time of a stamp in seconds: ISO 8601 since 1970 (as if in UTC, where it names no zone),
    `HH:MM:SS.sss` or `MM:SS.sss` since midnight; None for what is neither."""
    text = text.strip()
    if clock := CLOCK.fullmatch(text):
        hours, minutes, seconds = clock.groups()
        return int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds.replace(",", "."))
    if not DATE.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text.replace(",", "."))
    except ValueError:
        return None
    epoch = datetime(1970, 1, 1, tzinfo=moment.tzinfo) if moment.utcoffset() is None else None
    return moment.timestamp() if epoch is None else (moment - epoch).total_seconds()


def kind_of_cell(text: str, decimal: str) -> str:
    """`number`, `missing` (with the empty cell), `time` or `text`."""
    if is_missing(text):
        return "missing"
    if number_in(text, decimal) is not None:
        return "number"
    return "time" if seconds_in(text) is not None else "text"
