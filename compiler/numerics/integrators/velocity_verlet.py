"""Velocity Verlet (Swope et al., J. Chem. Phys. 76, 637, 1982).

Where a force depends on the velocity, the second half-kick is implicit, solved by iteration, so the
step stays symmetric and of second order.
"""

from __future__ import annotations

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

ITERATIONS = 8  # of the implicit half-kick: its contraction is the damping in one short step

Acceleration = Callable[[jax.Array, jax.Array], jax.Array]


def kick_drift(
    q: Float[Array, "*shape"], v: Float[Array, "*shape"], kick: Float[Array, "*shape"], h: jax.Array
) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    """The first half of a step of size h: q' and the velocities in the middle of the step, of
    kick = h a / 2 at its start. Another such kick at q' makes them those of its end."""
    half = v + kick
    return q + h * half, half


class VelocityVerlet(eqx.Module):
    """Motions under `acceleration`: q, v (n, *batch) to (n, *batch)."""

    acceleration: Acceleration
    damped: bool = eqx.field(static=True)

    def step(
        self, q: Float[Array, "n *batch"], v: Float[Array, "n *batch"], h: jax.Array
    ) -> tuple[Float[Array, "n *batch"], Float[Array, "n *batch"]]:
        """One step of size h."""
        q, half = kick_drift(q, v, h / 2 * self.acceleration(q, v), h)
        v = half + h / 2 * self.acceleration(q, half)
        for _ in range(ITERATIONS if self.damped else 0):
            v = half + h / 2 * self.acceleration(q, v)
        return q, v

    @eqx.filter_jit
    def motion(
        self,
        q: Float[Array, "n *batch"],
        v: Float[Array, "n *batch"],
        dt: jax.Array,
        substeps: jax.Array,
        points: int,
    ) -> tuple[Float[Array, "times n *batch"], Float[Array, "times n *batch"]]:
        """States dt apart, the start first: (points + 1, n, *batch) of positions and velocities."""
        h = dt / substeps

        def kept(state, _):
            state = jax.lax.fori_loop(0, substeps, lambda _, s: self.step(s[0], s[1], h), state)
            return state, state

        _, (qs, vs) = jax.lax.scan(kept, (q, v), length=points)
        return jnp.concatenate([q[None], qs]), jnp.concatenate([v[None], vs])
