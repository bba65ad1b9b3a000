"""Coefficients and starts to weighted residuals: shooting at measured motions."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from actionrun.compiler.numerics.integrators.shooting import Grid, Moving, motions_on
from actionrun.compiler.numerics.optimizers.inequality_constraints import Walls


class Shot(eqx.Module):
    """Coefficients and starts -> weighted residuals. Batch: (trials, lanes)."""

    ggl: Moving
    fixed: jax.Array
    grid: Grid
    values: jax.Array
    weight: jax.Array
    t: jax.Array
    names: tuple[tuple[str, int], ...] = eqx.field(static=True)
    k: int = eqx.field(static=True)
    contracts: bool = eqx.field(static=True)
    walls: Walls | None = None

    def _start(self, x):
        """Constants (constants, trials, lanes), starting q and p (n, trials, lanes)."""
        n, trials, lanes = self.ggl.mechanics.n, self.values.shape[-1], x.shape[-1]
        c = jnp.broadcast_to(x[: self.k][:, None], (self.k, trials, lanes))
        fixed = jnp.broadcast_to(self.fixed[:, None, None], (*self.fixed.shape, trials, lanes))
        theta = jnp.concatenate([fixed, c])
        state = x[self.k :].reshape((trials, 2, n, lanes))
        q, v = jnp.moveaxis(state[:, 0], 0, 1), jnp.moveaxis(state[:, 1], 0, 1)
        return theta, q, self.ggl.mechanics.momentum(q, v, self.t[0][:, None], theta)

    def motion(self, x):
        """Modelled channels (samples, channels, trials, lanes), and the worst change."""
        m = self.ggl.mechanics
        theta, q, p = self._start(x)
        found = motions_on(self.ggl, theta, q, p, self.grid, self.contracts)
        parts, velocity = [], None
        for variable, i in self.names:
            if variable == "q":
                parts.append(found.q[:, i])
            elif variable == "pi":
                parts.append(found.p[:, i])
            else:
                if velocity is None:
                    times = self.t[..., None]
                    velocity = m.velocity(
                        found.q.swapaxes(0, 1), found.p.swapaxes(0, 1), times, theta[:, None]
                    )
                parts.append(velocity[i])
        return jnp.stack(parts, axis=1), found.change

    def residual(self, x):
        modelled, _ = self.motion(x)
        miss = (modelled - self.values[..., None]) * self.weight[..., None]
        theta, q, p = self._start(x)
        span = jnp.max(self.t - self.t[0], axis=0)[:, None]
        off = self.ggl.departure(q, p, self.t[0][:, None], theta, span)
        rows = (miss.reshape((-1, x.shape[-1])), off.reshape((-1, x.shape[-1])))
        return jnp.concatenate(rows)
