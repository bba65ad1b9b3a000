"""Driving: constants of a law that files give, by trial and by piece of time.

An input is a polynomial on each piece between its samples, told by its derivatives at the begin of
the piece and that begin; a number by trial is the same on all pieces.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

ORDERS = 4  # derivatives of a piece, from the value on

Between = Literal["hold", "linear", "cubic"]


class Driving(NamedTuple):
    """Of each trial the begins of its pieces (pieces,), and the constants on them (m, pieces)."""

    begins: tuple[np.ndarray, ...]
    constants: tuple[np.ndarray, ...]

    def at(
        self, times: Float[np.ndarray, "rows columns"]
    ) -> Float[np.ndarray, "constants rows columns"]:
        """Constants at times of trials; columns beyond these are their segments, one after the
        other."""
        trials = len(self.begins)
        return np.stack(
            [self.of_trial(k % trials, times[:, k]) for k in range(times.shape[1])], axis=2
        )

    def of_trial(
        self, trial: int, times: Float[np.ndarray, " rows"]
    ) -> Float[np.ndarray, "constants rows"]:
        """Constants of one trial at times."""
        begins = self.begins[trial]
        piece = np.clip(np.searchsorted(begins, times, side="right") - 1, 0, len(begins) - 1)
        return self.constants[trial][:, piece]


def piecewise(
    t: Float[np.ndarray, " samples"], u: Float[np.ndarray, " samples"], between: Between
) -> tuple[np.ndarray, np.ndarray]:
    """Begins of pieces (pieces,), and the derivatives of u there, value first, (4, pieces).

    `hold`: u keeps each sample until the next; `linear` joins them; `cubic` is a spline without a
    kink at the second and the last but one (of two or three samples a polynomial).
    """
    if between == "hold" or len(t) < 2:
        return t, np.stack([u, *np.zeros((ORDERS - 1, len(t)))])
    if between == "linear":
        slopes = np.diff(u) / np.diff(t)
        return t[:-1], np.stack([u[:-1], slopes, *np.zeros((ORDERS - 2, len(slopes)))])
    from scipy.interpolate import CubicSpline  # at start-up: half a second of CPU for every ggl run

    spline = CubicSpline(t, u)
    return t[:-1], np.stack([spline(t[:-1], order) for order in range(ORDERS)])
