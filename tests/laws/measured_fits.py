"""Fits of measured motions, as several tests make them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from actionrun.compiler.family.build import build
from actionrun.compiler.family.fit import Fitting
from actionrun.compiler.program import Reported
from actionrun.spec import loads


def solver(text: str, observations: Mapping[str, np.ndarray]) -> Fitting:
    """The solver of a study with [data] and no network."""
    program = build(loads(text), observations)
    assert isinstance(program, Reported) and isinstance(program.solver, Fitting)
    return program.solver
