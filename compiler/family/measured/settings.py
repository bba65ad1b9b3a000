"""How a measured motion is fitted, resolved from its study once: what solver and report read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np


@dataclass(frozen=True)
class FitSettings:
    """`noise`: declared standard deviations by channel (observable, component), absolute, and
    `relative_noise`, those over the size of every channel; `start`: q and v (2 n, trials) of those
    that the study gives, NaN elsewhere; `start_prior`: means and deviations of those that it knows
    with an error, infinite elsewhere; `from_rest`: whether speeds at the starts are taken to be 0,
    since the samples are too few to tell them; `prior`: those of the coefficients (k,); `labels`
    and `units` of channels and of names."""

    seed: int
    dt: float
    iterations: int
    tolerance: float
    sparse: bool
    loss: Literal["gauss", "student"]
    correlation: Literal["auto", "none", "ar1"]
    relative_noise: float | None
    noise: Mapping[tuple[str, int], float]
    start: np.ndarray | None
    start_prior: tuple[np.ndarray, np.ndarray] | None
    from_rest: bool
    prior: tuple[np.ndarray, np.ndarray]
    labels: Mapping[tuple[str, int], tuple[str, str]]
    units: Mapping[str, str] = field(default_factory=dict)

    def unit(self, name: str) -> str:
        return self.units.get(name, "")
