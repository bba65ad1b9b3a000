"""Orders r at which a law is put to the test: those of every run, and those of the slow one."""

from __future__ import annotations

from typing import Any

import pytest


def orders(*quick: int, slow: tuple[int, ...]) -> list[Any]:
    """Values of a parametrized r: `slow` ones are marked so."""
    return [*quick, *(pytest.param(r, marks=pytest.mark.slow) for r in slow)]
