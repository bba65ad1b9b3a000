"""Observables that a study writes as formulas: functions of position, velocity, acceleration, time.

Beside the observables of the language, which are functions of the state (see `observables`).
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from actionrun.compiler.numerics.array_types import ArrayFunction
from actionrun.compiler.numerics.integrators.mechanics import DiscreteMechanics, stacked
from jaxtyping import Array, Float

KEY = "observable"  # of channels that are formulas, in the place of the name of an observable


class MeasuredExpressions(eqx.Module):
    """`values` of (q, v, a, t, theta); `pushes`: the right-hand sides M a = F - dP/dt of
    (q, v, t, theta), where an acceleration stands in a formula; `periods` of values that are known
    up to their multiples, 0 for others."""

    values: ArrayFunction
    pushes: ArrayFunction | None
    periods: tuple[float, ...] = eqx.field(static=True)

    def __call__(
        self,
        mechanics: DiscreteMechanics,
        q: Float[Array, "samples n ..."],
        p: Float[Array, "samples n ..."],
        t: Float[Array, "samples ..."],
        theta: jax.Array,
    ) -> Float[Array, "samples formulas ..."]:
        """The formulas along motions; theta is (k, ...) or (k, samples, ...)."""
        q, p = q.swapaxes(0, 1), p.swapaxes(0, 1)
        theta = theta if theta.ndim == q.ndim else theta[:, None]
        v = mechanics.velocity(q, p, t, theta)
        a = jnp.zeros_like(q)
        if self.pushes is not None:
            right = stacked(self.pushes(*q, *v, t, *theta), q)
            a = mechanics.solve_mass(q, v, t, theta, right)
        return stacked(self.values(*q, *v, *a, t, *theta), q).swapaxes(0, 1)

    def nearest(self, miss: Float[Array, "samples ..."], formula: int) -> jax.Array:
        """A misfit less the multiples of its period."""
        period = self.periods[formula]
        return miss - period * jax.lax.stop_gradient(jnp.round(miss / period)) if period else miss
