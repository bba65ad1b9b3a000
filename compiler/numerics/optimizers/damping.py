"""Levenberg-Marquardt damping: how the damping of one step follows from that of the last.

Marquardt's rule (SIAM J. Appl. Math. 11, 431, 1963): less after a step that lowered the cost, more
after one that did not; with thresholds of the gain ratio it is Levenberg's rule as a trust region
has it (Nielsen, IMM-REP-1999-05, Technical University of Denmark).
"""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


@dataclass(frozen=True)
class DampingSchedule:
    """The constants of one rule.

    `start`: before the first step. `lower`: what a good step makes of it, a factor below 1 or a
    divisor above 1 (0.1*d and d/10 round differently), but not below `floor`. `higher`: the factor
    of a failed step, to at least `failed`. Below `cutoff` it is zero. With `gain` = (poor, good) it
    is lowered only where the cost fell by more than `good` of what the linear model promised, and
    multiplied by `poor_higher` where by less than `poor`.
    """

    start: float
    floor: float
    failed: float
    lower: float = 0.1
    higher: float = 8
    cutoff: float = 0.0
    gain: tuple[float, float] | None = None
    poor_higher: float = 4

    def next(
        self,
        damping: Float[Array, "*batch"],
        better: Bool[Array, "*batch"],
        ratio: Float[Array, "*batch"] | None = None,
    ) -> Float[Array, "*batch"]:
        """The damping after a step: whether it lowered the cost, and by how much of what was
        promised (needed with `gain`)."""
        eased = damping * self.lower if self.lower < 1 else damping / self.lower
        if self.gain is not None and ratio is not None:
            poor, good = self.gain
            kept = damping * jnp.where(ratio < poor, self.poor_higher, 1)
            eased = jnp.where(ratio > good, eased, kept)
        if self.floor:
            eased = jnp.maximum(eased, self.floor)
        damping = jnp.where(better, eased, jnp.maximum(damping * self.higher, self.failed))
        return jnp.where(damping < self.cutoff, 0.0, damping) if self.cutoff else damping
