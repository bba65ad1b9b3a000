"""Some rows of many, for what need not see them all."""

from __future__ import annotations

import numpy as np


def evenly_apart(count: int, most: int) -> np.ndarray:
    """The places (chosen,) of at most that many of `count` rows: the first ones are not like the
    others where a file is sorted."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(int)
