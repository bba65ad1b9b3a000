"""Text that neither a browser nor a terminal obeys."""

from __future__ import annotations

import re

# What a browser or a terminal would obey rather than show: control characters, and marks that turn
# the direction of the text around them, so that it reads otherwise than it is.
OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def inert(text: str) -> str:
    """A page or a drawing in which such characters stand as their codes, such as \\x1b."""
    plain = text.replace("\r\n", "\n")
    return OBEYED.sub(lambda mark: mark.group().encode("unicode_escape").decode("ascii"), plain)
