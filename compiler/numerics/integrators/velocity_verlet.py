"""Reference motions: velocity Verlet with short steps, as the papers' data were made.

Where a force depends on the velocity, the second half-kick is implicit, solved by iteration, so the
step stays symmetric and of second order.
"""

from __future__ import annotations

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp

PASSES = 8  # of the implicit half-kick: its contraction is the damping in one short step

Acceleration = Callable[[jax.Array, jax.Array], jax.Array]


class Reference(eqx.Module):
    """Motions under `acceleration`: q, v (n, *batch) to (n, *batch)."""

    acceleration: Acceleration
    damped: bool = eqx.field(static=True)

    def step(self, q: jax.Array, v: jax.Array, h: jax.Array) -> tuple[jax.Array, jax.Array]:
        """One step of velocity Verlet of size h."""
        half = v + h / 2 * self.acceleration(q, v)
        q = q + h * half
        v = half + h / 2 * self.acceleration(q, half)
        for _ in range(PASSES if self.damped else 0):
            v = half + h / 2 * self.acceleration(q, v)
        return q, v

    @eqx.filter_jit
    def motion(
        self, q: jax.Array, v: jax.Array, dt: jax.Array, substeps: jax.Array, points: int
    ) -> tuple[jax.Array, jax.Array]:
        """States dt apart, the start first: (points + 1, n, *batch) of positions and velocities."""
        h = dt / substeps

        def kept(state, _):
            state = jax.lax.fori_loop(0, substeps, lambda _, s: self.step(s[0], s[1], h), state)
            return state, state

        _, (qs, vs) = jax.lax.scan(kept, (q, v), length=points)
        return jnp.concatenate([q[None], qs]), jnp.concatenate([v[None], vs])
