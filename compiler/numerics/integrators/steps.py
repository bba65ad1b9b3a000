"""What goes into a step of an integrator, and what comes out of it."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax

from .mechanics import Parameters


class Step(NamedTuple):
    """Result of a step: the new state, iterations taken, last relative change.

    `seed` is what the next step is guessed from: the nodal velocities, or the nodal forces of a
    `GGL` in force form; as the mechanics folds them, (n, r + 2, *batch) of named coordinates.
    """

    q: jax.Array
    p: jax.Array
    dq: jax.Array  # q' - q before rounding into q
    dp: jax.Array
    seed: jax.Array
    iterations: jax.Array
    change: jax.Array
    low: tuple[jax.Array, jax.Array] | None = None  # the part of dq, dp below their last digit


class StepInput(NamedTuple):
    """What a step begins from: the state q, p with the parts `low` of it that did not fit, time,
    length, parameters, preconditioner, and a seed (see `Step`)."""

    q: jax.Array
    p: jax.Array
    t: Any
    h: jax.Array
    theta: Parameters
    minv: jax.Array
    seed: jax.Array
    low: tuple[jax.Array, jax.Array] | None
